//! Somebody presses TAB: packages, paths, pins and classes come from the store that the line names, and where there
//! is none nothing comes, and nobody hears of it.

use std::process::Command;

use crate::support::cli::{Desk, has, said};
use crate::support::terminal::typed_at_terminal;

/// A desk with packages, a pin, and nothing more.
fn desk() -> Desk {
    let desk = Desk::new();
    for path in ["tree/bin", "tree/lib"] {
        std::fs::create_dir_all(desk.path(path)).unwrap();
    }
    for path in ["tree/bin/tool", "tree/lib/one two", "tree/lib/plain", "tree/binary", "tree/line\nfeed"] {
        std::fs::write(desk.path(path), path).unwrap();
    }
    for arguments in [
        &["add", "--finalize", "--name", "doc", "tree"][..],
        &["add", "--finalize", "--name", "doc", "tree", "--meta", "again=1"],
        &["add", "--name", "draft", "tree"],
        &["add", "--finalize", "--name", "gone", "tree"],
        &["remove", "gone", "--reason", "test"],
        &["pin", "launch", "doc@1"],
    ] {
        desk.ok(arguments);
    }
    desk
}

/// The script of a shell, in a file at the desk; and the binary where the scripts look for it.
fn command(desk: &Desk, program: &str) -> Command {
    let shell = program.rsplit('/').next().unwrap();
    std::fs::write(desk.path("script"), desk.ok(["completions", shell])).unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_astore")).parent().unwrap();
    let mut command = Command::new(program);
    let path = format!("{}:/usr/bin:/bin", binary.display());
    command.env_clear().env("PATH", path).env("HOME", desk.path("")).current_dir(desk.path(""));
    command.env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    command
}

/// Cuts a line into the words that bash makes of it: at blanks, and at and around its word breaks.
fn words_of_bash(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_break = false;
    for c in line.chars() {
        let is_break = "@:=".contains(c);
        if c == ' ' || (is_break != was_break && !words.last().unwrap().is_empty()) {
            words.push(String::new());
        }
        if c != ' ' {
            words.last_mut().unwrap().push(c);
        }
        was_break = is_break;
    }
    words
}

