
# From here on: what the store knows. astore is asked at each TAB, of the store that the line names, and says nothing
# where there is none.

# Prints what may stand there, one a line: the argument says what kind of thing.
function __fish_astore_ask
    set -l line (commandline -opc)
    set -l asked astore --wait 1s
    set -l is_root no
    for word in $line
        if test $is_root = yes
            set -a asked --root (string replace -r '^~/' $HOME/ -- $word)
            set is_root no
        else if test "$word" = --root
            set is_root yes
        else if string match -q -- '--root=*' $word
            set -a asked --root (string replace -r '^--root=' '' -- $word | string replace -r '^~/' $HOME/)
        end
    end
    set -l with_names '{ name = $0; sub(/@.*/, "", name) } !seen[name]++ { print name } { print }'
    switch $argv[1]
        case references
            $asked list --quiet --limit 10000 2>/dev/null </dev/null | awk $with_names
        case open
            $asked list --quiet --open 2>/dev/null </dev/null | awk $with_names
        case removed
            $asked list --quiet --removed 2>/dev/null </dev/null | awk $with_names
        case names
            $asked list --quiet --all 2>/dev/null </dev/null | sed 's/@.*//' | sort -u
        case pins
            $asked pins --quiet 2>/dev/null </dev/null
        case classes
            $asked log --type v1.store.created --json 2>/dev/null </dev/null | head -n 1 |
                grep -o '"name":"[^"]*"' | cut -d '"' -f 4
        case stored
            set -l typed (commandline -ct)
            set -l halves (string split -m 1 : -- "$typed")
            if test (count $halves) -lt 2
                __fish_astore_ask references | sed 's/$/:/'
                return
            end
            # One level of the tree; paths that are written out, since they have control characters, are left aside.
            $asked files $halves[1] --quiet 2>/dev/null </dev/null | grep -v '\\\\' |
                awk -v typed=$halves[2] -v package=$halves[1]: '
                index($0, typed) == 1 {
                    slash = index(substr($0, length(typed) + 1), "/")
                    path = slash ? substr($0, 1, length(typed) + slash) : $0
                    if (!(path in known)) { known[path]; paths[++count] = path }
                }
                END { for (i = 1; i <= count; i++) if (!((paths[i] "/") in known)) print package paths[i] }'
    end
end

@KINDS@
