//! A strict reader of the text format of Prometheus (version 0.0.4): what promtool would warn of is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a file: the name with its labels, as written, and the value.
pub(crate) type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads a file.
///
/// # Errors
/// The line that is not right, and why.
pub(crate) fn read(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut seen = BTreeSet::new();
    let (mut help, mut current) = (None, None);
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    for line in text.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let Some((name, words)) = rest.split_once(' ') else { return wrong("help without words") };
            if !is_name(name) || words.trim().is_empty() || !seen.insert(name.to_owned()) {
                return wrong("no name, no words, or a family for the second time");
            }
            help = Some(name.to_owned());
            current = None;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { return wrong("a type without a kind") };
            if help.take().as_deref() != Some(name) {
                return wrong("a type without help before it");
            }
            match kind {
                "counter" if name.ends_with("_total") => {}
                "gauge" if !name.ends_with("_total") => {}
                _ => return wrong("a kind that does not fit the name"),
            }
            current = Some(name.to_owned());
        } else {
            let Some(name) = current.as_deref() else { return wrong("a sample without a type") };
            let Some(rest) = line.strip_prefix(name) else { return wrong("a sample of another family") };
            let Some((labels, value)) = labels(rest) else { return wrong("labels that nobody can read") };
            let Ok(number) = value.parse::<f64>() else { return wrong("no number") };
            if value.contains(['e', 'E', 'n', 'N', '+', ' ']) || !number.is_finite() {
                return wrong("a number that is not plain");
            }
            if samples.insert((name.to_owned(), labels), number).is_some() {
                return wrong("a sample twice");
            }
        }
    }
    Ok(samples)
}

fn is_name(name: &str) -> bool {
    name.starts_with("astore_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Reads `{name="value",…} ` and returns what stands behind it, too.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    plain @ ('\\' | '"') => plain,
                    _ => return None,
                }),
                (_, plain) => value.push(plain),
            }
        };
        if !is_name || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix("} ")?)),
        }
    }
}

#[test]
fn what_is_not_of_the_format_is_found() {
    let family = "# HELP astore_a Words.\n# TYPE astore_a gauge\n";
    assert_eq!(read(&format!("{family}astore_a{{b=\"c\\\\\\\"\\n\",d=\"\"}} 1.5\n")).unwrap().len(), 1);
    for bad in [
        format!("{family}astore_a{{b=\"c\"}} 1"),
        format!("{family}astore_a{{b=\"c\"}} one\n"),
        format!("{family}astore_a{{b=\"c\"}} 1\nastore_a{{b=\"c\"}} 2\n"),
        format!("{family}astore_a{{b=\"\\c\"}} 1\n"),
        format!("{family}astore_a{{b=c}} 1\n"),
        format!("{family}astore_a{{b=\"c\",b=\"d\"}} 1\n"),
        format!("{family}astore_b{{b=\"c\"}} 1\n"),
        format!("{family}{family}"),
        "astore_a{b=\"c\"} 1\n".to_owned(),
        "# TYPE astore_a gauge\n".to_owned(),
        "# HELP astore_a Words.\n# TYPE astore_a counter\n".to_owned(),
        "# HELP other Words.\n# TYPE other gauge\n".to_owned(),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
}
