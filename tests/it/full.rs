//! A disk that is full to the last byte: what is there can still be looked at, `remove` still works, and so does the
//! gc that makes room again.

use std::process::Command;

use crate::support::cli::{Desk, Said};
use crate::support::store::{fast_dir, tree};

/// Run in a mount namespace of its own, where anybody may mount a small file system.
const REMOVE: &str = r#"
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

/// The same, for the gc. What it frees is more than the reserve, which is set aside again.
const COLLECT: &str = r#"
set -eu
mount -t tmpfs -o size=48m tmpfs "$1"
export ASTORE_ROOT="$1/store" ASTORE_ACTOR=tester@here
mkdir "$1/tree"
"$2" init
for version in 1 2; do
    head -c 9000000 /dev/urandom > "$1/tree/large"
    for file in 1 2 3 4 5 6 7 8 9; do echo "$version $file" > "$1/tree/$file"; done
    "$2" add "$1/tree" --name x --finalize
done
# The first time the reserve is there, the second time the remove has spent it.
"$2" remove x@1 --reason old
cat /dev/zero > "$1/fill" 2>/dev/null || true
"$2" gc --min-age 0s
test -e "$1/store/reserve" || { echo "the plan spent the reserve"; exit 1; }
"$2" gc --confirm --min-age 0s > "$1/../said"
cat "$1/../said"
grep -q "^freed 10 objects, 8.6 MiB" "$1/../said"
test "$(stat -c %s "$1/store/reserve")" = 4194304 || { echo "no reserve"; exit 1; }
cat /dev/zero >> "$1/fill" 2>/dev/null || true
"$2" remove x@2 --reason old
"$2" gc --confirm --min-age 0s
test "$(stat -c %s "$1/store/reserve")" = 4194304 || { echo "no reserve"; exit 1; }
test "$(find "$1/store/blake3" -type f | wc -l)" = 2 # the manifests are part of the log
rm "$1/fill"
"$2" verify
"$2" replay --check
"#;

/// The same again and again, in several patterns: the disk filled by one file, by many, and by whatever fits into the
/// last blocks; with a reader who keeps a WAL beside the database; with the reserve spent by the round before.
const AGAIN: &str = r#"
set -eu
mount -t tmpfs -o size=60m tmpfs "$1"
export ASTORE_ROOT="$1/store" ASTORE_ACTOR=tester@here
mkdir "$1/tree" "$1/fill"
"$2" init
fill() {
    case $1 in
    one) cat /dev/zero > "$2/large" 2>/dev/null || true ;;
    many) for n in $(seq 600); do head -c 100000 /dev/zero > "$2/$n" 2>/dev/null || break; done ;;
    last) head -c 30000000 /dev/zero > "$2/large" 2>/dev/null || true ;;
    esac
    # Whatever is left, to the last block.
    for size in 65536 4096; do
        n=0
        while head -c $size /dev/zero > "$2/rest-$size-$n" 2>/dev/null; do n=$((n + 1)); done
    done
    test "$(stat -f -c %a "$2")" = 0 || { echo "not full: $(stat -f -c %a "$2") blocks"; exit 1; }
}
version=0
for pattern in one many last one many last; do
    version=$((version + 1))
    head -c 9000000 /dev/urandom > "$1/tree/large"
    for file in 1 2 3 4 5 6 7 8 9; do echo "$version $file" > "$1/tree/$file"; done
    "$2" add "$1/tree" --name x --finalize
    "$2" add "$1/tree/1" --name y$version --finalize
    # A cat that nobody reads to its end keeps the database open, and the WAL with it.
    if [ $((version % 2)) = 0 ]; then
        mkfifo "$1/pipe"
        exec 9<>"$1/pipe"
        "$2" log --follow --since 0 >&9 2>/dev/null &
        reader=$!
        read -r _ <&9
    fi
    fill $pattern "$1/fill"
    "$2" remove "x@$version" --reason "round $version"
    "$2" gc --min-age 0s > /dev/null
    "$2" gc --confirm --min-age 0s
    "$2" remove "y$version" --reason "round $version"
    "$2" list --all > /dev/null
    # What came back is filled up again, to the last block; the gc has set the reserve aside before.
    fill $pattern "$1/fill"
    "$2" gc --confirm --min-age 0s
    if [ $((version % 2)) = 0 ]; then
        kill $reader
        wait $reader || true
        exec 9<&-
        rm "$1/pipe"
    fi
    rm -r "$1/fill"; mkdir "$1/fill"
    "$2" verify --no-record
