//! A hostile `astore.toml`.

use std::time::Instant;

use astore::error::ErrorKind;
use astore::registry::Access;
use astore::storage::testing::check_config;

use super::{Store, files};
use crate::support::store::open;

/// Descriptions, each with whether a store may have it.
fn descriptions(good: &str) -> Vec<(&'static str, Vec<u8>, bool)> {
    let with = |more: &str| format!("{good}{more}").into_bytes();
    let deep = |open: &str, close: &str, levels: usize| {
        with(&format!("x = {}{}", open.repeat(levels), close.repeat(levels)))
    };
    let dotted = |levels: usize| with(&format!("a{} = 1\n", ".a".repeat(levels)));
    let header = |levels: usize| with(&format!("[a{}]\n", ".a".repeat(levels)));
    vec![
        ("itself", with(""), true),
        ("more keys", with("more = \"x\"\n[and.a.table]\nx = 1979-05-27\n"), true),
        ("arrays in arrays", deep("[", "]", 10), true),
        ("arrays 10,000 deep", deep("[", "]", 10_000), false),
        ("arrays 30,000 deep that do not end", deep("[", "", 30_000), false),
        ("tables in tables", deep("{a=", "}", 10_000), false),
        ("tables that do not end", deep("{a=", "", 15_000), false),
        ("a key of 10,000 parts", dotted(10_000), false),
        ("a key of 30,000 parts", dotted(30_000), false),
        ("a table's name of 10,000 parts", header(10_000), false),
        ("a table's name of 30,000 parts", header(30_000), false),
        ("a key of 10 parts", dotted(10), true),
        ("many tables", with(&(0..6_000).map(|n| format!("[t{n}]\n")).collect::<String>()), true),
        ("many arrays of tables", with(&"[[t]]\n".repeat(10_000)), true),
        ("a key twice", with("format = 1\n"), false),
        ("a table twice", with("[a]\n[a]\n"), false),
        (
            "a huge integer",
            good.replace("format = 1", "format = 99999999999999999999999").into_bytes(),
            false,
        ),
        ("a later format", good.replace("format = 1", "format = 9223372036854775807").into_bytes(), false),
        ("a fraction", good.replace("format = 1", "format = 1.0").into_bytes(), false),
        ("a text for the format", good.replace("format = 1", "format = \"1\"").into_bytes(), false),
        ("an array for the id", good.replace("store_id = \"", "store_id = [\"").into_bytes(), false),
        ("a huge instant", good.replace("created_at = \"", "created_at = \"+9999").into_bytes(), false),
        ("a NUL", with("\0"), false),
        ("a control character in a text", with("x = \"\u{7}\"\n"), false),
        ("no text", [good.as_bytes(), b"x = \"\xff\"\n"].concat(), false),
        ("a mark of its byte order", [b"\xef\xbb\xbf", good.as_bytes()].concat(), true),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
        ("a line without end", with(&"x".repeat(60_000)), false),
        ("a text without end", with(&format!("x = \"\"\"{}", "y".repeat(60_000))), false),
        ("a comment of 60,000 bytes", with(&format!("#{}\n", "y".repeat(60_000))), true),
        ("more than 65,536 bytes", with(&format!("#{}\n", "y".repeat(66_000))), false),
        ("nothing", Vec::new(), false),
        ("zeros", vec![0; 4096], false),
        ("random bytes", (0..5_000_u32).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect(), false),
        ("quotes", with(&"x = \"\"\"\n".repeat(3_000)), false),
        ("brackets", with(&"[".repeat(60_000)), false),
        ("dots", with(&".".repeat(60_000)), false),
        ("escapes", with(&format!("x = \"{}\"\n", "\\u0041".repeat(10_000))), true),
    ]
}

#[test]
fn a_description_of_any_shape_is_read_or_refused() {
    let store = Store::new();
    let path = store.root().join("astore.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let started = Instant::now();
    let mut wrong = Vec::new();
    let all = descriptions(&good);
    let tried = all.len();
    for (what, bytes, is_good) in all {
        std::fs::write(&path, &bytes).unwrap();
        let before = files(store.place.path());
        // Threads have the least stack, and a parser that calls itself for each level would end there.
        let (root, parsed) = (store.root(), bytes.clone());
        let opened = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || {
                let taken = check_config(&parsed);
                let opened = [Access::Read, Access::Write].map(|access| open(&root, access).map(drop));
                assert!(opened.iter().all(|opened| opened.is_ok() == taken), "{opened:?}");
                opened
            })
            .unwrap()
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        for opened in opened {
            match opened {
                Ok(()) if is_good => {}
                Err(error) if !is_good => {
                    assert!(
                        matches!(error.kind(), ErrorKind::Damage | ErrorKind::NoStore),
                        "{what}: {error:?}"
                    );
                    assert!(!error.to_string().contains('\n'), "{what}: {error}");
                    assert!(error.to_string().len() < 400, "{what}: {error}");
                    // Refused before anything is touched.
                    assert_eq!(files(store.place.path()), before, "{what}");
                }
                other => wrong.push(format!("{what}: {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{tried} descriptions, {} ms", started.elapsed().as_millis());
}
