//! Archives there and back, and archives that nobody should take.

use proptest::prelude::*;

use super::super::Projection as _;
use super::*;
use crate::identity::Digests;
use crate::manifest::{Entry, EntryBody, EntryPath, Mtime, testing};

type Failure = TarError<std::convert::Infallible>;

/// Reads an archive whole: members and the bytes of files.
fn read(mut bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, Failure> {
    let mut reader = Reader::new(Input { stream: &mut bytes, ask: &|| Ok(()) });
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        let size = if let Body::File { size_bytes } = member.body { size_bytes } else { 0 };
        let mut content = vec![0; usize::try_from(size).unwrap().min(1 << 20)];
        let filled = reader.read(&mut content)?;
        content.truncate(filled);
        members.push((member, content));
    }
    Ok(members)
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    match read(bytes) {
        Err(TarError::Refused { refusal, .. }) => Some(refusal),
        _ => None,
    }
}

/// A file's bytes, such as its size says.
fn content(entry: &Entry) -> Vec<u8> {
    let size = entry.object().map_or(0, |object| object.size_bytes);
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    for entry in entries {
        writer.entry(entry).unwrap();
        writer.content(&content(entry)).unwrap();
        writer.end_content().unwrap();
    }
    writer.finish().unwrap();
    out
}

/// Entries of a made-up manifest, with sizes that a test can hold.
fn entries(seed: u64) -> Vec<Entry> {
    let small = |mut entry: Entry| {
        if let EntryBody::File { object, .. } = &mut entry.body {
            object.size_bytes %= 2000;
        }
        entry
    };
    testing::manifest(seed).1.into_iter().map(small).collect()
}

fn member(entry: &Entry) -> Member {
    let (mode, body) = match &entry.body {
        EntryBody::File { mode, object } => (*mode, Body::File { size_bytes: object.size_bytes }),
        EntryBody::Directory { mode } => (*mode, Body::Directory),
        EntryBody::Symlink { target } => (0o777, Body::Symlink { target: target.clone() }),
    };
    let mtime = entry.mtime.unwrap_or(Mtime { seconds: 0, nanoseconds: 0 });
    Member { path: Some(entry.path.clone()), mode, mtime, body }
}

proptest! {
    #[test]
    fn what_is_written_is_read(seed: u64) {
        let entries = entries(seed);
        let archive = write(&entries);
        prop_assert_eq!(archive.len() % 10_240, 0);
        let expected: Vec<_> = entries.iter().map(|entry| (member(entry), content(entry))).collect();
        prop_assert_eq!(read(&archive).unwrap(), expected);
    }

    #[test]
    fn no_bytes_are_too_strange(seed: u64, cuts: Vec<(u16, u8)>) {
        let mut archive = write(&entries(seed));
        for (at, byte) in cuts {
            let length = archive.len();
            archive[usize::from(at) % length] = byte;
        }
        crate::formats::testing::check_archive(&archive);
    }

    #[test]
    fn what_is_cut_off_is_refused(seed: u64, at: usize) {
        let entries = entries(seed);
        let archive = write(&entries);
        // Everything before the mark of the end, which is two blocks and what fills the last record.
        let used = archive.iter().rposition(|byte| *byte != 0).map_or(0, |last| (last / 512 + 1) * 512);
        let cut = at % (used + 1);
        prop_assert!(refusal(&archive[..cut]).is_some(), "{cut} of {used}");
    }
}

fn file(path: &[u8], content: &[u8]) -> Entry {
    let body = EntryBody::File { mode: 0o644, object: Digests::of(content) };
    Entry { path: EntryPath::new(path).unwrap(), body, mtime: None }
}

/// One header with these fields, its checksum right, and what follows it.
fn raw(kind: u8, path: &[u8], link: &[u8], size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.as_old_mut().linkflag = [kind];
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    pax::write(&mut bytes, key, value);
    raw(b'x', b"ext", b"", bytes.len() as u64, &bytes)
}

