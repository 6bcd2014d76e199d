//! What to leave out, in the patterns of gitignore(5).
//!
//! A pattern without a slash, but for one at its end, is held against every component; one with a slash against the whole
//! path in the package, from its top. One that ends with `/` means directories only, `*` and `?` do not cross a slash,
//! `**` between slashes does, and one that begins with `!` takes back what a pattern before it left out: the last that
//! matches decides. What is beneath an excluded directory is not looked at, so nothing takes that back. `.gitignore`
//! files in the tree mean nothing.
//!
//! A pattern becomes a regular expression over bytes, since names are bytes, and since no list of patterns then takes
//! longer than linear time, however many stars are in it. That it means what git takes it for is what the tests ask git.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::ingest::IngestError;

/// So much memory a list of patterns may take: tens of thousands of them.
const SIZE_MAX: usize = 256 << 20;

/// Why something is no pattern. Git takes such a one for a pattern that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A `[` that no `]` follows.
    #[error("a '[' is not closed")]
    UnclosedClass,
    /// `[:name:]` with a name that there is not.
    #[error("[:{name}:] is no class of characters")]
    UnknownClass {
        /// The name.
        name: String,
    },
    /// A backslash with nothing to escape.
    #[error("it ends with a backslash")]
    DanglingEscape,
    /// All patterns together are too much.
    #[error("the patterns are too many")]
    TooMany,
}

/// Returns the patterns that a text holds as a file of git's would: one a line, without empty lines and those that begin
/// with `#`, and without spaces at the end that no backslash escapes.
pub fn patterns_of(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let patterns = lines.filter(|line| !line.starts_with('#')).map(without_spaces);
    patterns.filter(|pattern| !pattern.is_empty()).map(str::to_owned).collect()
}

fn without_spaces(line: &str) -> &str {
    let bare = line.trim_end_matches(' ');
    let escapes = bare.len() - bare.trim_end_matches('\\').len();
    // A space that is escaped stays, and it alone.
    if escapes % 2 == 1 && bare.len() < line.len() { &line[..=bare.len()] } else { bare }
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    takes_back: bool,
    directories_only: bool,
}

/// What a walk leaves out.
#[derive(Debug)]
pub(super) struct Excludes {
    patterns: RegexSet,
    rules: Vec<Rule>,
}

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, IngestError> {
        let mut rules = Vec::new();
        let mut expressions = Vec::new();
        for pattern in patterns {
            let bad = |source| IngestError::Exclude { pattern: pattern.clone(), source };
            let (takes_back, text) =
                pattern.strip_prefix('!').map_or((false, &**pattern), |rest| (true, rest));
            let bare = text.strip_suffix('/').unwrap_or(text);
            if bare.is_empty() {
                continue; // it matches nothing
            }
            rules.push(Rule { takes_back, directories_only: bare != text });
            expressions.push(expression(bare).map_err(bad)?);
        }
        let built = RegexSetBuilder::new(expressions)
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(SIZE_MAX)
            .build();
        let patterns = built.map_err(|_| IngestError::Exclude {
            pattern: patterns.last().cloned().unwrap_or_default(),
            source: PatternError::TooMany,
        })?;
        Ok(Self { patterns, rules })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether the entry at this stored path is left out, given that nothing above it is.
    pub(super) fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let admits = |nth: usize| is_directory || !self.rules[nth].directories_only;
        let last = self.patterns.matches(path).iter().rev().find(|&nth| admits(nth));
        last.is_some_and(|nth| !self.rules[nth].takes_back)
    }
}

/// Translates a pattern that has neither `!` before it nor `/` behind it.
fn expression(pattern: &str) -> Result<String, PatternError> {
    let from_top = pattern.contains('/');
    let mut rest = pattern.strip_prefix('/').unwrap_or(pattern).as_bytes();
    let mut made = String::from(if from_top { "^" } else { "^(?:.*/)?" });
    let mut at_component = true;
    while let Some((&first, behind)) = rest.split_first() {
        let began = std::mem::replace(&mut at_component, first == b'/');
        rest = behind;
        match first {
            b'*' => {
                let stars = rest.iter().take_while(|&&byte| byte == b'*').count();
                rest = &rest[stars..];
                match rest.first() {
                    Some(b'/') if began && stars > 0 => {
                        made.push_str("(?:.*/)?");
                        rest = &rest[1..];
                        at_component = true;
                    }
                    None if began && stars > 0 => made.push_str(".*"),
                    Some(_) | None => made.push_str("[^/]*"),
                }
            }
            b'?' => made.push_str("[^/]"),
            b'[' => rest = class(rest, &mut made)?,
            b'\\' => {
                let (&escaped, behind) = rest.split_first().ok_or(PatternError::DanglingEscape)?;
                rest = behind;
                literal(escaped, &mut made);
            }
            byte => literal(byte, &mut made),
        }
    }
    made.push('$');
    Ok(made)
}

fn literal(byte: u8, made: &mut String) {
    made.push_str(&format!("\\x{byte:02x}"));
}

/// Translates a class of bytes, after its `[`, and returns what follows it. No class matches a slash.
fn class<'a>(pattern: &'a [u8], made: &mut String) -> Result<&'a [u8], PatternError> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut rest = &pattern[usize::from(negated)..];
    let mut bytes = String::new();
    let mut is_first = true;
    loop {
        let (&byte, behind) = rest.split_first().ok_or(PatternError::UnclosedClass)?;
        rest = behind;
        match byte {
            b']' if !is_first => break,
            b'[' if rest.first() == Some(&b':') => {
                let end = rest.windows(2).position(|pair| pair == b":]").filter(|&end| end > 0);
                let end = end.ok_or(PatternError::UnclosedClass)?;
                let name = String::from_utf8_lossy(&rest[1..end]).into_owned();
                if !NAMED.contains(&&*name) {
                    return Err(PatternError::UnknownClass { name });
                }
                bytes.push_str(&format!("[:{name}:]"));
                rest = &rest[end + 2..];
            }
            byte => {
                let (low, behind) = member(byte, rest)?;
                rest = behind;
                let high = match *rest {
                    [b'-', after, ..] if after != b']' => {
                        let (high, behind) = member(after, &rest[2..])?;
                        rest = behind;
                        high
                    }
                    _ => low,
                };
                // One that is the wrong way round holds its first byte, says git.
                bytes.push_str(&format!("\\x{low:02x}-\\x{:02x}", high.max(low)));
            }
        }
        is_first = false;
    }
    made.push_str(&if negated { format!("[^{bytes}/]") } else { format!("[{bytes}&&[^/]]") });
    Ok(rest)
}

const NAMED: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
    "xdigit",
];

/// Returns the byte that a member of a class is, and what follows.
fn member(byte: u8, rest: &[u8]) -> Result<(u8, &[u8]), PatternError> {
    match (byte, rest) {
        (b'\\', [escaped, behind @ ..]) => Ok((*escaped, behind)),
        (b'\\', []) => Err(PatternError::UnclosedClass),
        _ => Ok((byte, rest)),
    }
}

#[cfg(test)]
mod tests;
