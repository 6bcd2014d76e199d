//! The command line: what was typed becomes values of the library, and its reports become text or JSON.
//!
//! One file per command, all of one shape: help text, arguments, `run`. Knows nothing of SQL or of objects, and
//! changes nothing under a root; asks [`astore::registry::Registry`]. Two files look there themselves: `settings` has
//! the library read `[defaults]` of astore.toml before a store is open, and `denied` asks the system whose a file is
//! that this user may not open.

mod add;
mod asked;
mod attest;
mod cat;
mod claims;
mod completions;
mod confirm;
mod context;
mod denied;
mod diff;
mod environment;
mod exit;
mod explain;
mod export;
mod failure;
mod files;
mod finalize;
mod gc;
mod given;
mod global;
mod health;
mod hint;
mod init;
mod interrupt;
mod list;
mod lists;
mod log;
mod man;
mod manifest;
mod meant;
mod metadata;
mod metrics;
mod mistyped;
mod naming;
mod odd;
mod output;
mod pin;
mod pins;
mod program;
mod progress;
mod recover;
mod remove;
mod replay;
mod restore;
mod retain;
mod schema;
mod settings;
mod show;
mod stats;
mod status;
mod unpin;
mod values;
mod verify;
mod version;

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Parser as _;
use clap::error::ErrorKind;

use asked::Asked;
pub(crate) use context::Streams;
use context::{Context, Form};
pub(crate) use environment::Environment;
pub(crate) use exit::Exit;
use failure::Failure;
use global::{ColorChoice, Global};
pub(crate) use interrupt::Interrupt;
use metrics::{MetricsArgs, MetricsFile};
use output::style::Style;
use settings::Settings;

const EXAMPLES: &str = "\
Examples:
  Where the store is, how it is, and what to do next:
      astore
  Archive a directory, freeze it, and print its reference and manifest digest:
      astore add --finalize target/doc
  See what the store holds, and what is in one package:
      astore list
      astore files doc@1
  Take one file out, or everything:
      astore cat doc@1:index.html
      astore export doc@1 /tmp/doc
  See what nothing keeps any more, and how much room that takes:
      astore gc
  Read every stored byte again and compare it with the log:
      astore verify

A REF is a package's name, name@version, its id, or the first 8 or more digits of its id. A bare name means \
its newest finalised version that is not removed, else its newest open one.";

