//! An operator says what must stay: by a pin, by a hold, by a class or a day. What is promised is kept, what can
//! no longer be kept is refused, and whoever removes something hears what stays of it and why.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use astore::env::{Env, Timestamp};
use astore::error::{Error, ErrorKind};
use astore::identity::{Blake3, ContentAddress};
use astore::monitor::Void;
use astore::registry::report::{
    AddTarget, ClockTrust, Completion, Confirmed, HoldRequest, ListFilter, PackageSummary, PinRequest,
    PinTarget, PlanRequest, Reason, RetainRequest, RootKind,
};
use astore::registry::{Access, Registry};
use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::cli::{Desk, Said};
use crate::support::gc::{begin_gc, collect};
use crate::support::store::{fast_dir, init, options, reference, request, tree};

/// A desk with `doc@1` of two files, finalised, and `run@1`, open, of one of them.
fn desk() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("a", b"1"), ("d/b", b"2")]);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["add", "doc/d", "--name", "run"]);
    desk
}

fn address(content: &[u8]) -> String {
    ContentAddress::new(Blake3::of(content)).to_string()
}

fn json(desk: &Desk, arguments: &[&str]) -> Value {
    serde_json::from_str(&desk.ok(arguments.iter().copied().chain(["--json"]))).unwrap()
}

/// What a command that fails said: its code and its one line, without the root.
#[track_caller]
fn told(desk: &Desk, arguments: &[&str]) -> String {
    let Said { code, out, err } = desk.run(arguments);
    assert_eq!((out.as_str(), err.lines().count()), ("", 1), "{err}");
    let root = format!(" (root {})", desk.root().display());
    format!("{code} {}", err.trim_end().replace(&root, ""))
}

