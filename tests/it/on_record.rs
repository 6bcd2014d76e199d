//! An operator asks what is known: damage that a verify found stays on record until somebody mends it, every command says
//! so, and what died writers left has a size.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use astore::identity::{Blake3, ContentAddress, Sha256};

use crate::support::cli::Desk;
use crate::support::oracle;
use crate::support::store::tree;

const ALONE: &[u8] = b"in one place";

/// A finalised package.
fn store() -> Desk {
    let desk = Desk::new();
    tree(&desk.path("doc"), &[("other", b"somewhere else"), ("alone", ALONE)]);
    desk.ok(["add", "doc", "--finalize"]);
    desk
}

/// Bytes that rot under their name, length and mode: who does not read them knows it from the log.
#[test]
fn a_quick_verify_does_not_call_sound_what_is_on_record_as_damaged() {
    let desk = store();
    let file = oracle::file_of(&desk.root(), ALONE);
    let whole = fs::read(&file).unwrap();
    let overwrite = |bytes: &[u8]| {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    };
    overwrite(&vec![b'~'; whole.len()]);
    desk.ok(["verify", "--quick"]);
    desk.expect(4, ["verify"]);
    let address = ContentAddress::new(Blake3::of(ALONE)).to_string();
    let said = desk.expect(4, ["verify", "--quick"]);
    assert!(said.starts_with(&format!("altered {address}: found by the verify of event ")), "{said}");
    assert!(
        said.contains("\n  harms doc@1:") && said.contains("\n  mend: add the same content again"),
        "{said}"
    );
    assert!(said.contains("\n1 damaged object on record, none found now: "), "{said}");
    let document: serde_json::Value =
        serde_json::from_str(&desk.expect(4, ["verify", "--quick", "--json"])).unwrap();
    assert_eq!((&document["sound"], &document["faults"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(document["on_record"][0]["address"], address.as_str());
    // Of some packages: what concerns them.
    desk.ok(["add", "doc", "--name", "other", "--finalize", "--exclude", "*"]);
    desk.ok(["verify", "other", "--quick"]);
    desk.expect(4, ["verify", "doc", "--quick"]);
    // What says that it is lost does not send anybody to record it again.
    let said = desk.expect(4, ["explain", &address]);
    assert!(said.contains("note: a verify found it damaged already"), "{said}");
    assert!(said.ends_with("\nadding the same content again heals it\n"), "{said}");
    // The bytes are back, and the record stays: every command says so.
    overwrite(&whole);
    let said = desk.expect(4, ["verify"]);
    assert!(
        said.contains(
            "; its bytes are whole now, and the record goes when the same content is added again\n"
        ),
        "{said}"
    );
    assert!(desk.ok(["explain", &address]).contains("stays on record until the same content is added again"));
    desk.expect(4, ["health"]);
    desk.ok(["add", "doc", "--name", "again", "--finalize", "--no-cache"]);
    desk.ok(["verify", "--quick"]);
    desk.ok(["health"]);
}

/// What somebody had written down is compared where somebody asks for it: a verify that does not has not looked.
#[test]
fn a_head_that_the_log_does_not_have_stays_on_record_until_it_is_compared_again() {
    // store-layout.md 8.13.4
    let desk = store();
    let head = desk.ok(["health", "--quiet"]);
    let (head, wrong) = (head.trim(), format!("2:{}", "0".repeat(64)));
    let nothing_else = || {
        for line in [&["verify"][..], &["verify", "--both"], &["verify", "doc"], &["verify", "--quick"]] {
            let said = desk.expect(4, line);
            assert!(said.starts_with("head event 2: found by the verify of event "), "{said}");
            assert!(said.contains("\n1 fault on record, none found now: "), "{said}");
        }
        let said = desk.expect(4, ["health"]);
        let concern = "concern: events that were not what 'astore verify --head' was told: 1; ";
        assert!(said.contains(concern) && said.matches("concern: ").count() == 1, "{said}");
    };
    desk.expect(4, ["verify", "--head", &wrong]);
    nothing_else();
    // Of that it says nothing that another event is as expected, or that nobody recorded it.
    let first = desk.ok(["log", "--json", "--type", "v1.store.created"]);
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    desk.expect(4, ["verify", "--head", &format!("1:{}", first["digest"].as_str().unwrap())]);
    let right = format!("2:{}", &head[2..]);
    assert_eq!(head, right, "the store has two events when it is looked at");
    desk.expect(0, ["verify", "--quick", "--no-record", "--head", &right]);
    nothing_else();
    desk.ok(["verify", "--quick", "--head", &right]);
    desk.ok(["verify"]);
    desk.ok(["health"]);
    // A quick one, or one of a package, has found it as well.
    for line in [&["verify", "--quick", "--head", &wrong][..], &["verify", "doc", "--head", &wrong]] {
        desk.expect(4, line);
        desk.expect(4, ["verify"]);
        desk.expect(4, ["health"]);
        desk.ok(["verify", "--head", &right]);
        desk.ok(["health"]);
    }
}

/// A digest is of one event: where the log has it at another number, the number was mistyped. Of a line whose digest the
/// log has nowhere, no other line says anything: a log that was cut short and grew again has lines that hold, too.
#[test]
fn a_head_with_a_mistyped_number_is_put_right_by_the_right_one() {
    // store-layout.md 8.13.4
    let desk = store();
    let right = desk.ok(["health", "--quiet"]).trim().to_owned();
    let mistyped = format!("42:{}", &right[2..]);
    let lost = format!("43:{}", "1".repeat(64));
    desk.expect(4, ["verify", "--quick", "--head", &mistyped]);
    desk.expect(4, ["verify", "--quick", "--head", &lost]);
    let first = desk.ok(["log", "--json", "--type", "v1.store.created"]);
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    let first = format!("1:{}", first["digest"].as_str().unwrap());
    let said = desk.expect(4, ["verify", "--quick", "--head", &first]);
    assert!(said.contains("head event 42: ") && said.contains("head event 43: "), "{said}");
    // As a mail program hands it on.
    let shouted = format!(" {}\n", right.to_uppercase());
    let said = desk.expect(4, ["verify", "--quick", "--head", &shouted]);
    assert!(
        !said.contains("event 42") && said.contains("head event 43: found by the verify of event "),
        "{said}"
    );
    let said = desk.expect(4, ["health"]);
    assert!(said.contains("what 'astore verify --head' was told: 1; "), "{said}");
    let now = desk.ok(["log", "--json"]);
    let now: serde_json::Value = serde_json::from_str(now.lines().last().unwrap()).unwrap();
    let now = format!("{}:{}", now["sequence"], now["digest"].as_str().unwrap());
    let said = desk.expect(4, ["verify", "--quick", "--head", &now]);
    assert!(said.contains("head event 43: "), "{said}");
}

/// Most verifies take one digest of the two: what the other one told is for another that takes both.
#[test]
fn a_second_digest_that_is_wrong_stays_on_record_until_both_are_taken_again() {
    // store-layout.md 8.13.4
    let desk = store();
    desk.ok(["add", "doc", "--name", "other", "--finalize", "--exclude", "alone"]);
    let set = |sha256: Sha256| {
        let connection = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
        let sql = "UPDATE objects SET digest_sha256 = ?1 WHERE digest_primary = ?2";
        assert_eq!(connection.execute(sql, (sha256.as_bytes(), Blake3::of(ALONE).as_bytes())), Ok(1));
    };
    let address = ContentAddress::new(Blake3::of(ALONE)).to_string();
    let second_digest = format!("second-digest {address}: ");
    for found_by in [&["verify", "--both"][..], &["verify", "doc", "--both"]] {
        set(Sha256::of(b"something else"));
        assert!(desk.expect(4, found_by).contains(&second_digest));
        set(Sha256::of(ALONE));
        for line in
            [&["verify"][..], &["verify", "--quick"], &["verify", "doc"], &["verify", "doc", "--both"]]
        {
            let said = desk.expect(4, line);
            assert!(
                said.starts_with(&second_digest)
                    && said.contains("; the record goes when a verify of the store takes both "),
                "{said}"
            );
            assert!(said.contains("\n  harms doc@1:alone\n"), "{said}");
        }
        // Packages that it is not in are none of its business.
        desk.ok(["verify", "other"]);
        let said = desk.expect(4, ["health"]);
        let concern = "concern: objects whose SHA-256 is not that of the log: 1; ";
        assert!(said.contains(concern) && said.matches("concern: ").count() == 1, "{said}");
        // In parts, too.
        desk.run(["verify", "--both", "--budget", "1h"]);
        desk.ok(["verify", "--quick"]);
        desk.ok(["health"]);
    }
}

/// What killed adds left is somebody's room: the plan, verify and, where it is much, health tell how much.
#[test]
fn what_is_left_in_tmp_has_a_size() {
    let desk = store();
    let left = desk.root().join("tmp/0193c2a4-7e1f-7000-8000-000000000001");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("0"), [0; 3000]).unwrap();
    let plan = || desk.ok(["gc", "--quiet"]);
    let name = plan();
    let text = desk.ok(["gc"]);
    assert!(text.contains("2.9 KiB of 1 writer, at work or dead, in tmp/; a confirmed gc deletes"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&desk.ok(["gc", "--json"])).unwrap();
    assert_eq!(document["leftovers"], serde_json::json!({"writers": 1, "bytes": 3000}));
    let note = "note: 1 leftover(s) of writers, at work or dead (3000 bytes; a confirmed gc frees what is dead): tmp/";
    let said = desk.ok(["verify"]);
    assert!(said.contains(note), "{said}");
    assert!(!desk.ok(["health"]).contains("tmp/"));
    fs::File::create(left.join("1")).unwrap().set_len(1 << 30).unwrap();
    assert!(desk.ok(["health"]).contains("concern: 1.0 GiB in tmp/, of 1 writer(s)"));
    // It is no part of the plan, whose name has nothing of it.
    let digest = |name: &str| name.trim().rsplit('-').next().unwrap().to_owned();
    assert_eq!(digest(&plan()), digest(&name));
    desk.ok(["gc", "--confirm", "--yes"]);
    assert!(!left.exists());
    assert!(!desk.ok(["health"]).contains("tmp/"));
}

/// A quick verify and one of a package cover no keys, and what they found is no less on record.
#[test]
fn health_knows_what_a_quick_verify_or_one_of_a_package_found() {
    let desk = store();
    desk.ok(["verify"]);
    let health = |faults: u64| {
        let said = desk.expect(4, ["health"]);
        let concern = format!("concern: faults that verifies found and none has found mended: {faults}; ");
        assert!(said.contains(&concern) && said.matches("concern: ").count() == 1, "{said}");
    };
    let stray = desk.root().join("blake3/stray");
    fs::write(&stray, "x").unwrap();
    desk.expect(4, ["verify", "--quick"]);
    desk.expect(4, ["verify", "--quick"]);
    health(1);
    fs::remove_file(&stray).unwrap();
    health(1);
    desk.ok(["verify", "doc"]);
    health(1);
    desk.ok(["verify", "--quick"]);
    desk.ok(["health"]);
    // Which bytes, names and modes are right, a quick one does not say of those that were read.
    let file = oracle::file_of(&desk.root(), ALONE);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    desk.expect(4, ["verify", "doc"]);
    desk.expect(4, ["verify", "doc"]);
    health(1);
    fs::write(&stray, "x").unwrap();
    desk.expect(4, ["verify", "--quick"]);
    health(2);
    fs::remove_file(&stray).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    desk.ok(["verify", "doc"]);
    health(2);
    desk.ok(["verify", "--quick"]);
    health(1);
    desk.ok(["verify"]);
    desk.ok(["health"]);
}

/// The log as a whole is looked at by every verify of the store, a quick one as well.
#[test]
fn a_broken_chain_stays_on_record_until_a_verify_of_the_store_finds_it_whole() {
    let desk = store();
    desk.ok(["verify"]);
    for line in [&["verify", "--quick"][..], &["verify", "doc"]] {
        let said_by = |actor: &str| {
            let database = rusqlite::Connection::open(desk.root().join("astore.db")).unwrap();
            let trigger: String = database
                .query_row(
                    "SELECT sql FROM sqlite_schema WHERE name = 'events_are_never_updated'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            let update = format!(
                "DROP TRIGGER events_are_never_updated; UPDATE events SET actor = '{actor}' WHERE sequence = 2; {trigger};"
            );
            database.execute_batch(&update).unwrap();
        };
        let actor: String = rusqlite::Connection::open(desk.root().join("astore.db"))
            .unwrap()
            .query_row("SELECT actor FROM events WHERE sequence = 2", [], |row| row.get(0))
            .unwrap();
        said_by("somebody");
        assert!(desk.expect(4, line).contains("chain event 2"), "{line:?}");
        said_by(&actor);
        let said = desk.expect(4, ["health"]);
        assert!(said.contains("concern: faults that verifies found and none has found mended: "), "{said}");
        desk.ok(["verify", "--quick"]);
        desk.ok(["health"]);
    }
}
