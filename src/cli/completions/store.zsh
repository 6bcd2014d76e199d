
# What the store knows: astore is asked at each TAB, of the store that the line names, and says nothing where there is none.

# Prints what may stand there, one a line: $1 says what kind of thing, $2 what is typed of it.
_astore_ask() {
    emulate -L zsh
    local -a line=(${(z)LBUFFER}) asked=(astore --wait 1s)
    local i root with_names='{ name = $0; sub(/@.*/, "", name) } !seen[name]++ { print name } { print }'
    for (( i = 1; i <= $#line; i++ )); do
        case $line[i] in
            (--root) root=${(Q)line[i + 1]} ;;
            (--root=*) root=${(Q)line[i]#*=} ;;
        esac
    done
    [[ -z $root ]] || asked+=(--root ${root/#\~\//$HOME/})
    case $1 in
        (references) $asked list --quiet --limit 10000 | awk $with_names ;;
        (open) $asked list --quiet --open | awk $with_names ;;
        (removed) $asked list --quiet --removed | awk $with_names ;;
        (names) $asked list --quiet --all | sed 's/@.*//' | sort -u ;;
        (pins) $asked pins --quiet ;;
        (classes)
            $asked log --type v1.store.created --json | head -n 1 | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
            ;;
        (stored)
            if [[ $2 != *:* ]]; then
                _astore_ask references $2 | sed 's/$/:/'
                return
            fi
            # One level of the tree; paths that are written out, since they have control characters, are left aside.
            $asked files ${2%%:*} --quiet | grep -v '\\' | awk -v typed=${2#*:} -v package=${2%%:*}: '
                index($0, typed) == 1 {
                    slash = index(substr($0, length(typed) + 1), "/")
                    path = slash ? substr($0, 1, length(typed) + slash) : $0
                    if (!(path in known)) { known[path]; paths[++count] = path }
                }
                END { for (i = 1; i <= count; i++) if (!((paths[i] "/") in known)) print package paths[i] }'
            ;;
    esac 2>/dev/null </dev/null
}

_astore_offer() {
    local -a found=("${(@f)$(_astore_ask $1 ${(Q)PREFIX})}")
    (( $#found )) && [[ -n $found[1] ]] || return 1
    if [[ $1 == stored ]]; then compadd -S '' -a found; else compadd -a found; fi
}
_astore_references() { _astore_offer references }
_astore_open() { _astore_offer open }
_astore_removed() { _astore_offer removed }
_astore_names() { _astore_offer names }
_astore_pins() { _astore_offer pins }
_astore_classes() { _astore_offer classes }
_astore_stored() { _astore_offer stored }
_astore_references_or_files() { _astore_offer references; _files }
_astore_stored_or_files() { _astore_offer stored; _files }
