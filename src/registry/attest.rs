//! `attest`: what somebody states about a package is a package of its own, beside it (decision 0024).

mod statement;

use std::collections::HashSet;

use super::Registry;
use super::report::{AddRequest, AddSource, AddTarget, AttestReport, AttestRequest, Attestation, Completion};
use super::resolve::reference;
use crate::db::ReadTx;
use crate::error::Error;
use crate::identity::{Blake3, Digests, Sha256};
use crate::manifest::{Entry, EntryBody, EntryPath, Labels, PackageName};
use crate::monitor::Monitor;
use crate::views::{PackageRow, browse, trees};
use statement::{Statement, Subject};

/// The longest document that is taken for a statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Behind the name of a package, the name of the attestations about it.
const SUFFIX: &str = ".attestation";

/// The label whose value is the manifest of the package that an attestation is about.
const ATTESTS: &str = "attests";

/// The label that says what is stated.
const PREDICATE_TYPE: &str = "predicateType";

/// The path of the document.
const STATEMENT_PATH: &[u8] = b"statement.json";

impl Registry {
    /// Stores an in-toto Statement about a finalised package, or a DSSE envelope with one, beside it: as a finalised
    /// package `<name>.attestation`, byte for byte. Signatures are kept, and not verified.
    ///
    /// # Errors
    /// [`Error::BadStatement`] where it is no statement, or states something about other bytes than the package's;
    /// [`Error::WrongState`] where the package is open or removed; whatever [`Registry::add`] answers.
    pub fn attest(&self, request: AttestRequest, monitor: &dyn Monitor) -> Result<AttestReport, Error> {
        let AttestRequest { reference: wanted, document, class, provenance } = request;
        let bad = |problem: String| Error::BadStatement { problem };
        let statement = statement::read(&document).map_err(bad)?;
        let attested = {
            let tx = self.db.read()?;
            let package = self.resolve(&tx, &wanted)?;
            let wrong = |state| Error::WrongState { reference: reference(&package), state };
            let manifest = package.manifest_digest.ok_or_else(|| wrong("open"))?;
            if package.removed_at.is_some() {
                return Err(wrong("removed"));
            }
            let manifest = Digests::of(&self.manifest_bytes(&tx, &package, &manifest)?);
            check_subjects(&tx, &package, &manifest, &statement)?;
            (package, manifest)
        };
        let (package, manifest) = attested;
        let name = format!("{}{SUFFIX}", package.name);
        let name: PackageName = name.parse().map_err(|_| Error::BadText {
            what: "name of an attestation of this package",
            problem: "would be longer than 128 bytes: its name and .attestation",
        })?;
        let metadata = Labels::from([
            (ATTESTS.to_owned(), manifest.address().to_string()),
            (PREDICATE_TYPE.to_owned(), statement.predicate_type.clone()),
        ]);
        let class = Some(class.unwrap_or_else(|| package.class.clone()));
        let target = AddTarget::New { name, class, metadata, provenance, schema: None };
        let path = EntryPath::new(STATEMENT_PATH).expect("a path that is none else's");
        let request = AddRequest::new(vec![AddSource::Stdin(path)], target, Completion::Finalize);
        let report = self.add(request, &mut document.as_slice(), monitor)?;
        Ok(AttestReport {
            attestation: report.package,
            attested: reference(&package),
            predicate_type: statement.predicate_type,
        })
    }
}

/// Returns the attestations about a package that are not removed, oldest first.
pub(super) fn attestations(tx: &ReadTx<'_>, package: &PackageRow) -> Result<Vec<Attestation>, Error> {
    let Some(manifest) = &package.manifest_digest else { return Ok(Vec::new()) };
    let found = browse::attesting(tx, manifest)?;
    let attestation = |found: PackageRow| Attestation {
        reference: reference(&found),
        predicate_type: found.metadata.get(PREDICATE_TYPE).cloned(),
    };
    Ok(found.into_iter().map(attestation).collect())
}

/// Refuses a statement about anything but the package, its manifest and its files.
fn check_subjects(
    tx: &ReadTx<'_>,
    package: &PackageRow,
    manifest: &Digests,
    statement: &Statement,
) -> Result<(), Error> {
    let bad = |problem: String| Error::BadStatement { problem };
    let named: Vec<(&Subject, Named)> = statement
        .subject
        .iter()
        .filter_map(|subject| Named::of(subject).transpose().map(|named| Ok((subject, named?))))
        .collect::<Result<_, String>>()
        .map_err(bad)?;
    if named.is_empty() {
        return Err(bad("names no subject by sha256 or blake3".to_owned()));
    }
    let mut missing: HashSet<Named> = named.iter().map(|(_, named)| *named).collect();
    let found = |missing: &mut HashSet<Named>, object: &Digests| {
        Named::all_of(object).iter().for_each(|named| _ = missing.remove(named));
    };
    found(&mut missing, manifest);
    if !missing.is_empty() {
        trees::each_entry(tx, package.tree, |entry| -> Result<(), Error> {
            if let EntryBody::File { object, .. } = &entry.body {
                found(&mut missing, object);
            }
            Ok(())
        })?;
    }
    for (subject, named) in named {
        let shown = subject.name.as_deref().unwrap_or_default();
        let reference = reference(package);
        if missing.contains(&named) {
            return Err(bad(format!("is about {shown:?}, and no file of {reference} has its digest")));
        }
        let there = match EntryPath::new(shown.as_bytes()) {
            Ok(path) => trees::entry_at(tx, package.tree, path.as_bytes())?,
            Err(_) => None,
        };
        if let Some(Entry { body: EntryBody::File { object, .. }, .. }) = there
            && !named.is(&object)
        {
            return Err(bad(format!("is about {shown:?}, and {reference} has other bytes under that path")));
        }
    }
    Ok(())
}

/// The digests that a subject names and that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Named {
    sha256: Option<Sha256>,
    blake3: Option<Blake3>,
}

impl Named {
    fn of(subject: &Subject) -> Result<Option<Self>, String> {
        let shown = subject.name.as_deref().unwrap_or_default();
        let wrong = |algorithm| format!("names {shown:?} by a {algorithm} that is not 64 hexadecimal digits");
        let digest =
            |algorithm: &str| subject.digest.get(algorithm).map(|digits| digits.to_ascii_lowercase());
        let sha256 =
            digest("sha256").map(|digits| digits.parse().map_err(|_| wrong("sha256"))).transpose()?;
        let blake3 =
            digest("blake3").map(|digits| digits.parse().map_err(|_| wrong("blake3"))).transpose()?;
        Ok((sha256.is_some() || blake3.is_some()).then_some(Self { sha256, blake3 }))
    }

    /// Returns all ways to name an object: a statement may have as many subjects as a package has files, so that each is
    /// looked for once and not held against every other.
    const fn all_of(object: &Digests) -> [Self; 3] {
        let (sha256, blake3) = (Some(object.sha256), Some(object.blake3));
        [Self { sha256, blake3 }, Self { sha256, blake3: None }, Self { sha256: None, blake3 }]
    }

    /// Returns whether an object has all of them.
    fn is(&self, object: &Digests) -> bool {
        self.sha256.is_none_or(|digest| digest == object.sha256)
            && self.blake3.is_none_or(|digest| digest == object.blake3)
    }
}
