//! Whoever keeps a store says once how it is to be used: in the environment, or in the store's own astore.toml. What is
//! typed outranks both, and nothing that is written wrongly is passed over in silence.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::support::cli::{Desk, Said, said};

/// A desk whose store has such defaults, and a file to add.
fn desk(defaults: &str) -> Desk {
    let desk = Desk::new();
    configure(&desk, defaults);
    fs::write(desk.path("file"), "content").unwrap();
    desk
}

fn configure(desk: &Desk, defaults: &str) {
    let path = desk.root().join("astore.toml");
    let text = fs::read_to_string(&path).unwrap();
    let head = text.split("[defaults]\n").next().unwrap();
    fs::write(&path, format!("{head}[defaults]\n{defaults}\n")).unwrap();
}

fn with(desk: &Desk, variables: &[(&str, &str)], line: &[&str]) -> Said {
    let mut command = desk.command(line);
    command.envs(variables.iter().copied());
    said(command)
}

fn class_of(desk: &Desk, reference: &str) -> String {
    let shown: serde_json::Value = serde_json::from_str(&desk.ok(["show", "--json", reference])).unwrap();
    shown["package"]["class"].as_str().unwrap().to_owned()
}

#[test]
fn the_class_is_what_was_typed_else_the_variable_else_the_store_says() {
    let desk = desk("class = \"transient\"");
    let add = ["add", "file"];
    desk.ok(add);
    assert_eq!(class_of(&desk, "file@1"), "transient");
    with(&desk, &[("ASTORE_CLASS", "raw-evidence")], &add).expect(0);
    assert_eq!(class_of(&desk, "file@2"), "raw-evidence");
    let line = ["add", "file", "--class", "permanent-record"];
    with(&desk, &[("ASTORE_CLASS", "raw-evidence")], &line).expect(0);
    assert_eq!(class_of(&desk, "file@3"), "permanent-record");
    // Of a package that is there the class is decided.
    fs::write(desk.path("more"), "more").unwrap();
    with(&desk, &[("ASTORE_CLASS", "no such")], &["add", "--package", "file@2", "more"]).expect(0);
    assert_eq!(class_of(&desk, "file@2"), "raw-evidence");
}

#[test]
fn a_class_that_is_not_there_is_named_with_whoever_named_it() {
    let desk = desk("class = \"nightly\"");
    let file = desk.root().join("astore.toml");
    let told = desk.run(["add", "file"]);
    let known = "no retention class \"nightly\"; the classes are ";
    let expected = format!("astore: [defaults] class in {}: {known}", file.display());
    assert!(told.code == 2 && told.err.starts_with(&expected), "{told:?}");
    let told = with(&desk, &[("ASTORE_CLASS", "nightly")], &["add", "file"]);
    assert!(told.code == 2 && told.err.starts_with(&format!("astore: ASTORE_CLASS: {known}")), "{told:?}");
    let told = desk.run(["add", "file", "--class", "nightly"]);
    assert!(told.code == 2 && told.err.starts_with(&format!("astore: {known}")), "{told:?}");
    assert_eq!(desk.ok(["list"]), "");
}

#[test]
fn a_gc_keeps_what_the_store_wants_kept() {
    let desk = desk("min-age = \"0s\"");
    desk.ok(["add", "file"]);
    desk.ok(["remove", "file", "--reason", "r"]);
    let age = |variables: &[(&str, &str)], more: &[&str]| {
        let plan = with(&desk, variables, &[&["gc", "--quiet"], more].concat()).expect(0);
        plan.split('-').nth(1).unwrap().to_owned()
    };
    assert_eq!(age(&[], &[]), "0");
    assert_eq!(age(&[("ASTORE_MIN_AGE", "2h")], &[]), "7200");
    assert_eq!(age(&[("ASTORE_MIN_AGE", "2h")], &["--min-age", "1m"]), "60");
    // A bad value is never passed over for the usual day: a confirmed gc would delete by it.
    for variable in ["", "1", "a day", "99999999999999999s"] {
        let told = with(&desk, &[("ASTORE_MIN_AGE", variable)], &["gc", "--confirm"]);
        assert!(told.code == 2 && told.err.starts_with("astore: ASTORE_MIN_AGE is "), "{told:?}");
    }
    configure(&desk, "min-age = 7");
    let told = desk.run(["gc", "--confirm"]);
    let file = desk.root().join("astore.toml");
    let expected =
        format!("astore: [defaults] min-age in {} is 7: expected an integer with s, ", file.display());
    assert!(told.code == 2 && told.err.starts_with(&expected), "{told:?}");
    // Nobody else is kept from his work by that.
    assert_eq!(desk.run(["list", "--all", "--quiet"]).err, "");
    // A plan has an age of its own, and the advice names an age only where it is not the store's.
    configure(&desk, "min-age = \"0s\"");
    let plan = desk.ok(["gc", "--quiet"]);
    desk.ok(["restore", "file"]);
    let told = desk.run(["gc", &format!("--confirm={}", plan.trim())]);
    assert!(told.code == 5 && told.err.contains("'astore gc' shows what the plan is now"), "{told:?}");
}

