//! What an argument names: a package, a path in one, an object, a directory; and the name that `add` gives.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use astore::identity::AddressPrefix;
use astore::manifest::{EntryPath, PackageName};
use astore::registry::report::{CatTarget, DiffTarget, ExplainTarget, PinRequest, Reference};

use super::failure::{usage, usage_hint};
use super::output::escape;

/// Takes an argument for a directory where it contains `/`, is `.` or `..`, or where no reference has that
/// form; else for a package.
pub(crate) fn diff_target(argument: OsString) -> DiffTarget {
    let bytes = argument.as_bytes();
    if bytes.contains(&b'/') || bytes == b"." || bytes == b".." {
        return DiffTarget::Directory(PathBuf::from(argument));
    }
    match argument.to_str().filter(|text| has_reference_form(text)) {
        Some(text) => DiffTarget::Package(Reference(text.to_owned())),
        None => DiffTarget::Directory(PathBuf::from(argument)),
    }
}

/// Returns whether some package could be called so: a name, a name with a version, an id or a part of one
/// (every id has the form of a name).
fn has_reference_form(text: &str) -> bool {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let counts = |version: &str| version.parse::<u64>().is_ok_and(|number| number.to_string() == version);
    name.parse::<PackageName>().is_ok() && version.is_none_or(counts)
}

/// Parses `REF:PATH`, where the first colon ends the reference, or an address.
///
/// # Errors
/// A usage error where it is neither, or the path could stand in no package.
pub(crate) fn cat_target(argument: &OsStr) -> anyhow::Result<CatTarget> {
    let bytes = argument.as_bytes();
    let shown = escape::argument(argument);
    let Some(colon) = bytes.iter().position(|&byte| byte == b':') else {
        return Err(usage(format!("'{shown}' is neither REF:PATH nor an address such as blake3:1a2b3c4d")));
    };
    let (head, path) = (&bytes[..colon], &bytes[colon + 1..]);
    if matches!(head, b"blake3" | b"sha256") {
        let text = argument.to_str().unwrap_or_default();
        let prefix = text.parse::<AddressPrefix>();
        return prefix
            .map(CatTarget::Object)
            .map_err(|error| usage(format!("'{shown}' is no address: {error}")));
    }
    let reference = match std::str::from_utf8(head) {
        Ok(text) if !text.is_empty() => Reference(text.to_owned()),
        _ => return Err(usage(format!("no package is named before the colon of '{shown}'"))),
    };
    let path = EntryPath::new(path)
        .map_err(|error| usage(format!("'{shown}' names no file of a package: {error}")))?;
    Ok(CatTarget::Path { reference, path })
}

/// Takes an argument for an address, for `REF:PATH`, or for a file: see the help of `explain`.
///
/// # Errors
/// A usage error where it is none of them, an address of the wrong form, a path that could stand in no package,
/// or a directory.
pub(crate) fn explain_target(argument: &OsStr) -> anyhow::Result<ExplainTarget> {
    let bytes = argument.as_bytes();
    let shown = escape::argument(argument);
    let head = bytes.split(|&byte| byte == b':').next().unwrap_or_default();
    let has_colon = head.len() < bytes.len();
    let could_be_package = std::str::from_utf8(head).is_ok_and(has_reference_form);
    if has_colon && could_be_package {
        return Ok(match cat_target(argument)? {
            CatTarget::Object(prefix) => ExplainTarget::Object(prefix),
            CatTarget::Path { reference, path } => ExplainTarget::Path { reference, path },
        });
    }
    let path = Path::new(argument);
    if path.is_dir() {
        return Err(usage_hint(
            format!("{shown} is a directory"),
            "name a file, or REF:PATH for a file of a package",
        ));
    }
    let is_named_file = bytes.contains(&b'/') || !could_be_package;
    if bytes.is_empty() || (!is_named_file && path.symlink_metadata().is_err()) {
        let digits = argument.to_str().unwrap_or_default();
        let what =
            format!("'{shown}' is no file, and neither REF:PATH nor an address such as blake3:1a2b3c4d");
        let is_digest = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return Err(if is_digest {
            usage_hint(what, "put blake3: or sha256: before it")
        } else if could_be_package {
            let hint = format!(
                "of a package, '{shown}:PATH' names a file, and 'astore show {shown}' tells the rest"
            );
            usage_hint(what, hint)
        } else {
            usage(what)
        });
    }
    Ok(ExplainTarget::File(path.to_owned()))
}

/// Parses what a pin is to be on: a reference, or an address.
///
/// # Errors
/// A usage error where it is neither.
pub(crate) fn pin_target(text: &str) -> anyhow::Result<PinRequest> {
    let shown = escape::line(text);
    match text.split_once(':') {
        None => Ok(PinRequest::Package(Reference(text.to_owned()))),
        Some(("blake3" | "sha256", _)) => {
            let prefix = text.parse::<AddressPrefix>();
            prefix.map(PinRequest::Object).map_err(|error| usage(format!("'{shown}' is no address: {error}")))
        }
        Some(_) => Err(usage_hint(
            format!("'{shown}' is neither a REF nor an address"),
            format!("'astore explain {shown}' tells the address of a file"),
        )),
    }
}

