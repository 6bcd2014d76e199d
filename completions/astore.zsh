#compdef astore

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

autoload -U is-at-least

_astore() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'--verbose[With --version\: the commit and the formats too]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_astore_commands" \
"*::: :->astore" \
&& ret=0
    case $state in
    (astore)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:astore-command-$line[1]:"
        case $line[1] in
            (init)
_arguments "${_arguments_options[@]}" : \
'*--class=[A retention class of this store'\''s own; DURATION is an integer with s, m, h, d or w, or "never"]:NAME=DURATION:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--shared[Let the directory'\''s group write too]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--limit=[At most this many, the newest]:N:_default' \
'*--meta=[Only those that have this label, or, with KEY alone, any value of it; may be repeated, and all must hold]:KEY[=VALUE]:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--all[Removed ones too]' \
'--open[Only open ones]' \
'--removed[Only removed ones]' \
'--expired[Only finalised ones whose expiry is past\: the next gc may take their bytes]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(pins)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_astore__subcmd__schema_commands" \
"*::: :->schema" \
&& ret=0

    case $state in
    (schema)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:astore-schema-command-$line[1]:"
        case $line[1] in
            (add)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- The schema'\''s name, of the form of a package'\''s:_default' \
':file -- The schema; - is standard input:_files' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':schema -- The schema\: its name, or name@version:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(log)
_arguments "${_arguments_options[@]}" : \
'--since=[Only events after event N]:N:_default' \
'--type=[Only events of this type, such as v1.package.finalized]:TYPE:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--follow[Go on printing events as they happen, until interrupted]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(replay)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--check[Compare only]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(recover)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--from-objects[List the packages that only their manifests still tell of]' \
'--confirm[Import them]' \
'--yes[Do not ask]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(stats)
_arguments "${_arguments_options[@]}" : \
'--metrics-file=[Write what was measured into this file, for Prometheus; {command} stands for the command \[env\: ASTORE_METRICS_FILE\]]:FILE:_files' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
'--metrics-file=[Write what was measured into this file, for Prometheus; {command} stands for the command \[env\: ASTORE_METRICS_FILE\]]:FILE:_files' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell:((bash\:"GNU Bash"
zsh\:"Z shell"
fish\:"fish"))' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'--out=[Write every page into this directory, which is made if it is missing]:DIR:_files' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--sections[Put the pages into man1, man5 and man7 beneath it]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::command -- The command whose page is printed, or tutorial or formats \[default\: the overview\]:_default' \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
'()--files-from=[Add what FILE lists, one path a line; - is standard input]:FILE:_files' \
'(--files-from)*--from-command=[Add what a command prints; all that follows is the command]:CMD:_default' \
'(--files-from --from-command)--tar=[Add what a tar archive holds, without unpacking it to disk; - is standard input]:FILE:_files' \
'(--files-from --from-command --tar --oci --check --exclude --exclude-from --exclude-caches --one-file-system --keep-going)--bagit=[Add the payload of a bag (BagIt, RFC 8493), if the bag is complete and valid]:DIR:_files' \
'(--files-from --from-command --tar --mtime --exclude --exclude-from --exclude-caches --one-file-system --keep-going)--oci=[Add the package that an OCI image layout holds, as export --oci wrote it, wherever it was copied since]:DIR:_files' \
'--tag=[Of several packages in the layout, the one that has this tag]:TAG:_default' \
'--check=[Add nothing unless every file is as FILE says, which is what sha256sum or b3sum wrote]:FILE:_files' \
'*--meta=[A label to keep with the package; may be repeated]:KEY=VALUE:_default' \
'*--meta-file=[Labels from a file; - is standard input; may be repeated]:FILE:_files' \
'--schema=[Take the package only if its labels fit this schema; see astore schema]:NAME[@N]:_default' \
'*--provenance=[Say where a new package comes from, beside or in place of what is recorded by itself; may be repeated]:KEY=VALUE:_default' \
'*--exclude=[Leave out what matches, as a line of .gitignore would; may be repeated]:PATTERN:_default' \
'*--exclude-from=[Leave out what matches the patterns in FILE, one a line as in .gitignore; may be repeated]:FILE:_files' \
'--stdin-name=[The path in the package of what standard input or CMD says \[default\: stdin\]]:PATH:_default' \
'--metrics-file=[Write what was measured into this file, for Prometheus; {command} stands for the command \[env\: ASTORE_METRICS_FILE\]]:FILE:_files' \
'--name=[The package'\''s name \[default\: the last component of PATH\]]:NAME:_astore_names' \
'(--name --class --meta --meta-file --provenance --no-provenance --schema)--package=[Add to this open package instead of making a new one]:REF:_astore_open' \
'--class=[The retention class\: how long the package is wanted \[env\: ASTORE_CLASS\] \[default\: permanent-record\]]:CLASS:_astore_classes' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'-0[Each path of --files-from ends with NUL, as after find -print0]' \
'--from0[Each path of --files-from ends with NUL, as after find -print0]' \
'--outside-links[Take symlinks that lead out of an archive or a bag as they are]' \
'--finalize[Freeze the package and write its manifest in the same step]' \
'(--package)--if-changed[Print the newest version and make none where its content is the same]' \
'--replace[Let what is added displace what stands under the same path]' \
'--no-provenance[Record nothing of where the package comes from but what --provenance says]' \
'--mtime[Keep modification times]' \
'(--tar)--exclude-caches[Of a directory that is marked as a cache by a CACHEDIR.TAG, take the tag alone]' \
'--one-file-system[Do not enter directories where other file systems are mounted]' \
'--no-cache[Read every file, even where its size and times are as they were]' \
'(--keep-going --from-command --tar)--reflink[Share the blocks of every file with the store, or add nothing]' \
'--keep-going[Leave out what cannot be read, list it, and exit with 3]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::paths -- A file, a directory, or - for standard input:_files' \
&& ret=0
;;
(finalize)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_open' \
&& ret=0
;;
(manifest)
_arguments "${_arguments_options[@]}" : \
'(--digest)--format=[How to print it \[default\: text\]]:FORMAT:((text\:"For people"
json\:"The exact JSON projection"
cbor\:"The canonical bytes"
sha256sums\:"A check file for sha256sum -c"
b3sums\:"A check file for b3sum -c"
in-toto\:"An in-toto Statement v1 about its files, with SLSA provenance v1"))' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--digest[Print only the manifest'\''s digest]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(files)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'-0[Print raw paths only, each ended by a NUL byte]' \
'--null[Print raw paths only, each ended by a NUL byte]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':left -- The package on the left:_astore_references' \
':right -- The package or directory on the right:_astore_references_or_files' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--read[Read every byte in the store, however long]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':target -- An address, a file anywhere, or a file of a package:_astore_stored_or_files' \
&& ret=0
;;
(cat)
_arguments "${_arguments_options[@]}" : \
'--range=[Only these bytes, counted from 0, both ends included; A- goes on to the end]:A-B:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':target -- A file of a package, or an address:_astore_stored' \
&& ret=0
;;
(export)
_arguments "${_arguments_options[@]}" : \
'()--tar=[Write a tar archive instead\: a file that does not exist yet, or - for standard output]:FILE:_files' \
'()--nar=[Write a NAR, the archive of Nix, instead\: a file that does not exist yet, or - for standard output]:FILE:_files' \
'(--tar --nar)--bagit=[Write a bag (BagIt, RFC 8493) instead, into a directory that is missing or empty]:DIR:_files' \
'(--tar --nar --bagit)--oci=[Write an OCI image layout instead, with the package as one artifact\: a directory that is missing or empty]:DIR:_files' \
'(--tar --nar)--link=[How files come to be]:HOW:((auto\:"By reflink where that is possible, else by copying"
reflink\:"By reflink or not at all"
copy\:"By copying"))' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'(--tar --nar --oci)--special-modes[Set the setuid, setgid and sticky bits too]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::destination -- A directory that is missing or empty:_files' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
'--reason=[Why; the log keeps it]:TEXT:_default' \
'--keep=[Remove all but the newest N finalised versions of a name]:N:_default' \
'--older-than=[Of these, only those that were finalised longer ago than this]:DURATION:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--dry-run[Say what would be removed and change nothing]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::references -- The packages\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_removed' \
&& ret=0
;;
(pin)
_arguments "${_arguments_options[@]}" : \
'--reason=[Why; the log keeps it]:TEXT:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- The pin'\''s name, of the form of a package'\''s name:_astore_pins' \
':target -- The package (name, name@version, id or the beginning of an id), or the address of an object:_astore_references' \
&& ret=0
;;
(unpin)
_arguments "${_arguments_options[@]}" : \
'--reason=[Why; the log keeps it]:TEXT:_default' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- The pin'\''s name:_astore_pins' \
&& ret=0
;;
(retain)
_arguments "${_arguments_options[@]}" : \
'--until=[Keep it to the end of this day, UTC\: YYYY-MM-DD]:DATE:_default' \
'--reason=[Why; the log keeps it, and it is the reason of a hold]:TEXT:_default' \
'--class=[The new retention class]:CLASS:_astore_classes' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'(--release)--hold[Set a hold; a second one gives the hold another reason]' \
'--release[Release the hold]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(attest)
_arguments "${_arguments_options[@]}" : \
'--class=[The retention class of the attestation \[default\: that of the package\]]:CLASS:_astore_classes' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':file -- The statement; - is standard input:_files' \
':reference -- The package\: name, name@version, id or the beginning of an id:_astore_references' \
&& ret=0
;;
(gc)
_arguments "${_arguments_options[@]}" : \
'--confirm=[Carry the plan out\: the one of this moment, or exactly PLAN]::PLAN:_default' \
'--min-age=[Keep what was named or let go less than this ago \[env\: ASTORE_MIN_AGE\] \[default\: 24h\]]:DURATION:_default' \
'--reason=[Why; the log keeps it]:TEXT:_default' \
'--metrics-file=[Write what was measured into this file, for Prometheus; {command} stands for the command \[env\: ASTORE_METRICS_FILE\]]:FILE:_files' \
'(--confirm --yes --reason --accept-clock)*--without=[Say what would be freed if these packages were removed; age is left aside]:REF:_astore_references' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'--yes[Do not ask]' \
'--accept-clock[Believe this machine'\''s clock though it looks wrong; the log says so]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'--head=[Fail unless the log contains this event, as '\''astore health'\'' prints it]:N:DIGEST:_default' \
'(--quick)--budget=[Read on from where the last run ended, and begin nothing more after this time (30m, 2h)]:DURATION:_default' \
'(--quick)--sample=[Read on from where the last run ended, this share of the objects (5%, 0.5%); with --budget, whichever ends first]:SHARE:_default' \
'()--max-age=[Exit with 12 if anything was not read for longer than this (30d)]:DURATION:_default' \
'--threads=[How many threads read \[env\: ASTORE_THREADS\] \[default\: one a processor\]]:N:_default' \
'--metrics-file=[Write what was measured into this file, for Prometheus; {command} stands for the command \[env\: ASTORE_METRICS_FILE\]]:FILE:_files' \
'--root=[The store'\''s directory; of several the last counts \[env\: ASTORE_ROOT\] \[default\: \$XDG_DATA_HOME/astore, else ~/.local/share/astore\]]:DIR:_files' \
'--actor=[Who the log says did it \[env\: ASTORE_ACTOR\] \[default\: user@host\]]:NAME:_default' \
'--wait=[How long to wait for others who hold the store'\''s lock \[env\: ASTORE_WAIT\] \[default\: 10m\]]:DURATION:_default' \
'--color=[Whether to colour text; NO_COLOR means never \[env\: ASTORE_COLOR\] \[default\: auto\]]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Even into a pipe"
never\:"Not at all"))' \
'(--both)--quick[Compare names, sizes and the chain without reading bytes]' \
'--both[Check SHA-256 as well as BLAKE3]' \
'--no-record[Do not record the result in the log]' \
'--json[Print JSON\: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too]' \
'-q[Print exactly the result\: no remarks, no progress]' \
'--quiet[Print exactly the result\: no remarks, no progress]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::references -- Only what these packages hold:_astore_references' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_astore__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:astore-help-command-$line[1]:"
        case $line[1] in
            (init)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(pins)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(schema)