#[test]
fn hostile_archives_are_refused() {
    use crate::manifest::PathError;
    let plain = raw(b'0', b"a", b"", 1, b"x");
    let cases: Vec<(&str, Vec<u8>, Refusal)> = vec![
        ("nothing at all", Vec::new(), Refusal::Empty),
        ("text", b"hello\n".to_vec(), Refusal::Checksum),
        ("gzip", b"\x1f\x8b\x08rest".to_vec(), Refusal::Compressed("gzip")),
        ("no end", plain.clone(), Refusal::CutOff),
        (
            "more after the end",
            [archive(std::slice::from_ref(&plain)), plain.clone()].concat(),
            Refusal::AfterEnd,
        ),
        ("absolute", archive(&[raw(b'0', b"/a", b"", 0, b"")]), Refusal::Path(PathError::Absolute)),
        ("upwards", archive(&[raw(b'0', b"a/../../b", b"", 0, b"")]), Refusal::Path(PathError::DotComponent)),
        (
            "upwards in a record",
            archive(&[record("path", b"../b"), plain.clone()]),
            Refusal::Path(PathError::DotComponent),
        ),
        ("no path", archive(&[raw(b'0', b"", b"", 0, b"")]), Refusal::Path(PathError::Empty)),
        (
            "a file that is the top",
            archive(&[raw(b'2', b".", b"x", 0, b"")]),
            Refusal::Path(PathError::Empty),
        ),
        ("more than there is", archive(&[raw(b'0', b"a", b"", 1 << 20, b"x")]), Refusal::CutOff),
        (
            "more than there is, in a record",
            archive(&[record("size", b"99999"), plain.clone()]),
            Refusal::CutOff,
        ),
        ("no number", archive(&[record("size", b"99999999999999999999"), plain.clone()]), Refusal::Record),
        ("a directory of a size", archive(&[raw(b'5', b"a", b"", 1, b"x")]), Refusal::Size(1)),
        ("a link of a size", archive(&[raw(b'1', b"a", b"b", 1, b"x")]), Refusal::Size(1)),
        (
            "a link out",
            archive(&[raw(b'1', b"a", b"../b", 0, b"")]),
            Refusal::LinkOut(PathError::DotComponent),
        ),
        (
            "a link to /etc",
            archive(&[raw(b'1', b"a", b"/etc/x", 0, b"")]),
            Refusal::LinkOut(PathError::Absolute),
        ),
        ("a symlink to nothing", archive(&[raw(b'2', b"a", b"", 0, b"")]), Refusal::Link),
        (
            "two names",
            archive(&[record("path", b"b"), record("path", b"c"), plain.clone()]),
            Refusal::RecordTwice,
        ),
        (
            "two names of two kinds",
            archive(&[record("path", b"b"), raw(b'L', b"l", b"", 2, b"c\0"), plain.clone()]),
            Refusal::RecordTwice,
        ),
        ("a name for nobody", archive(&[record("path", b"b")]), Refusal::Astray),
        (
            "a name for all",
            archive(&[raw(b'g', b"g", b"", 10, b"10 path=b\n"), plain.clone()]),
            Refusal::Global,
        ),
        ("sparse", archive(&[raw(b'S', b"a", b"", 0, b"")]), Refusal::Sparse),
        ("a part of a file", archive(&[raw(b'M', b"a", b"", 0, b"")]), Refusal::Kind(b'M')),
        (
            "a long header",
            archive(&[raw(b'x', b"ext", b"", 1 << 21, b""), plain.clone()]),
            Refusal::RecordTooLong(1 << 21),
        ),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(refusal(&bytes), Some(expected), "{what}");
    }
    let mut wrong = archive(&[plain]);
    wrong[0] = b'b';
    assert_eq!(refusal(&wrong), Some(Refusal::Checksum));
}

#[test]
fn what_others_write_is_read() {
    let members = [
        raw(b'g', b"pax_global_header", b"", 18, b"18 comment=a git x"),
        raw(b'V', b"a label", b"", 0, b""),
        raw(b'5', b"./", b"", 0, b""),
        raw(b'0', b"./d/", b"", 0, b""),
        raw(0, b".//d/./old", b"", 1, b"x"),
        raw(b'L', b"././@LongLink", b"", 151, &[&[b'n'; 150][..], b"\0"].concat()),
        raw(b'7', b"cut", b"", 0, b""),
        raw(b'1', b"hard", b"./d/old", 0, b""),
        raw(b'6', b"fifo", b"", 0, b""),
    ];
    // A record has to end with a newline, and so has this one.
    let mut members = members.to_vec();
    members[0] = raw(b'g', b"pax_global_header", b"", 19, b"19 comment=a git x\n");
    let found = read(&archive(&members)).unwrap();
    let shown: Vec<String> = found
        .iter()
        .map(|(member, content)| format!("{:?} {:?} {content:?}", member.path, member.body))
        .collect();
    let long = "n".repeat(150);
    assert_eq!(
        shown,
        [
            "None Directory []".to_owned(),
            "Some(\"d\") Directory []".to_owned(),
            "Some(\"d/old\") File { size_bytes: 1 } [120]".to_owned(),
            format!("Some(\"{long}\") File {{ size_bytes: 0 }} []"),
            "Some(\"hard\") Link { to: \"d/old\" } []".to_owned(),
            "Some(\"fifo\") Special(\"fifo\") []".to_owned(),
        ]
    );
}

#[test]
fn an_archive_is_these_bytes() {
    let mut entries = vec![
        Entry {
            path: EntryPath::new(&b"d"[..]).unwrap(),
            body: EntryBody::Directory { mode: 0o755 },
            mtime: None,
        },
        file(b"d/new\nline", b"0123"),
        file(&[&[b'l'; 120][..], b"/x"].concat(), b""),
    ];
    entries[1].mtime = Some(Mtime { seconds: -2, nanoseconds: 500_000_000 });
    let bytes = write(&entries);
    insta::assert_snapshot!(Digests::of(&bytes).sha256, @"a6e993a7358395ab957f93370c6be25dd7e448fd79111787dc2e3ecde4c98ebf");
}
