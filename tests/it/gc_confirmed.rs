//! An operator makes room: looks at what could go, lets somebody object, confirms, and can say years later what
//! went, when and why. What was not confirmed stays, whatever happens in between.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use astore::env::Env;
use astore::manifest::EntryPath;
use astore::monitor::Void;
use astore::registry::report::{AddSource, Completion};
use astore::registry::{Access, Registry};
use serde_json::Value;

use crate::support::cli::{ACTOR, Desk, Said, said, skip_without};
use crate::support::gc::later_event;
use crate::support::oracle;
use crate::support::store::{add, open, options, reference, request, tree};
use crate::support::trees::everything;

/// What each of three builds has for itself.
const OWN: [&[u8]; 3] = [b"the first build", b"the second one", b"the third"];
const SHARED: &[u8] = b"what all of them share";

/// A store with three versions of a build.
fn builds() -> Desk {
    let desk = Desk::new();
    for own in OWN {
        tree(&desk.path("build"), &[("own", own), ("shared", SHARED)]);
        desk.ok(["add", "build", "--finalize"]);
    }
    desk
}

/// The same, and the middle one is removed.
fn builds_less_one() -> Desk {
    let desk = builds();
    desk.ok(["remove", "build@2", "--reason", "wrong\nbranch"]);
    desk
}

fn address(content: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(content).to_hex())
}

fn file_of(desk: &Desk, content: &[u8]) -> PathBuf {
    oracle::file_of(&desk.root(), content)
}

/// What there is of these, by what they hold.
fn there(desk: &Desk, contents: &[&[u8]]) -> Vec<bool> {
    contents.iter().map(|content| file_of(desk, content).is_file()).collect()
}

/// The document of a `gc` to which age does not matter.
#[track_caller]
fn gc(desk: &Desk, more: &[&str]) -> Value {
    let arguments = [&["gc", "--json", "--min-age", "0s"], more].concat();
    let printed = desk.ok(arguments);
    assert_eq!(printed.lines().count(), 1, "one document");
    serde_json::from_str(&printed).unwrap()
}

/// The addresses in `objects` of a document.
fn addresses(document: &Value) -> Vec<&str> {
    let objects = document["objects"].as_array().unwrap();
    objects.iter().map(|object| object["address"].as_str().unwrap()).collect()
}

/// The name of the plan as it is now.
fn name(desk: &Desk) -> String {
    let printed = desk.ok(["gc", "--quiet", "--min-age", "0s"]);
    printed.strip_suffix('\n').unwrap().to_owned()
}

fn confirm(desk: &Desk, plan: &str) -> Said {
    desk.run(["gc", &format!("--confirm={plan}")])
}

#[test]
fn a_new_store_has_nothing_to_give() {
    let desk = Desk::new();
    let plan = gc(&desk, &[]);
    assert_eq!((addresses(&plan).len(), &plan["bytes"], &plan["young"]), (0, &Value::from(0), &Value::Null));
    let said = desk.ok(["gc"]);
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("nothing would go under this plan:"));
    assert!(lines.next().unwrap().contains("-86400-"), "{said}");
    assert_eq!(lines.next(), None, "there is nothing to carry out");
    // Neither has one in which everything is wanted.
    let desk = builds();
    assert_eq!(addresses(&gc(&desk, &[])).len(), 0);
    let head = desk.ok(["log"]);
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(desk.ok(["log"]), head, "nothing to do is nothing to record");
}

