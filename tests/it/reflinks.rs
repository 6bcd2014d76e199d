//! Exports and adds that share blocks with the store, on the file systems that can: nothing is copied, everything is checked,
//! and where blocks cannot be shared they are copied or the command is refused, as it was asked for.

use std::process::{Command, Stdio};

use crate::support::store::fast_dir;

/// Run in a mount namespace of its own, as root: `story MKFS… -- DIRECTORY ASTORE`.
const STORY: &str = r#"
set -eu
make=()
while [ "$1" != -- ]; do make+=("$1"); shift; done
dir=$2 astore=$3
truncate -s 320M "$dir/image"
"${make[@]}" "$dir/image" > /dev/null
mkdir "$dir/here" "$dir/elsewhere"
mount -o loop "$dir/image" "$dir/here"
mount -t tmpfs -o size=64m tmpfs "$dir/elsewhere"
cd "$dir/here"
export ASTORE_ROOT="$PWD/store" ASTORE_ACTOR=tester@here
used() { sync -f .; df --block-size=1K --output=used . | tail -n 1; }
fewer() { test $(($(used) - $1)) -lt "$2" || { echo "$3: $(($(used) - $1)) KiB more, not fewer than $2"; exit 1; }; }
more() { test $(($(used) - $1)) -gt "$2" || { echo "$3: $(($(used) - $1)) KiB more, not more than $2"; exit 1; }; }

mkdir -p tree/dir
head -c 20000000 /dev/urandom > tree/large
head -c 50000 /dev/urandom > tree/dir/middling
head -c 4097 /dev/urandom > tree/dir/odd
echo small > tree/small
chmod 640 tree/small
: > tree/empty
truncate -s 3M tree/holes
"$astore" init
"$astore" add tree --finalize

for link in auto reflink; do
    before=$(used)
    "$astore" export tree "out-$link" --link "$link"
    fewer "$before" 4000 "an export with --link $link"
    diff -r tree "out-$link"
    test "$(stat -c %a "out-$link/small")" = 640
done
before=$(used)
"$astore" export tree out-copy --link copy
more "$before" 16000 "an export with --link copy"
diff -r tree out-copy

# The blocks are shared until somebody writes, and then they are two.
echo other > out-reflink/small
printf x | dd of=out-reflink/large bs=1 seek=5 conv=notrunc status=none
"$astore" verify --no-record
diff -r tree out-auto

# What is damaged is not shared: neither a short object nor a long one, which is read twice as it were.
for file in small large; do
    object=$("$astore" manifest tree --format b3sums | grep " $file\$" | cut -c1-64)
    path=store/blake3/${object:0:2}/${object:2:2}/$object
    chmod u+w "$path"
    printf y | dd of="$path" bs=1 seek=3 conv=notrunc status=none
    code=0
    "$astore" export tree "out-bad-$file" --link reflink > said 2>&1 || code=$?
    test "$code" = 4 || { cat said; echo "status $code"; exit 1; }
    test ! -e "out-bad-$file/$file" || { echo "a damaged $file has a name"; exit 1; }
    cp --reflink=never "tree/$file" "$path"
    chmod 444 "$path"
done
"$astore" verify --no-record

# An add that insists shares every file, and what it stored is its own from then on.
mkdir fresh
head -c 8000000 /dev/urandom > fresh/large
for n in $(seq 200); do head -c 65536 /dev/urandom > "fresh/small$n"; done
: > fresh/empty
echo tiny > fresh/tiny
before=$(used)
"$astore" add fresh --finalize --reflink
fewer "$before" 4000 "an add with --reflink"
object=$("$astore" manifest fresh --format b3sums | grep " small7\$" | cut -c1-64)
if command -v filefrag > said; then
    filefrag -v "store/blake3/${object:0:2}/${object:2:2}/$object" | grep -q shared || { echo "a small object shares nothing"; exit 1; }
fi
cp -r --reflink=never fresh kept
printf x | dd of=fresh/large bs=1 seek=5 conv=notrunc status=none
printf x | dd of=fresh/small7 bs=1 seek=5 conv=notrunc status=none
"$astore" verify --both --no-record
"$astore" export fresh out-fresh --link reflink
diff -r kept out-fresh

# From another file system nothing can be shared, and nothing is added then.
mkdir "$dir/elsewhere/tree"
echo new > "$dir/elsewhere/tree/new"
code=0
"$astore" add "$dir/elsewhere/tree" --name stranger --reflink 2> said || code=$?
test "$code" = 2 || { cat said; echo "status $code"; exit 1; }
grep -q "cannot share the blocks of $dir/elsewhere/tree/new.*without --reflink" said || { cat said; exit 1; }
test "$("$astore" list --quiet | grep -c stranger)" = 0
"$astore" add "$dir/elsewhere/tree" --name stranger

# To another file system nothing can be shared.
"$astore" export tree "$dir/elsewhere/auto"
diff -r tree "$dir/elsewhere/auto"
if "$astore" export tree "$dir/elsewhere/reflink" --link reflink 2> said; then echo "shared across"; exit 1; fi
cat said
grep -q reflink said
test -z "$(find "$dir/elsewhere/reflink" -type f -size +0)" || { echo "something half-made is left"; exit 1; }
"#;

fn check(mkfs: &[&str]) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount an image");
        return;
    }
    for program in [mkfs[0], "unshare", "losetup"] {
        let found =
            Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            eprintln!("skipped: there is no {program}");
            return;
        }
    }
    let kind = mkfs[0].rsplit('.').next().unwrap();
    drop(Command::new("modprobe").arg(kind).stderr(Stdio::null()).status());
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    if !known.split_whitespace().any(|name| name == kind)
        || !std::path::Path::new("/dev/loop-control").exists()
    {
        eprintln!("skipped: no {kind} can be mounted here");
        return;
    }
    let place = fast_dir();
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c", STORY, "story"])
        .args(mkfs)
        .arg("--")
        .arg(place.path())
        .arg(env!("CARGO_BIN_EXE_astore"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn an_export_shares_its_blocks_on_xfs() {
    check(&["mkfs.xfs", "-q", "-f", "-m", "reflink=1"]);
}

#[test]
fn an_export_shares_its_blocks_on_btrfs() {
    check(&["mkfs.btrfs", "-q", "-f"]);
}
