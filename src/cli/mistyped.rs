//! A command line that makes no sense: what is wrong with it in one sentence, what may have been meant, and where to
//! read more. Knows what clap says, and what other tools call the same things.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output::escape;

/// What other tools call what is done here: the words, and the commands that may be meant by them. Nobody can type them
/// in earnest, so a script never depends on one.
const ELSEWHERE: [(&[&str], &[&str]); 21] = [
    (&["new", "setup", "mkrepo"], &["init"]),
    (
        &[
            "put", "push", "store", "save", "import", "upload", "archive", "backup", "ingest", "commit",
            "create", "snapshot",
        ],
        &["add"],
    ),
    (&["freeze", "seal", "close"], &["finalize"]),
    (&["hash", "checksum", "checksums"], &["manifest"]),
    (&["ls", "dir"], &["list", "files"]),
    (&["packages", "versions", "snapshots", "tags"], &["list"]),
    (&["tree"], &["files"]),
    (&["info", "inspect", "describe"], &["show"]),
    (&["compare"], &["diff"]),
    (&["why", "find", "which"], &["explain"]),
    (&["get", "fetch", "download", "pull"], &["export", "cat"]),
    (&["extract", "checkout", "unpack"], &["export"]),
    (&["print", "dump"], &["cat"]),
    (&["rm", "delete", "del", "forget", "drop"], &["remove"]),
    (&["undelete", "unremove"], &["restore"]),
    (&["tag", "protect", "keep"], &["pin"]),
    (&["expire", "hold", "release"], &["retain"]),
    (&["prune", "purge", "clean", "cleanup", "compact", "vacuum", "collect"], &["gc"]),
    (&["fsck", "check", "scrub", "validate"], &["verify"]),
    (&["history", "events", "journal"], &["log"]),
    (&["df", "du", "usage"], &["stats"]),
];

/// What is wrong with a command line, and what to do.
pub(super) struct Mistyped {
    /// What is wrong, in one sentence.
    pub(super) text: String,
    /// What may have been meant, and where to read more.
    pub(super) hint: String,
}

impl Mistyped {
    /// Puts what clap has to say about `arguments` into words; they belong to this command, where they name one.
    pub(super) fn of(error: &clap::Error, command: Option<&str>, arguments: &[OsString]) -> Self {
        let rendered = error.render().to_string();
        let mut paragraphs = rendered.split("\n\n");
        let first = paragraphs.next().unwrap_or_default();
        let text = first.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let text = text.strip_prefix("error: ").map(str::to_owned).unwrap_or(text);
        let mut forms: Vec<&str> = Vec::new();
        let mut tips: Vec<&str> = Vec::new();
        for sentence in paragraphs.flat_map(str::lines).map(str::trim) {
            if let Some(tip) = sentence.strip_prefix("tip: ") {
                tips.push(tip);
            } else if let Some(form) = sentence.strip_prefix("Usage: ") {
                forms.push(form);
            } else if !forms.is_empty() && sentence.starts_with("astore ") {
                forms.push(sentence);
            }
        }
        // Only what may begin with a dash can be meant by that, and `add` alone takes it; there are better words for it.
        tips.retain(|tip| !tip.starts_with("to pass '") && !is_far_fetched(tip, error));
        let hint = match meant(error, command, arguments) {
            Some(meant) => format!("{meant} {}", more(error, command, &text, &forms)),
            None => {
                let more = more(error, command, &text, &forms);
                tips.into_iter().map(|tip| format!("{tip}; ")).collect::<String>() + &more
            }
        };
        Self { text, hint }
    }
}

