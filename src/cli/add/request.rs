//! What was typed, as a request.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use astore::error::Error;
use astore::formats::checkfile::CheckFile;
use astore::manifest::{EntryPath, PackageName};
use astore::registry::report::{
    AddRequest, AddSource, AddTarget, Artifact, CacheUse, Check, Completion, OnConflict, OnUnreadable,
    OutsideLinks, Reference, SchemaUse, Taking,
};

use super::super::context::Context;
use super::super::failure::{usage, usage_hint};
use super::super::given::{self, is_stdin};
use super::super::lists::{self, Separator};
use super::super::metadata::Metadata;
use super::super::naming;
use super::super::output::escape;
use super::{Args, bag};

/// The longest check file that is taken: some ten million lines.
const CHECK_FILE_BYTES_MAX: usize = 1 << 30;
use super::provenance::provenance;

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
            Err(usage_hint(
                "--from-command takes all that follows for the command",
                format!("put {shown} before it"),
            ))
        }
        Some((program, arguments)) => Ok(Some((program, arguments))),
    }
}

pub(super) fn request(
    mut args: Args,
    command: Option<Command<'_>>,
    ctx: &mut Context,
) -> anyhow::Result<AddRequest> {
    let has_command = command.is_some();
    check_stdin(&args, has_command)?;
    let provenance = provenance(&mut args, command, ctx)?;
    let stdin_name = match args.stdin_name {
        Some(name) if has_command || args.paths.iter().any(|path| is_stdin(path)) => {
            let shown = escape::argument(&name);
            EntryPath::new(name.into_vec())
                .map_err(|error| usage(format!("--stdin-name {shown}: {error}")))?
        }
        Some(_) => {
            return Err(usage_hint(
                "--stdin-name is for standard input or --from-command",
                "give - as a PATH",
            ));
        }
        None => EntryPath::new(&b"stdin"[..]).map_err(|error| usage(error.to_string()))?,
    };
    let Metadata { labels: metadata, plain_json, .. } = Metadata::read(args.meta, &args.meta_file, ctx)?;
    if args.outside_links && args.tar.is_none() && args.bagit.is_none() {
        return Err(usage("--outside-links is for --tar and --bagit; of a tree every symlink is taken"));
    }
    let bag = args.bagit.as_deref().map(bag::read).transpose()?;
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
                (None, None) if let Some(bag) = &bag => bag::name(bag)?,
                (None, _) if let Some(artifact) = &artifact => artifact.header().name.clone(),
                (None, None) if args.tar.is_some() => archive_name(args.tar.as_deref())?,
                (None, Some(_)) => {
                    return Err(usage_hint(
                        "a list gives the package no name",
                        "give it one with --name NAME",
                    ));
                }
                (None, None) if has_command => {
                    return Err(usage_hint(
                        "a command gives the package no name",
                        "give it one with --name NAME",
                    ));
                }
                (None, None) => name(&args.paths)?,
            },
            class: args.class,
            metadata: match &artifact {
                Some(artifact) => artifact.header().metadata.clone().into_iter().chain(metadata).collect(),
                None => metadata,
            },
            provenance: match &artifact {
                Some(artifact) => provenance.into_iter().chain(artifact.provenance()).collect(),
                None => provenance,
            },
            schema: args.schema.map(|schema| SchemaUse { schema, plain_json }),
        },
    };
    let source = |path: PathBuf| match is_stdin(&path) {
        true => AddSource::Stdin(stdin_name.clone()),
        false => AddSource::Path(path),
    };
    let mut exclude = lists::patterns(&args.exclude_from, ctx)?;
    exclude.extend(args.exclude);
    if args.from0 && args.files_from.is_none() {
        return Err(usage_hint("--from0 is about a list", "name one with --files-from FILE"));
    }
    let separator = if args.from0 { Separator::Nul } else { Separator::Newline };
    let sources = match args.files_from {
        Some(file) => vec![AddSource::Listed(lists::paths(&file, separator, ctx)?)],
        None if let Some(artifact) = artifact => vec![AddSource::Artifact(Box::new(artifact))],
        None if has_command => vec![AddSource::Stdin(stdin_name)],
        None if let Some(bag) = bag => vec![AddSource::Bag(Box::new(bag))],
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
        .ok_or_else(|| usage_hint("the archive gives the package no name", "give it one with --name NAME"))
}

/// Reads a check file.
fn check(file: PathBuf, ctx: &mut Context) -> anyhow::Result<Check> {
    let shown = given::shown(&file);
    let bytes = given::whole(&file, "a check file", CHECK_FILE_BYTES_MAX, ctx)?;
    let expected = CheckFile::parse(&bytes).map_err(|error| usage(format!("{shown}: {error}")))?;
    if expected.is_empty() {
        return Err(usage(format!("{shown} says of no file what it holds")));
    }
    Ok(Check { file: PathBuf::from(shown), expected })
}

/// Refuses to read labels from a standard input that is wanted for something else.
fn check_stdin(args: &Args, has_command: bool) -> anyhow::Result<()> {
    let labels = args.meta_file.iter().filter(|file| is_stdin(file)).count();
    let mut others = args.paths.iter().chain(&args.files_from);
    let taken_by = match (labels, has_command) {
        (0, _) => return Ok(()),
        (1, true) => "that of the command of --from-command",
        (1, false) if others.any(|path| is_stdin(path)) => "what is added",
        (1, false) => return Ok(()),
        (_, _) => "another --meta-file",
    };
    Err(usage(format!(
        "--meta-file - reads standard input, which is {taken_by}; name a file (./- if it is called -)"
    )))
}

fn name(paths: &[PathBuf]) -> anyhow::Result<PackageName> {
    match paths {
        [path] if is_stdin(path) => {
            Err(usage_hint("standard input gives the package no name", "give it one with --name NAME"))
        }
        [path] => naming::default_name(path),
        _ => Err(usage_hint("several paths give the package no name", "give it one with --name NAME")),
    }
}
