//! How a store is in a few lines, and what to do next.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use astore::env::Timestamp;
use astore::registry::report as r;

use super::super::asked::Asked;
use super::concern;
use super::escape;
use super::page::Page;
use super::units::{ago, count, size};
use super::window::width;

/// A store that was not read in full for longer than this is worth a verify.
const VERIFY_EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many things to do next are named.
const NEXT_MAX: usize = 3;

/// What is to be told.
#[derive(Debug)]
pub(crate) struct Status {
    /// Where the store is, or would be.
    pub(crate) root: PathBuf,
    /// The option or the variable that says so.
    pub(crate) said_by: &'static str,
    /// Whether the first add makes a store there.
    pub(crate) made_by_add: bool,
    /// The root of the store that this lies in, where no store is at it.
    pub(crate) around: Option<PathBuf>,
    /// What is there; nothing where no store is.
    pub(crate) found: Option<Found>,
}

/// What is known of a store.
#[derive(Debug)]
pub(crate) struct Found {
    /// What a look at the newest packages tells.
    pub(crate) glance: r::Glance,
    /// How it is.
    pub(crate) health: r::HealthReport,
}

/// Something to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// As it is typed.
    pub(crate) command: String,
    /// What it does, or why it is time for it.
    pub(crate) why: String,
}

/// Decides what to do next: what is most pressing first.
pub(crate) fn next(status: &Status, asked: Asked<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |command: &str, why: String| steps.push(Step { command: asked.typed(command), why });
    let Some(Found { glance, health }) = &status.found else {
        if let Some(around) = &status.around {
            // Nothing is made inside of a store.
            let command = format!("astore --root {}", escape::shell(around.as_os_str()));
            steps.push(Step { command, why: "look at the store around it".to_owned() });
            return steps;
        }
        if status.made_by_add {
            step("add --finalize DIR", "make the store and keep a directory in it".to_owned());
            step("init", "make the store, empty".to_owned());
        } else {
            step("init", "make the store; a root that is named is never made by an add".to_owned());
            step("add --finalize DIR", "keep a directory in it".to_owned());
        }
        step("--help", "all commands".to_owned());
        return steps;
    };
    if health.damage {
        step("verify", "name what is damaged, whom it harms, and what mends it".to_owned());
    }
    if glance.packages_ever == 0 {
        step("add --finalize DIR", "keep a directory: nothing is in here yet".to_owned());
    }
    if !health.damage && glance.objects_ever > 0 {
        let overdue = match health.last_verify {
            None => Some("read every stored byte again: that was never done in full".to_owned()),
            Some(last) if is_long_ago(glance.at, last.since) => Some(format!(
                "read every stored byte again: the last time was {}",
                ago(glance.at, last.since)
            )),
            Some(_) => None,
        };
        overdue.into_iter().for_each(|why| step("verify", why));
    }
    match glance.open.as_slice() {
        [] => {}
        [one] => step(&format!("finalize {one}"), "freeze it: it is open".to_owned()),
        [.., last] => {
            step("list --open", format!("see the {} open packages, {last} the newest", glance.open.len()));
        }
    }
    match glance.let_go.as_slice() {
        [] => {}
        [.., (last, why)] => {
            let others = match glance.let_go.len() {
                1 => String::new(),
                more => format!(" and {} more", count(more as u64 - 1, "package")),
            };
            let (is, why) = (if others.is_empty() { "is" } else { "are" }, why.name());
            step("gc", format!("see what could be deleted: {last}{others} {is} {why}"));
        }
    }
    if glance.packages_ever > 0 {
        step("list", "see the packages".to_owned());
        step("stats", "see what takes how much room".to_owned());
    }
    step("--help", "all commands".to_owned());
    steps.truncate(NEXT_MAX);
    steps
}

fn is_long_ago(now: Timestamp, then: Timestamp) -> bool {
    let age = now.as_micros().saturating_sub(then.as_micros());
    u64::try_from(age).is_ok_and(|age| Duration::from_micros(age) > VERIFY_EVERY)
}

