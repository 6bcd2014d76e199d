//! `astore man`: the manual. The pages of commands are made from the same definitions as the help texts; those on the
//! formats and on the ideas are written by hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use astore::storage::root;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::context::Context;
use super::exit::Exit;
use super::failure::{usage, usage_hint};
use super::output::escape;
use super::settings;
use super::{meant, mistyped};

const EXAMPLES: &str = "\
Examples:
  Read about a command:
      astore man add | man -l -
  Read how it is meant to be used, and what its files are:
      astore man tutorial | man -l -
      astore man formats | man -l -
  Install the whole manual:
      astore man --out /usr/local/share/man --sections";

/// The pages that are no command's: their title, their section, and their text below the title.
const BY_HAND: [(&str, char, &str); 2] =
    [("formats", '5', include_str!("man/formats.5")), ("tutorial", '7', include_str!("man/tutorial.7"))];

/// Print the manual, or write all of its pages
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command whose page is printed, or tutorial or formats [default: the overview]
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,

    /// Write every page into this directory, which is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Put the pages into man1, man5 and man7 beneath it
    #[arg(long, requires = "out")]
    sections: bool,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    ctx.refuse_json("a manual page is no document")?;
    let pages = pages().context("cannot make the manual")?;
    if let Some(directory) = &args.out {
        if let Some(store) = store_within(directory) {
            let (directory, store) = (escape::path(directory), escape::path(&store));
            return Err(usage_hint(
                format!("{directory} belongs to the store at {store}"),
                "name a directory elsewhere",
            ));
        }
        write_all(&pages, directory, args.sections)?;
        return Ok(Exit::Done);
    }
    let wanted = match &args.command {
        Some(command) => format!("astore-{command}"),
        None => "astore".to_owned(),
    };
    let is_wanted = |name: &str| name.rsplit_once('.').is_some_and(|(page, _)| page == wanted);
    let Some((_, text)) = pages.iter().find(|(name, _)| is_wanted(name)) else {
        let command = args.command.as_deref().unwrap_or_default();
        let text = format!("no command is called '{}'", escape::line(command));
        let by_hand = BY_HAND.iter().map(|(name, ..)| (*name).to_owned());
        let near = [mistyped::near_commands(command), meant::nearest(command, by_hand.collect())].concat();
        return Err(match mistyped::asked("man ", &near) {
            Some(hint) => usage_hint(text, hint),
            None => usage(text),
        });
    };
    ctx.result(Exit::Done, |out| out.write_all(text))
}

/// Returns the root of the store that the pages would be written into.
fn store_within(directory: &Path) -> Option<PathBuf> {
    // A page stands in the directory, which may be the root itself.
    root::store_around(&directory.iter().chain(["astore.1".as_ref()]).collect::<PathBuf>())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the manual goes where the user says, never under a store's root"
)]
fn write_all(pages: &[(String, Vec<u8>)], directory: &Path, sections: bool) -> anyhow::Result<()> {
    for (name, text) in pages {
        let section = name.rsplit('.').next().filter(|_| sections).map(|section| format!("man{section}"));
        let directory = section.map_or_else(|| directory.to_owned(), |section| directory.join(section));
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", escape::path(&directory)))?;
        let page = directory.join(name);
        fs::write(&page, text).with_context(|| format!("cannot write {}", escape::path(&page)))?;
    }
    Ok(())
}

/// Makes every page: its file name and its text.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut definition = super::definition().disable_help_subcommand(true);
    definition.build();
    let mut pages = vec![("astore.1".to_owned(), page(&definition, &definition)?)];
    for command in definition.get_subcommands() {
        pages.push((format!("astore-{}.1", command.get_name()), page(command, &definition)?));
    }
    for (name, section, text) in BY_HAND {
        let head = title(&format!("astore-{name}"), section);
        pages.push((format!("astore-{name}.{section}"), format!("{head}{text}").into_bytes()));
    }
    Ok(pages)
}

/// Writes by hand what the library would, since it drops the empty date: pages must not change with the day they are made.
fn title(name: &str, section: char) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {} {section} \"\" \"astore {version}\" \"astore manual\"\n", name.to_uppercase())
}