/// Says what was meant where that can be told, as a sentence with its end.
fn meant(error: &clap::Error, command: Option<&str>, arguments: &[OsString]) -> Option<String> {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidSubcommand {
        let is_help = super::words(arguments).next().is_some_and(|word| word == "help");
        // Where clap has looked for what is like it, its tip stands in what it says.
        let near = if is_help { near_commands(of(ContextKind::InvalidSubcommand)?) } else { Vec::new() };
        return did_you_mean(of(ContextKind::InvalidSubcommand)?).or_else(|| asked("help ", &near));
    }
    let argument = of(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    match (command?, argument.starts_with('-')) {
        ("init", false) => Some("the root is named by --root DIR or ASTORE_ROOT;".to_owned()),
        ("gc", false) if argument.starts_with(|first: char| first.is_ascii_digit()) => {
            Some("a plan is named by --confirm=PLAN;".to_owned())
        }
        ("gc", true) if argument == "-n" || argument.starts_with("--dry") => {
            Some("gc without --confirm changes nothing;".to_owned())
        }
        // What other tools call so.
        ("restore", false) => Some("'astore export REF DEST' writes what is in a package;".to_owned()),
        ("add", true) if error.get(ContextKind::SuggestedArg).is_none() => {
            // Of short options in one word clap names the first that it does not know.
            let bytes = argument.as_bytes();
            let is_it = |word: &&OsString| word.as_bytes().starts_with(bytes);
            let word = arguments.iter().find(is_it).map(|word| escape::argument(word))?;
            let is_there = Path::new(arguments.iter().find(is_it)?).symlink_metadata().is_ok();
            is_there.then(|| format!("a file of that name is ./{word};"))
        }
        _ => None,
    }
}

/// Returns whether a tip names an option that is not like the one that was typed.
fn is_far_fetched(tip: &str, error: &clap::Error) -> bool {
    let similar = tip.strip_prefix("a similar argument exists: '--").and_then(|rest| rest.strip_suffix('\''));
    let typed = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.trim_start_matches('-').split('=').next(),
        _ => None,
    };
    let (Some(similar), Some(typed)) = (similar, typed) else { return false };
    let is_beginning = similar.starts_with(typed) || typed.starts_with(similar);
    !is_beginning && strsim::osa_distance(typed, similar) > (typed.len() / 3).max(1)
}

/// Asks whether one of these is meant.
pub(super) fn asked(before: &str, commands: &[String]) -> Option<String> {
    let quoted: Vec<String> = commands.iter().map(|command| format!("'astore {before}{command}'")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

/// Returns the commands whose names are like this one.
pub(super) fn near_commands(typed: &str) -> Vec<String> {
    let definition = super::definition();
    super::meant::nearest(
        typed,
        definition.get_subcommands().map(|known| known.get_name().to_owned()).collect(),
    )
}

/// Asks for the command that is meant by the name that it has elsewhere, or that is written otherwise.
fn did_you_mean(typed: &str) -> Option<String> {
    let lower = typed.to_lowercase();
    let written: [&str; 1] = [&lower];
    let definition = super::definition();
    let commands: Vec<String> = match lower.as_str() {
        // These are there, and are no commands.
        "status" => vec!["astore".to_owned(), "astore health".to_owned()],
        "version" => vec!["astore --version".to_owned()],
        _ => {
            let elsewhere = ELSEWHERE.iter().find(|(words, _)| words.contains(&&*lower));
            let named = match elsewhere {
                Some((_, commands)) => commands,
                None => definition.find_subcommand(&lower).map(|_| &written[..])?,
            };
            named.iter().map(|command| format!("astore {command}")).collect()
        }
    };
    let quoted: Vec<String> = commands.iter().map(|command| format!("'{command}'")).collect();
    Some(format!("did you mean {}?", quoted.join(" or ")))
}

/// Says where to read more: the help, or the form of the command that has what is missing.
fn more(error: &clap::Error, command: Option<&str>, text: &str, forms: &[&str]) -> String {
    // Of a command with several forms, the one that has what is missing.
    let missing = text.rsplit_once(" not provided: ").map_or("", |(_, missing)| missing);
    let has_all = |form: &&&str| missing.split_whitespace().all(|word| form.contains(word));
    let fitting = forms.iter().find(has_all).or(forms.first());
    match (fitting, error.kind(), command) {
        (Some(usage), ErrorKind::MissingRequiredArgument, _) => format!("usage: {usage}"),
        (_, _, Some(command)) => format!("see 'astore {command} --help'"),
        (_, _, None) => "see 'astore --help'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_nothing_here_and_what_is_meant_is_there() {
        let definition = super::super::definition();
        let mut seen = std::collections::BTreeSet::new();
        for (words, commands) in ELSEWHERE {
            for word in words {
                assert!(definition.find_subcommand(word).is_none(), "{word} is a command");
                assert!(seen.insert(*word), "{word} stands there twice");
            }
            for command in commands {
                assert!(definition.find_subcommand(command).is_some(), "{command} is none");
            }
        }
    }

    #[test]
    fn who_comes_from_elsewhere_is_asked_what_is_meant() {
        for (typed, meant) in [
            ("rm", Some("did you mean 'astore remove'?")),
            ("LIST", Some("did you mean 'astore list'?")),
            ("Ls", Some("did you mean 'astore list' or 'astore files'?")),
            ("status", Some("did you mean 'astore' or 'astore health'?")),
            ("frob", None),
            ("list", Some("did you mean 'astore list'?")),
        ] {
            assert_eq!(did_you_mean(typed).as_deref(), meant, "{typed}");
        }
    }
}