#[test]
fn what_every_command_has_can_be_set_too() {
    let desk = desk("color = \"always\"\nwait = \"0s\"\nthreads = 1");
    desk.ok(["add", "file"]);
    let is_coloured = |variables: &[(&str, &str)], more: &[&str]| {
        with(&desk, variables, &[&["list"], more].concat()).expect(0).contains('\u{1b}')
    };
    assert!(is_coloured(&[], &[]));
    assert!(!is_coloured(&[("NO_COLOR", "1")], &[]), "a variable outranks the store");
    assert!(is_coloured(&[("NO_COLOR", "1"), ("ASTORE_COLOR", "always")], &[]));
    assert!(!is_coloured(&[("ASTORE_COLOR", "never")], &[]));
    assert!(is_coloured(&[("ASTORE_COLOR", "never")], &["--color", "always"]));
    desk.ok(["verify", "--quiet"]);
    for (variable, value) in [("ASTORE_THREADS", "0"), ("ASTORE_COLOR", "blue"), ("ASTORE_WAIT", "10")] {
        let told = with(&desk, &[(variable, value)], &["verify"]);
        let expected = format!("astore: {variable} is '{value}': expected ");
        assert!(told.code == 2 && told.err.starts_with(&expected), "{told:?}");
    }
    // Whoever has the store for himself: the next one does not wait.
    let held = fs::File::options().write(true).open(desk.root().join("astore.lock")).unwrap();
    held.lock().unwrap();
    desk.expect(6, ["remove", "file", "--reason", "r"]);
}

#[test]
fn a_key_that_nobody_knows_is_told_of_once_and_stops_nothing() {
    let desk = desk("min_age = \"1h\"\nthreads = 2\ncolour = \"never\"");
    let told = desk.run(["list", "--quiet"]);
    let file = desk.root().join("astore.toml");
    let expected = format!(
        "astore: [defaults] in {} has keys that this build does not know: colour, min_age; it knows class, color, \
         metrics-file, min-age, threads, wait\n",
        file.display()
    );
    assert_eq!((told.code, told.err), (0, expected));
    // A table of somebody else's is none of ours, and what is no table is left aside.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{}[other]\nurl = \"x\"\n", text.split("[defaults]\n").next().unwrap()))
        .unwrap();
    assert_eq!(desk.run(["list", "--quiet"]).err, "");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("\n[other]\n", "\ndefaults = 1\n[other]\n"))
        .unwrap();
    let told = desk.run(["list", "--quiet"]);
    assert!(told.code == 0 && told.err.contains("is 1 and no table: it is left aside"), "{told:?}");
}

