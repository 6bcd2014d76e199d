//! `astore completions`: what clap makes of the definitions, with the packages, pins and classes of the store itself.

use std::collections::BTreeSet;

use super::context::Context;
use super::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  For one user of bash, zsh or fish:
      astore completions bash > ~/.local/share/bash-completion/completions/astore
      astore completions zsh > ~/.zfunc/_astore
      astore completions fish > ~/.config/fish/completions/astore.fish";

/// Print a shell's completion script
///
/// With it, TAB completes packages, paths of packages (REF:PATH), pins and retention classes too: astore is asked each
/// time, of the store that --root on the line or ASTORE_ROOT names. Where there is none, nothing is offered.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    ctx.refuse_json("a completion script is no document")?;
    let script = script(args.shell);
    ctx.result(Exit::Done, |out| out.write_all(&script))
}

/// What stands around the name of a function in zsh's script, until that is put in its place.
const MARK: &str = "%%";

/// What an argument may be that only the store can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Packages that are not removed.
    References,
    /// Open ones.
    Open,
    /// Removed ones.
    Removed,
    /// Names of packages, whatever became of them.
    Names,
    /// Names of pins.
    Pins,
    /// Retention classes.
    Classes,
    /// Paths of packages, REF:PATH.
    Stored,
    /// Packages, or files and directories outside of the store.
    ReferencesOrFiles,
    /// Paths of packages, or files outside of the store.
    StoredOrFiles,
}

impl Kind {
    /// What an argument of a command wants, by the name of its value in the help texts.
    fn of(command: &str, argument: &clap::Arg) -> Option<Self> {
        let value = argument.get_value_names()?.first()?.as_str();
        match (command, value) {
            ("restore", "REF") => Some(Self::Removed),
            ("finalize" | "add", "REF") => Some(Self::Open),
            (_, "REF" | "REF|ADDRESS") => Some(Self::References),
            (_, "REF|DIR") => Some(Self::ReferencesOrFiles),
            (_, "REF:PATH|ADDRESS") => Some(Self::Stored),
            (_, "ADDRESS|FILE|REF:PATH") => Some(Self::StoredOrFiles),
            ("pin" | "unpin", "NAME") if argument.is_positional() => Some(Self::Pins),
            ("add", "NAME") if argument.get_long() == Some("name") => Some(Self::Names),
            (_, "CLASS") => Some(Self::Classes),
            _ => None,
        }
    }

    /// Its name in the scripts, and whether files may stand there too.
    const fn in_scripts(self) -> (&'static str, bool) {
        match self {
            Self::References => ("references", false),
            Self::Open => ("open", false),
            Self::Removed => ("removed", false),
            Self::Names => ("names", false),
            Self::Pins => ("pins", false),
            Self::Classes => ("classes", false),
            Self::Stored => ("stored", false),
            Self::ReferencesOrFiles => ("references", true),
            Self::StoredOrFiles => ("stored", true),
        }
    }
}

/// An argument that only the store can complete.
struct Place {
    command: String,
    /// The long option, or none for a positional.
    long: Option<String>,
    /// Its place among the positionals, from 1.
    position: usize,
    is_last_repeated: bool,
    kind: Kind,
    /// Whether any positional of the command may be a file.
    beside_files: bool,
    id: clap::Id,
}

fn places(definition: &clap::Command) -> Vec<Place> {
    let mut places = Vec::new();
    for command in definition.get_subcommands() {
        let mut positionals =
            command.get_positionals().map(|argument| Kind::of(command.get_name(), argument));
        let beside_files = positionals.any(|kind| kind.is_none_or(|kind| kind.in_scripts().1));
        for argument in command.get_arguments() {
            let Some(kind) = Kind::of(command.get_name(), argument) else { continue };
            places.push(Place {
                command: command.get_name().to_owned(),
                long: argument.get_long().map(str::to_owned),
                position: argument.get_index().unwrap_or_default(),
                is_last_repeated: argument.get_num_args().is_some_and(|range| range.max_values() > 1),
                kind,
                beside_files,
                id: argument.get_id().clone(),
            });
        }
    }
    places
}

