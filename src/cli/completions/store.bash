
# From here on: what the store knows. astore is asked at each TAB, of the store that the line names, and says nothing
# where there is none.

# Puts the words up to the cursor into `words`. Bash cuts at '@', ':' and '=' too, which stand within references.
_astore_words() {
    local rest=${COMP_LINE:0:COMP_POINT} blank piece i
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blank=${rest%%[![:space:]]*}
        rest=${rest#"$blank"}
        piece=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || piece=$rest
        if [[ -n $blank || $i -eq 0 ]]; then words+=("$piece"); else words[-1]+=$piece; fi
        rest=${rest#"$piece"}
    done
}

# Sets `quote` to the quotation mark that is still open at the end of $1, or to nothing, and `behind` to what follows it.
_astore_quote() {
    local rest=$1 c
    quote= behind=
    while [[ -n $rest ]]; do
        c=${rest:0:1}
        rest=${rest:1}
        if [[ $c == \\ && $quote != \' ]]; then
            rest=${rest:1}
        elif [[ -z $quote && $c == [\"\'] ]]; then
            quote=$c
            behind=$rest
        elif [[ -n $quote && $c == "$quote" ]]; then
            quote=
        fi
    done
}

# Writes $1 as it stands where `quote` is open.
_astore_quoted() {
    candidate=$1
    case $quote in
        \') candidate=${1//\'/\'\\\'\'} ;;
        \") [[ $1 != *[\\\"\$\`]* ]] || candidate=$(sed 's/[\\"$`]/\\&/g' <<<"$1") ;;
        *) printf -v candidate %q "$1" ;;
    esac
}

# Prints what may stand there, one a line: $1 says what kind of thing, $2 what is typed of it.
_astore_candidates() {
    local with_names='{ name = $0; sub(/@.*/, "", name) } !seen[name]++ { print name } { print }'
    case $1 in
        references) "${asked[@]}" list --quiet --limit 10000 | awk "$with_names" ;;
        open) "${asked[@]}" list --quiet --open | awk "$with_names" ;;
        removed) "${asked[@]}" list --quiet --removed | awk "$with_names" ;;
        names) "${asked[@]}" list --quiet --all | sed 's/@.*//' | sort -u ;;
        pins) "${asked[@]}" pins --quiet ;;
        classes)
            "${asked[@]}" log --type v1.store.created --json | head -n 1 | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
            ;;
        stored)
            if [[ $2 != *:* ]]; then
                _astore_candidates references "$2" | sed 's/$/:/'
                return
            fi
            # One level of the tree; paths that are written out, since they have control characters, are left aside.
            "${asked[@]}" files "${2%%:*}" --quiet | grep -v '\\' | awk -v typed="${2#*:}" -v package="${2%%:*}:" '
                index($0, typed) == 1 {
                    slash = index(substr($0, length(typed) + 1), "/")
                    path = slash ? substr($0, 1, length(typed) + slash) : $0
                    if (!(path in known)) { known[path]; paths[++count] = path }
                }
                END { for (i = 1; i <= count; i++) if (!((paths[i] "/") in known)) print package paths[i] }'
            ;;
    esac 2>/dev/null </dev/null
}

_astore_with_store() {
    local words current place option= command= root= position=1 ended= word i
    _astore_words
    current=${words[-1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $option ]]; then
            [[ $option != --root ]] || root=$word
            option=
        elif [[ -n $ended || $word != -?* ]]; then
            if [[ -z $command ]]; then command=$word; else ((position++)); fi
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == --root=* ]]; then
            root=${word#*=}
        else
            case $word in
                @VALUES@) option=$word ;;
            esac
        fi
    done
    if [[ -n $option ]]; then
        place=$command:$option
    elif [[ -z $ended && $current == --*=* ]]; then
        place=$command:${current%%=*}
        current=${current#*=}
    elif [[ -z $ended && $current == -* ]]; then
        place=
    else
        place=$command:$position
    fi

    local kind= files=
    case $place in
@KINDS@
    esac
    if [[ -z $kind ]]; then
        _astore "$@"
        return
    fi
    COMPREPLY=()
    # A file, as bash completes it.
    [[ -z $files || $current != [./~]* ]] || return

    # What is typed may be quoted; so may the root.
    local quote behind
    _astore_quote "$current"
    current=${current//[\\\"\']/}
    root=${root//[\\\"\']/}
    root=${root/#\~\//$HOME/}
    local asked=("$1" --wait 1s) candidate cut
    [[ -z $root ]] || asked+=(--root "$root")
    # Bash puts what is found in the place of what stands behind the quotation mark that is open, else behind the last of
    # its word breaks.
    if [[ -n $quote ]]; then cut=${behind//[\\\"\']/}; else cut=${current##*[@:=]}; fi
    cut=${current%"$cut"}
    while IFS= read -r candidate; do
        if [[ $candidate == "$current"* ]]; then
            _astore_quoted "${candidate#"$cut"}"
            COMPREPLY+=("$candidate")
        fi
    done < <(_astore_candidates "$kind" "$current")
    [[ -n $files ]] || compopt +o default +o bashdefault 2>/dev/null
    if [[ $kind == stored && ${COMPREPLY[0]} == *[:/] ]]; then
        compopt -o nospace 2>/dev/null
        # Bash closes the quotes behind the only one that is found, though more is to follow: so it is not the only one.
        [[ -z $quote || ${#COMPREPLY[@]} -gt 1 ]] || COMPREPLY+=("${COMPREPLY[0]}...")
    fi
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _astore_with_store -o nosort -o bashdefault -o default astore
fi
