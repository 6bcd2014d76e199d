//! `astore recover --from-objects`: what is left to be told where the log is lost.

use std::io;

use astore::error::Error;
use astore::registry::report::{ClaimsReport, ImportReport, ImportRequest};
use astore::registry::{Access, Registry};

use super::asked::Asked;
use super::confirm::{self, Answer};
use super::context::{Context, Form};
use super::exit::Exit;
use super::failure::Failure;
use super::output::claims as text;
use super::output::escape;
use super::output::json::{self, schema};
use super::output::style::Style;
use super::output::units::count;
use super::progress::Volume;

/// Lists the claims; changes nothing.
pub(crate) fn list(ctx: &mut Context) -> anyhow::Result<Exit> {
    let (root, options, env) = ctx.options("recover", Access::Read)?;
    let report = Registry::claims(&root, options, env, &ctx.terminal)?;
    let carry_out = report.importable().next().is_some().then(|| carry_out(ctx.asked()));
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::CLAIMS, json::ClaimsList::of(&report), out),
        (Form::Text, Volume::Quiet) => {
            report.importable().try_for_each(|claim| writeln!(out, "{}", claim.reference()))
        }
        (Form::Text, Volume::Normal) => text::claims(&report, carry_out.as_deref(), style, out),
    })
}

/// Imports them, after asking where somebody is there to be asked.
pub(crate) fn import(yes: bool, ctx: &mut Context) -> anyhow::Result<Exit> {
    let mut request = ImportRequest::default();
    let asks = ctx.is_attended && !yes;
    if asks {
        let (root, options, env) = ctx.options("recover", Access::Read)?;
        let report = Registry::claims(&root, options, env, &ctx.terminal)?;
        if let Some(exit) = ask(&report, ctx)? {
            return Ok(exit);
        }
        request.shown = Some(report.digest());
    }
    let shown = asks || ctx.form == Form::Json || ctx.volume == Volume::Quiet;
    let (root, options, env) = ctx.options("recover", Access::Alone)?;
    let style = ctx.page.style;
    let report = {
        let (out, terminal) = ctx.out_and_terminal();
        let mut on_claims = |claims: &ClaimsReport| {
            if shown {
                return Ok(());
            }
            match text::claims(claims, None, style, out).and_then(|()| out.flush()) {
                // It is confirmed already: that nobody reads any more is no reason to stop.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.map_err(Error::Output),
            }
        };
        Registry::import_claims(&root, &request, options, env, &mut on_claims, terminal)?
    };
    told(&report, ctx)
}

fn told(report: &ImportReport, ctx: &mut Context) -> anyhow::Result<Exit> {
    let exit = if report.is_whole() { Exit::Done } else { Exit::Damage };
    let (form, volume, style) = (ctx.form, ctx.volume, ctx.page.style);
    ctx.result(exit, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::CLAIMS, json::ClaimsImported::of(report), out),
        (Form::Text, Volume::Quiet) => {
            report.imported.iter().try_for_each(|package| writeln!(out, "{}", package.reference))
        }
        (Form::Text, Volume::Normal) => text::imported(report, style, out),
    })
}

/// Shows the claims to a person and asks; returns how the command ends where it ends here. No lock is held.
fn ask(report: &ClaimsReport, ctx: &mut Context) -> anyhow::Result<Option<Exit>> {
    if ctx.volume == Volume::Normal {
        let (form, style) = (ctx.form, ctx.page.style);
        if form == Form::Text {
            ctx.result(Exit::Done, |out| text::claims(report, None, style, out))?;
        }
        if form == Form::Json || !ctx.out_is_terminal {
            // The result goes elsewhere, and who is asked has to see what about.
            let mut seen = Vec::new();
            text::claims(report, None, Style::Plain, &mut seen)?;
            ctx.terminal.ask(&String::from_utf8_lossy(&seen));
        }
    }
    let packages = report.importable().count() as u64;
    if packages == 0 && (ctx.form == Form::Text && !report.begins_anew) {
        return Ok(Some(Exit::Done)); // nothing to ask about
    }
    if packages == 0 {
        return Ok(None); // a document or an error is due all the same
    }
    let root = ctx.root().map(escape::path).unwrap_or_default();
    let log = if report.begins_anew { "begin a new event log and import" } else { "import" };
    match confirm::ask(&format!("{log} {} in {root}", count(packages, "package")), ctx)? {
        Answer::Yes => Ok(None),
        Answer::No => {
            let text = "not confirmed, nothing was changed";
            Ok(Some(ctx.fail(&Failure::new(Exit::PlanGone, text, ctx.root()))))
        }
    }
}