/// Keep build outputs for years: an append-only, content-addressed store
///
/// Bytes go into a store where each object is named by its BLAKE3 digest; what happened goes into an
/// append-only event log. A package is a named, versioned set of files, open until it is finalised and
/// immutable from then on. Nothing is deleted by surprise: removing a package leaves its bytes where they are,
/// until a confirmed gc deletes what nothing keeps any more.
///
/// Results go to standard output, everything else to standard error. Without a command, astore says where the store is,
/// how it is, and what to do next.
#[derive(clap::Parser, Debug)]
#[command(name = "astore", bin_name = "astore", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    /// With --version: the commit and the formats too
    #[arg(long)]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Init(init::Args),
    Add(Box<add::Args>),
    Finalize(finalize::Args),
    Manifest(manifest::Args),
    List(list::Args),
    Show(show::Args),
    Files(files::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Cat(cat::Args),
    Export(export::Args),
    Remove(remove::Args),
    Restore(restore::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
    Pins(pins::Args),
    Retain(retain::Args),
    Schema(schema::Args),
    Attest(attest::Args),
    Gc(gc::Args),
    Verify(verify::Args),
    Log(log::Args),
    Replay(replay::Args),
    Recover(recover::Args),
    Stats(stats::Args),
    Health(health::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Returns whether it opens a store that is there.
    const fn is_about_a_store(&self) -> bool {
        !matches!(self, Self::Init(_) | Self::Completions(_) | Self::Man(_))
    }

    /// Returns whether it looks at the whole store, as whoever watches its metrics takes for granted: a file that is not
    /// named for this one run must not say that all is well after a look at a part.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have no part")]
    fn measures_all(&self) -> bool {
        match self {
            Self::Verify(args) => args.is_of_all(),
            Self::Gc(args) => args.is_of_all(),
            _ => true,
        }
    }

    /// Returns the name of a command that has something to measure, and what it was told about that.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most commands measure nothing")]
    fn metrics(&self) -> Option<(&'static str, &MetricsArgs)> {
        let measured = match self {
            Self::Add(args) => Some(("add", &args.metrics)),
            Self::Gc(args) => Some(("gc", &args.metrics)),
            Self::Verify(args) => Some(("verify", &args.metrics)),
            Self::Stats(args) => Some(("stats", &args.metrics)),
            Self::Health(args) => Some(("health", &args.metrics)),
            _ => None,
        };
        measured.filter(|(_, args)| args.metrics_file.is_some() || self.measures_all())
    }
}

/// Runs the command line `arguments`, whose first is the program's name, and returns how it ended. Whatever
/// there is to say has been said.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    interrupt: Interrupt,
    mut streams: Streams,
) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return answer(&error, &arguments, environment, &mut streams),
    };
    let mut ctx = Context::new(&cli.global, environment, interrupt, streams);
    if cli.verbose {
        let error = failure::usage("--verbose goes with --version: commands say all that they have to say");
        return fail(&error, &mut ctx);
    }
    let is_about_a_store = cli.command.as_ref().is_none_or(Command::is_about_a_store);
    let settled = if is_about_a_store { ctx.settle() } else { ctx.settle_variables() };
    let metrics = match cli.command.as_ref().and_then(Command::metrics) {
        Some((command, args)) => MetricsFile::choose(command, args.metrics_file.as_deref(), &ctx),
        None => Ok(None),
    };
    let (done, metrics) = match (settled, metrics) {
        (Ok(()), Ok(metrics)) => {
            let done = match cli.command {
                Some(command) => dispatch(command, &mut ctx),
                None => status::run(&mut ctx),
            };
            (done, metrics)
        }
        (Err(error), metrics) => (Err(error), metrics.unwrap_or_default()),
        (Ok(()), Err(error)) => (Err(error), None),
    };
    let exit = done.unwrap_or_else(|error| fail(&error, &mut ctx));
    metrics.map_or(exit, |metrics| metrics.finish(exit, &mut ctx))
}

fn dispatch(command: Command, ctx: &mut Context) -> anyhow::Result<Exit> {
    match command {
        Command::Init(args) => init::run(args, ctx),
        Command::Add(args) => add::run(*args, ctx),
        Command::Finalize(args) => finalize::run(&args, ctx),
        Command::Manifest(args) => manifest::run(&args, ctx),
        Command::List(args) => list::run(&args, ctx),
        Command::Show(args) => show::run(&args, ctx),
        Command::Files(args) => files::run(&args, ctx),
        Command::Diff(args) => diff::run(args, ctx),
        Command::Explain(args) => explain::run(&args, ctx),
        Command::Cat(args) => cat::run(&args, ctx),
        Command::Export(args) => export::run(args, ctx),
        Command::Remove(args) => remove::run(&args, ctx),
        Command::Restore(args) => restore::run(&args, ctx),
        Command::Pin(args) => pin::run(&args, ctx),
        Command::Unpin(args) => unpin::run(&args, ctx),
        Command::Pins(args) => pins::run(&args, ctx),
        Command::Retain(args) => retain::run(&args, ctx),
        Command::Schema(args) => schema::run(&args, ctx),
        Command::Attest(args) => attest::run(args, ctx),
        Command::Gc(args) => gc::run(&args, ctx),
        Command::Verify(args) => verify::run(args, ctx),
        Command::Log(args) => log::run(args, ctx),
        Command::Replay(args) => replay::run(&args, ctx),
        Command::Recover(args) => recover::run(&args, ctx),
        Command::Stats(args) => stats::run(&args, ctx),
        Command::Health(args) => health::run(&args, ctx),
        Command::Completions(args) => completions::run(&args, ctx),
        Command::Man(args) => man::run(&args, ctx),
    }
}