/// What bash puts in the place of the last word, after the last of its word breaks.
fn bash(desk: &Desk, line: &str) -> Vec<String> {
    let mut command = command(desk, "bash");
    let words: Vec<String> = words_of_bash(line).iter().map(|word| format!("'{word}'")).collect();
    command.args(["--norc", "-uc"]).arg(format!(
        ". ./script\n\
         COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({}) COMP_CWORD={}\n\
         COMP_WORDBREAKS=$' \\t\\n\"\\'@><=;|&(:'\n\
         _astore_with_store astore \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
         printf '%s\\n' ${{COMPREPLY[@]+\"${{COMPREPLY[@]}}\"}}",
        words.join(" "),
        words.len() - 1,
    ));
    lines(command)
}

/// The line as it stands in a real bash at a terminal after TAB was pressed behind it.
fn tab_in_bash(desk: &Desk, line: &str) -> String {
    // Another key shows the line as it is then.
    let begin = ". ./script\nPS1='ready> '\nbind 'set enable-bracketed-paste off'\nbind 'set bell-style none'\n\
                 bind -x '\"\\C-g\": printf \"<<%s>>\\n\" \"$READLINE_LINE\"'\n";
    let mut command = command(desk, "bash");
    std::fs::write(desk.path("begin"), begin).unwrap();
    command.args(["--noprofile", "--rcfile", "begin", "-i"]);
    let typed = format!("{line}\t\u{7}\u{15}exit\n");
    let (_, seen) = typed_at_terminal(command, 200, "ready> ", &typed);
    let shown = seen.split_once("<<").and_then(|(_, rest)| rest.split_once(">>"));
    shown.unwrap_or_else(|| panic!("{line}: {seen:?}")).0.to_owned()
}

fn zsh(desk: &Desk, kind: &str, line: &str) -> Vec<String> {
    let mut command = command(desk, "zsh");
    let typed = line.rsplit(' ').next().unwrap();
    command.arg("-fc").arg(format!(
        "compdef() {{ }}; compadd() {{ print -l -- $found }}; _files() {{ print files }}\n\
         . ./script; LBUFFER='{line}' PREFIX='{typed}'; _astore_{kind}"
    ));
    lines(command)
}

fn fish(desk: &Desk, line: &str) -> Vec<String> {
    let mut command = command(desk, "fish");
    command.arg("--no-config").arg("-c").arg(format!(". ./script; complete -C '{line}'"));
    // A tab and a description may follow.
    lines(command).iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[track_caller]
fn lines(command: Command) -> Vec<String> {
    let said = said(command);
    assert_eq!(said.err, "");
    let mut lines: Vec<String> =
        said.out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn bash_knows_what_is_in_the_store() {
    if !has("bash") {
        return;
    }
    let desk = desk();
    for (line, expected) in [
        ("astore --root store show ", &["doc", "doc@1", "doc@2", "draft", "draft@1"][..]),
        ("astore show --root=store do", &["doc", "doc@1", "doc@2"]),
        ("astore show --root store doc@", &["1", "2"]),
        ("astore restore --root store ", &["gone", "gone@1"]),
        ("astore --root store finalize ", &["draft", "draft@1"]),
        ("astore --root store add --package ", &["draft", "draft@1"]),
        ("astore --root store add --package=dr", &["draft", "draft@1"]),
        ("astore --root store add --name g", &["gone"]),
        ("astore --root store remove doc@1 --reason why doc@", &["1", "2"]),
        ("astore --root store unpin ", &["launch"]),
        ("astore --root store pin la", &["launch"]),
        ("astore --root store pin new dr", &["draft", "draft@1"]),
        ("astore --root store retain doc --class r", &["raw-evidence", "release-evidence"]),
        ("astore --root store cat doc@1:", &["bin/", "binary", "lib/"]),
        ("astore --root store cat doc@1:lib/", &["lib/one\\ two", "lib/plain"]),
        ("astore --root store cat doc@2:bin", &["bin/", "binary"]),
        ("astore --root store cat dr", &["draft:", "draft@1:"]),
        ("astore --root store explain draft:binary", &["binary"]),
        // A file outside of the store is for bash to complete, an option for the rest of the script.
        ("astore --root store explain ./tr", &[]),
        ("astore --root store verify --qu", &["--quick", "--quiet"]),
        // No store, no word.
        ("astore --root nowhere show ", &[]),
        ("astore show ", &[]),
    ] {
        assert_eq!(bash(&desk, line), expected, "{line}");
    }
}

#[test]
fn bash_completes_within_quotes_that_are_open() {
    if !has("bash") {
        return;
    }
    let desk = desk();
    std::fs::write(desk.path("tree/it's $5"), "5").unwrap();
    desk.ok(["add", "--finalize", "--name", "odd", "tree"]);
    for (line, expected) in [
        ("astore --root store show \"dr", "astore --root store show \"draft"),
        ("astore --root store show 'doc@", "astore --root store show 'doc@"),
        ("astore --root store unpin \"la", "astore --root store unpin \"launch\" "),
        ("astore --root store cat 'doc@1:lib/o", "astore --root store cat 'doc@1:lib/one two' "),
        ("astore --root store cat \"doc@1:lib/one t", "astore --root store cat \"doc@1:lib/one two\" "),
        ("astore --root store cat doc@1:\"lib/o", "astore --root store cat doc@1:\"lib/one two\" "),
        ("astore --root store cat \"odd:it", "astore --root store cat \"odd:it's \\$5\" "),
        ("astore --root store cat 'odd:it", "astore --root store cat 'odd:it'\\''s $5' "),
        // More is to follow: the quotes stay open.
        ("astore --root store cat \"doc@1:l", "astore --root store cat \"doc@1:lib/"),
        // And without any it is as it was.
        ("astore --root store cat doc@1:lib/o", "astore --root store cat doc@1:lib/one\\ two "),
    ] {
        assert_eq!(tab_in_bash(&desk, line), expected, "{line}");
    }
}

#[test]
fn zsh_knows_what_is_in_the_store() {
    if !has("zsh") {
        return;
    }
    let desk = desk();
    for (kind, line, expected) in [
        ("references", "astore --root store show ", &["doc", "doc@1", "doc@2", "draft", "draft@1"][..]),
        ("removed", "astore --root=store restore ", &["gone", "gone@1"]),
        ("open", "astore --root 'store' finalize ", &["draft", "draft@1"]),
        ("names", "astore --root store add --name ", &["doc", "draft", "gone"]),
        ("pins", "astore --root store unpin ", &["launch"]),
        ("stored", "astore --root store cat doc@1:lib/", &["doc@1:lib/one two", "doc@1:lib/plain"]),
        ("stored_or_files", "astore --root store explain draft:binary", &["draft:binary", "files"]),
        ("references", "astore --root nowhere show ", &[]),
    ] {
        assert_eq!(zsh(&desk, kind, line), expected, "{line}");
    }
    let classes = zsh(&desk, "classes", "astore --root store add --class ");
    assert_eq!(
        classes,
        ["permanent-record", "raw-evidence", "release-evidence", "summary-evidence", "transient"]
    );
    // And the arguments are given to these functions.
    let script = desk.ok(["completions", "zsh"]);
    for (argument, function) in [
        ("--package=[", ":REF:_astore_open'"),
        ("'--class=[The new retention class]", ":CLASS:_astore_classes'"),
        ("':left -- ", ":_astore_references'"),
        ("':right -- ", ":_astore_references_or_files'"),
    ] {
        let line = script.lines().find(|line| line.contains(argument)).unwrap();
        assert!(line.contains(function), "{line}");
    }
}

#[test]
fn fish_knows_what_is_in_the_store() {
    if !has("fish") {
        return;
    }
    let desk = desk();
    for (line, expected) in [
        ("astore --root store show ", &["doc", "doc@1", "doc@2", "draft", "draft@1"][..]),
        ("astore --root store show doc@", &["doc@1", "doc@2"]),
        ("astore --root=store restore ", &["gone", "gone@1"]),
        ("astore --root store add --package ", &["draft", "draft@1"]),
        ("astore --root store unpin ", &["launch"]),
        ("astore --root store retain doc --class rel", &["release-evidence"]),
        ("astore --root store cat doc@1:bin", &["doc@1:bin/", "doc@1:binary"]),
        ("astore --root nowhere show ", &[]),
    ] {
        assert_eq!(fish(&desk, line), expected, "{line}");
    }
}