/// Writes the root, and nothing else.
pub(crate) fn root(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escape::path(&status.root))
}

/// Writes how a store is, and what to do next.
pub(crate) fn status(status: &Status, next: &[Step], page: Page, out: &mut dyn Write) -> io::Result<()> {
    const NAME: usize = 10;
    let mut fact = |name: &str, value: &str| page.say_under(&format!("{name:<NAME$}{value}"), NAME, out);
    let source = match status.said_by {
        "--root" => "by --root".to_owned(),
        "ASTORE_ROOT" => "by ASTORE_ROOT".to_owned(),
        _ => "the default".to_owned(),
    };
    fact("root", &format!("{} ({source})", escape::path(&status.root)))?;
    match &status.found {
        None => match &status.around {
            Some(around) => {
                fact("holds", &format!("no store: it is inside the one at {}", escape::path(around)))?;
            }
            None => fact("holds", "no store is there yet")?,
        },
        Some(Found { glance, health }) => {
            fact("holds", &holds(glance))?;
            if let Some(newest) = &glance.newest {
                let (made, bytes) = (ago(glance.at, newest.created_at), size(newest.bytes));
                let reference = newest.reference();
                // With its comma, in one line with the word before it.
                let fits = page.window.map_or(reference.clone(), |window| {
                    window.cut(&reference, window.columns.saturating_sub(NAME + 1))
                });
                fact("newest", &format!("{fits}, {bytes}, made {made}"))?;
            }
            let verified = match health.last_verify {
                None => "never in full".to_owned(),
                Some(last) if last.faults == 0 => format!("{}, sound", ago(glance.at, last.at)),
                Some(last) => {
                    format!("{}, {}", ago(glance.at, last.at), page.style.bad(&count(last.faults, "fault")))
                }
            };
            fact("verified", &verified)?;
            fact("free", &size(health.free_bytes))?;
            if !health.writable {
                fact("writable", "no")?;
            }
            for concern in health.concerns.iter().filter(|concern| !is_told(concern)) {
                let concern = concern::concern(concern);
                page.say(&format!("{} {}", page.style.odd("concern:"), escape::line(&concern)), out)?;
            }
        }
    }
    writeln!(out, "{}", page.style.strong("next"))?;
    let widest = next.iter().map(|step| width(&step.command)).max().unwrap_or(0);
    // Where a root has to be repeated, commands are long: then the reason stands below.
    let beside = page.window.map_or(80, |window| window.columns);
    for Step { command, why } in next {
        if widest + 4 + 20 <= beside {
            page.say_under(&format!("  {command:<widest$}  {why}"), widest + 4, out)?;
        } else {
            writeln!(out, "  {command}")?;
            page.say_under(&format!("      {why}"), 6, out)?;
        }
    }
    Ok(())
}

/// Returns whether the line about the last verify says it already.
fn is_told(concern: &r::Concern) -> bool {
    *concern == r::Concern::NeverVerified
}

