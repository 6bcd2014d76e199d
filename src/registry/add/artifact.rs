//! A package that has its own manifest: what is added is what that says, or nothing.

use super::super::report::AddSource;
use crate::error::Error;
use crate::plane::Artifact;

/// Returns the artifact among some sources, which then is the only one.
pub(super) fn among(sources: &[AddSource]) -> Result<Option<Artifact>, Error> {
    let artifact = sources.iter().find_map(|source| match source {
        AddSource::Artifact(artifact) => Some(&**artifact),
        AddSource::Path(_)
        | AddSource::Listed(_)
        | AddSource::Stdin(_)
        | AddSource::Tar { .. }
        | AddSource::Bag(_) => None,
    });
    match artifact {
        Some(_) if sources.len() > 1 => Err(Error::ArtifactBeside),
        artifact => Ok(artifact.cloned()),
    }
}
