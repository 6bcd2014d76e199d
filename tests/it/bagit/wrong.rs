//! A bag that is not what it says is refused, and nothing of it is recorded.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use astore::error::Error;
use astore::identity::Sha256;
use astore::monitor::Void;
use astore::registry::Access;
use astore::registry::report::{AddSource, Bag, Completion};
use sha2::Digest as _;

use crate::support::cli::Desk;
use crate::support::store::{open, request, tree};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha512(bytes: &[u8]) -> String {
    hex(&sha2::Sha512::digest(bytes))
}

/// Writes a bag by hand: two files, a tag manifest, a Payload-Oxum.
fn good(bag: &Path) {
    tree(bag, &[("data/a", b"one"), ("data/d/b", b"two"), ("bagit.txt", BAGIT.as_bytes())]);
    tree(bag, &[("bag-info.txt", b"Payload-Oxum: 6.2\nContact-Name: Kim\n"), ("notes/read.me", b"hello")]);
    let list = format!("{}  data/a\n{}  data/d/b\n", Sha256::of(b"one"), Sha256::of(b"two"));
    tree(bag, &[("manifest-sha256.txt", list.as_bytes())]);
    cover(bag);
}

const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Writes the tag manifest for what is there.
fn cover(bag: &Path) {
    let mut list = String::new();
    for name in ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "notes/read.me"] {
        list += &format!("{} {name}\n", Sha256::of(&fs::read(bag.join(name)).unwrap()));
    }
    fs::write(bag.join("tagmanifest-sha256.txt"), list).unwrap();
}

fn append(bag: &Path, name: &str, text: &str) {
    let mut content = fs::read(bag.join(name)).unwrap_or_default();
    content.extend_from_slice(text.as_bytes());
    fs::write(bag.join(name), content).unwrap();
    if name.starts_with("manifest") || name.starts_with("bag") {
        cover(bag);
    }
}