#[test]
fn one_of_three_builds_goes_and_the_others_stay() {
    let desk = builds_less_one();
    let removed_by = desk.ok(["log", "--type", "v1.package.removed", "--json"]);
    let removed_by: Value = serde_json::from_str(&removed_by).unwrap();
    let plan = gc(&desk, &[]);
    let object = &plan["objects"][0];
    assert_eq!(addresses(&plan), [address(OWN[1])]);
    assert_eq!((&object["size"], &object["reason"]), (&Value::from(OWN[1].len()), &Value::from("removed")));
    assert_eq!(plan["bytes"], OWN[1].len());
    let package = &plan["packages"][0];
    assert_eq!((&package["reference"], &package["objects"]), (&Value::from("build@2"), &Value::from(1)));
    assert_eq!(package["sequence"], removed_by["sequence"]);
    assert_eq!(package["removed_reason"], "wrong\nbranch");

    let text = desk.ok(["gc", "--min-age", "0s"]);
    assert!(text.contains("build@2 ") && text.contains(": wrong\\nbranch\n"), "{text}");
    assert!(text.contains("\n1 object, 14 B would go under this plan:\n"), "{text}");
    assert_eq!(there(&desk, &OWN), [true; 3], "nothing was changed");

    let text = desk.ok(["gc", "--confirm", "--min-age", "0s", "--reason", "the disk is full"]);
    assert!(text.contains("build@2 ") && text.contains("\nfreed 1 object, 14 B (event "), "{text}");
    assert_eq!(there(&desk, &OWN), [true, false, true]);
    assert_eq!(there(&desk, &[SHARED]), [true]);
    desk.check_sound();
    let started: Value =
        serde_json::from_str(&desk.ok(["log", "--type", "v1.gc.started", "--json"])).unwrap();
    assert_eq!(started["payload"]["reason"], "the disk is full");
    let shown = text.lines().find(|line| line.contains("-0-")).unwrap();
    assert_eq!(started["payload"]["plan"], shown);
    assert_eq!(addresses(&gc(&desk, &[])).len(), 0);

    let sequence = started["sequence"].to_string();
    let told = desk.expect(11, ["explain", &address(OWN[1])]);
    for fact in [ACTOR, "the disk is full", shown, "build@2", &format!("event {sequence}")] {
        assert!(told.contains(fact), "{fact}: {told}");
    }
    desk.expect(11, ["cat", "build@2:own"]);
    desk.ok(["explain", &address(SHARED)]);
    let refused = desk.run(["pin", "late", "build@2"]);
    assert_eq!(refused.code, 11, "{refused:#?}");

    // The same content again brings it back.
    tree(&desk.path("build"), &[("own", OWN[1])]);
    desk.ok(["add", "build", "--finalize"]);
    desk.ok(["explain", &address(OWN[1])]);
    assert_eq!(desk.ok(["cat", &address(OWN[1])]).as_bytes(), OWN[1]);
    desk.check_sound();
}

#[test]
fn a_pin_takes_out_of_a_plan_what_it_keeps() {
    let desk = builds();
    desk.ok(["remove", "build@1", "build@2", "--reason", "old"]);
    let plan = name(&desk);
    desk.ok(["pin", "evidence", "build@2", "--reason", "the audit asks for it"]);
    let said = confirm(&desk, &plan);
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{said:#?}");
    assert!(said.err.contains("v1.pin.added evidence"), "{said:#?}");

    let document = gc(&desk, &[]);
    assert_eq!(addresses(&document), [address(OWN[0])]);
    let kept = &document["kept"][0];
    assert_eq!((&kept["pin"], &kept["objects"], &kept["bytes"]), (&"evidence".into(), &1.into(), &14.into()));
    assert_eq!((&document["kept_objects"], &document["kept_bytes"]), (&1.into(), &14.into()));
    let text = desk.ok(["gc", "--min-age", "0s"]);
    assert!(text.contains("\npin evidence ") && !text.contains("build@2"), "{text}");
    desk.ok(["retain", "build@2", "--hold", "--reason", "the court too"]);
    let text = desk.ok(["gc", "--min-age", "0s"]);
    assert!(text.contains("\nhold on build@2 "), "{text}");
    assert!(text.contains("\n1 object, 14 B is kept by pins and holds alone\n"), "counted once: {text}");

    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(there(&desk, &OWN), [false, true, true]);
    // What was let go a moment ago is young again.
    desk.ok(["unpin", "evidence"]);
    desk.ok(["retain", "build@2", "--release", "--reason", "it is over"]);
    let document: Value = serde_json::from_str(&desk.ok(["gc", "--json"])).unwrap();
    assert_eq!((addresses(&document).len(), &document["young"]["objects"]), (0, &1.into()));
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(there(&desk, &OWN), [false, false, true]);
    desk.check_sound();
}

/// A standard input that breaks off once the store has recorded what came before it.
struct BreaksOff<'d>(&'d Desk);