_arguments "${_arguments_options[@]}" : \
":: :_astore__subcmd__help__subcmd__schema_commands" \
"*::: :->schema" \
&& ret=0

    case $state in
    (schema)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:astore-help-schema-command-$line[1]:"
        case $line[1] in
            (add)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(log)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(replay)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(recover)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(stats)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(finalize)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(manifest)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(files)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(cat)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(export)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(pin)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(unpin)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(retain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(attest)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(gc)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_astore_commands] )) ||
_astore_commands() {
    local commands; commands=(
'init:Make a store' \
'list:List packages' \
'pins:List the pins' \
'schema:Register schemas for the labels of packages' \
'log:Print the event log, oldest first' \
'replay:Compute the views again from the event log' \
'recover:Build the database anew from log/, after damage or loss' \
'stats:Say what the store holds\: packages, objects, sizes' \
'health:Say how the store is\: its head, free space, last verify, and concerns' \
'completions:Print a shell'\''s completion script' \
'man:Print the manual, or write all of its pages' \
'add:Add files and trees to a package' \
'finalize:Freeze an open package and write its manifest' \
'manifest:Print the manifest of a finalised package' \
'show:Show a package\: digests, sizes, labels, and the events about it' \
'files:List the entries of a package\: files, directories, symlinks' \
'diff:Compare a package with another or with a directory' \
'explain:Give the verdict on some bytes, and tell what keeps them' \
'cat:Print the bytes of a file or an object' \
'export:Write the tree of a package out again, checked as it is written' \
'remove:Take packages away; their bytes stay' \
'restore:Bring a removed package back' \
'pin:Keep the bytes of a package or of an object, under a name' \
'unpin:Take a pin away' \
'retain:Change how long a package is wanted, or hold it' \
'attest:Keep what somebody states about a package beside it' \
'gc:Say what nothing keeps any more, and, confirmed, delete it' \
'verify:Re-read stored objects and compare them with what the log says' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'astore commands' commands "$@"
}
(( $+functions[_astore__subcmd__add_commands] )) ||
_astore__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'astore add commands' commands "$@"
}
(( $+functions[_astore__subcmd__attest_commands] )) ||
_astore__subcmd__attest_commands() {
    local commands; commands=()
    _describe -t commands 'astore attest commands' commands "$@"
}
(( $+functions[_astore__subcmd__cat_commands] )) ||
_astore__subcmd__cat_commands() {
    local commands; commands=()
    _describe -t commands 'astore cat commands' commands "$@"
}
(( $+functions[_astore__subcmd__completions_commands] )) ||
_astore__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'astore completions commands' commands "$@"
}
(( $+functions[_astore__subcmd__diff_commands] )) ||
_astore__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'astore diff commands' commands "$@"
}
(( $+functions[_astore__subcmd__explain_commands] )) ||
_astore__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'astore explain commands' commands "$@"
}
(( $+functions[_astore__subcmd__export_commands] )) ||
_astore__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'astore export commands' commands "$@"
}
(( $+functions[_astore__subcmd__files_commands] )) ||
_astore__subcmd__files_commands() {
    local commands; commands=()
    _describe -t commands 'astore files commands' commands "$@"
}
(( $+functions[_astore__subcmd__finalize_commands] )) ||
_astore__subcmd__finalize_commands() {
    local commands; commands=()
    _describe -t commands 'astore finalize commands' commands "$@"
}
(( $+functions[_astore__subcmd__gc_commands] )) ||
_astore__subcmd__gc_commands() {
    local commands; commands=()
    _describe -t commands 'astore gc commands' commands "$@"
}
(( $+functions[_astore__subcmd__health_commands] )) ||
_astore__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'astore health commands' commands "$@"
}
(( $+functions[_astore__subcmd__help_commands] )) ||
_astore__subcmd__help_commands() {
    local commands; commands=(
'init:Make a store' \
'list:List packages' \
'pins:List the pins' \
'schema:Register schemas for the labels of packages' \
'log:Print the event log, oldest first' \
'replay:Compute the views again from the event log' \
'recover:Build the database anew from log/, after damage or loss' \
'stats:Say what the store holds\: packages, objects, sizes' \
'health:Say how the store is\: its head, free space, last verify, and concerns' \
'completions:Print a shell'\''s completion script' \
'man:Print the manual, or write all of its pages' \
'add:Add files and trees to a package' \
'finalize:Freeze an open package and write its manifest' \
'manifest:Print the manifest of a finalised package' \
'show:Show a package\: digests, sizes, labels, and the events about it' \
'files:List the entries of a package\: files, directories, symlinks' \
'diff:Compare a package with another or with a directory' \
'explain:Give the verdict on some bytes, and tell what keeps them' \
'cat:Print the bytes of a file or an object' \
'export:Write the tree of a package out again, checked as it is written' \
'remove:Take packages away; their bytes stay' \
'restore:Bring a removed package back' \
'pin:Keep the bytes of a package or of an object, under a name' \
'unpin:Take a pin away' \
'retain:Change how long a package is wanted, or hold it' \
'attest:Keep what somebody states about a package beside it' \
'gc:Say what nothing keeps any more, and, confirmed, delete it' \
'verify:Re-read stored objects and compare them with what the log says' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'astore help commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__add_commands] )) ||
_astore__subcmd__help__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'astore help add commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__attest_commands] )) ||
_astore__subcmd__help__subcmd__attest_commands() {
    local commands; commands=()
    _describe -t commands 'astore help attest commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__cat_commands] )) ||
_astore__subcmd__help__subcmd__cat_commands() {
    local commands; commands=()
    _describe -t commands 'astore help cat commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__completions_commands] )) ||
_astore__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'astore help completions commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__diff_commands] )) ||
_astore__subcmd__help__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'astore help diff commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__explain_commands] )) ||
_astore__subcmd__help__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'astore help explain commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__export_commands] )) ||
_astore__subcmd__help__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'astore help export commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__files_commands] )) ||
_astore__subcmd__help__subcmd__files_commands() {
    local commands; commands=()
    _describe -t commands 'astore help files commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__finalize_commands] )) ||
_astore__subcmd__help__subcmd__finalize_commands() {
    local commands; commands=()
    _describe -t commands 'astore help finalize commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__gc_commands] )) ||
_astore__subcmd__help__subcmd__gc_commands() {
    local commands; commands=()
    _describe -t commands 'astore help gc commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__health_commands] )) ||
_astore__subcmd__help__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'astore help health commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__help_commands] )) ||
_astore__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'astore help help commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__init_commands] )) ||
_astore__subcmd__help__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'astore help init commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__list_commands] )) ||
_astore__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'astore help list commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__log_commands] )) ||
_astore__subcmd__help__subcmd__log_commands() {
    local commands; commands=()
    _describe -t commands 'astore help log commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__man_commands] )) ||
_astore__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'astore help man commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__manifest_commands] )) ||
_astore__subcmd__help__subcmd__manifest_commands() {
    local commands; commands=()
    _describe -t commands 'astore help manifest commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__pin_commands] )) ||
_astore__subcmd__help__subcmd__pin_commands() {
    local commands; commands=()
    _describe -t commands 'astore help pin commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__pins_commands] )) ||
_astore__subcmd__help__subcmd__pins_commands() {
    local commands; commands=()
    _describe -t commands 'astore help pins commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__recover_commands] )) ||
_astore__subcmd__help__subcmd__recover_commands() {
    local commands; commands=()
    _describe -t commands 'astore help recover commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__remove_commands] )) ||
_astore__subcmd__help__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'astore help remove commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__replay_commands] )) ||
_astore__subcmd__help__subcmd__replay_commands() {
    local commands; commands=()
    _describe -t commands 'astore help replay commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__restore_commands] )) ||
_astore__subcmd__help__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'astore help restore commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__retain_commands] )) ||
_astore__subcmd__help__subcmd__retain_commands() {
    local commands; commands=()
    _describe -t commands 'astore help retain commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__schema_commands] )) ||
_astore__subcmd__help__subcmd__schema_commands() {
    local commands; commands=(
'add:Register a schema, or its next version, and print its reference' \
'list:List every version of every schema; with --json, one document a line' \
'show:Print a schema, byte for byte as it was registered' \
    )
    _describe -t commands 'astore help schema commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__schema__subcmd__add_commands] )) ||
_astore__subcmd__help__subcmd__schema__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'astore help schema add commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__schema__subcmd__list_commands] )) ||
_astore__subcmd__help__subcmd__schema__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'astore help schema list commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__schema__subcmd__show_commands] )) ||
_astore__subcmd__help__subcmd__schema__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'astore help schema show commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__show_commands] )) ||
_astore__subcmd__help__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'astore help show commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__stats_commands] )) ||
_astore__subcmd__help__subcmd__stats_commands() {
    local commands; commands=()
    _describe -t commands 'astore help stats commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__unpin_commands] )) ||
_astore__subcmd__help__subcmd__unpin_commands() {
    local commands; commands=()
    _describe -t commands 'astore help unpin commands' commands "$@"
}
(( $+functions[_astore__subcmd__help__subcmd__verify_commands] )) ||
_astore__subcmd__help__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'astore help verify commands' commands "$@"
}
(( $+functions[_astore__subcmd__init_commands] )) ||
_astore__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'astore init commands' commands "$@"
}
(( $+functions[_astore__subcmd__list_commands] )) ||
_astore__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'astore list commands' commands "$@"
}
(( $+functions[_astore__subcmd__log_commands] )) ||
_astore__subcmd__log_commands() {
    local commands; commands=()
    _describe -t commands 'astore log commands' commands "$@"
}
(( $+functions[_astore__subcmd__man_commands] )) ||
_astore__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'astore man commands' commands "$@"
}
(( $+functions[_astore__subcmd__manifest_commands] )) ||
_astore__subcmd__manifest_commands() {
    local commands; commands=()
    _describe -t commands 'astore manifest commands' commands "$@"
}
(( $+functions[_astore__subcmd__pin_commands] )) ||
_astore__subcmd__pin_commands() {
    local commands; commands=()
    _describe -t commands 'astore pin commands' commands "$@"
}
(( $+functions[_astore__subcmd__pins_commands] )) ||
_astore__subcmd__pins_commands() {
    local commands; commands=()
    _describe -t commands 'astore pins commands' commands "$@"
}
(( $+functions[_astore__subcmd__recover_commands] )) ||
_astore__subcmd__recover_commands() {
    local commands; commands=()
    _describe -t commands 'astore recover commands' commands "$@"
}
(( $+functions[_astore__subcmd__remove_commands] )) ||
_astore__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'astore remove commands' commands "$@"
}
(( $+functions[_astore__subcmd__replay_commands] )) ||
_astore__subcmd__replay_commands() {
    local commands; commands=()
    _describe -t commands 'astore replay commands' commands "$@"
}
(( $+functions[_astore__subcmd__restore_commands] )) ||
_astore__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'astore restore commands' commands "$@"
}
(( $+functions[_astore__subcmd__retain_commands] )) ||
_astore__subcmd__retain_commands() {
    local commands; commands=()
    _describe -t commands 'astore retain commands' commands "$@"
}
(( $+functions[_astore__subcmd__schema_commands] )) ||
_astore__subcmd__schema_commands() {
    local commands; commands=(
'add:Register a schema, or its next version, and print its reference' \
'list:List every version of every schema; with --json, one document a line' \
'show:Print a schema, byte for byte as it was registered' \
    )
    _describe -t commands 'astore schema commands' commands "$@"
}
(( $+functions[_astore__subcmd__schema__subcmd__add_commands] )) ||
_astore__subcmd__schema__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'astore schema add commands' commands "$@"
}
(( $+functions[_astore__subcmd__schema__subcmd__list_commands] )) ||
_astore__subcmd__schema__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'astore schema list commands' commands "$@"
}
(( $+functions[_astore__subcmd__schema__subcmd__show_commands] )) ||
_astore__subcmd__schema__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'astore schema show commands' commands "$@"
}
(( $+functions[_astore__subcmd__show_commands] )) ||
_astore__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'astore show commands' commands "$@"
}
(( $+functions[_astore__subcmd__stats_commands] )) ||
_astore__subcmd__stats_commands() {
    local commands; commands=()
    _describe -t commands 'astore stats commands' commands "$@"
}
(( $+functions[_astore__subcmd__unpin_commands] )) ||
_astore__subcmd__unpin_commands() {
    local commands; commands=()
    _describe -t commands 'astore unpin commands' commands "$@"
}
(( $+functions[_astore__subcmd__verify_commands] )) ||
_astore__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'astore verify commands' commands "$@"
}

if [ "$funcstack[1]" = "_astore" ]; then
    _astore "$@"
else
    compdef _astore astore
fi
