//! What would put a fault right, in a line for people.

use astore::registry::report::{Fault, Remedy};

use super::escape;

/// Says what it takes, without a newline.
pub(crate) fn remedy(fault: &Fault) -> String {
    let again = || format!("add the same content again{}", source(fault));
    match &fault.remedy {
        Remedy::AddAgain => again(),
        Remedy::RecordThenAdd => format!("record it with 'astore verify', then {}", again()),
        Remedy::SetMode(path) if source(fault).is_empty() => format!("chmod 444 {}", path.display()),
        Remedy::SetMode(path) => format!("chmod 444 {}, or {}", path.display(), again()),
        Remedy::Recover => "astore recover".to_owned(),
        Remedy::Replay => "astore replay".to_owned(),
        Remedy::NextWrite => {
            "nothing to do: the next command that writes completes log/ from the database".to_owned()
        }
        Remedy::Choose => {
            "choose: move aside astore.db or log/, whichever you do not believe, then astore recover"
                .to_owned()
        }
        Remedy::NewConfig => {
            "if another store's astore.toml was put there, move it aside, then astore recover".to_owned()
        }
        // It may be the only copy of what it holds, whatever it is called: a quick verify has not read it.
        Remedy::MoveAway(path) => {
            format!(
                "move {0} out of the store; add it, if its bytes are missing elsewhere",
                escape::line(&path.display().to_string())
            )
        }
        Remedy::SeeToDisk => "see to the disk and to permissions, then verify again".to_owned(),
        Remedy::Backup(path) => {
            format!("put {} back from a backup: the store has it nowhere else", path.display())
        }
        Remedy::Nothing => {
            "nothing does: keep a copy of the store as it is, and compare with a backup".to_owned()
        }
    }
}

/// Names a package and path that the content was added from.
fn source(fault: &Fault) -> String {
    let harm = fault.harms.iter().find_map(|harm| Some((&harm.package, harm.path.as_ref()?)));
    harm.map_or_else(String::new, |(package, path)| {
        format!(" ({}:{})", escape::line(package), escape::bytes(path.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::samples;
    use super::*;

    #[test]
    fn every_remedy_is_a_line_that_says_what_to_do() {
        let path = || PathBuf::from("blake3/ab/cd/abcd");
        let said = |remedy| super::remedy(&Fault { remedy, ..samples::fault() });
        assert_eq!(said(Remedy::AddAgain), "add the same content again (doc@2:caf\\xe9\\n)");
        assert_eq!(
            said(Remedy::RecordThenAdd),
            "record it with 'astore verify', then add the same content again (doc@2:caf\\xe9\\n)"
        );
        let nobody = Fault { harms: Vec::new(), remedy: Remedy::AddAgain, ..samples::fault() };
        assert_eq!(super::remedy(&nobody), "add the same content again");
        let manifest = Fault { harms: Vec::new(), remedy: Remedy::SetMode(path()), ..samples::fault() };
        assert_eq!(super::remedy(&manifest), "chmod 444 blake3/ab/cd/abcd");
        let misnamed =
            Fault { kind: "misnamed".into(), remedy: Remedy::MoveAway(path()), ..samples::fault() };
        assert_eq!(
            super::remedy(&misnamed),
            "move blake3/ab/cd/abcd out of the store; add it, if its bytes are missing elsewhere"
        );
        // A quick verify has not read it either.
        for kind in ["foreign", "altered"] {
            let fault = Fault { kind: kind.into(), remedy: Remedy::MoveAway(path()), ..samples::fault() };
            assert!(!super::remedy(&fault).contains("delete"), "{kind}");
        }
        for (remedy, says) in [
            (Remedy::SetMode(path()), "chmod 444 blake3/ab/cd/abcd, or add the same content again (doc@2:"),
            (Remedy::Recover, "astore recover"),
            (Remedy::Replay, "astore replay"),
            (Remedy::NextWrite, "nothing to do: "),
            (Remedy::Choose, "choose: "),
            (Remedy::NewConfig, "if another store's astore.toml"),
            (Remedy::MoveAway(PathBuf::from("blake3/a\nb")), "move blake3/a\\nb out of the store"),
            (Remedy::SeeToDisk, "see to the disk"),
            (Remedy::Backup(path()), "put blake3/ab/cd/abcd back from a backup"),
            (Remedy::Nothing, "nothing does: "),
        ] {
            let said = said(remedy);
            assert!(said.starts_with(says) && !said.contains('\n'), "{said}");
        }
    }
}