/// Returns the name that a package gets from the only path that is added: its last component, after `.` and
/// `..` are resolved.
///
/// # Errors
/// A usage error that suggests `--name` where there is no such component or it is no package name.
pub(crate) fn default_name(path: &Path) -> anyhow::Result<PackageName> {
    let no_name = |why: &str| {
        usage_hint(
            format!("{} gives the package no name: {why}", escape::path(path)),
            "give it one with --name NAME",
        )
    };
    let last = match last_component(path) {
        Some(last) => last,
        None => {
            let resolved = path.canonicalize().map_err(|error| no_name(&error.to_string()))?;
            last_component(&resolved).ok_or_else(|| no_name("it is the root directory"))?
        }
    };
    let text = last.to_str().ok_or_else(|| no_name("its last component is not UTF-8"))?;
    text.parse().map_err(|error| no_name(&format!("{error}")))
}

/// Returns the last component as it was typed, or `None` where it is `.`, `..` or nothing. `Path::file_name`
/// would overlook a `.` at the end.
fn last_component(path: &Path) -> Option<OsString> {
    let mut bytes = path.as_os_str().as_bytes();
    while let Some(shorter) = bytes.strip_suffix(b"/") {
        bytes = shorter;
    }
    let last = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    match last {
        b"" | b"." | b".." => None,
        last => Some(OsString::from_vec(last.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_told_from_a_package() {
        for (argument, is_directory) in [
            (&b"docs"[..], false),
            (b"docs@3", false),
            (b"0193c2a4-7e1f-7000-8000-000000000001", false),
            (b"0193c2a4", false),
            (b"./docs", true),
            (b"docs/", true),
            (b"/", true),
            (b".", true),
            (b"..", true),
            (b".hidden", true),
            (b"two words", true),
            (b"docs@", true),
            (b"docs@x", true),
            (b"docs@03", true),
            (b"a@1@2", true),
            (b"caf\xe9", true),
        ] {
            let target = diff_target(OsString::from_vec(argument.to_vec()));
            assert_eq!(
                matches!(target, DiffTarget::Directory(_)),
                is_directory,
                "{}",
                escape::bytes(argument)
            );
        }
    }

    fn cat(argument: &[u8]) -> Result<String, String> {
        match cat_target(OsStr::from_bytes(argument)) {
            Ok(CatTarget::Path { reference, path }) => {
                Ok(format!("{} {}", reference.0, escape::bytes(path.as_bytes())))
            }
            Ok(CatTarget::Object(prefix)) => Ok(prefix.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_first_colon_ends_the_reference() {
        assert_eq!(cat(b"docs@3:a/b:c"), Ok("docs@3 a/b:c".into()));
        assert_eq!(cat(b"docs:\xff\n"), Ok("docs \\xff\\n".into()));
        assert_eq!(cat(b"blake3:0123456789abcdef"), Ok("blake3:0123456789abcdef".into()));
        assert_eq!(cat(b"sha256:01234567"), Ok("sha256:01234567".into()));
        for bad in [
            &b"docs"[..],
            b"",
            b":a",
            b"docs:",
            b"docs:/etc/passwd",
            b"docs:a/../b",
            b"blake3:xyz",
            b"blake3:0123",
        ] {
            assert!(cat(bad).is_err(), "{} was taken", escape::bytes(bad));
        }
    }

    #[test]
    fn a_pin_is_on_a_package_or_an_object() {
        assert_eq!(pin_target("doc@1").unwrap(), PinRequest::Package(Reference("doc@1".into())));
        let object = |text: &str| matches!(pin_target(text), Ok(PinRequest::Object(found)) if found.to_string() == text);
        assert!(object("blake3:01234567") && object("sha256:0123456789abcdef"));
        for bad in ["doc:a", "blake3:", "sha256:xyz", "BLAKE3:01234567", ":"] {
            assert!(pin_target(bad).is_err(), "{bad} was taken");
        }
    }

    fn name(path: &str) -> Result<String, String> {
        default_name(Path::new(path)).map(|name| name.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_package_is_called_after_the_last_component() {
        assert_eq!(name("target/release/astore"), Ok("astore".into()));
        assert_eq!(name("build-1.2+3/"), Ok("build-1.2+3".into()));
        let here = std::env::current_dir().unwrap();
        let here = here.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name("."), Ok(here.clone()));
        assert_eq!(name("src/.."), Ok(here.clone()));
        assert_eq!(name("src/cli/."), Ok("cli".into()));
        for bad in ["/", "two words", ".hidden", "no/such/dir/..", "-"] {
            let error = name(bad).unwrap_err();
            assert!(error.contains("--name"), "{bad}: {error}");
        }
    }
}
