# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_astore_global_optspecs
    string join \n root= json q/quiet actor= wait= color= verbose h/help V/version
end

function __fish_astore_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_astore_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_astore_using_subcommand
    set -l cmd (__fish_astore_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c astore -n "__fish_astore_needs_command" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_needs_command" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_needs_command" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_needs_command" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_needs_command" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_needs_command" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_needs_command" -l verbose -d 'With --version: the commit and the formats too'
complete -c astore -n "__fish_astore_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_needs_command" -s V -l version -d 'Print version'
complete -c astore -n "__fish_astore_needs_command" -f -a "init" -d 'Make a store'
complete -c astore -n "__fish_astore_needs_command" -f -a "add" -d 'Add files and trees to a package'
complete -c astore -n "__fish_astore_needs_command" -f -a "finalize" -d 'Freeze an open package and write its manifest'
complete -c astore -n "__fish_astore_needs_command" -f -a "manifest" -d 'Print the manifest of a finalised package'
complete -c astore -n "__fish_astore_needs_command" -f -a "list" -d 'List packages'
complete -c astore -n "__fish_astore_needs_command" -f -a "show" -d 'Show a package: digests, sizes, labels, and the events about it'
complete -c astore -n "__fish_astore_needs_command" -f -a "files" -d 'List the entries of a package: files, directories, symlinks'
complete -c astore -n "__fish_astore_needs_command" -f -a "diff" -d 'Compare a package with another or with a directory'
complete -c astore -n "__fish_astore_needs_command" -f -a "explain" -d 'Give the verdict on some bytes, and tell what keeps them'
complete -c astore -n "__fish_astore_needs_command" -f -a "cat" -d 'Print the bytes of a file or an object'
complete -c astore -n "__fish_astore_needs_command" -f -a "export" -d 'Write the tree of a package out again, checked as it is written'
complete -c astore -n "__fish_astore_needs_command" -f -a "remove" -d 'Take packages away; their bytes stay'
complete -c astore -n "__fish_astore_needs_command" -f -a "restore" -d 'Bring a removed package back'
complete -c astore -n "__fish_astore_needs_command" -f -a "pin" -d 'Keep the bytes of a package or of an object, under a name'
complete -c astore -n "__fish_astore_needs_command" -f -a "unpin" -d 'Take a pin away'
complete -c astore -n "__fish_astore_needs_command" -f -a "pins" -d 'List the pins'
complete -c astore -n "__fish_astore_needs_command" -f -a "retain" -d 'Change how long a package is wanted, or hold it'
complete -c astore -n "__fish_astore_needs_command" -f -a "schema" -d 'Register schemas for the labels of packages'
complete -c astore -n "__fish_astore_needs_command" -f -a "attest" -d 'Keep what somebody states about a package beside it'
complete -c astore -n "__fish_astore_needs_command" -f -a "gc" -d 'Say what nothing keeps any more, and, confirmed, delete it'
complete -c astore -n "__fish_astore_needs_command" -f -a "verify" -d 'Re-read stored objects and compare them with what the log says'
complete -c astore -n "__fish_astore_needs_command" -f -a "log" -d 'Print the event log, oldest first'
complete -c astore -n "__fish_astore_needs_command" -f -a "replay" -d 'Compute the views again from the event log'
complete -c astore -n "__fish_astore_needs_command" -f -a "recover" -d 'Build the database anew from log/, after damage or loss'
complete -c astore -n "__fish_astore_needs_command" -f -a "stats" -d 'Say what the store holds: packages, objects, sizes'
complete -c astore -n "__fish_astore_needs_command" -f -a "health" -d 'Say how the store is: its head, free space, last verify, and concerns'
complete -c astore -n "__fish_astore_needs_command" -f -a "completions" -d 'Print a shell\'s completion script'
complete -c astore -n "__fish_astore_needs_command" -f -a "man" -d 'Print the manual, or write all of its pages'
complete -c astore -n "__fish_astore_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c astore -n "__fish_astore_using_subcommand init" -l class -d 'A retention class of this store\'s own; DURATION is an integer with s, m, h, d or w, or "never"' -r
complete -c astore -n "__fish_astore_using_subcommand init" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand init" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand init" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand init" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand init" -l shared -d 'Let the directory\'s group write too'
complete -c astore -n "__fish_astore_using_subcommand init" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand init" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand add" -l files-from -d 'Add what FILE lists, one path a line; - is standard input' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l from-command -d 'Add what a command prints; all that follows is the command' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l tar -d 'Add what a tar archive holds, without unpacking it to disk; - is standard input' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l bagit -d 'Add the payload of a bag (BagIt, RFC 8493), if the bag is complete and valid' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l oci -d 'Add the package that an OCI image layout holds, as export --oci wrote it, wherever it was copied since' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l tag -d 'Of several packages in the layout, the one that has this tag' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l check -d 'Add nothing unless every file is as FILE says, which is what sha256sum or b3sum wrote' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l name -d 'The package\'s name [default: the last component of PATH]' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l package -d 'Add to this open package instead of making a new one' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l class -d 'The retention class: how long the package is wanted [env: ASTORE_CLASS] [default: permanent-record]' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l meta -d 'A label to keep with the package; may be repeated' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l meta-file -d 'Labels from a file; - is standard input; may be repeated' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l schema -d 'Take the package only if its labels fit this schema; see astore schema' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l provenance -d 'Say where a new package comes from, beside or in place of what is recorded by itself; may be repeated' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l exclude -d 'Leave out what matches, as a line of .gitignore would; may be repeated' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l exclude-from -d 'Leave out what matches the patterns in FILE, one a line as in .gitignore; may be repeated' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l stdin-name -d 'The path in the package of what standard input or CMD says [default: stdin]' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l metrics-file -d 'Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand add" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand add" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand add" -s 0 -l from0 -d 'Each path of --files-from ends with NUL, as after find -print0'
complete -c astore -n "__fish_astore_using_subcommand add" -l outside-links -d 'Take symlinks that lead out of an archive or a bag as they are'
complete -c astore -n "__fish_astore_using_subcommand add" -l finalize -d 'Freeze the package and write its manifest in the same step'
complete -c astore -n "__fish_astore_using_subcommand add" -l if-changed -d 'Print the newest version and make none where its content is the same'
complete -c astore -n "__fish_astore_using_subcommand add" -l replace -d 'Let what is added displace what stands under the same path'
complete -c astore -n "__fish_astore_using_subcommand add" -l no-provenance -d 'Record nothing of where the package comes from but what --provenance says'
complete -c astore -n "__fish_astore_using_subcommand add" -l mtime -d 'Keep modification times'
complete -c astore -n "__fish_astore_using_subcommand add" -l exclude-caches -d 'Of a directory that is marked as a cache by a CACHEDIR.TAG, take the tag alone'
complete -c astore -n "__fish_astore_using_subcommand add" -l one-file-system -d 'Do not enter directories where other file systems are mounted'
complete -c astore -n "__fish_astore_using_subcommand add" -l no-cache -d 'Read every file, even where its size and times are as they were'
complete -c astore -n "__fish_astore_using_subcommand add" -l reflink -d 'Share the blocks of every file with the store, or add nothing'
complete -c astore -n "__fish_astore_using_subcommand add" -l keep-going -d 'Leave out what cannot be read, list it, and exit with 3'
complete -c astore -n "__fish_astore_using_subcommand add" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand add" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand finalize" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand finalize" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand finalize" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand finalize" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand finalize" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand finalize" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand finalize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand manifest" -l format -d 'How to print it [default: text]' -r -f -a "text\t'For people'
json\t'The exact JSON projection'
cbor\t'The canonical bytes'
sha256sums\t'A check file for sha256sum -c'
b3sums\t'A check file for b3sum -c'
in-toto\t'An in-toto Statement v1 about its files, with SLSA provenance v1'"
complete -c astore -n "__fish_astore_using_subcommand manifest" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand manifest" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand manifest" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand manifest" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand manifest" -l digest -d 'Print only the manifest\'s digest'
complete -c astore -n "__fish_astore_using_subcommand manifest" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand manifest" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand manifest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand list" -l limit -d 'At most this many, the newest' -r
complete -c astore -n "__fish_astore_using_subcommand list" -l meta -d 'Only those that have this label, or, with KEY alone, any value of it; may be repeated, and all must hold' -r
complete -c astore -n "__fish_astore_using_subcommand list" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand list" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand list" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand list" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand list" -l all -d 'Removed ones too'
complete -c astore -n "__fish_astore_using_subcommand list" -l open -d 'Only open ones'
complete -c astore -n "__fish_astore_using_subcommand list" -l removed -d 'Only removed ones'
complete -c astore -n "__fish_astore_using_subcommand list" -l expired -d 'Only finalised ones whose expiry is past: the next gc may take their bytes'
complete -c astore -n "__fish_astore_using_subcommand list" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand list" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand show" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand show" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand show" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand show" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand show" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand show" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand files" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand files" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand files" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand files" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand files" -s 0 -l null -d 'Print raw paths only, each ended by a NUL byte'
complete -c astore -n "__fish_astore_using_subcommand files" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand files" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand files" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand diff" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand diff" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand diff" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand diff" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand diff" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand diff" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand explain" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand explain" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand explain" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand explain" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand explain" -l read -d 'Read every byte in the store, however long'
complete -c astore -n "__fish_astore_using_subcommand explain" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand explain" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand cat" -l range -d 'Only these bytes, counted from 0, both ends included; A- goes on to the end' -r
complete -c astore -n "__fish_astore_using_subcommand cat" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand cat" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand cat" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand cat" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand cat" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand cat" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand export" -l tar -d 'Write a tar archive instead: a file that does not exist yet, or - for standard output' -r -F
complete -c astore -n "__fish_astore_using_subcommand export" -l nar -d 'Write a NAR, the archive of Nix, instead: a file that does not exist yet, or - for standard output' -r -F
complete -c astore -n "__fish_astore_using_subcommand export" -l bagit -d 'Write a bag (BagIt, RFC 8493) instead, into a directory that is missing or empty' -r -F
complete -c astore -n "__fish_astore_using_subcommand export" -l oci -d 'Write an OCI image layout instead, with the package as one artifact: a directory that is missing or empty' -r -F
complete -c astore -n "__fish_astore_using_subcommand export" -l link -d 'How files come to be' -r -f -a "auto\t'By reflink where that is possible, else by copying'
reflink\t'By reflink or not at all'
copy\t'By copying'"
complete -c astore -n "__fish_astore_using_subcommand export" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand export" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand export" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand export" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand export" -l special-modes -d 'Set the setuid, setgid and sticky bits too'
complete -c astore -n "__fish_astore_using_subcommand export" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand export" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand remove" -l reason -d 'Why; the log keeps it' -r
complete -c astore -n "__fish_astore_using_subcommand remove" -l keep -d 'Remove all but the newest N finalised versions of a name' -r
complete -c astore -n "__fish_astore_using_subcommand remove" -l older-than -d 'Of these, only those that were finalised longer ago than this' -r
complete -c astore -n "__fish_astore_using_subcommand remove" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand remove" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand remove" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand remove" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand remove" -l dry-run -d 'Say what would be removed and change nothing'
complete -c astore -n "__fish_astore_using_subcommand remove" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand remove" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand restore" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand restore" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand restore" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand restore" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand restore" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand restore" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand pin" -l reason -d 'Why; the log keeps it' -r
complete -c astore -n "__fish_astore_using_subcommand pin" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand pin" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand pin" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand pin" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand pin" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand pin" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand unpin" -l reason -d 'Why; the log keeps it' -r
complete -c astore -n "__fish_astore_using_subcommand unpin" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand unpin" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand unpin" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand unpin" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand unpin" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand unpin" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand unpin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand pins" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand pins" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand pins" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand pins" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand pins" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand pins" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand pins" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand retain" -l class -d 'The new retention class' -r
complete -c astore -n "__fish_astore_using_subcommand retain" -l until -d 'Keep it to the end of this day, UTC: YYYY-MM-DD' -r
complete -c astore -n "__fish_astore_using_subcommand retain" -l reason -d 'Why; the log keeps it, and it is the reason of a hold' -r
complete -c astore -n "__fish_astore_using_subcommand retain" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand retain" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand retain" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand retain" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand retain" -l hold -d 'Set a hold; a second one gives the hold another reason'
complete -c astore -n "__fish_astore_using_subcommand retain" -l release -d 'Release the hold'
complete -c astore -n "__fish_astore_using_subcommand retain" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand retain" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand retain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -f -a "add" -d 'Register a schema, or its next version, and print its reference'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -f -a "list" -d 'List every version of every schema; with --json, one document a line'
complete -c astore -n "__fish_astore_using_subcommand schema; and not __fish_seen_subcommand_from add list show" -f -a "show" -d 'Print a schema, byte for byte as it was registered'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand schema; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand attest" -l class -d 'The retention class of the attestation [default: that of the package]' -r
complete -c astore -n "__fish_astore_using_subcommand attest" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand attest" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand attest" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand attest" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand attest" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand attest" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand attest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand gc" -l confirm -d 'Carry the plan out: the one of this moment, or exactly PLAN' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l min-age -d 'Keep what was named or let go less than this ago [env: ASTORE_MIN_AGE] [default: 24h]' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l without -d 'Say what would be freed if these packages were removed; age is left aside' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l reason -d 'Why; the log keeps it' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l metrics-file -d 'Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]' -r -F
complete -c astore -n "__fish_astore_using_subcommand gc" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand gc" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand gc" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand gc" -l yes -d 'Do not ask'
complete -c astore -n "__fish_astore_using_subcommand gc" -l accept-clock -d 'Believe this machine\'s clock though it looks wrong; the log says so'
complete -c astore -n "__fish_astore_using_subcommand gc" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand gc" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand verify" -l head -d 'Fail unless the log contains this event, as \'astore health\' prints it' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l budget -d 'Read on from where the last run ended, and begin nothing more after this time (30m, 2h)' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l sample -d 'Read on from where the last run ended, this share of the objects (5%, 0.5%); with --budget, whichever ends first' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l max-age -d 'Exit with 12 if anything was not read for longer than this (30d)' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l threads -d 'How many threads read [env: ASTORE_THREADS] [default: one a processor]' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l metrics-file -d 'Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]' -r -F
complete -c astore -n "__fish_astore_using_subcommand verify" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand verify" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand verify" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand verify" -l quick -d 'Compare names, sizes and the chain without reading bytes'
complete -c astore -n "__fish_astore_using_subcommand verify" -l both -d 'Check SHA-256 as well as BLAKE3'
complete -c astore -n "__fish_astore_using_subcommand verify" -l no-record -d 'Do not record the result in the log'
complete -c astore -n "__fish_astore_using_subcommand verify" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand verify" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand log" -l since -d 'Only events after event N' -r
complete -c astore -n "__fish_astore_using_subcommand log" -l type -d 'Only events of this type, such as v1.package.finalized' -r
complete -c astore -n "__fish_astore_using_subcommand log" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand log" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand log" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand log" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand log" -l follow -d 'Go on printing events as they happen, until interrupted'
complete -c astore -n "__fish_astore_using_subcommand log" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand log" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand replay" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand replay" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand replay" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand replay" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand replay" -l check -d 'Compare only'
complete -c astore -n "__fish_astore_using_subcommand replay" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand replay" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand recover" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand recover" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand recover" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand recover" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand recover" -l from-objects -d 'List the packages that only their manifests still tell of'
complete -c astore -n "__fish_astore_using_subcommand recover" -l confirm -d 'Import them'
complete -c astore -n "__fish_astore_using_subcommand recover" -l yes -d 'Do not ask'
complete -c astore -n "__fish_astore_using_subcommand recover" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand recover" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand stats" -l metrics-file -d 'Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]' -r -F
complete -c astore -n "__fish_astore_using_subcommand stats" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand stats" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand stats" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand stats" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand stats" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand stats" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand health" -l metrics-file -d 'Write what was measured into this file, for Prometheus; {command} stands for the command [env: ASTORE_METRICS_FILE]' -r -F
complete -c astore -n "__fish_astore_using_subcommand health" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand health" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand health" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand health" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand health" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand health" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand completions" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand completions" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand completions" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand completions" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand completions" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand completions" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand man" -l out -d 'Write every page into this directory, which is made if it is missing' -r -F
complete -c astore -n "__fish_astore_using_subcommand man" -l root -d 'The store\'s directory; of several the last counts [env: ASTORE_ROOT] [default: $XDG_DATA_HOME/astore, else ~/.local/share/astore]' -r -F
complete -c astore -n "__fish_astore_using_subcommand man" -l actor -d 'Who the log says did it [env: ASTORE_ACTOR] [default: user@host]' -r
complete -c astore -n "__fish_astore_using_subcommand man" -l wait -d 'How long to wait for others who hold the store\'s lock [env: ASTORE_WAIT] [default: 10m]' -r
complete -c astore -n "__fish_astore_using_subcommand man" -l color -d 'Whether to colour text; NO_COLOR means never [env: ASTORE_COLOR] [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Even into a pipe'
never\t'Not at all'"
complete -c astore -n "__fish_astore_using_subcommand man" -l sections -d 'Put the pages into man1, man5 and man7 beneath it'
complete -c astore -n "__fish_astore_using_subcommand man" -l json -d 'Print JSON: one document, or JSON Lines for log, list, files and schema list; what is said on standard error is JSON Lines, too'
complete -c astore -n "__fish_astore_using_subcommand man" -s q -l quiet -d 'Print exactly the result: no remarks, no progress'
complete -c astore -n "__fish_astore_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "init" -d 'Make a store'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "add" -d 'Add files and trees to a package'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "finalize" -d 'Freeze an open package and write its manifest'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "manifest" -d 'Print the manifest of a finalised package'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "list" -d 'List packages'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "show" -d 'Show a package: digests, sizes, labels, and the events about it'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "files" -d 'List the entries of a package: files, directories, symlinks'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "diff" -d 'Compare a package with another or with a directory'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "explain" -d 'Give the verdict on some bytes, and tell what keeps them'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "cat" -d 'Print the bytes of a file or an object'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "export" -d 'Write the tree of a package out again, checked as it is written'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "remove" -d 'Take packages away; their bytes stay'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "restore" -d 'Bring a removed package back'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "pin" -d 'Keep the bytes of a package or of an object, under a name'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "unpin" -d 'Take a pin away'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "pins" -d 'List the pins'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "retain" -d 'Change how long a package is wanted, or hold it'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "schema" -d 'Register schemas for the labels of packages'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "attest" -d 'Keep what somebody states about a package beside it'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "gc" -d 'Say what nothing keeps any more, and, confirmed, delete it'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "verify" -d 'Re-read stored objects and compare them with what the log says'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "log" -d 'Print the event log, oldest first'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "replay" -d 'Compute the views again from the event log'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "recover" -d 'Build the database anew from log/, after damage or loss'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "stats" -d 'Say what the store holds: packages, objects, sizes'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "health" -d 'Say how the store is: its head, free space, last verify, and concerns'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "completions" -d 'Print a shell\'s completion script'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "man" -d 'Print the manual, or write all of its pages'
complete -c astore -n "__fish_astore_using_subcommand help; and not __fish_seen_subcommand_from init add finalize manifest list show files diff explain cat export remove restore pin unpin pins retain schema attest gc verify log replay recover stats health completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c astore -n "__fish_astore_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "add" -d 'Register a schema, or its next version, and print its reference'
complete -c astore -n "__fish_astore_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "list" -d 'List every version of every schema; with --json, one document a line'
complete -c astore -n "__fish_astore_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "show" -d 'Print a schema, byte for byte as it was registered'

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

complete -c astore -n '__fish_astore_using_subcommand add' -l name -x -a '(__fish_astore_ask names)'
complete -c astore -n '__fish_astore_using_subcommand add' -l package -x -a '(__fish_astore_ask open)'
complete -c astore -n '__fish_astore_using_subcommand add' -l class -x -a '(__fish_astore_ask classes)'
complete -c astore -n '__fish_astore_using_subcommand finalize' -k -f -a '(__fish_astore_ask open)'
complete -c astore -n '__fish_astore_using_subcommand manifest' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand show' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand files' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand diff' -k -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand diff' -k -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand explain' -k -a '(__fish_astore_ask stored)'
complete -c astore -n '__fish_astore_using_subcommand cat' -k -f -a '(__fish_astore_ask stored)'
complete -c astore -n '__fish_astore_using_subcommand export' -k -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand remove' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand restore' -k -f -a '(__fish_astore_ask removed)'
complete -c astore -n '__fish_astore_using_subcommand pin' -k -f -a '(__fish_astore_ask pins)'
complete -c astore -n '__fish_astore_using_subcommand pin' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand unpin' -k -f -a '(__fish_astore_ask pins)'
complete -c astore -n '__fish_astore_using_subcommand retain' -k -f -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand retain' -l class -x -a '(__fish_astore_ask classes)'
complete -c astore -n '__fish_astore_using_subcommand attest' -k -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand attest' -l class -x -a '(__fish_astore_ask classes)'
complete -c astore -n '__fish_astore_using_subcommand gc' -l without -x -a '(__fish_astore_ask references)'
complete -c astore -n '__fish_astore_using_subcommand verify' -k -f -a '(__fish_astore_ask references)'
