//! A disk that is full to the last byte: what is there can still be looked at, and `remove` still works.

use std::process::Command;

use crate::support::store::fast_dir;

/// Run in a mount namespace of its own, where anybody may mount a small file system.
const STORY: &str = r#"
set -eu
mount -t tmpfs -o size=16m tmpfs "$1"
export ASTORE_ROOT="$1/store" ASTORE_ACTOR=tester@here
mkdir "$1/tree"
head -c 300000 /dev/zero > "$1/tree/a"
"$2" init
"$2" add "$1/tree" --name x --finalize
"$2" add "$1/tree" --name y --finalize
cat /dev/zero > "$1/fill" 2>/dev/null || true
if "$2" add "$1/tree" --name z 2> "$1/../said"; then echo "an add found room"; exit 1; fi
cat "$1/../said"
grep -q "astore remove" "$1/../said"
test -e "$1/store/reserve" || { echo "the add spent the reserve"; exit 1; }
"$2" list
"$2" verify --quick --no-record
"$2" remove x@1 --reason full
"$2" list --removed | grep x@1
rm "$1/fill"
"$2" verify
"$2" replay --check
"#;

#[test]
fn remove_works_on_a_full_disk() {
    let unshare = |command: &[&str]| Command::new("unshare").args(["-rm"]).args(command).output();
    if !unshare(&["true"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let place = fast_dir();
    let mount = place.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let mount = mount.to_str().unwrap();
    let output = unshare(&["bash", "-c", STORY, "story", mount, env!("CARGO_BIN_EXE_astore")]).unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