fn replace(bag: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(bag.join(name)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(bag.join(name), text.replace(from, to)).unwrap();
    cover(bag);
}

#[test]
fn a_bag_that_is_wrong_in_any_way_is_refused() {
    type Spoil = fn(&Path);
    let ways: [(&str, Spoil); 29] = [
        ("a holds other bytes", |bag| append(bag, "data/a", "x")),
        ("d/b is no file of it", |bag| fs::remove_file(bag.join("data/d/b")).unwrap()),
        ("new is not listed", |bag| fs::write(bag.join("data/new"), "").unwrap()),
        ("link is not listed", |bag| symlink("a", bag.join("data/link")).unwrap()),
        ("a is no file of it", |bag| {
            fs::rename(bag.join("data/a"), bag.join("notes/a")).unwrap();
            symlink("../notes/a", bag.join("data/a")).unwrap();
        }),
        ("it has no directory data", |bag| {
            fs::rename(bag.join("data"), bag.join("elsewhere")).unwrap();
            symlink("elsewhere", bag.join("data")).unwrap();
        }),
        ("read.me holds other bytes, by ", |bag| append(bag, "notes/read.me", "x")),
        ("read.me is not there, by ", |bag| fs::remove_file(bag.join("notes/read.me")).unwrap()),
        ("bag-info.txt holds other bytes", |bag| fs::write(bag.join("bag-info.txt"), "A: b\n").unwrap()),
        ("manifest-sha256.txt holds other bytes", |bag| {
            let list = fs::read_to_string(bag.join("manifest-sha256.txt")).unwrap();
            fs::write(bag.join("manifest-sha256.txt"), list + "\n").unwrap();
        }),
        ("lists data/a, which is no tag file", |bag| {
            append(bag, "tagmanifest-sha256.txt", &format!("{} data/a\n", Sha256::of(b"one")));
        }),
        ("has 6.2 bytes and files in data/, and Payload-Oxum says 7.2", |bag| {
            replace(bag, "bag-info.txt", "6.2", "7.2");
        }),
        ("Payload-Oxum says 6.3", |bag| replace(bag, "bag-info.txt", "6.2", "6.3")),
        ("its Payload-Oxum is not two numbers", |bag| replace(bag, "bag-info.txt", "6.2", "six")),
        ("the path in line 3 is none within the bag: the path has a component", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} data/../../x\n", Sha256::of(b"")));
        }),
        ("the path in line 3 is none within the bag", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} /etc/passwd\n", Sha256::of(b"")));
        }),
        ("the path in line 3 begins with ~", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} ~/x\n", Sha256::of(b"")));
        }),
        ("lists x, which is not under data/", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} x\n", Sha256::of(b"")));
        }),
        ("data/a is listed twice", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} data/a\n", Sha256::of(b"one")));
        }),
        ("line 3 is not a digest and a path", |bag| append(bag, "manifest-sha256.txt", "hello\n")),
        ("the digest in line 3 is not 64 hexadecimal digits", |bag| {
            append(bag, "manifest-sha256.txt", "abc data/c\n");
        }),
        ("1 file of bag is still to be fetched, as fetch.txt says: data/c", |bag| {
            append(bag, "manifest-sha256.txt", &format!("{} data/c\n", Sha256::of(b"")));
            fs::write(bag.join("fetch.txt"), "http://example.org/c 0 data/c\n").unwrap();
        }),
        ("is none within the bag", |bag| {
            fs::write(bag.join("fetch.txt"), "http://example.org/c 0 ../../c\n").unwrap();
        }),
        ("manifest-sha512.txt does not", |bag| {
            fs::write(bag.join("manifest-sha512.txt"), format!("{} data/a\n", sha512(b"one"))).unwrap();
        }),
        ("it has no bagit.txt", |bag| fs::remove_file(bag.join("bagit.txt")).unwrap()),
        ("names no BagIt-Version from 0.93 to 1.0", |bag| replace(bag, "bagit.txt", "1.0", "2.0")),
        ("begins with a byte order mark", |bag| {
            fs::write(bag.join("bagit.txt"), format!("\u{feff}{BAGIT}")).unwrap();
        }),
        ("names no Tag-File-Character-Encoding", |bag| replace(bag, "bagit.txt", "UTF-8", "EBCDIC")),
        ("it has no manifest of its payload", |bag| {
            fs::remove_file(bag.join("manifest-sha256.txt")).unwrap();
        }),
    ];
    let desk = Desk::new();
    good(&desk.path("bag"));
    let before = desk.ok(["log"]);
    fs::rename(desk.path("bag"), desk.path("good")).unwrap();
    for (words, spoil) in ways {
        good(&desk.path("bag"));
        spoil(&desk.path("bag"));
        let refused = desk.run(["add", "--finalize", "--bagit", "bag"]);
        assert_eq!((refused.code, &*refused.out), (1, ""), "{words}: {refused:#?}");
        assert!(refused.err.contains(words) && refused.err.lines().count() == 1, "{words}: {refused:#?}");
        assert_eq!(desk.ok(["log"]), before, "{words}");
        fs::remove_dir_all(desk.path("bag")).unwrap();
    }
    // That it was each of these and nothing else: without it the bag is good.
    let added = desk.run(["add", "--finalize", "--bagit", "good"]);
    assert_eq!(added.code, 0, "{added:#?}");
    assert_eq!(desk.fact("good", "bag-info.Contact-Name ="), "Kim");
    desk.check_sound();
}

fn add_in_small_batches(root: &Path, bag: &Path) -> Result<(), Error> {
    let mut registry = open(root, Access::Write)?;
    registry.set_batch_files(16);
    let mut request = request("bag", bag, Completion::Finalize);
    request.sources = vec![AddSource::Bag(Box::new(Bag::read(bag)?))];
    registry.add(request, &mut std::io::empty(), &Void).map(drop)
}

