//! What was typed, as a request.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use astore::error::Error;
use astore::formats::checkfile::CheckFile;
use astore::manifest::{EntryPath, Labels, PackageName};
use astore::registry::report::{
    AddRequest, AddSource, AddTarget, Artifact, CacheUse, Check, Completion, OnConflict, OnUnreadable,
    OutsideLinks, Reference, Taking,
};

use super::super::context::Context;
use super::super::failure::usage;
use super::super::lists::{self, Separator};
use super::super::naming;
use super::super::output::escape;
use super::Args;

/// The program of `--from-command`, and its arguments.
pub(super) type Command<'a> = (&'a OsStr, &'a [OsString]);

pub(super) fn command(typed: &[OsString]) -> anyhow::Result<Option<Command<'_>>> {
    let words = match typed {
        [dashes, words @ ..] if dashes == "--" => words,
        words => words,
    };
    match words.split_first() {
        None if typed.is_empty() => Ok(None),
        None => Err(usage("--from-command names no command after --")),
        Some((program, _)) if words.len() == typed.len() && program.as_encoded_bytes().starts_with(b"-") => {
            let shown = escape::argument(program);
            Err(usage(format!(
                "--from-command takes all that follows for the command; put {shown} before it"
            )))
        }
        Some((program, arguments)) => Ok(Some((program, arguments))),
    }
}

pub(super) fn request(args: Args, has_command: bool, ctx: &mut Context) -> anyhow::Result<AddRequest> {
    let stdin_name = match args.stdin_name {
        Some(name) if has_command || args.paths.iter().any(|path| is_stdin(path)) => {
            let shown = escape::argument(&name);
            EntryPath::new(name.into_vec())
                .map_err(|error| usage(format!("--stdin-name {shown}: {error}")))?
        }
        Some(_) => {
            return Err(usage("--stdin-name is for standard input or --from-command; give - as a PATH"));
        }
        None => EntryPath::new(&b"stdin"[..]).map_err(|error| usage(error.to_string()))?,
    };
    let artifact = args.oci.map(|layout| Artifact::open(&layout, args.tag.as_deref()));
    let artifact = artifact.transpose().map_err(Error::from)?;
    let target = match args.package {
        Some(reference) => {
            let on_conflict = if args.replace { OnConflict::Replace } else { OnConflict::Refuse };
            AddTarget::Open { reference: Reference(reference), on_conflict }
        }
        None => AddTarget::New {
            name: match (args.name, &args.files_from) {
                (Some(name), _) => name,
                (None, _) if let Some(artifact) = &artifact => artifact.header().name.clone(),
                (None, None) if args.tar.is_some() => archive_name(args.tar.as_deref())?,
                (None, Some(_)) => {
                    return Err(usage("a list gives the package no name; give it one with --name NAME"));
                }
                (None, None) if has_command => {
                    return Err(usage("a command gives the package no name; give it one with --name NAME"));
                }
                (None, None) => name(&args.paths)?,
            },
            class: args.class,
            metadata: {
                let mut metadata =
                    artifact.as_ref().map_or_else(Labels::new, |it| it.header().metadata.clone());
                metadata.extend(labels(args.meta)?);
                metadata
            },
            provenance: artifact.as_ref().map_or_else(Labels::new, Artifact::provenance),
        },
    };
    let source = |path: PathBuf| match is_stdin(&path) {
        true => AddSource::Stdin(stdin_name.clone()),
        false => AddSource::Path(path),
    };
    let mut exclude = lists::patterns(&args.exclude_from)?;
    exclude.extend(args.exclude);
    let separator = if args.from0 { Separator::Nul } else { Separator::Newline };
    let sources = match args.files_from {
        Some(file) => vec![AddSource::Listed(lists::paths(&file, separator, ctx)?)],
        None if let Some(artifact) = artifact => vec![AddSource::Artifact(Box::new(artifact))],
        None if has_command => vec![AddSource::Stdin(stdin_name)],
        None if args.tar.is_some() => {
            let archive = args.tar.filter(|path| !is_stdin(path));
            vec![AddSource::Tar { archive: archive.unwrap_or_else(|| "the archive".into()) }]
        }
        None => args.paths.into_iter().map(source).collect(),
    };
    Ok(AddRequest {
        sources,
        target,
        completion: match (args.finalize, args.if_changed) {
            (_, true) => Completion::FinalizeIfChanged,
            (true, false) => Completion::Finalize,
            (false, false) => Completion::LeaveOpen,
        },
        exclude,
        exclude_caches: args.exclude_caches,
        one_file_system: args.one_file_system,
        keep_mtime: args.mtime,
        on_unreadable: if args.keep_going { OnUnreadable::Skip } else { OnUnreadable::Fail },
        outside_links: if args.outside_links { OutsideLinks::Take } else { OutsideLinks::Refuse },
        taking: if args.reflink { Taking::Reflink } else { Taking::Any },
        check: args.check.map(|file| check(file, ctx)).transpose()?,
        cache: if args.no_cache { CacheUse::Ignore } else { CacheUse::Use },
    })
}

/// Returns the name that an archive's file gives its package.
fn archive_name(archive: Option<&Path>) -> anyhow::Result<PackageName> {
    let stem = archive
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_suffix(".tar"));
    stem.and_then(|stem| stem.parse().ok())
        .ok_or_else(|| usage("the archive gives the package no name; give it one with --name NAME"))
}

/// Reads a check file.
fn check(file: PathBuf, ctx: &mut Context) -> anyhow::Result<Check> {
    let shown = if is_stdin(&file) { "standard input".to_owned() } else { escape::path(&file) };
    let bytes = lists::bytes(&file, ctx)?;
    let expected = CheckFile::parse(&bytes).map_err(|error| usage(format!("{shown}: {error}")))?;
    if expected.is_empty() {
        return Err(usage(format!("{shown} says of no file what it holds")));
    }
    Ok(Check { file: PathBuf::from(shown), expected })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(paths: &[PathBuf]) -> anyhow::Result<PackageName> {
    match paths {
        [path] if is_stdin(path) => {
            Err(usage("standard input gives the package no name; give it one with --name NAME"))
        }
        [path] => naming::default_name(path),
        _ => Err(usage("several paths give the package no name; give it one with --name NAME")),
    }
}

fn labels(given: Vec<(String, String)>) -> anyhow::Result<Labels> {
    let mut labels = Labels::new();
    for (key, value) in given {
        if labels.insert(key.clone(), value).is_some() {
            return Err(usage(format!("--meta {} is given twice", escape::line(&key))));
        }
    }
    Ok(labels)
}