/// A `min_age` would be a warning that nobody reads, and the usual day; what it was to keep would be gone for good.
#[test]
fn a_gc_deletes_nothing_while_the_store_says_what_nobody_knows() {
    let desk = desk("min_age = \"30d\"");
    let file = desk.root().join("astore.toml");
    desk.ok(["add", "file"]);
    desk.ok(["remove", "file", "--reason", "r"]);
    let head = desk.ok(["health", "--quiet"]);
    let refuses = |defaults: Option<&str>| {
        if let Some(defaults) = defaults {
            configure(&desk, defaults);
        }
        let told = desk.run(["gc", "--min-age", "0s", "--quiet"]);
        assert!(told.code == 0 && told.err.starts_with("astore: "), "who only looks is warned: {told:?}");
        let exactly = format!("--confirm={}", told.out.trim());
        for line in [&["gc", "--confirm", "--yes", "--min-age", "0s"][..], &["gc", &exactly, "--yes"]] {
            let told = desk.run(line);
            let expected = format!("astore: nothing is deleted while {} has what this build", file.display());
            assert!(told.code == 2 && told.err.contains(&expected) && told.out.is_empty(), "{told:?}");
        }
        assert_eq!(desk.ok(["health", "--quiet"]), head);
    };
    refuses(None);
    refuses(Some("min-age = \"0s\"\nhold-release = true"));
    let text = fs::read_to_string(&file).unwrap();
    // At the top of the file it means nothing either.
    fs::write(&file, format!("min-age = \"30d\"\n{}", text.replace("hold-release = true\n", ""))).unwrap();
    refuses(None);
    fs::write(&file, text.replace("\n[defaults]\n", "\ndefaults = 1\n[elsewhere]\n")).unwrap();
    refuses(None);
    // Nor in a table that is nearly called so, nor in any other.
    for written in ["[default]\nmin-age = \"30d\"", "[Defaults]\n", "[gc]\nmin_age = \"30d\""] {
        let other = format!("\n{written}\n");
        fs::write(&file, text.replace("hold-release = true\n", &other)).unwrap();
        refuses(None);
    }
    fs::write(&file, format!("min_age = \"30d\"\n{}", text.replace("hold-release = true\n", ""))).unwrap();
    refuses(None);
    fs::write(&file, text.replace("hold-release = true\n", "")).unwrap();
    let told = desk.run(["gc", "--confirm", "--yes"]);
    assert!(
        told.code == 0 && told.err.is_empty() && told.out.contains("\nfreed 1 object, 7 B ("),
        "{told:?}"
    );
}

#[test]
fn who_may_open_a_store_does_not_depend_on_its_defaults() {
    let desk = desk("wait = \"nonsense\"");
    let path = desk.root().join("astore.toml");
    let good = fs::read_to_string(&path).unwrap();
    desk.expect(2, ["list"]);
    fs::write(&path, good.replace("format = 1", "format = 2")).unwrap();
    let told = desk.run(["list"]);
    assert!(told.code == 8 && told.err.contains("format"), "{told:?}");
    fs::write(&path, good.replace("wait = ", "wait ")).unwrap();
    let told = desk.run(["list"]);
    assert!(told.code == 4 && told.err.contains("line 7: ") && told.err.contains("correct that"), "{told:?}");
    // Written again from the log it has no defaults, and says so; init leaves what is there as it is.
    fs::write(&path, &good).unwrap();
    desk.ok(["init"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), good);
    desk.ok(["recover", "--wait", "1s"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), good, "it was not missing");
    fs::remove_file(&path).unwrap();
    let told = desk.run(["recover"]);
    assert!(told.code == 0 && told.out.contains("if it had [defaults], they are gone"), "{told:?}");
    assert!(!fs::read_to_string(&path).unwrap().contains("nonsense"));
    desk.ok(["list"]);
}

#[test]
fn a_default_at_the_top_of_the_file_is_told_of() {
    let desk = desk("");
    let file = desk.root().join("astore.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("min-age = \"30d\"\n{text}")).unwrap();
    let said = desk.run(["list"]);
    assert_eq!(said.code, 0);
    assert!(
        said.err.contains("has keys at its top that mean nothing: min-age; defaults stand under [defaults]"),
        "{said:#?}"
    );
}