/// The whole batch machinery is at work, and still nothing is recorded of what is found wrong at the end.
#[test]
fn nothing_of_a_large_bag_is_recorded_where_its_last_file_is_wrong() {
    let desk = Desk::new();
    let bag = desk.path("bag");
    good(&bag);
    let mut list = fs::read_to_string(bag.join("manifest-sha256.txt")).unwrap();
    for nth in 0..500 {
        tree(&bag, &[(&*format!("data/m/{nth}"), format!("{nth}").as_bytes())]);
        list += &format!(
            "{} *data/m/{nth}\r\n",
            Sha256::of(format!("{nth}").as_bytes()).to_string().to_uppercase()
        );
    }
    fs::write(bag.join("manifest-sha256.txt"), list).unwrap();
    fs::write(
        bag.join("bag-info.txt"),
        "\u{feff}Contact-Name:  Kim\r\n\tof the desk\r\nContact-Name: Lee\r\n",
    )
    .unwrap();
    cover(&bag);
    fs::write(bag.join("data/m/499"), "498").unwrap();
    let before = desk.ok(["log"]);
    let refused = add_in_small_batches(&desk.root(), &bag).unwrap_err();
    assert!(refused.to_string().ends_with("says: m/499 holds other bytes"), "{refused}");
    assert_eq!(desk.ok(["log"]), before);
    fs::write(bag.join("data/m/499"), "499").unwrap();
    add_in_small_batches(&desk.root(), &bag).unwrap();
    assert!(
        desk.ok(["log"]).contains("v1.objects.stored"),
        "a full batch was held back, and recorded in the end"
    );
    assert_eq!(desk.fact("bag", "bag-info.Contact-Name ="), "Kim of the desk");
    assert_eq!(desk.fact("bag", "bag-info.Contact-Name.2 ="), "Lee");
    desk.check_sound();
}

/// What SHA-512 vouches for is what is taken in, and nothing else.
#[test]
fn a_bag_of_sha512_alone_is_held_against_it() {
    let desk = Desk::new();
    let bag = desk.path("bag");
    good(&bag);
    fs::remove_file(bag.join("manifest-sha256.txt")).unwrap();
    fs::remove_file(bag.join("tagmanifest-sha256.txt")).unwrap();
    let list = format!("{}  data/a\n{}  data/d/b\n", sha512(b"one"), sha512(b"two"));
    fs::write(bag.join("manifest-sha512.txt"), &list).unwrap();
    fs::write(
        bag.join("tagmanifest-sha512.txt"),
        format!("{} manifest-sha512.txt\n", sha512(list.as_bytes())),
    )
    .unwrap();
    fs::write(bag.join("data/a"), "ONE").unwrap();
    let before = desk.ok(["log"]);
    let refused = desk.run(["add", "--finalize", "--bagit", "bag"]);
    assert!(
        refused.code == 1 && refused.err.contains("manifest-sha512.txt says: a holds other bytes"),
        "{refused:#?}"
    );
    assert_eq!(desk.ok(["log"]), before);
    fs::write(bag.join("data/a"), "one").unwrap();
    desk.ok(["add", "--finalize", "--bagit", "bag"]);
    assert_eq!(desk.fact("bag", "entries"), "3 (2 files, 6 B)");
    fs::remove_file(bag.join("tagmanifest-sha512.txt")).unwrap();
    fs::rename(bag.join("manifest-sha512.txt"), bag.join("manifest-md5.txt")).unwrap();
    let refused = desk.run(["add", "--finalize", "--bagit", "bag"]);
    assert!(refused.code == 1 && refused.err.contains("has manifests of md5 alone"), "{refused:#?}");
}

/// Somebody changed a file and the lists of a bag of ours: it is a good bag, and no longer that package.
#[test]
fn our_manifest_is_used_only_where_it_describes_the_payload() {
    let desk = Desk::new();
    tree(&desk.path("tree"), &[("a", b"one"), ("b", b"two"), ("e/", b"")]);
    symlink("a", desk.path("tree/l")).unwrap();
    desk.ok(["add", "tree", "--finalize"]);
    for spoil in [
        |bag: &Path| {
            fs::write(bag.join("data/a"), "eno").unwrap();
            let list = fs::read_to_string(bag.join("manifest-sha256.txt")).unwrap();
            let list = list.replace(&Sha256::of(b"one").to_string(), &Sha256::of(b"eno").to_string());
            fs::write(bag.join("manifest-sha256.txt"), list).unwrap();
        },
        |bag: &Path| fs::write(bag.join("astore/manifest.cbor"), "no manifest").unwrap(),
    ] {
        desk.ok(["export", "tree@1", "--bagit", "bag"]);
        let bag = desk.path("bag");
        spoil(&bag);
        fs::remove_file(bag.join("tagmanifest-sha256.txt")).unwrap();
        let added = desk.run(["add", "--finalize", "--bagit", "bag", "--name", "back"]);
        assert!(
            added.code == 0 && added.err.contains("astore/manifest.cbor does not describe"),
            "{added:#?}"
        );
        let files = desk.ok(["files", "back"]);
        assert!(files.contains(" e") && !files.contains(" l"), "{files}");
        fs::remove_dir_all(bag).unwrap();
    }
}