done
# With nothing set aside it cannot be, and says what to do.
"$2" add "$1/tree" --name z --finalize
rm "$1/store/reserve"
fill one "$1/fill"
for command in "remove z --reason none" "gc --confirm --min-age 0s"; do
    if "$2" $command 2> "$1/../said"; then echo "$command found room"; exit 1; fi
    cat "$1/../said"
    grep -q "take something else off this disk" "$1/../said"
done
rm -r "$1/fill"
"$2" remove z --reason room
"$2" gc --confirm --min-age 0s
test "$(find "$1/store/blake3" -type f -size -100c | wc -l)" = 0 || { echo "an object is left"; exit 1; }
"$2" replay --check
"#;

fn check(story: &str) {
    let unshare = |command: &[&str]| Command::new("unshare").args(["-rm"]).args(command).output();
    if !unshare(&["true"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let place = fast_dir();
    let mount = place.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let mount = mount.to_str().unwrap();
    let output = unshare(&["bash", "-c", story, "story", mount, env!("CARGO_BIN_EXE_astore")]).unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn remove_works_on_a_full_disk() {
    check(REMOVE);
}

#[test]
fn remove_and_gc_work_on_a_full_disk_again_and_again() {
    check(AGAIN);
}

#[test]
fn gc_works_on_a_full_disk_and_sets_the_reserve_aside_again() {
    check(COLLECT);
}

/// Whatever prints, and however much: where the output has no room, that is said in the same words.
#[test]
fn an_output_that_is_full_is_told_of_in_one_way() {
    let desk = Desk::new();
    let names: Vec<String> =
        (0..3000).map(|number| format!("a-name-that-is-rather-long-{number:030}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    tree(&desk.path("many"), &files);
    tree(&desk.path("large"), &[("f", &[7; 300_000])]);
    desk.ok(["add", "many", "--finalize"]);
    desk.ok(["add", "large", "--finalize"]);
    let to_full = |line: &str| {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = desk.command(line.split(' '));
        let output = command.stdin(std::process::Stdio::null()).stdout(full).output().unwrap();
        Said::of(&output)
    };
    let words = "cannot write the output: No space left on device (os error 28)";
    let hint = "; make room where the output goes (root ";
    for line in [
        "cat large:f",
        "cat many:a-name-that-is-rather-long-000000000000000000000000000001",
        "list",
        "list --json",
        "files many",
        "files large",
        "files many --json",
        "files many -0",
        "manifest many",
        "manifest large --format cbor",
        "manifest many --format sha256sums",
        "show many",
        "log",
        "log --json",
        "diff large many",
        "stats",
        "health",
        "explain large:f",
        "pins --json",
        "gc",
        "export many out --json",
        "verify --no-record",
    ] {
        let said = to_full(line);
        let begin = if line.contains("--json") { "\"message\":\"" } else { "astore: " };
        assert!(said.err.contains(&format!("{begin}{words}{hint}")), "{line}: {said:#?}");
        assert_eq!(said.code, 1, "{line}: {said:#?}");
    }
    for line in ["add large --finalize", "pin p large", "verify"] {
        let said = to_full(line);
        assert!(
            said.err.contains(&format!("astore: it is done, but not printed: {words}{hint}")),
            "{line}: {said:#?}"
        );
        assert_eq!(said.code, 1, "{line}: {said:#?}");
    }
    for line in ["man", "completions bash", "--help", "add --help"] {
        let said = to_full(line);
        assert!(said.err.starts_with(&format!("astore: {words}")), "{line}: {said:#?}");
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{line}: {said:#?}");
    }
}
