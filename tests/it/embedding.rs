//! A developer puts astore into another program: no terminal, no environment, no home directory.

use crate::support::store::fast_dir;

#[path = "../../examples/embed.rs"]
#[expect(dead_code, reason = "its main function is for the command line")]
mod embed;

#[test]
fn the_example_keeps_a_build() {
    let place = fast_dir();
    let kept = embed::keep_a_build(place.path()).unwrap();
    assert_eq!(kept.reference, "tool@1");
    assert_eq!(kept.paths, ["README", "bin", "bin/tool"]);
    assert_eq!(kept.faults, 0);
    assert!(place.path().join("store/astore.toml").is_file());
    let hex = kept.manifest.to_string();
    let object = place.path().join("store/blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex);
    assert!(object.is_file(), "the manifest is an object under its digest");
}

#[test]
fn the_example_fails_where_there_is_something_else() {
    let place = fast_dir();
    std::fs::create_dir(place.path().join("store")).unwrap();
    std::fs::write(place.path().join("store/diary"), "mine").unwrap();
    let error = embed::keep_a_build(place.path()).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert!(!place.path().join("store/blake3").exists());
}
