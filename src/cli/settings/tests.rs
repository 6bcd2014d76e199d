//! One way from an option to its variable to its default.

use super::*;

fn settings(variables: &[(&'static str, &str)], table: &str) -> Settings {
    let variables: Vec<(&'static str, OsString)> =
        variables.iter().map(|&(name, value)| (name, value.into())).collect();
    let place = tempfile::tempdir().unwrap();
    let described = "format = 1\nstore_id = \"x\"\n";
    let file: PathBuf = place.path().iter().chain([OsStr::new("astore.toml")]).collect();
    #[expect(clippy::disallowed_methods, reason = "a description made by hand")]
    std::fs::write(file, format!("{described}{table}")).unwrap();
    let mut settings = Settings::new(&variables, &[]);
    let wrong = settings.read_store(place.path()).unwrap();
    assert_eq!(wrong, Vec::<String>::new());
    settings.file = "/s/astore.toml".into();
    settings
}

fn wait(settings: &Settings, given: Option<u64>) -> Result<Option<(u64, String)>, String> {
    let chosen = settings.get(given.map(Duration::from_secs), &WAIT);
    chosen
        .map(|chosen| chosen.map(|chosen| (chosen.value.as_secs(), chosen.source.to_string())))
        .map_err(|error| error.to_string())
}

#[test]
fn an_option_outranks_a_variable_and_that_the_store() {
    let all = settings(&[("ASTORE_WAIT", "2s")], "[defaults]\nwait = \"3s\"");
    assert_eq!(wait(&all, Some(1)), Ok(Some((1, "--wait".into()))));
    assert_eq!(wait(&all, None), Ok(Some((2, "ASTORE_WAIT".into()))));
    let store = settings(&[("ASTORE_COLOR", "never")], "[defaults]\nwait = \"3s\"");
    assert_eq!(wait(&store, None), Ok(Some((3, "[defaults] wait in /s/astore.toml".into()))));
    assert_eq!(wait(&settings(&[], ""), None), Ok(None));
}

#[test]
fn a_bad_value_is_named_with_its_place_and_hides_nothing() {
    fn said(variables: &[(&'static str, &str)], table: &str) -> String {
        wait(&settings(variables, table), None).unwrap_err()
    }
    let expected = "expected an integer with s, m (minutes), h, d or w, such as 90s or 30d";
    assert_eq!(
        said(&[("ASTORE_WAIT", "")], "[defaults]\nwait = \"3s\""),
        "ASTORE_WAIT is empty; give it a value or unset it"
    );
    assert_eq!(
        said(&[("ASTORE_WAIT", "5\n")], "[defaults]\nwait = \"3s\""),
        format!("ASTORE_WAIT is '5\\n': {expected}")
    );
    for (table, shown) in [("wait = 5", "5"), ("wait = \"\"", "''"), ("wait = \"1y\"", "'1y'")] {
        let table = format!("[defaults]\n{table}");
        let place = "[defaults] wait in /s/astore.toml";
        assert_eq!(said(&[], &table), format!("{place} is {shown}: {expected}"));
    }
    for (table, shown) in [("wait = true", "a value of type boolean"), ("wait = {}", "a table")] {
        let text = said(&[], &format!("[defaults]\n{table}"));
        assert!(text.ends_with(&format!("is {shown}: expected a text or an integer")), "{text}");
    }
    let bad = settings(&[("ASTORE_WAIT", "5")], "");
    assert_eq!(wait(&bad, Some(1)), Ok(Some((1, "--wait".into()))), "nobody asks the variable then");
}

/// The example of the manual has every key, and each of its values is one.
#[test]
fn the_example_is_whole() {
    let settings = settings(&[], EXAMPLE);
    assert!(settings.store.keys().eq(&keys()));
    assert_eq!(settings.get(None, &CLASS).unwrap().unwrap().value, "raw-evidence");
    assert_eq!(settings.get(None, &COLOR).unwrap().unwrap().value, ColorChoice::Never);
    assert_eq!(settings.get(None, &MIN_AGE).unwrap().unwrap().value, Duration::from_secs(7 * 86_400));
    assert_eq!(settings.get(None, &THREADS).unwrap().unwrap().value, 2);
    assert!(settings.get(None, &METRICS_FILE).unwrap().unwrap().value.is_absolute());
    assert_eq!(wait(&settings, None).unwrap().unwrap().0, 3600);
}

#[test]
fn a_variable_is_called_as_its_option_and_the_help_texts_name_it() {
    let definition = super::super::definition();
    let arguments = || {
        let commands = definition.get_subcommands().flat_map(clap::Command::get_arguments);
        definition.get_arguments().chain(commands)
    };
    let named = |argument: &clap::Arg| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let rest = help.split_once("[env: ")?.1;
        Some((argument.get_long()?.to_owned(), rest.split_once(']')?.0.to_owned()))
    };
    for Way { key, variable, .. } in WAYS {
        assert_eq!(variable, format!("ASTORE_{}", key.to_uppercase().replace('-', "_")));
        let is_it = |argument: &clap::Arg| named(argument) == Some((key.into(), variable.into()));
        assert!(arguments().any(is_it), "no help text names {variable}");
    }
    for (option, variable) in arguments().filter_map(named) {
        let known = WAYS.iter().any(|way| (way.key, way.variable) == (&*option, &*variable));
        assert!(known, "--{option} names {variable}");
    }
}

#[test]
fn the_documents_name_the_variables_and_no_others() {
    let read = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")));
    let mut named = std::collections::BTreeSet::new();
    for path in ["README.md", "docs/operator.md", "docs/metrics.md", "src/cli/man/tutorial.7"] {
        let text = read(path).unwrap();
        let is_apart = |c: char| !(c.is_ascii_uppercase() || c == '_');
        for word in text.split(is_apart).filter(|word| word.starts_with("ASTORE_")) {
            assert!(WAYS.iter().any(|way| way.variable == word), "{path} names {word}");
            named.insert(word.to_owned());
        }
    }
    assert_eq!(named.len(), WAYS.len(), "the documents name {named:?} only");
}

#[test]
fn the_store_says_neither_where_it_is_nor_who_is_there() {
    let all = settings(&[("ASTORE_ACTOR", "ci")], "");
    assert_eq!(all.get(None, &ACTOR).unwrap().unwrap().value, "ci");
    let mut store = settings(&[], "");
    store.store.insert("actor".into(), DefaultValue::Text("somebody".into()));
    assert_eq!(store.get(None, &ACTOR).unwrap(), None);
    assert!(!keys().contains(&"actor") && !keys().contains(&"root"));
}

#[test]
fn the_first_who_speaks_of_colour_is_heard() {
    let style = |variables: &[(&'static str, &str)], table: &str, given, no_color| {
        settings(variables, table).style(given, true, no_color).unwrap()
    };
    let never = "[defaults]\ncolor = \"never\"";
    let always = "[defaults]\ncolor = \"always\"";
    assert_eq!(style(&[], "", None, false), Style::Colour);
    assert_eq!(style(&[], "", None, true), Style::Plain);
    assert_eq!(style(&[], never, None, false), Style::Plain);
    assert_eq!(style(&[], always, None, true), Style::Plain, "NO_COLOR outranks the store");
    assert_eq!(style(&[("ASTORE_COLOR", "always")], never, None, true), Style::Colour);
    let typed = Some(ColorChoice::Never);
    assert_eq!(style(&[("ASTORE_COLOR", "always")], always, typed, false), Style::Plain);
}
