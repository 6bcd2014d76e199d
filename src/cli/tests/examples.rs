//! The examples of the help texts: each is a command line that this build takes.

use clap::Parser as _;

use super::super::{Cli, definition};
use super::PLAN;

/// Returns the command lines under `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let (_, below) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("no examples in {help}"));
    let lines = below.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.strip_prefix("      ").map(str::to_owned)).collect()
}

/// Splits a line into simple commands and their words, as a shell does, as far as the examples need it: quotes,
/// operators, redirections, `$(…)` as a command of its own, and `$plan` as what that variable has.
fn commands(line: &str) -> Vec<Vec<String>> {
    if let Some((before, rest)) = line.split_once("$(") {
        let (inside, after) = rest.split_once(')').unwrap_or_else(|| panic!("an open bracket in {line}"));
        return [commands(inside), commands(&format!("{before}{PLAN}{after}"))].concat();
    }
    let line = line.replace("$plan", PLAN);
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    let mut is_target = false;
    let ends = |word: &mut Option<String>, words: &mut Vec<String>, is_target: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(is_target)
        {
            words.push(word);
        }
    };
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => ends(&mut word, &mut words, &mut is_target),
            (None, '<' | '>') => {
                ends(&mut word, &mut words, &mut is_target);
                is_target = true;
            }
            (None, '|' | '&' | ';') => {
                ends(&mut word, &mut words, &mut is_target);
                all.push(std::mem::take(&mut words));
            }
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    assert_eq!(quote, None, "an open quote in {line}");
    ends(&mut word, &mut words, &mut is_target);
    all.push(words);
    all
}

/// Parses every command of ours in a line, and returns how many there are.
fn parsed(line: &str) -> usize {
    let ours = commands(line).into_iter().filter_map(|words| {
        let at = words.iter().position(|word| word == "astore")?;
        Some(words[at..].to_vec())
    });
    ours.map(|words| {
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{line} has {words:?}, and that is no command: {error}");
        }
    })
    .count()
}

#[test]
fn every_example_is_a_command_line_that_is_taken() {
    let mut definition = definition();
    definition.build();
    let whole = definition.clone();
    let mut checked = 0;
    for command in std::iter::once(&whole).chain(definition.get_subcommands()) {
        if command.get_name() == "help" {
            continue;
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = examples(&help);
        let ours: usize = lines.iter().map(|line| parsed(line)).sum();
        assert!(ours > 0, "{} has no example of its own", command.get_name());
        checked += ours;
    }
    assert!(checked > 60, "only {checked}");
}

#[test]
fn lines_are_split_as_a_shell_does() {
    let words = |line| commands(line).into_iter().map(|words| words.join("+")).collect::<Vec<_>>();
    assert_eq!(words("a 'b c' \"d|e\" | f > g && h"), ["a+b c+d|e", "f", "", "h"]);
    assert_eq!(words("p=$(astore gc -q)"), ["astore+gc+-q".to_owned(), format!("p={PLAN}")]);
}