#[test]
fn a_pin_keeps_a_package_and_says_so_when_it_is_removed() {
    let desk = desk();
    let object = address(b"2");
    let said = desk.run(["pin", "golden", "doc@1", "--reason", "it runs\nwell"]);
    assert_eq!(said.out, "golden doc@1\n");
    assert_eq!(
        said.err,
        "astore: the pin keeps 2 objects (2 B) of doc@1, even removed or expired, until 'astore unpin golden'\n"
    );
    let said = desk.run(["pin", "image", &object[..15]]);
    assert_eq!(said.out, format!("image {object}\n"));

    desk.ok(["retain", "doc", "--hold", "--reason", "case 4711"]);
    let said = desk.run(["remove", "doc", "--reason", "old"]);
    assert_eq!(said.out, "doc@1\n");
    assert_snapshot!(said.err, @r#"
    astore: the bytes stay until a confirmed gc; 'astore restore' brings a package back
    astore: pin golden keeps the bytes of doc@1: it runs\nwell
    astore: pin image keeps blake3:813e9b729141e7f385afa0a2d0df3e6c3789e427ffe4aeef566a565bc8f2fe3d of doc@1
    astore: a hold keeps the bytes of doc@1: case 4711
    "#);
    assert_snapshot!(desk.run(["remove", "run", "--reason", "old"]).err, @"
    astore: the bytes stay until a confirmed gc; 'astore restore' brings a package back
    astore: pin image keeps blake3:813e9b729141e7f385afa0a2d0df3e6c3789e427ffe4aeef566a565bc8f2fe3d of run@1
    ");
    desk.ok(["restore", "run"]);

    let shown = desk.ok(["show", "doc@1"]);
    assert!(shown.contains("\n  held        case 4711\n"), "{shown}");
    assert!(shown.contains("\n  pins\n    golden  2") && shown.contains(": it runs\\nwell\n"), "{shown}");
    assert!(shown.contains(&format!("\n    image  {object}  2")), "{shown}");

    let listed = desk.ok(["pins"]);
    assert!(listed.contains("\ngolden  doc@1 (removed)  "), "{listed}");
    assert!(listed.lines().all(|line| line == line.trim_end()), "{listed}");
    assert_eq!(desk.ok(["pins", "--quiet"]), "golden\nimage\n");
    let pins = json(&desk, &["pins"]);
    assert_eq!(pins["schema"], "astore/pins/v1");
    assert_eq!(pins["pins"][0]["package"], "doc@1");
    assert_eq!(pins["pins"][0]["gone"], "removed");
    assert_eq!(pins["pins"][0]["created_by"], crate::support::cli::ACTOR);
    assert_eq!(pins["pins"][1]["object"], object.as_str());
    assert_eq!(pins["pins"][1]["gone"], Value::Null);

    desk.ok(["pin", "second", "doc@1"]);
    assert_snapshot!(desk.run(["unpin", "golden"]).err, @"
    astore: pin second still keeps doc@1
    astore: a hold still keeps doc@1: case 4711
    ");
    desk.ok(["retain", "doc@1", "--release", "--reason", "closed"]);
    assert_snapshot!(desk.run(["unpin", "second", "--reason", "done"]).err, @"astore: doc@1 is removed: its bytes stay until a confirmed gc");
    assert_snapshot!(desk.run(["unpin", "image"]).err, @"astore: the bytes stay until a confirmed gc, and longer where a package keeps them");
    assert_eq!(desk.run(["pins"]).err, "astore: no pins\n");
    assert_eq!(json(&desk, &["pins"])["pins"], Value::Array(Vec::new()));
    desk.check_sound();
}

#[test]
fn what_remove_prints_for_scripts_names_what_keeps_it() {
    let desk = desk();
    desk.ok(["pin", "image", &address(b"2")]);
    desk.ok(["retain", "doc", "--hold", "--reason", "case 4711"]);
    let removed = json(&desk, &["remove", "doc", "run", "--reason", "r"]);
    assert_eq!(removed["pinned_by"], serde_json::json!(["image"]));
    let object = address(b"2");
    assert_eq!(
        removed["kept_by"],
        serde_json::json!([
            {"package": "doc@1", "by": "pin", "pin": "image", "object": object, "reason": null},
            {"package": "doc@1", "by": "hold", "reason": "case 4711"},
            {"package": "run@1", "by": "pin", "pin": "image", "object": object, "reason": null},
        ])
    );
    // The script that archives every night hears it too.
    desk.ok(["restore", "doc"]);
    desk.ok(["add", "doc", "--finalize"]);
    let said = desk.run(["remove", "doc", "--keep", "1", "--reason", "rotation"]);
    assert!(said.err.contains("a hold keeps the bytes of doc@1: case 4711"), "{said:?}");
}

#[test]
fn what_cannot_be_pinned_is_said() {
    let desk = desk();
    desk.ok(["pin", "golden", "doc"]);
    desk.ok(["remove", "run", "--reason", "r"]);
    assert_snapshot!(told(&desk, &["pin", "golden", "run@1"]), @"2 astore: the pin golden is there already, on doc@1; 'astore unpin golden' frees the name");
    assert_snapshot!(told(&desk, &["pin", "-x", "doc"]), @"2 astore: unexpected argument '-x' found; see 'astore pin --help'");
    assert_snapshot!(told(&desk, &["pin", "two words", "doc"]), @"2 astore: invalid value 'two words' for '<NAME>': a name is 1 to 128 of the characters A-Z a-z 0-9 . _ + - and does not begin with '.', '+' or '-'; see 'astore pin --help'");
    assert_snapshot!(told(&desk, &["pin", "p", "dog"]), @r#"7 astore: no package "dog"; did you mean doc? 'astore list --all' shows the packages there are"#);
    assert_snapshot!(told(&desk, &["pin", "p", "run"]), @"7 astore: every version of run is removed, run@1 the last; 'run@1' names it as it is, and 'astore restore run@1' brings it back");
    assert_snapshot!(told(&desk, &["pin", "p", "doc:a"]), @"2 astore: 'doc:a' is neither a REF nor an address; 'astore explain doc:a' tells the address of a file");
    assert_snapshot!(told(&desk, &["pin", "p", "blake3:0123456789"]), @"7 astore: no object blake3:0123456789; 'astore explain FILE' tells the address of a file");
    assert_snapshot!(told(&desk, &["pin", "p", "sha256:0123"]), @"2 astore: 'sha256:0123' is no address: a prefix needs at least 8 hexadecimal digits, found 4");
    assert_snapshot!(told(&desk, &["pin", "p", "doc", "--reason", " "]), @"2 astore: --reason is empty; leave it out or say why");
    assert_snapshot!(told(&desk, &["unpin", "p"]), @r#"7 astore: no pin "p"; 'astore pins' shows the pins there are"#);
    // A removed package can be pinned by its exact name, as long as its bytes are there.
    desk.ok(["pin", "p", "run@1"]);
}

#[test]
fn what_cannot_be_retained_is_said() {
    let desk = desk();
    tree(&desk.path("log"), &[("a", b"3")]);
    desk.ok(["add", "log", "--finalize", "--class", "raw-evidence"]);
    assert_snapshot!(told(&desk, &["retain", "doc", "--reason", "r"]), @"2 astore: the following required arguments were not provided: <--class <CLASS>|--until <DATE>|--hold|--release>; usage: astore retain [OPTIONS] --class|--until|--hold|--release --reason <TEXT> <REF>");
    assert_snapshot!(told(&desk, &["retain", "doc", "--hold"]), @"2 astore: the following required arguments were not provided: --reason <TEXT>; usage: astore retain [OPTIONS] --class|--until|--hold|--release --reason <TEXT> <REF>");
    assert_snapshot!(told(&desk, &["retain", "doc", "--hold", "--reason", ""]), @"2 astore: --reason is empty; say why, the log keeps it");
    assert_snapshot!(told(&desk, &["retain", "doc", "--hold", "--release", "--reason", "r"]), @"2 astore: the argument '--hold' cannot be used with '--release'; see 'astore retain --help'");
    assert_snapshot!(told(&desk, &["retain", "doc", "--until", "soon", "--reason", "r"]), @"2 astore: invalid value 'soon' for '--until <DATE>': expected a date as YYYY-MM-DD, such as 2031-12-31; see 'astore retain --help'");
    assert_snapshot!(told(&desk, &["retain", "doc", "--until", "2031-12-31", "--reason", "r"]), @"2 astore: doc@1 never expires, and 2032-01-01T00:00:00.000000Z is earlier; an expiry moves later, never earlier");
    assert_snapshot!(told(&desk, &["retain", "doc", "--release", "--reason", "r"]), @"2 astore: doc@1 is not held");
    assert_snapshot!(told(&desk, &["retain", "run", "--until", "2031-12-31", "--reason", "r"]), @"2 astore: run@1 is open; freeze it with 'astore finalize run@1'");
    assert_snapshot!(told(&desk, &["retain", "doc", "--class", "nightly", "--reason", "r"]), @r#"2 astore: no retention class "nightly"; the classes are permanent-record, raw-evidence, release-evidence, summary-evidence, transient"#);
    let earlier = told(&desk, &["retain", "log", "--class", "transient", "--reason", "r"]);
    assert!(
        earlier.starts_with("2 astore: log@1 expires 20") && earlier.contains(" is earlier; "),
        "{earlier}"
    );
    // Nothing of a request is done where a part of it is refused.
    let said = told(&desk, &["retain", "doc", "--hold", "--until", "2031-12-31", "--reason", "r"]);
    assert!(said.starts_with("2 astore: doc@1 never expires, and 2032-01-01T00:00:00"), "{said}");
    assert_eq!(json(&desk, &["show", "doc"])["package"]["hold"], false);
}

#[test]
fn a_package_is_kept_longer_and_held() {
    let desk = desk();
    tree(&desk.path("log"), &[("a", b"3")]);
    desk.ok(["add", "log", "--finalize", "--class", "transient"]);
    let kept = desk.ok(["retain", "log", "--until", "2099-12-31", "--reason", "the warranty"]);
    assert_eq!(
        kept,
        "log@1  finalized\n  class       transient, may go from 2100-01-01T00:00:00Z\n  held        no\n"
    );
    let again = desk.run(["retain", "log", "--until", "2099-12-31", "--reason", "the warranty"]);
    assert_eq!(again.err, "astore: nothing changes: all of it was so already\n");
    assert_eq!(
        json(&desk, &["retain", "log", "--until", "2099-12-31", "--reason", "r"])["sequence"],
        Value::Null
    );

    desk.ok(["retain", "log", "--hold", "--reason", "case 1"]);
    let held = json(&desk, &["retain", "log", "--hold", "--reason", "case 2"]);
    assert_eq!(held["schema"], "astore/retain/v1");
    assert_eq!((&held["package"]["hold"], &held["package"]["hold_reason"]), (&true.into(), &"case 2".into()));
    let listed = desk.ok(["list"]);
    assert!(listed.contains("  transient until 2100-01-01T00:00:00Z (held: case 2)\n"), "{listed}");
    let log = desk.ok(["log", "--json", "--type", "v1.retention.changed"]);
    let payloads: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].take()).collect();
    assert_eq!(
        payloads,
        [
            serde_json::json!({"expires_at": 4_102_444_800_000_000_i64, "reason": "the warranty"}),
            serde_json::json!({"hold": true, "reason": "case 1"}),
            serde_json::json!({"hold": true, "reason": "case 2"}),
        ],
        "an event says what changes and nothing else"
    );
    desk.check_sound();
}

/// A store whose operator's clock is what the test says.
struct Clocked {
    _dir: tempfile::TempDir,
    root: PathBuf,
    tree: PathBuf,
    opened: AtomicU64,
}

/// An instant well after the one at which `init` said that the store was made.
const START: i64 = 1_900_000_000_000_000;
const DAY: i64 = 86_400_000_000;

const fn day(days: i64) -> Timestamp {
    Timestamp::from_micros(START + days * DAY)
}

impl Clocked {
    fn new() -> Self {
        let dir = fast_dir();
        let root = dir.path().join("store");
        init(&root);
        let tree = tree(&dir.path().join("tree"), &[("a", b"alpha"), ("b", b"beta")]);
        Self { _dir: dir, root, tree, opened: AtomicU64::new(0) }
    }

    /// Opens the store on a day; the clock stands still.
    fn on(&self, days: i64) -> Registry {
        let env = Env::fixed("tester@here", day(days), 0);
        // Ids follow from the instant and from how many were made before: no two openings make the same ones.
        for _ in 0..self.opened.fetch_add(1, Ordering::Relaxed) {
            env.random_id();
        }
        Registry::open(&self.root, options(Access::Write), env, &Void).expect("open")
    }

    fn add(&self, days: i64, name: &str, class: &str, completion: Completion) -> PackageSummary {
        let mut request = request(name, &self.tree, completion);
        if let AddTarget::New { class: asked, .. } = &mut request.target {
            *asked = Some(class.to_owned());
        }
        self.on(days).add(request, &mut std::io::empty(), &Void).expect("add").package
    }

    fn head(&self) -> u64 {
        self.on(0).health().expect("health").head_sequence
    }

    #[track_caller]
    fn check_replay(&self) {
        let report = self.on(0).replay_check(&Void).expect("replay");
        assert_eq!(report.view_digest_before, Some(report.view_digest));
    }
}

fn hold(text: &str, hold: HoldRequest) -> RetainRequest {
    RetainRequest { hold, ..RetainRequest::new(reference(text), "asked") }
}

fn class(text: &str, class: &str) -> RetainRequest {
    RetainRequest { class: Some(class.to_owned()), ..RetainRequest::new(reference(text), "asked") }
}

fn until(text: &str, instant: Timestamp) -> RetainRequest {
    RetainRequest { until: Some(instant), ..RetainRequest::new(reference(text), "asked") }
}

fn expired(registry: &Registry) -> Vec<String> {
    let listed = registry.list(ListFilter::Expired, None).expect("list");
    listed.iter().map(PackageSummary::reference).collect()
}

#[test]
fn an_expiry_counts_from_finalisation_whatever_the_class_was_before() {
    let store = Clocked::new();
    let added = store.add(0, "app", "transient", Completion::Finalize);
    assert_eq!(added.expires_at, Some(day(7)));
    assert_eq!(expired(&store.on(6)), [""; 0]);
    assert_eq!(expired(&store.on(7)), ["app@1"]);

    let report = store.on(5).retain(&class("app", "raw-evidence")).expect("retain");
    assert_eq!((report.package.expires_at, report.gone), (Some(day(90)), None));
    // Even once it has expired, as long as its bytes are there; later, but not late enough, changes nothing.
    let report = store.on(100).retain(&until("app", day(95))).expect("retain");
    assert_eq!((report.package.expires_at, report.gone), (Some(day(95)), Some(Reason::Expired)));
    let report = store.on(100).retain(&class("app", "summary-evidence")).expect("retain");
    assert_eq!((report.package.expires_at, report.gone), (Some(day(365)), None));
    // Of a class and a day the later counts.
    let both = RetainRequest { until: Some(day(400)), ..class("app", "raw-evidence") };
    let report = store.on(100).retain(&both).expect("retain");
    assert_eq!((report.package.class.as_str(), report.package.expires_at), ("raw-evidence", Some(day(400))));
    let both = RetainRequest { until: Some(day(1)), ..class("app", "permanent-record") };
    assert_eq!(store.on(100).retain(&both).expect("retain").package.expires_at, None);
    for earlier in [class("app", "release-evidence"), until("app", day(100_000))] {
        let error = store.on(100).retain(&earlier).expect_err("earlier than never");
        assert!(matches!(error, Error::EarlierExpiry { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    store.check_replay();
}

#[test]
fn an_open_package_takes_another_class_and_its_manifest_says_so() {
    let store = Clocked::new();
    store.add(0, "app", "permanent-record", Completion::LeaveOpen);
    let report = store.on(1).retain(&class("app", "transient")).expect("retain");
    assert_eq!((report.package.class.as_str(), report.package.expires_at), ("transient", None));
    let error = store.on(1).retain(&until("app", day(9))).expect_err("open");
    assert!(matches!(error, Error::WrongState { state: "open", .. }), "{error}");
    let finalized = store.on(2).finalize(&reference("app"), &Void).expect("finalize");
    assert_eq!(finalized.expires_at, Some(day(9)));
    let bytes = store.on(2).manifest(&reference("app")).expect("manifest").bytes;
    let manifest = astore::manifest::Manifest::parse(&bytes).expect("a manifest");
    assert_eq!(manifest.header().retention.class, "transient");
    assert_eq!(manifest.header().retention.duration_seconds, Some(7 * 24 * 60 * 60));
    store.check_replay();
}

#[test]
fn a_hold_stands_beside_class_and_removal() {
    let store = Clocked::new();
    store.add(0, "app", "transient", Completion::Finalize);
    store.on(8).retain(&hold("app", HoldRequest::Set)).expect("retain");
    assert_eq!(expired(&store.on(9)), [""; 0], "held");
    let report = store.on(9).remove(&[reference("app")], "old").expect("remove");
    assert!(matches!(&report.kept_by[0].by, RootKind::Hold { reason } if reason == "asked"), "{report:?}");
    let report = store.on(9).retain(&hold("app@1", HoldRequest::Release)).expect("retain");
    assert_eq!((report.gone, report.package.hold_reason), (Some(Reason::Removed), None));
    let before = store.head();
    let error = store.on(9).retain(&hold("app@1", HoldRequest::Release)).expect_err("not held");
    assert!(matches!(error, Error::WrongState { state: "not held", .. }), "{error}");
    let error = store.on(9).retain(&hold("app@1", HoldRequest::Leave)).expect_err("nothing is asked");
    assert!(matches!(error, Error::BadText { .. }), "{error}");
    assert_eq!(store.head(), before);
    store.on(9).retain(&hold("app@1", HoldRequest::Set)).expect("a removed package can be held");
    store.check_replay();
}

#[test]
fn pins_say_whether_they_alone_keep_something() {
    let store = Clocked::new();
    store.add(0, "app", "transient", Completion::Finalize);
    let object = PinRequest::Object(ContentAddress::new(Blake3::of(b"beta")).into());
    store.on(0).pin("one", &object, Some("why")).expect("pin");
    let pinned = store.on(1).pin("two", &PinRequest::Package(reference("app")), None).expect("pin");
    assert_eq!((pinned.objects, pinned.bytes, pinned.gone), (2, 9, None));
    assert_eq!(pinned.pin.created_at, day(1));
    let pins = store.on(7).pins().expect("pins");
    assert_eq!(pins[1].gone, Some(Reason::Expired));
    assert_eq!((pins[0].objects, pins[0].bytes, pins[0].gone), (1, 4, None));
    assert_eq!(pins[0].pin.target, PinTarget::Object(ContentAddress::new(Blake3::of(b"beta"))));
    let error = store.on(7).pin("two", &object, None).expect_err("taken");
    assert!(matches!(&error, Error::PinTaken { target, .. } if target == "app@1"), "{error}");
    for bad in ["", "a b", "-a", "a/b"] {
        let error = store.on(7).pin(bad, &object, None).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::Usage, "{bad:?}: {error}");
    }
    store.on(7).unpin("two", None).expect("unpin");
    store.on(7).pin("two", &object, None).expect("the name is free again");
    assert_eq!(store.on(7).unpin("one", None).expect("unpin").others[0].name, "two");
    store.check_replay();
}

/// What could no longer be kept is not promised.
#[test]
fn what_was_purged_is_not_kept_again() {
    let store = Clocked::new();
    store.add(0, "app", "transient", Completion::Finalize);
    store.add(0, "lib", "permanent-record", Completion::Finalize);
    store.on(1).remove(&[reference("lib")], "old").expect("remove");
    begin_gc(&store.root, &[b"alpha", b"beta"]);
    let registry = store.on(8);
    let before = store.head();
    let package = |text: &str| PinRequest::Package(reference(text));
    let refused = [
        registry.restore(&reference("lib")).map(drop),
        registry.pin("p", &package("lib@1"), None).map(drop),
        registry.pin("p", &package("app"), None).map(drop),
        registry.retain(&hold("lib@1", HoldRequest::Set)).map(drop),
        registry.retain(&hold("app", HoldRequest::Set)).map(drop),
        registry.retain(&class("app", "raw-evidence")).map(drop),
        registry.retain(&until("app", day(9))).map(drop),
    ];
    let mut both = [Blake3::of(b"alpha"), Blake3::of(b"beta")].map(ContentAddress::new);
    both.sort();
    for (at, outcome) in refused.into_iter().enumerate() {
        let error = outcome.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Purged, "{at}: {error}");
        assert!(
            matches!(&error, Error::HasPurged { count: 2, objects, .. } if objects[..] == both),
            "{error}"
        );
    }
    let object = PinRequest::Object(ContentAddress::new(Blake3::of(b"beta")).into());
    let error = registry.pin("p", &object, None).expect_err("refused");
    assert!(matches!(error, Error::Purged { .. }), "{error}");
    assert_eq!(store.head(), before, "nothing was written");
    // What makes nothing live is no promise: a removed package stays removed, an expired one expired.
    registry.retain(&until("app", day(8))).expect("still expired");

    store.add(8, "again", "transient", Completion::Finalize);
    registry.restore(&reference("lib")).expect("the same content is there again");
    registry.pin("p", &object, None).expect("pin");
    registry.retain(&class("app", "raw-evidence")).expect("retain");
    store.check_replay();
}

/// Once a gc took an object of an expired package, the package stays expired, whatever the clock says then; until
/// its bytes are there again and it is given a new expiry.
#[test]
fn what_a_gc_took_stays_expired_by_a_clock_that_was_set_back() {
    let store = Clocked::new();
    store.add(0, "app", "transient", Completion::Finalize);
    let env = Env::fixed("tester@here", day(9), 0);
    let gc = Registry::open(&store.root, options(Access::Alone), env, &Void).expect("open");
    let confirmed = Confirmed::Whatever(PlanRequest::default());
    let report = collect(&gc, confirmed, None, ClockTrust::Doubted).expect("collect");
    assert_eq!(report.freed().0, 2);
    drop(gc);

    let package = PinRequest::Package(reference("app"));
    store.on(3).retain(&hold("app", HoldRequest::Set)).expect_err("purged");
    store.on(3).pin("p", &package, None).expect_err("purged");
    store.add(3, "again", "transient", Completion::Finalize);
    assert_eq!(store.on(3).pin("p", &package, None).expect("pin").gone, Some(Reason::Expired));
    let report = store.on(3).retain(&until("app", day(7))).expect("the same day");
    assert_eq!((report.sequence, report.gone), (None, Some(Reason::Expired)));
    let report = store.on(3).retain(&until("app", day(8))).expect("retain");
    assert_eq!((report.package.expires_at, report.gone), (Some(day(8)), None));
    store.check_replay();
}

#[test]
fn a_refusal_names_three_and_counts_all() {
    let desk = Desk::new();
    let contents: Vec<String> = (0..20).map(|number| format!("content {number}")).collect();
    let files: Vec<(String, &[u8])> =
        contents.iter().enumerate().map(|(at, content)| (format!("{at}"), content.as_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    tree(&desk.path("doc"), &files);
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["remove", "doc", "--reason", "r"]);
    begin_gc(&desk.root(), &contents.iter().map(String::as_bytes).collect::<Vec<_>>());
    desk.ok(["list"]); // whoever comes first enters what it said
    let mut addresses: Vec<String> = contents.iter().map(|content| address(content.as_bytes())).collect();
    addresses.sort();
    for arguments in
        [&["restore", "doc"][..], &["pin", "p", "doc@1"], &["retain", "doc@1", "--hold", "--reason", "r"]]
    {
        assert_eq!(
            told(&desk, arguments),
            format!(
                "11 astore: 20 objects of doc@1 are purged: {} and 17 more; add the same content again first, then repeat; \
                 'astore explain {}' tells who purged it",
                addresses[..3].join(", "),
                addresses[0]
            )
        );
    }
    let said = told(&desk, &["pin", "p", &addresses[0]]);
    assert!(
        said.starts_with(&format!("11 astore: {} was purged by operator@here at ", addresses[0])),
        "{said}"
    );
    assert!(said.ends_with("; add the same content again first, then repeat"), "{said}");
    desk.ok(["add", "doc", "--finalize"]);
    desk.ok(["restore", "doc"]);
    desk.check_sound();
}

/// Whatever is asked for, in whatever order: an expiry never comes earlier, a refusal changes nothing, and what
/// was granted holds.
#[test]
fn no_sequence_of_wishes_moves_an_expiry_earlier() {
    const CLASSES: [(&str, Option<i64>); 5] = [
        ("transient", Some(7)),
        ("raw-evidence", Some(90)),
        ("summary-evidence", Some(365)),
        ("release-evidence", Some(7 * 365)),
        ("permanent-record", None),
    ];
    let wish = (
        proptest::option::of(0..CLASSES.len()),
        proptest::option::weighted(0.6, -10..3000_i64),
        prop_oneof![Just(HoldRequest::Leave), Just(HoldRequest::Set), Just(HoldRequest::Release)],
    );
    let wishes = (0..CLASSES.len(), proptest::collection::vec(wish, 1..12));
    let store = Clocked::new();
    // Never as the latest of all.
    let late = |expiry: Option<Timestamp>| expiry.map_or(i64::MAX, Timestamp::as_micros);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&wishes, |(first, wishes)| {
            let mut package = store.add(0, "app", CLASSES[first].0, Completion::Finalize);
            let text = format!("app@{}", package.version);
            let registry = store.on(20);
            for (class, days, hold) in wishes {
                let request = RetainRequest {
                    reference: reference(&text),
                    class: class.map(|class| CLASSES[class].0.to_owned()),
                    until: days.map(day),
                    hold,
                    reason: "asked".to_owned(),
                };
                let head = registry.health().expect("health").head_sequence;
                match registry.retain(&request) {
                    Ok(report) => {
                        let (before, after) = (late(package.expires_at), late(report.package.expires_at));
                        prop_assert!(after >= before, "{request:?} moved {before} to {after}");
                        prop_assert!(days.is_none_or(|days| after >= late(Some(day(days)))), "{request:?}");
                        if let Some(class) = class {
                            let (name, days) = CLASSES[class];
                            prop_assert_eq!(&report.package.class, name);
                            let by_class = late(days.map(day));
                            prop_assert!(after >= by_class || name == package.class, "{:?}", request);
                        }
                        prop_assert_eq!(report.sequence.is_some(), {
                            registry.health().expect("health").head_sequence == head + 1
                        });
                        package = report.package;
                    }
                    Err(error) => {
                        prop_assert_eq!(error.kind(), ErrorKind::Usage);
                        prop_assert_eq!(registry.health().expect("health").head_sequence, head);
                        let now = registry.show(&reference(&text)).expect("show").summary;
                        prop_assert_eq!(&now, &package, "a refusal changes nothing");
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    store.check_replay();
}

#[test]
fn a_pin_on_what_the_views_do_not_have_is_damage() {
    let desk = desk();
    desk.ok(["pin", "golden", "doc"]);
    let db = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
    db.execute_batch("UPDATE pins SET package = 4711").unwrap();
    assert_snapshot!(told(&desk, &["pins"]), @"4 astore: the event log is damaged: event 5: what it is to have pinned is not there; 'astore recover' makes the database anew from log/");
    assert_eq!(told(&desk, &["unpin", "golden"]), told(&desk, &["pins"]));
    desk.ok(["replay"]);
    assert!(desk.ok(["pins"]).contains("doc@1"));
}
