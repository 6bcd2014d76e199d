//! An operator asks what is known: damage that a verify found stays on record until somebody mends it, every command says
//! so, and what died writers left has a size.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use astore::identity::{Blake3, ContentAddress};

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
    assert!(desk.ok(["health"]).contains("concern: 1073744824 bytes in tmp/, of 1 writer(s)"));
    // It is no part of the plan, whose name has nothing of it.
    let digest = |name: &str| name.trim().rsplit('-').next().unwrap().to_owned();
    assert_eq!(digest(&plan()), digest(&name));
    desk.ok(["gc", "--confirm", "--yes"]);
    assert!(!left.exists());
    assert!(!desk.ok(["health"]).contains("tmp/"));
}