/// Returns the command line that imports what was listed.
fn carry_out(asked: Asked<'_>) -> String {
    asked.typed("recover --from-objects --confirm")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a disaster is made by hand")]
mod tests {
    use std::ffi::OsString;
    use std::io::{Cursor, Read};
    use std::path::PathBuf;

    use crate::cli::context::InputSource;
    use crate::cli::tests::{Shared, arguments, streams};
    use crate::cli::{Environment, Interrupt, run};

    const CONTENT: &[u8] = b"all that is left";

    /// Somebody who does something while the question stands, and then types.
    struct Person(Box<dyn FnOnce() -> &'static str>);

    impl InputSource for Person {
        fn reader(self: Box<Self>, _: &Interrupt) -> Box<dyn Read + Send> {
            Box::new(Cursor::new((self.0)()))
        }
    }

    /// A store of one package whose log is lost.
    struct Store(tempfile::TempDir);

    impl Store {
        fn new() -> Self {
            let store = Self(tempfile::tempdir().unwrap());
            let file = store.path("file");
            std::fs::write(&file, CONTENT).unwrap();
            for line in [&["init"][..], &["add", "--finalize", file.to_str().unwrap(), "--name", "left"]] {
                let err = Shared::default();
                let streams = streams(Box::new(std::io::sink()), &err);
                let exit = run(arguments(line), &store.environment(), Interrupt::default(), streams);
                assert_eq!(exit.code(), 0, "{}", err.text());
            }
            std::fs::remove_file(store.path("store/astore.db")).unwrap();
            std::fs::remove_dir_all(store.path("store/log")).unwrap();
            store
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn object(&self) -> PathBuf {
            let hex = astore::identity::Blake3::of(CONTENT).to_string();
            self.path("store/blake3").join(&hex[..2]).join(&hex[2..4]).join(&hex)
        }

        fn environment(&self) -> Environment {
            Environment {
                variables: vec![
                    ("ASTORE_ROOT", OsString::from(self.path("store"))),
                    ("ASTORE_ACTOR", "tester@desk".into()),
                ],
                scratch: self.0.path().to_owned(),
                ..Environment::default()
            }
        }

        fn attended(
            &self,
            more: &[&str],
            meanwhile: impl FnOnce() -> &'static str + 'static,
        ) -> (u8, String, String) {
            let (out, err) = (Shared::default(), Shared::default());
            let mut streams = streams(Box::new(out.clone()), &err);
            streams.input = Box::new(Person(Box::new(meanwhile)));
            (streams.in_is_terminal, streams.out_is_terminal, streams.err_is_terminal) = (true, true, true);
            let line = [&["--color", "never", "recover", "--from-objects", "--confirm"], more].concat();
            let exit = run(arguments(&line), &self.environment(), Interrupt::default(), streams);
            (exit.code(), out.text(), err.text())
        }

        fn is_lost(&self) -> bool {
            !self.path("store/astore.db").exists()
        }
    }

    #[test]
    fn who_is_there_is_asked_with_the_list_in_view_and_only_yes_is_yes() {
        let store = Store::new();
        let (code, out, err) = store.attended(&[], || "no\n");
        assert_eq!((code, store.is_lost()), (5, true), "{err}");
        assert!(out.contains("left@1") && err.contains("not confirmed, nothing was changed"), "{out}{err}");
        let root = store.path("store");
        let question =
            format!("begin a new event log and import 1 package in {}; type 'yes'", root.display());
        assert!(err.contains(&question), "{err}");
        let (code, out, err) = store.attended(&["--json"], || "no\n");
        assert_eq!((code, out.as_str()), (5, ""), "{err}");
        assert!(err.contains("left@1"), "{err}");
        let (code, out, err) = store.attended(&[], || "yes\n");
        assert_eq!((code, store.is_lost()), (0, false), "{err}");
        assert_eq!(out.matches("left@1").count(), 1, "the list is shown once: {out}");
    }

    #[test]
    fn what_changed_while_the_question_stood_is_not_imported() {
        let store = Store::new();
        let object = store.object();
        let (code, _, err) = store.attended(&[], move || {
            std::fs::remove_file(object).unwrap();
            "yes\n"
        });
        assert_eq!((code, store.is_lost()), (5, true), "{err}");
        assert!(err.contains("no longer what was shown; nothing was imported"), "{err}");
    }

    #[test]
    fn nobody_is_asked_who_does_not_want_to_be_nor_about_nothing() {
        let store = Store::new();
        let (code, out, err) = store.attended(&["--yes", "--quiet"], || panic!("it asked"));
        assert_eq!((code, out.as_str(), err.as_str()), (0, "left@1\n", ""));
        let (code, _, err) = store.attended(&[], || panic!("it asked"));
        assert_eq!((code, err.as_str()), (0, ""));
    }
}