fn page(command: &clap::Command, overview: &clap::Command) -> io::Result<Vec<u8>> {
    let is_overview = command.get_name() == overview.get_name();
    let title = if is_overview { "astore".to_owned() } else { format!("astore-{}", command.get_name()) };
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let man = Man::new(command.clone().display_name(&title).override_usage(usage));
    let mut text = self::title(&title, '1').into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    let mut roff = Roff::new();
    description(command, &mut roff);
    roff.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut roff = Roff::new();
    if !is_overview && command.has_subcommands() {
        actions(command, &mut roff);
    }
    if is_overview {
        commands(command, &mut roff);
        references(command, &mut roff);
    }
    examples(command, &mut roff);
    exit_status(&mut roff);
    if is_overview {
        environment(&mut roff);
        configuration(&mut roff);
        files(&mut roff);
    }
    see_also(command, overview, is_overview, &mut roff);
    roff.to_writer(&mut text)?;
    Ok(text)
}

/// Writes the paragraphs of the help text; the first stands under NAME already, unless it is the only one.
fn description(command: &clap::Command, roff: &mut Roff) {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    let about = about.unwrap_or_default();
    let text = about.split_once("\n\n").map_or(about.as_str(), |(_, rest)| rest);
    roff.control("SH", ["DESCRIPTION"]);
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
}

fn commands(command: &clap::Command, roff: &mut Roff) {
    roff.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        roff.control("TP", []);
        roff.text([bold(format!("astore-{}", command.get_name())), roman("(1)")]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
}

/// Writes what a command can be told to do, and with what.
fn actions(command: &clap::Command, roff: &mut Roff) {
    roff.control("SH", ["COMMANDS"]);
    for action in command.get_subcommands() {
        let usage = action.clone().render_usage().to_string();
        roff.control("TP", []);
        roff.text([bold(usage.strip_prefix("Usage: ").unwrap_or(&usage))]);
        roff.text([roman(action.get_about().map(ToString::to_string).unwrap_or_default())]);
        for argument in action.get_positionals() {
            let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            roff.control("br", []);
            roff.text([italic(name.unwrap_or_default()), roman(format!(": {help}"))]);
        }
    }
}

/// Splits what stands below a command's help: the examples, and the paragraph after them if there is one.
fn after_help(command: &clap::Command) -> (Vec<String>, Option<String>) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, rest) = match text.split_once("\n\n") {
        Some((examples, rest)) => (examples, Some(rest.to_owned())),
        None => (text.as_str(), None),
    };
    (examples.lines().skip(1).map(str::to_owned).collect(), rest)
}

fn references(command: &clap::Command, roff: &mut Roff) {
    if let (_, Some(paragraph)) = after_help(command) {
        roff.control("SH", ["REFERENCES"]);
        roff.text([roman(paragraph)]);
    }
}

fn examples(command: &clap::Command, roff: &mut Roff) {
    let (lines, _) = after_help(command);
    if lines.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    let mut in_code = false;
    for (index, line) in lines.into_iter().enumerate() {
        let is_code = line.starts_with("      ");
        match (in_code, is_code) {
            (false, true) => {
                roff.control("RS", ["4"]);
                roff.control("nf", []);
            }
            (true, false) => {
                roff.control("fi", []);
                roff.control("RE", []);
            }
            (false, false) | (true, true) => {}
        }
        if !is_code && index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(line.trim_start())]);
        in_code = is_code;
    }
    if in_code {
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in Exit::ALL {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string())]);
        roff.text([roman(meaning)]);
    }
}

fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    settings::WAYS.iter().for_each(|way| item(way.variable, way.meaning, roff));
    for (name, meaning) in [
        (
            "XDG_DATA_HOME, HOME",
            "Where the default store is: $XDG_DATA_HOME/astore, else ~/.local/share/astore.",
        ),
        (
            "NO_COLOR",
            "Where it is set and not empty, text is not coloured unless --color always asks for it.",
        ),
        ("COLUMNS", "How wide a line may be on a terminal, where the terminal is not to be believed."),
        (
            "LC_ALL, LC_CTYPE, LANG",
            "Whether a terminal is given characters beside those of ASCII: the first that is set and not empty counts.",
        ),
        (
            "TMPDIR",
            "Where a reading command puts a private copy of the database of a store that it may not write.",
        ),
    ] {
        item(name, meaning, roff);
    }
    roff.control("PP", []);
    roff.text([roman(
        "An option outranks its variable. A variable of astore's own that is set and empty is a mistake: the commands that \
         would use it exit with 2.",
    )]);
}

fn item(name: &str, meaning: &str, roff: &mut Roff) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

/// Tells of the table in astore.toml.
fn configuration(roff: &mut Roff) {
    roff.control("SH", ["CONFIGURATION"]);
    roff.text([roman(
        "What stands under [defaults] in the astore.toml of a store counts where neither an option nor a variable says:",
    )]);
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in settings::EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("RE", []);
    for paragraph in [
        "A key is called as the option is. A value is looked at by the commands that it is for: one that is none is an \
         error there (exit code 2) that names the file, the key, the value and what was expected. Keys that are not known \
         are warned about, once a command, and gc --confirm deletes nothing while there is one. A NO_COLOR that is set outranks color.",
        "The lines above [defaults] say what the store is: leave them as they are. astore writes the file only where it \
         is missing, in init and recover, and knows nothing of defaults then.",
    ] {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (name, meaning) in [
        ("astore.toml", "What makes a directory a store: its format and its id; and defaults of options."),
        ("astore.db", "The event log and the views computed from it, in SQLite."),
        ("log/", "The same log as plain files."),
        ("blake3/", "The objects."),
        ("cache.db", "Digests of files seen before; may be deleted at any time."),
    ] {
        roff.control("TP", []);
        roff.text([italic(name)]);
        roff.text([roman(meaning)]);
    }
    roff.control("PP", []);
    roff.text([
        bold("astore-formats"),
        roman("(5) tells more; store-layout.md in the source of astore specifies all of it."),
    ]);
}

fn see_also(command: &clap::Command, overview: &clap::Command, is_overview: bool, roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let mut pages: Vec<String> = Vec::new();
    if !is_overview {
        pages.push("astore".to_owned());
    }
    let others =
        overview.get_subcommands().map(clap::Command::get_name).filter(|name| *name != command.get_name());
    pages.extend(others.map(|name| format!("astore-{name}")));
    let mut pages: Vec<(String, char)> = pages.into_iter().map(|page| (page, '1')).collect();
    pages.extend(BY_HAND.map(|(name, section, _)| (format!("astore-{name}"), section)));
    let mut line = Vec::new();
    for (index, (page, section)) in pages.iter().enumerate() {
        let comma = if index + 1 < pages.len() { ", " } else { "" };
        line.push(bold(page.as_str()));
        line.push(roman(format!("({section}){comma}")));
    }
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_in_the_repository_is_current() {
        let directory = format!("{}/man", env!("CARGO_MANIFEST_DIR"));
        let pages = pages().unwrap();
        for (name, text) in &pages {
            let current = fs::read(format!("{directory}/{name}")).is_ok_and(|committed| committed == *text);
            assert!(current, "man/{name} is not what 'astore man' prints; run 'just generate'");
        }
        let known = |name: &str| pages.iter().any(|(page, _)| page == name);
        for file in fs::read_dir(directory).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(known(&name), "man/{name} belongs to no command");
        }
    }

    #[test]
    fn every_page_of_a_command_lists_every_exit_code() {
        for (name, text) in pages().unwrap().into_iter().filter(|(name, _)| name.ends_with(".1")) {
            let text = String::from_utf8(text).unwrap();
            for (exit, meaning) in Exit::ALL {
                let item = format!(".TP\n\\fB{}\\fR\n{}\n", exit.code(), meaning.replace('-', "\\-"));
                assert!(text.contains(&item), "{name} does not list {}", exit.code());
            }
        }
    }
}