/// Makes a shell's script: what clap knows, and behind or before it what asks the store.
///
/// The library's own dynamic completion is not stable yet, and calls the program for every word; here only what the
/// store alone can tell is asked of it, by commands that anybody may type.
fn script(shell: Shell) -> Vec<u8> {
    let mut definition = super::definition();
    definition.build();
    let places = places(&definition);
    match shell {
        Shell::Bash => {
            [generated(clap_complete::Shell::Bash, super::definition()), bash(&definition, &places)].concat()
        }
        Shell::Zsh => zsh(&places),
        Shell::Fish => [generated(clap_complete::Shell::Fish, super::definition()), fish(&places)].concat(),
    }
    .into_bytes()
}

fn generated(shell: clap_complete::Shell, mut definition: clap::Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition, "astore", &mut script);
    // Made of text, so that nothing is lost.
    String::from_utf8_lossy(&script).into_owned()
}

fn bash(definition: &clap::Command, places: &[Place]) -> String {
    let all = definition.get_subcommands().flat_map(clap::Command::get_arguments);
    let options = all.filter(|argument| takes_the_next_word(argument));
    let values: BTreeSet<String> = options.flat_map(spellings).collect();
    let kinds = places.iter().map(|place| {
        let at = match &place.long {
            Some(long) => format!("--{long}"),
            None if place.is_last_repeated => "[1-9]*".to_owned(),
            None => place.position.to_string(),
        };
        let (kind, files) = place.kind.in_scripts();
        let files = if files { " files=yes" } else { "" };
        format!("        {}:{at}) kind={kind}{files} ;;", place.command)
    });
    let kinds: Vec<String> = kinds.collect();
    let values: Vec<String> = values.into_iter().collect();
    include_str!("completions/store.bash")
        .replace("@VALUES@", &values.join(" | "))
        .replace("@KINDS@", &kinds.join("\n"))
}

fn takes_the_next_word(argument: &clap::Arg) -> bool {
    let takes = argument.get_num_args().is_some_and(|range| range.min_values() > 0);
    takes && !argument.is_positional() && !argument.is_require_equals_set()
}

fn spellings(argument: &clap::Arg) -> Vec<String> {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    long.into_iter().chain(short).collect()
}

/// Puts the store's functions in the place of zsh's own default. A mark in the help text says where.
fn zsh(places: &[Place]) -> String {
    let mut definition = super::definition();
    for place in places {
        definition = definition.mut_subcommand(&place.command, |command| {
            command.mut_arg(place.id.as_str(), |argument| {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let (kind, files) = place.kind.in_scripts();
                let or_files = if files { "_or_files" } else { "" };
                argument.help(format!("{help}{MARK}{kind}{or_files}{MARK}"))
            })
        });
    }
    let marked = generated(clap_complete::Shell::Zsh, definition);
    let mut script = String::new();
    for line in marked.lines() {
        let parts: Vec<&str> = line.split(MARK).collect();
        match parts[..] {
            [before, kind, after] => {
                let (label, ending) = after.rsplit_once(":_default").unwrap_or((after, ""));
                script += &format!("{before}{label}:_astore_{kind}{ending}\n");
            }
            _ => script += &format!("{line}\n"),
        }
        if line.starts_with("#compdef") {
            script += include_str!("completions/store.zsh");
        }
    }
    script
}

fn fish(places: &[Place]) -> String {
    let lines = places.iter().map(|place| {
        let (kind, _) = place.kind.in_scripts();
        let command = &place.command;
        let which = match &place.long {
            Some(long) => format!("-l {long} -x"),
            // Fish does not count positionals: it leaves files out where none of the command's can be one.
            None if place.beside_files => "-k".to_owned(),
            None => "-k -f".to_owned(),
        };
        format!("complete -c astore -n '__fish_astore_using_subcommand {command}' {which} -a '(__fish_astore_ask {kind})'\n")
    });
    include_str!("completions/store.fish").replace("@KINDS@\n", &lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_in_the_repository_are_current() {
        for (shell, name) in
            [(Shell::Bash, "astore.bash"), (Shell::Zsh, "astore.zsh"), (Shell::Fish, "astore.fish")]
        {
            let committed = std::fs::read(format!("{}/completions/{name}", env!("CARGO_MANIFEST_DIR")));
            let current = committed.is_ok_and(|committed| committed == script(shell));
            assert!(
                current,
                "completions/{name} is not what 'astore completions' prints; run 'just generate'"
            );
        }
    }
}