/// Says what a store holds, exactly where all of it was looked at.
fn holds(glance: &r::Glance) -> String {
    let objects = count(glance.objects_ever, "object");
    match glance.packages_ever {
        0 => "nothing yet".to_owned(),
        ever if ever > glance.looked_at => {
            format!("{}, {objects} (all that there ever were; 'astore stats' counts)", count(ever, "package"))
        }
        ever => {
            let removed = ever - glance.present.min(ever);
            let (open, removed) = match (glance.open.len(), removed) {
                (0, 0) => (String::new(), String::new()),
                (open, 0) => (format!(" ({open} open)"), String::new()),
                (0, removed) => (String::new(), format!(" (and {removed} removed)")),
                (open, removed) => (format!(" ({open} open, and {removed} removed)"), String::new()),
            };
            format!("{}{open}{removed}, {objects} named so far", count(glance.present, "package"))
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::samples::{self, rendered};
    use super::super::window;
    use super::*;

    fn found() -> Status {
        let found = Found { glance: samples::glance(), health: samples::health() };
        Status {
            root: "/srv/astore".into(),
            said_by: "ASTORE_ROOT",
            made_by_add: false,
            around: None,
            found: Some(found),
        }
    }

    fn shown(told: &Status, columns: Option<usize>) -> String {
        let asked =
            Asked { root: Some(&told.root), root_option: told.said_by == "--root", ..Asked::default() };
        let page = Page { window: columns.map(window::of), ..Page::default() };
        rendered(|out| status(told, &next(told, asked), page, out))
    }

    /// What is to be done next, by their first words.
    fn steps(change: impl FnOnce(&mut Found)) -> Vec<String> {
        let mut told = found();
        told.found.iter_mut().for_each(|found| found.health.damage = false);
        change(told.found.as_mut().unwrap());
        let steps = next(&told, Asked::default()).into_iter();
        steps.map(|step| step.command.strip_prefix("astore ").unwrap().to_owned()).collect()
    }

    #[test]
    fn a_store_in_a_few_lines() {
        assert_snapshot!(shown(&found(), None), @r#"
        root      /srv/astore (by ASTORE_ROOT)
        holds     12 packages, 345 objects (all that there ever were; 'astore stats' counts)
        newest    run@11, 0 B, made 1 minute ago
        verified  1 minute ago, 2 faults
        free      1.0 GiB
        concern: objects found damaged and not yet mended: 2; 'astore verify --quick' says what mends each
        next
          astore verify           name what is damaged, whom it harms, and what mends it
          astore finalize run@11  freeze it: it is open
          astore gc               see what could be deleted: doc@1 is removed
        "#);
        for columns in 40..100 {
            let text = shown(&found(), Some(columns));
            assert!(text.lines().all(|line| width(line) <= columns), "{columns}:\n{text}");
        }
        let none = Status { said_by: "--root", found: None, ..found() };
        assert_snapshot!(shown(&none, None), @r#"
        root      /srv/astore (by --root)
        holds     no store is there yet
        next
          astore init --root /srv/astore                make the store; a root that is named is never made by an add
          astore add --root /srv/astore --finalize DIR  keep a directory in it
          astore --help --root /srv/astore              all commands
        "#);
        let default = Status { said_by: "HOME", made_by_add: true, ..none };
        assert_snapshot!(shown(&default, None), @r#"
        root      /srv/astore (the default)
        holds     no store is there yet
        next
          astore add --finalize DIR  make the store and keep a directory in it
          astore init                make the store, empty
          astore --help              all commands
        "#);
    }

    #[test]
    fn what_is_next_fits_the_store() {
        assert_eq!(next(&found(), Asked::default())[0].command, "astore verify", "damage comes first");
        assert_eq!(steps(|_| {}), ["finalize run@11", "gc", "list"]);
        assert_eq!(steps(|found| found.health.last_verify = None), ["verify", "finalize run@11", "gc"]);
        let old = Timestamp::from_micros(0);
        let verified = r::LastVerify { at: old, since: old, parts: 1, faults: 0 };
        assert_eq!(
            steps(|found| found.health.last_verify = Some(verified)),
            ["verify", "finalize run@11", "gc"]
        );
        let calm = |found: &mut Found| {
            found.glance.open.clear();
            found.glance.let_go.clear();
        };
        assert_eq!(steps(calm), ["list", "stats", "--help"]);
        assert_eq!(steps(|found| found.glance.open.push("a@1".into())), ["list --open", "gc", "list"]);
        let empty = |found: &mut Found| {
            calm(found);
            found.glance = r::Glance {
                packages_ever: 0,
                objects_ever: 0,
                present: 0,
                newest: None,
                ..found.glance.clone()
            };
        };
        assert_eq!(steps(empty), ["add --finalize DIR", "--help"]);
    }
}