/// A gc may wait for the store as long as it takes to write down that it keeps more. What stands there when it has the
/// store decides.
#[test]
fn a_gc_that_waited_goes_by_what_the_store_says_by_then() {
    let desk = desk("min-age = \"0s\"");
    desk.ok(["add", "file", "--finalize"]);
    desk.ok(["remove", "file", "--reason", "r"]);
    let head = desk.ok(["health", "--quiet"]);
    let gc_meanwhile = |line: &[&str], defaults: &str| {
        configure(&desk, "min-age = \"0s\"");
        let held = fs::File::options().write(true).open(desk.root().join("astore.lock")).unwrap();
        held.lock().unwrap();
        let mut command = desk.command(line);
        let mut gc = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut err = BufReader::new(gc.stderr.take().unwrap());
        err.read_line(&mut told).unwrap();
        assert_eq!(told, "astore: waiting for the store's lock\n");
        configure(&desk, defaults);
        drop(held);
        let mut told = String::new();
        err.read_to_string(&mut told).unwrap();
        (Said::of(&gc.wait_with_output().unwrap()).code, told)
    };
    let (code, told) = gc_meanwhile(&["gc", "--confirm"], "min-age = \"365d\"");
    let expected = format!(
        "astore: nothing is deleted: --min-age was 0s when this gc began and is 365d by now; run it again (root {})\n",
        desk.root().display()
    );
    assert_eq!((code, told), (5, expected));
    let (code, told) = gc_meanwhile(&["gc", "--confirm"], "min_age = \"365d\"");
    assert!(code == 2 && told.contains("nothing is deleted while "), "{told}");
    let (code, told) = gc_meanwhile(&["gc", "--confirm", "--min-age", "0s"], "min_age = \"365d\"");
    assert!(code == 2 && told.contains("nothing is deleted while "), "whoever gives the age: {told}");
    let (code, told) = gc_meanwhile(&["gc", "--confirm"], "");
    assert!(code == 5 && told.contains("was 0s when this gc began and is 24h by now"), "{told}");
    assert_eq!(desk.ok(["health", "--quiet"]), head);
    let (code, told) = gc_meanwhile(&["gc", "--confirm", "--min-age", "0m"], "min-age = \"365d\"");
    assert_eq!((code, told.as_str()), (0, ""), "whoever gives an age asks nobody");
    desk.check_sound();
}

/// What is nearly called as a variable of ours was to be one; a deletion does not wait for somebody to read that.
#[test]
fn a_mistyped_variable_is_told_of_and_may_stop_a_gc() {
    let desk = desk("min-age = \"0s\"");
    desk.ok(["add", "file"]);
    desk.ok(["remove", "file", "--reason", "r"]);
    let told = with(
        &desk,
        &[("ASTORE_WIAT", "1h"), ("ASTORE_OF_OURS", "x"), ("ASTORE_TEST_WAIT", "x")],
        &["list", "--all"],
    );
    assert_eq!(
        (told.code, &*told.err),
        (0, "astore: ASTORE_WIAT is no variable of astore's: did you mean ASTORE_WAIT?\n")
    );
    let confirm = ["gc", "--confirm", "--yes", "--json"];
    for name in ["ASTORE_MIN_AGEE", "ASTORE_MINAGE"] {
        assert_eq!(with(&desk, &[(name, "30d")], &["gc", "--quiet"]).code, 0);
        let told = with(&desk, &[(name, "30d")], &confirm);
        assert_eq!((told.code, &*told.out), (2, ""), "{told:?}");
        let document: serde_json::Value = serde_json::from_str(told.err.lines().last().unwrap()).unwrap();
        let message = document["message"].as_str().unwrap();
        let expected =
            format!("nothing is deleted while {name} is set, which this build does not know: it may");
        assert!(message.starts_with(&expected), "{message}");
        assert_eq!(document["hint"], "correct it or take it out");
        assert_eq!(document["root"], desk.root().to_str().unwrap());
    }
    let told = with(&desk, &[("ASTORE_WIAT", "1h")], &confirm);
    assert_eq!(told.code, 0, "it keeps nothing: {told:?}");
}

#[test]
fn what_makes_no_sense_says_in_fields_what_to_do_and_where() {
    let desk = desk("wait = \"nonsense\"");
    let failed = |variables: &[(&str, &str)], line: &[&str]| -> serde_json::Value {
        let told = with(&desk, variables, line);
        assert_eq!(told.code, 2, "{told:?}");
        serde_json::from_str(told.err.lines().last().unwrap()).unwrap()
    };
    assert_eq!(failed(&[], &["list", "--json"])["root"], desk.root().to_str().unwrap());
    let document = failed(&[("ASTORE_WAIT", "")], &["list", "--json"]);
    assert_eq!(document["hint"], "give it a value or unset it");
    assert!(document["message"].as_str().unwrap().starts_with("ASTORE_WAIT is empty; give it a value"));
    let document =
        failed(&[("ASTORE_WAIT", "1s")], &["remove", "file", "--dry-run", "--reason", " ", "--json"]);
    assert_eq!(document["hint"], "say why, the log keeps it");
    for line in [&["man"][..], &["completions", "bash"], &["list"]] {
        let told = with(&desk, &[("ASTORE_COLOR", "blue"), ("ASTORE_WAIT", "1s")], line);
        assert!(
            told.code == 2 && told.err.starts_with("astore: ASTORE_COLOR is 'blue': expected "),
            "{told:?}"
        );
    }
}