impl std::io::Read for BreaksOff<'_> {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.0.ok(["log", "--type", "v1.objects.stored"]).is_empty() && Instant::now() < end {}
        Err(std::io::Error::other("the pipe broke"))
    }
}

#[test]
fn every_reason_to_go_is_told_apart() {
    let desk = Desk::without_store();
    desk.ok(["init", "--class", "fleeting=0s"]);
    for (name, class) in [("gone", "permanent-record"), ("expired", "fleeting")] {
        tree(&desk.path(name), &[("own", name.as_bytes()), ("both", SHARED)]);
        desk.ok(["add", name, "--finalize", "--class", class]);
    }
    desk.ok(["remove", "gone", "--reason", "r"]);
    // An add that breaks off after its first batch.
    let env = Env::system(ACTOR);
    let mut registry = Registry::open(&desk.root(), options(Access::Write), env, &Void).unwrap();
    registry.set_batch_files(1);
    let stored = tree(&desk.path("stored"), &[("1", b"stored")]);
    let mut request = request("never", &stored, Completion::Finalize);
    request.sources.push(AddSource::Stdin(EntryPath::new(*b"stdin").unwrap()));
    registry.add(request, &mut BreaksOff(&desk), &Void).unwrap_err();
    drop(registry);
    // A file that somebody else put there.
    oracle::put_object(&desk.root(), b"unrecorded");

    let document = gc(&desk, &[]);
    let found = |reason: &str| -> BTreeSet<String> {
        let objects = document["objects"].as_array().unwrap().iter();
        let of = objects.filter(|object| object["reason"] == reason);
        of.map(|object| object["address"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("removed"), BTreeSet::from([address(b"gone"), address(SHARED)]), "removed comes first");
    assert_eq!(found("expired"), BTreeSet::from([address(b"expired")]));
    assert_eq!(found("stored"), BTreeSet::from([address(b"stored")]));
    assert_eq!(found("unrecorded"), BTreeSet::from([address(b"unrecorded")]));
    let expired = &document["packages"][1];
    assert_eq!((&expired["reference"], &expired["class"]), (&"expired@1".into(), &"fleeting".into()));
    assert_eq!((&expired["reason"], &expired["objects"]), (&"expired".into(), &2.into()));
    let text = desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    for line in [
        "removed                   2 ",
        "expired                   1 ",
        "stored                    1 ",
        "unrecorded                1 ",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}: {text}");
    }
    assert!(text.contains(" (fleeting)\n") && text.contains("\nfreed 5 objects, "), "{text}");
    assert_eq!(addresses(&gc(&desk, &[])).len(), 0);
    desk.check_sound();
}

#[test]
fn a_clock_that_looks_wrong_deletes_nothing_until_somebody_vouches_for_it() {
    let desk = Desk::new();
    // By a clock that is months away from this machine's.
    let at = tree(&desk.path("build"), &[("a", OWN[0])]);
    add(&open(&desk.root(), Access::Write).unwrap(), "build", &at, Completion::LeaveOpen).unwrap();
    let registry = open(&desk.root(), Access::Write).unwrap();
    registry.remove(&[reference("build@1")], "r").unwrap();
    drop(registry);
    let text = desk.ok(["gc", "--min-age", "0s"]);
    assert!(text.contains("this machine's clock looks wrong: "), "{text}");
    let document = gc(&desk, &[]);
    assert!(document["clock"]["last_event"].is_string(), "{document}");
    let plan = document["plan"].as_str().unwrap();
    for confirm in ["--confirm".to_owned(), format!("--confirm={plan}")] {
        let said = desk.run(["gc", &confirm]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
        assert!(
            said.err.contains("nothing was deleted; set the clock right, or say --accept-clock"),
            "{said:#?}"
        );
    }
    assert_eq!(there(&desk, &[OWN[0]]), [true]);
    desk.ok(["gc", &format!("--confirm={plan}"), "--accept-clock"]);
    assert_eq!(there(&desk, &[OWN[0]]), [false]);
    let started: Value =
        serde_json::from_str(&desk.ok(["log", "--type", "v1.gc.started", "--json"])).unwrap();
    assert_eq!(started["payload"]["clock_accepted"], true);
    assert_eq!(gc(&desk, &[])["clock"], Value::Null);
}

#[test]
fn a_reviewed_plan_holds_through_what_has_nothing_to_do_with_it() {
    // store-layout.md 18.9
    let desk = builds_less_one();
    let plan = name(&desk);
    desk.ok(["verify"]);
    tree(&desk.path("other"), &[("other", b"something else")]);
    desk.ok(["add", "other", "--finalize"]);
    let text = confirm(&desk, &plan).expect(0);
    assert!(text.lines().any(|line| line == plan), "{text}");
    assert_eq!(there(&desk, &OWN), [true, false, true]);
    desk.check_sound();
    // It was carried out; now it is another.
    let again = confirm(&desk, &plan);
    assert_eq!((again.code, again.out.as_str()), (5, ""), "{again:#?}");
}

#[test]
fn a_plan_that_somebody_objected_to_is_not_carried_out() {
    // store-layout.md 18.9
    let desk = builds_less_one();
    let plan = name(&desk);
    tree(&desk.path("late"), &[("wanted", OWN[1])]);
    desk.ok(["add", "late", "--finalize"]);
    let head = desk.ok(["log"]);
    for more in [&[][..], &["--json"], &["--quiet"], &["--yes", "--min-age", "0s"]] {
        let said = desk.run([&["gc", &format!("--confirm={plan}")], more].concat());
        assert_eq!((said.code, said.out.as_str()), (5, ""), "{said:#?}");
        assert_eq!(said.err.lines().count(), 1, "{said:#?}");
        assert!(said.err.contains("late@1") && said.err.contains("nothing was deleted"), "{said:#?}");
    }
    assert_eq!(desk.ok(["log"]), head);
    assert_eq!(there(&desk, &OWN), [true; 3]);
    // Nor is one of a day that has not come.
    let future = name(&desk).replacen('1', "8", 1);
    let said = confirm(&desk, &future);
    assert_eq!(said.code, 5, "{said:#?}");
    assert!(said.err.contains("make a new plan"), "{said:#?}");
}

#[test]
fn what_is_fresh_stays_and_the_plan_says_until_when() {
    let desk = builds_less_one();
    let text = desk.ok(["gc"]);
    let young = text.lines().find(|line| line.contains(" younger than 24h ")).unwrap();
    assert!(young.starts_with("1 object, 14 B is younger"), "{young}");
    assert!(young.contains("--min-age 0s"), "{young}");
    assert!(text.contains("\nnothing would go under this plan:\n"), "{text}");
    let document: Value = serde_json::from_str(&desk.ok(["gc", "--json"])).unwrap();
    let young = &document["young"];
    assert_eq!((&young["objects"], &young["bytes"]), (&Value::from(1), &Value::from(14)));
    assert_eq!(young["first"], young["until"]);
    let text = desk.ok(["gc", "--confirm"]);
    assert!(text.ends_with("nothing was purged\n"), "{text}");
    assert_eq!(there(&desk, &OWN), [true; 3]);
}

/// Nobody is shown a plan, and nobody can carry one out.
#[track_caller]
fn check_refused(desk: &Desk, plan: &str, says: &str) {
    let head = desk.ok(["log"]);
    let confirmed = format!("--confirm={plan}");
    for line in
        [&["gc", "--min-age", "0s"][..], &["gc", "--confirm", "--min-age", "0s"], &["gc", confirmed.as_str()]]
    {
        let said = desk.run(line);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{line:?}: {said:#?}");
        assert!(said.err.contains(says), "{line:?}: {said:#?}");
    }
    assert_eq!(desk.ok(["log"]), head);
    assert_eq!(there(desk, &OWN), [true; 3]);
}

#[test]
fn there_is_no_plan_while_the_log_is_not_understood() {
    // store-layout.md 18.8
    let desk = builds_less_one();
    let plan = name(&desk);
    later_event(&desk.root());
    desk.ok(["list"]); // enters it
    check_refused(&desk, &plan, "v1.object.evicted");
}

#[test]
fn there_is_no_plan_while_a_payload_cannot_be_read() {
    // store-layout.md 18.8
    let desk = builds_less_one();
    // A package whose manifest is an object.
    let names: Vec<String> = (0..700).map(|number| format!("{number:0100}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), SHARED)).collect();
    tree(&desk.path("wide"), &files);
    desk.ok(["add", "wide", "--finalize"]);
    let plan = name(&desk);
    let manifest = desk.fact("wide@1", "manifest");
    let digest = blake3::Hash::from_hex(&manifest["blake3:".len()..][..64]).unwrap();
    let manifest = oracle::object_path(&desk.root(), digest.as_bytes());
    let bytes = fs::read(&manifest).unwrap();
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&manifest, &bytes[1..]).unwrap();
    check_refused(&desk, &plan, "(v1.package.finalized of wide@1) cannot be read");
    // A package that is removed wants nothing.
    desk.ok(["remove", "wide", "--reason", "r"]);
    assert_eq!(name(&desk).rsplit('-').next(), plan.rsplit('-').next());
    confirm(&desk, &plan).expect(0);
    assert_eq!(there(&desk, &OWN), [true, false, true]);
}

#[test]
fn what_removing_would_free_is_told_beforehand() {
    let desk = builds();
    let head = desk.ok(["log"]);
    let document = gc(&desk, &["--without", "build@2"]);
    assert_eq!(addresses(&document), [address(OWN[1])]);
    assert_eq!((&document["plan"], &document["shared"]["objects"]), (&Value::Null, &Value::from(1)));
    let text = desk.ok(["gc", "--without", "build@2"]);
    assert!(text.starts_with("without build@2, a confirmed gc would free 1 object, 14 B\n"), "{text}");
    let all: usize = OWN.iter().map(|own| own.len()).sum::<usize>() + SHARED.len();
    for both in [
        &["gc", "--quiet", "--without", "build@1", "build@2", "build@3"][..],
        &["gc", "--quiet", "--without", "build@1", "--without", "build@2", "--without", "build"],
    ] {
        assert_eq!(desk.ok(both), format!("{all}\n"));
    }
    assert_eq!(desk.ok(["log"]), head);
    desk.expect(7, ["gc", "--without", "nothing"]);
}

#[test]
fn a_plan_of_a_store_that_may_only_be_read_changes_no_byte_of_it() {
    let desk = builds_less_one();
    let someone = desk.mortal();
    let chmod = |directories: u32, files: u32| {
        for entry in walkdir::WalkDir::new(desk.root()).contents_first(true) {
            let entry = entry.unwrap();
            let mode = if entry.file_type().is_dir() { directories } else { files };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    chmod(0o555, 0o444);
    let before = everything(&desk.root());
    let text = someone.run(["gc", "--min-age", "0s"]).expect(0);
    assert!(text.contains("\n1 object, 14 B would go under this plan:\n"), "{text}");
    someone.run(["gc", "--without", "build@1"]).expect(0);
    let said = someone.run(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert_eq!(everything(&desk.root()), before);
    chmod(0o700, 0o600);
    desk.ok(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(there(&desk, &OWN), [true, false, true]);
}

#[test]
fn one_file_that_cannot_be_deleted_does_not_keep_the_others() {
    // store-layout.md 18.10, 18.12
    let desk = builds();
    desk.ok(["remove", "build@1", "build@2", "build@3", "--reason", "r"]);
    // Nobody deletes a directory as if it were a file.
    let stubborn = file_of(&desk, OWN[1]);
    fs::remove_file(&stubborn).unwrap();
    fs::create_dir(&stubborn).unwrap();
    let said = desk.run(["gc", "--confirm", "--min-age", "0s"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let told = format!("not deleted {}: ", address(OWN[1]));
    assert!(said.out.contains(&told) && said.out.contains("\nfreed 3 objects, "), "{said:#?}");
    assert_eq!(said.err.lines().count(), 1, "{said:#?}");
    assert!(said.err.contains("1 object could not be deleted"), "{said:#?}");
    assert!(said.err.contains("the next confirmed gc tries again"), "{said:#?}");
    assert_eq!(there(&desk, &[OWN[0], OWN[2], SHARED]), [false; 3]);
    assert!(stubborn.is_dir());
    let ended: Value =
        serde_json::from_str(&desk.ok(["log", "--type", "v1.gc.completed", "--json"])).unwrap();
    assert_eq!(ended["payload"]["failed"].as_array().unwrap().len(), 1, "{ended}");

    // The next one tries again: first a file that can be deleted lies there, then nothing.
    fs::remove_dir(&stubborn).unwrap();
    fs::write(&stubborn, OWN[1]).unwrap();
    let text = desk.ok(["gc"]);
    assert!(text.contains("1 file of objects purged before still lies there"), "{text}");
    assert_eq!(addresses(&gc(&desk, &[])).len(), 0, "it is in no plan");
    let head = desk.ok(["log"]);
    let document: Value = serde_json::from_str(&desk.ok(["gc", "--confirm", "--json"])).unwrap();
    assert_eq!((&document["remains"], &document["remains_deleted"]), (&Value::from(1), &Value::from(1)));
    assert!(!stubborn.exists());
    assert_eq!(desk.ok(["log"]), head, "the event that purged it is in the log");
    let said = desk.run(["explain", &address(OWN[1])]);
    assert_eq!(said.code, 11, "{said:#?}");
    assert!(said.out.contains("its file is gone since"), "{said:#?}");
    desk.check_sound();
}

#[test]
fn the_documents_have_what_scripts_rely_on() {
    let desk = builds_less_one();
    let keys =
        |document: &Value| -> BTreeSet<String> { document.as_object().unwrap().keys().cloned().collect() };
    let plan = gc(&desk, &[]);
    let expected = "schema confirmed plan instant min_age_seconds objects bytes reasons packages kept \
                    kept_objects kept_bytes young unfinished remains leftovers clock";
    let mut expected: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
    assert_eq!(keys(&plan), expected);
    assert_eq!((&plan["schema"], &plan["confirmed"]), (&"astore/gc/v1".into(), &false.into()));
    let word = plan["plan"].as_str().unwrap();
    let document: Value =
        serde_json::from_str(&desk.ok(["gc", "--json", &format!("--confirm={word}")])).unwrap();
    expected.extend(
        ["rounds", "resumed", "freed", "missing", "failed", "remains_deleted", "left"].map(str::to_owned),
    );
    assert_eq!(keys(&document), expected);
    for key in ["plan", "objects", "bytes", "packages"] {
        assert_eq!(document[key], plan[key], "{key}");
    }
    assert_eq!((&document["confirmed"], &document["freed"]["bytes"]), (&true.into(), &14.into()));
    assert_eq!(document["rounds"].as_array().unwrap().len(), 1);
    let without = gc(&desk, &["--without", "build@1"]);
    let expected = "schema confirmed plan without objects bytes shared kept";
    assert_eq!(keys(&without), expected.split_whitespace().map(str::to_owned).collect());
}

#[test]
fn a_gc_waits_for_whoever_writes_and_says_for_whom() {
    let desk = builds_less_one();
    let writer = open(&desk.root(), Access::Write).unwrap();
    let said = desk.run(["gc", "--confirm", "--min-age", "0s", "--wait", "0s"]);
    assert_eq!((said.code, said.out.as_str()), (6, ""), "{said:#?}");
    let me = format!("process {}", std::process::id());
    assert!(said.err.contains(&me) && said.err.contains("--wait"), "{said:#?}");
    // The plan needs no lock.
    let plan = name(&desk);

    let mut command = desk.command(["gc", &format!("--confirm={plan}")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("waiting for") && told.contains(&me), "{told}");
    assert_eq!(there(&desk, &OWN), [true; 3]);
    drop(writer);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(there(&desk, &OWN), [true, false, true]);
}

#[test]
fn a_nightly_job_is_silent() {
    let desk = builds();
    let nightly = ["gc", "--confirm", "--quiet", "--min-age", "0s", "--reason", "nightly"];
    for _ in 0..2 {
        let said = desk.run(nightly);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
        desk.ok(["remove", "build", "--keep", "1", "--reason", "nightly"]);
    }
    assert_eq!(there(&desk, &OWN), [false, false, true]);
}

#[test]
fn the_command_line_in_the_plan_can_be_pasted() {
    let desk = Desk::without_store();
    let root = "it's a \"store\" of $HOME\n";
    let with_root = |arguments: &[&str]| {
        let mut command = desk.command([&["--root", root], arguments].concat());
        command.env_remove("ASTORE_ROOT");
        said(command)
    };
    tree(&desk.path("build"), &[("a", OWN[0])]);
    with_root(&["init"]).expect(0);
    with_root(&["add", "build", "--finalize"]).expect(0);
    with_root(&["remove", "build", "--reason", "r"]).expect(0);
    let text = with_root(&["gc", "--min-age", "0s"]).expect(0);
    let line = text.lines().skip_while(|line| *line != "carry it out with:").nth(1).unwrap().trim_start();
    assert!(line.starts_with("astore gc --root "), "{line}");
    // Bash has had $'…' for long, the shells behind sh not all.
    let mut shell = Command::new("bash");
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_astore"));
    let path = format!("{}:/usr/bin:/bin", bin.parent().unwrap().display());
    shell.args(["-c", line]).env_clear().env("PATH", path).stdin(Stdio::null());
    let said = said(shell);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.ends_with("freed 1 object, 15 B (event 4)\n"), "{said:#?}");
}

#[test]
fn on_a_terminal_it_asks() {
    let probe = Command::new("script").arg("--version").output();
    if !probe.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux")) {
        skip_without("script of util-linux");
        return;
    }
    let desk = builds_less_one();
    let binary = env!("CARGO_BIN_EXE_astore");
    // The last but one is Ctrl-C.
    for (answer, code) in [("no\n", 5), ("\u{3}", 130), ("yes\n", 0)] {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("'{binary}' gc --confirm --min-age 0s"), "/dev/null"]);
        command
            .env_clear()
            .env("ASTORE_ROOT", desk.root())
            .env("PATH", "/usr/bin:/bin")
            .env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut terminal = child.stdout.take().unwrap();
        // The answer is typed when the question is there.
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"type 'yes' to do it: ") {
            assert_eq!(terminal.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        let question = String::from_utf8_lossy(&seen).into_owned();
        let root = desk.root();
        assert!(question.contains("delete 1 object, 14 B for good"), "{question}");
        assert!(question.contains(root.to_str().unwrap()) && question.contains("build@2"), "{question}");
        assert_eq!(there(&desk, &OWN), [true; 3]);
        input.write_all(answer.as_bytes()).unwrap();
        let mut rest = String::new();
        terminal.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{question}{rest}");
        assert_eq!(rest.contains("not confirmed, nothing was changed"), code == 5, "{rest}");
        assert_eq!(rest.contains("astore: interrupted"), code == 130, "{rest}");
    }
    assert_eq!(there(&desk, &OWN), [true, false, true]);
}
