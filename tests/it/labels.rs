//! Someone wants to know years later what a package is and where it came from: labels on the command line and in files,
//! and what is recorded of its origin without being asked.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::cli::{Desk, Said};
use crate::support::store::tree;

fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("src"), &[("a", b"a"), ("deep/b", b"b")]);
    desk
}

/// One object of `show --json` as lines, with the desk's place, the user and the host taken out.
#[track_caller]
fn shown(desk: &Desk, reference: &str, field: &str) -> String {
    let document: serde_json::Value =
        serde_json::from_str(&desk.ok(["show", reference, "--json"])).expect("a document");
    let labels = document[field].as_object().expect("labels").clone();
    let place = desk.path("");
    let place = place.to_str().unwrap().trim_end_matches('/').to_owned();
    let line = |(key, value): (String, serde_json::Value)| match key.as_str() {
        "user" | "host" => {
            assert_ne!(value, "", "there is always a name or a number");
            key
        }
        _ => format!("{key}={}", value.as_str().expect("text").replace(&place, "~")),
    };
    labels.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn refused(desk: &Desk, line: &[&str]) -> String {
    let said = desk.run(line);
    assert_eq!((said.out.as_str(), desk.ok(["list", "--all"]).as_str()), ("", ""), "nothing was added");
    assert_eq!(said.err.lines().count(), 1, "{said:#?}");
    format!("{} {}", said.code, said.err)
}

fn with_input(desk: &Desk, line: &[&str], input: &[u8]) -> Said {
    let mut child = desk
        .command(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).ok();
    Said::of(&child.wait_with_output().unwrap())
}

#[test]
fn labels_come_from_files_too() {
    let desk = desk();
    fs::write(desk.path("m.json"), r#"{"build": 17, "ratio": 1.50, "signed": true, "branch": "main"}"#)
        .unwrap();
    fs::write(desk.path("m.txt"), "# of the job\ncommit=1a2b3c\n\nurl=https://x/?a=b\n").unwrap();
    desk.ok(["add", "src", "--finalize", "--meta", "x=y", "--meta-file", "m.json", "--meta-file", "m.txt"]);
    assert_snapshot!(shown(&desk, "src", "metadata"), @"
    branch=main
    build=17
    commit=1a2b3c
    ratio=1.50
    signed=true
    url=https://x/?a=b
    x=y
    ");
    let said = with_input(&desk, &["add", "src", "--meta-file", "-", "--name", "piped"], b"a=b\n");
    said.expect(0);
    assert_snapshot!(shown(&desk, "piped", "metadata"), @"a=b");
    desk.check_sound();
}

#[test]
fn labels_that_are_none_leave_no_package() {
    let desk = desk();
    fs::write(desk.path("m.json"), r#"{"a": {"b": 1}}"#).unwrap();
    fs::write(desk.path("m.txt"), "a=b\n").unwrap();
    let many: String = (0..1025).map(|number| format!("k{number}=v\n")).collect();
    fs::write(desk.path("many"), many).unwrap();
    fs::write(desk.path("long"), format!("k={}\n", "v".repeat(65_537))).unwrap();
    let refused = |line: &[&str]| {
        refused(&desk, &[&["add", "src"], line].concat()).replace(desk.root().to_str().unwrap(), "STORE")
    };
    assert_snapshot!(refused(&["--meta-file", "m.json"]), @"2 astore: /a in m.json is an object: a label is text, a number, true or false");
    assert_snapshot!(refused(&["--meta-file", "m.txt", "--meta", "a=c"]), @"2 astore: a is given twice, by --meta and by m.txt");
    assert_snapshot!(refused(&["--meta-file", "m.txt", "--meta-file", "m.txt"]), @"2 astore: a stands twice in m.txt");
    assert_snapshot!(refused(&["--meta-file", "many"]), @"2 astore: the metadata has more than 1024 keys (root STORE)");
    assert_snapshot!(refused(&["--meta-file", "long"]), @"2 astore: the metadata has a key or value longer than 65536 bytes (root STORE)");
    assert_snapshot!(refused(&["--meta-file", "none"]), @"1 astore: cannot read none: No such file or directory (os error 2)");
    assert_snapshot!(refused(&["--meta-file", "-", "--meta-file", "-"]), @"2 astore: --meta-file - reads standard input, which is another --meta-file; name a file (./- if it is called -)");
    assert_snapshot!(refused(&["--meta-file", "-", "-", "--name", "n"]), @"2 astore: --meta-file - reads standard input, which is what is added; name a file (./- if it is called -)");
    assert_snapshot!(refused(&["--provenance", "a=b", "--provenance", "a=c"]), @"2 astore: --provenance a is given twice");
}

/// What is recorded is where it came from; the content is the same wherever that was.
#[test]
fn where_it_came_from_is_recorded() {
    let desk = desk();
    tree(&desk.path("else where"), &[("a", b"a"), ("deep/b", b"b")]);
    desk.ok(["add", "src", "--finalize", "--actor", "somebody else"]);
    assert_snapshot!(shown(&desk, "src", "provenance"), @"
    astore=0.1.0
    host
    source=~/src
    user
    ");
    desk.ok(["add", "./src/../else where", "--finalize", "--name", "src"]);
    assert_snapshot!(shown(&desk, "src", "provenance"), @"
    astore=0.1.0
    host
    source=~/else where
    user
    ");
    let content = desk.fact("src@1", "content");
    assert_eq!(desk.fact("src@2", "content"), content);
    assert!(
        !shown(&desk, "src@1", "provenance").contains("somebody"),
        "an actor is who asks, not where it was"
    );

    desk.ok(["add", "src", "m", "--finalize", "--name", "two"]
        .map(|word| if word == "m" { "src/a" } else { word }));
    assert_snapshot!(shown(&desk, "two", "provenance"), @"
    astore=0.1.0
    host
    source.1=~/src
    source.2=~/src/a
    user
    ");
    let many: Vec<String> = (0..101).map(|number| format!("many/{number}")).collect();
    for file in &many {
        tree(&desk.path("many"), &[(file.strip_prefix("many/").unwrap(), b"x")]);
    }
    let line = ["add", "--finalize", "--name", "many"].map(str::to_owned);
    desk.ok(line.iter().chain(&many));
    let said = shown(&desk, "many", "provenance");
    assert!(said.contains("source.100=~/many/99\n") && said.contains("source.more=1\n"), "{said}");
    assert!(!said.contains("source.101"), "{said}");
}

#[test]
fn what_has_no_path_is_recorded_as_what_it_was() {
    let desk = desk();
    with_input(&desk, &["add", "-", "--name", "in", "--finalize"], b"x").expect(0);
    assert_snapshot!(shown(&desk, "in", "provenance"), @"
    astore=0.1.0
    host
    source=standard input
    user
    ");
    with_input(&desk, &["add", "--files-from", "-", "--name", "in", "--finalize"], b"src/a\n").expect(0);
    assert_snapshot!(shown(&desk, "in", "provenance"), @"
    astore=0.1.0
    directory=~
    host
    source=the list in standard input
    user
    ");
    fs::write(desk.path("list"), "src/a\n").unwrap();
    desk.ok(["add", "--files-from", "list", "--name", "in", "--finalize"]);
    assert_snapshot!(shown(&desk, "in", "provenance"), @"
    astore=0.1.0
    directory=~
    host
    source=the list in ~/list
    user
    ");
    // The words of a command may be secrets.
    desk.ok(["add", "--name", "in", "--finalize", "--from-command", "echo", "--password=hunter2"]);
    assert_snapshot!(shown(&desk, "in", "provenance"), @"
    astore=0.1.0
    host
    source=output of echo with 1 argument
    user
    ");
}

#[test]
fn whoever_knows_better_says_where_it_came_from() {
    let desk = desk();
    desk.ok(["add", "src", "--finalize", "--provenance", "source=job 7", "--provenance", "host=runner"]);
    assert!(shown(&desk, "src", "provenance").contains("source=job 7"));
    desk.ok(["add", "src", "src/a", "--name", "src", "--finalize", "--provenance", "source=job 8"]);
    let said = shown(&desk, "src", "provenance");
    assert!(said.contains("source=job 8") && !said.contains("source."), "{said}");
    desk.ok(["add", "src", "--finalize", "--no-provenance"]);
    assert_eq!(shown(&desk, "src", "provenance"), "");
    desk.ok(["add", "src", "--finalize", "--no-provenance", "--provenance", "job=7"]);
    assert_eq!(shown(&desk, "src", "provenance"), "job=7");
    let said = desk.run(["add", "src", "--package", "src", "--provenance", "a=b"]);
    assert_eq!(said.code, 2, "{said:#?}");
}

#[test]
fn packages_are_found_by_their_labels() {
    let desk = desk();
    let add = |meta: &[&str]| {
        let labels = meta.iter().flat_map(|label| ["--meta", label]);
        desk.ok(["add", "src", "--finalize", "--quiet"].into_iter().chain(labels));
    };
    add(&["commit=1", "os=linux"]);
    add(&["commit=2", "os=linux"]);
    add(&["commit=2", "os=mac"]);
    add(&[]);
    let list = |more: &[&str]| {
        let said = desk.ok(["list", "--quiet"].iter().chain(more));
        said.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(&["--meta", "commit=2"]), "src@2 src@3");
    assert_eq!(list(&["--meta", "commit=2", "--meta", "os=linux"]), "src@2");
    assert_eq!(list(&["--meta", "os"]), "src@1 src@2 src@3");
    assert_eq!(list(&["--meta", "os", "--limit", "2"]), "src@2 src@3");
    assert_eq!(list(&["--meta", "os=linux", "--limit", "1"]), "src@2");
    assert_eq!(list(&["--meta", "os="]), "");
    desk.ok(["remove", "src@2", "--reason", "r"]);
    assert_eq!(list(&["--meta", "commit=2"]), "src@3");
    assert_eq!(list(&["--meta", "commit=2", "--removed"]), "src@2");
    assert_eq!(list(&["--meta", "commit=2", "--all", "--limit", "5"]), "src@2 src@3");
}