/// Says that there are no streams to work with, on the one that may be there all the same.
pub(crate) fn without_streams(arguments: impl IntoIterator<Item = OsString>, error: &io::Error) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let text = format!("cannot use standard input, output and error: {error}");
    let failure = Failure::new(Exit::Failed, &text, None);
    drop(writeln!(io::stderr(), "{}", failure.line(form_of(&arguments)))); // nowhere else to say it
    failure.exit()
}

/// Says in one line why a command failed, and returns how it ended.
fn fail(error: &anyhow::Error, ctx: &mut Context) -> Exit {
    if failure::is_closed_pipe(error) {
        return Exit::Done;
    }
    let meant;
    // What failed by itself failed, whether or not a signal came as well: damage is damage.
    let failure = match ctx.interrupted() {
        Some(exit) if failure::is_cancelled(error) => Failure::interrupted(exit, ctx.root()),
        Some(_) | None => {
            meant = meant::meant(error, ctx);
            Failure::of(error, failure::exit_of(error), Asked { meant: &meant, ..ctx.asked() })
        }
    };
    ctx.fail(&failure)
}

/// Returns in which form a command line that makes no sense asks for its answer.
fn form_of(arguments: &[OsString]) -> Form {
    // What stands behind these two is somebody else's.
    let is_ours = |argument: &&OsString| **argument != "--" && **argument != "--from-command";
    let mut options = arguments.iter().skip(1).take_while(is_ours);
    if options.any(|argument| argument == "--json") { Form::Json } else { Form::Text }
}

/// Answers a command line that asks for help or makes no sense.
fn answer(
    error: &clap::Error,
    arguments: &[OsString],
    environment: &Environment,
    streams: &mut Streams,
) -> Exit {
    if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let definition = definition();
        let named = |argument: &OsString| definition.find_subcommand(argument).map(clap::Command::get_name);
        let command = words(arguments).find_map(named);
        let line = Failure::of_usage(error, command, arguments).line(form_of(arguments));
        drop(writeln!(streams.err, "{line}"));
        return Exit::Usage;
    }
    let help = error.render();
    let settings = Settings::new(&environment.variables, &[]);
    let style = settings.style(typed_color(arguments), streams.out_is_terminal, environment.no_color);
    let is_version = error.kind() == ErrorKind::DisplayVersion;
    let is_verbose = arguments.iter().any(|word| word == "--verbose");
    let text = match (is_version, form_of(arguments), style.unwrap_or_default()) {
        (true, Form::Json, _) => version::document(),
        (true, Form::Text, _) if is_verbose => version::verbose(),
        (_, _, Style::Colour) => help.ansi().to_string(),
        (_, _, Style::Plain) => help.to_string(),
    };
    let written = streams.out.write_all(text.as_bytes()).and_then(|()| streams.out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let error = anyhow::Error::new(astore::error::Error::Output(error));
            let line = Failure::of(&error, Exit::Failed, Asked::default()).line(form_of(arguments));
            drop(writeln!(streams.err, "{line}"));
            Exit::Failed
        }
        Ok(()) | Err(_) => Exit::Done,
    }
}

/// Returns the words of a command line that makes no sense or asks for help, without the values of global options.
fn words(arguments: &[OsString]) -> impl Iterator<Item = &OsString> {
    let mut is_value = false;
    arguments.iter().skip(1).filter(move |argument| {
        let was_value = is_value;
        is_value =
            !was_value && ["--root", "--actor", "--wait", "--color"].iter().any(|option| argument == option);
        !was_value
    })
}

/// Returns what `--color` says there.
fn typed_color(arguments: &[OsString]) -> Option<ColorChoice> {
    let mut behind = arguments.iter().skip_while(|argument| *argument != "--color").skip(1);
    let joined = arguments.iter().find_map(|argument| argument.to_str()?.strip_prefix("--color="));
    let value = joined.or_else(|| behind.next()?.to_str())?;
    <ColorChoice as clap::ValueEnum>::from_str(value, false).ok()
}

/// Returns the definition of the whole command line, from which manual and completions are made.
fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests;
