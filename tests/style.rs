//! The house's rules of style that no compiler holds: lengths of files, comments and test names,
//! and words that were replaced.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file, in lines. A longer one does two things.
const MAX_LINES: usize = 450;
/// Longest line of a comment or a document, in characters.
const MAX_COMMENT_COLUMNS: usize = 100;
/// Longest name of a test, in characters.
const MAX_TEST_NAME: usize = 60;

/// Words that were replaced by the field's own, as they would stand inside an identifier or a
/// sentence.
const REPLACED_WORDS: [&str; 12] = [
    "sparing",
    "spared",
    "lookout",
    "glance",
    "stillness",
    "heed",
    "rehearse",
    "rehearsal",
    "owed",
    "urgency",
    "unsure",
    "overtaken",
];
/// Identifiers that were replaced by the field's own.
const REPLACED_NAMES: [&str; 5] = ["hand_over", "one_by_one", "made_out", "_told", "declines"];
/// Phrases that say less than they seem to.
const PHRASES: [&str; 9] = [
    "is told",
    "is had",
    "so many",
    "as seldom as",
    "whoever",
    "what is left over",
    "nothing of",
    "may be had",
    "is yours to",
];

/// A tracked text file, relative to the root of the repository.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e))
    }

    /// One complaint per line for which `problem` gives one.
    fn complaints<'a>(&'a self, problem: impl Fn(&str) -> Option<String> + 'a) -> impl Iterator<Item = String> + 'a {
        let numbered = (1..).zip(self.text.lines());
        numbered.filter_map(move |(n, line)| Some(format!("{}:{n}: {}", self.path.display(), problem(line)?)))
    }
}

fn tracked_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let paths = listed.split_terminator('\0').map(PathBuf::from);
    let read = |path: PathBuf| Some(Source { text: std::fs::read_to_string(root.join(&path)).ok()?, path });
    let sources: Vec<Source> = paths.filter_map(read).collect();
    assert!(sources.len() > 100, "only {} files are tracked", sources.len());
    sources
}

fn assert_none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

#[test]
fn no_source_file_is_too_long() {
    let sources = tracked_sources();
    let code = sources.iter().filter(|s| s.has_extension(&["rs", "py", "js", "sh", "sql", "css"]));
    let long = code.filter(|s| s.text.lines().count() > MAX_LINES);
    let complaints: Vec<_> = long.map(|s| format!("{}: {} lines", s.path.display(), s.text.lines().count())).collect();
    assert_none(&complaints, "files of more than 450 lines");
}

#[test]
fn comments_and_documents_fit_into_100_columns() {
    let too_long = |line: &str| line.chars().count() > MAX_COMMENT_COLUMNS;
    // A table's row, a link or a line of code can't be wrapped.
    let can_wrap = |line: &str| !line.trim_start().starts_with('|') && !line.contains("http") && !line.contains("](");
    let mut complaints = Vec::new();
    for source in tracked_sources() {
        if source.has_extension(&["rs"]) {
            // Code and drawings in a doc comment are as wide as they need to be.
            let mut in_code = false;
            for (n, line) in (1..).zip(source.text.lines()) {
                let Some(comment) = line.trim_start().strip_prefix("//") else { continue };
                let text = comment.trim_start_matches(['/', '!', ' ']);
                in_code ^= text.starts_with("```");
                if !in_code && too_long(line) && can_wrap(text) {
                    complaints.push(format!("{}:{n}: a comment is too long", source.path.display()));
                }
            }
        } else if source.has_extension(&["md"]) && !source.path.starts_with("docs/ref") {
            let mut in_code = false;
            for (n, line) in (1..).zip(source.text.lines()) {
                in_code ^= line.trim_start().starts_with("```");
                if !in_code && too_long(line) && can_wrap(line) {
                    complaints.push(format!("{}:{n}: a line is too long", source.path.display()));
                }
            }
        }
    }
    assert_none(&complaints, "comments and documents wrap at 100 columns");
}

#[test]
fn names_of_tests_are_short() {
    let mut complaints = Vec::new();
    for source in tracked_sources().iter().filter(|s| s.has_extension(&["rs", "py"])) {
        let mut after_attribute = false;
        complaints.extend((1..).zip(source.text.lines()).filter_map(|(n, line)| {
            let line = line.trim_start();
            let name =
                line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
            let is_test = std::mem::replace(
                &mut after_attribute,
                line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
            );
            let name = name.filter(|name| is_test && name.len() > MAX_TEST_NAME)?;
            Some(format!("{}:{n}: {name}", source.path.display()))
        }));
    }
    assert_none(&complaints, "a test's name has at most 60 characters");
}

/// Whether `text` has `word` as a word or as a part of an identifier, whatever its case.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_lowercase()) && !after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

#[test]
fn words_that_were_replaced_are_gone() {
    let mut complaints = Vec::new();
    let exempt =
        [Path::new("CHANGELOG.md"), Path::new("Cargo.lock"), Path::new("LICENSE"), Path::new("tests/style.rs")];
    for source in tracked_sources().iter().filter(|s| !exempt.contains(&s.path.as_path())) {
        if source.has_extension(&["json", "svg"]) {
            continue;
        }
        complaints.extend(source.complaints(|line| {
            let line = line.to_ascii_lowercase();
            let word = REPLACED_WORDS.into_iter().find(|word| names(&line, word));
            let name = REPLACED_NAMES.into_iter().find(|name| line.contains(name));
            let phrase = PHRASES.into_iter().find(|phrase| names(&line, phrase));
            word.or(name).or(phrase).map(|found| format!("`{found}` was replaced"))
        }));
    }
    assert_none(&complaints, "words that the field's own terms replaced");
}
