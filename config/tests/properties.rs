//! Properties of the reader for any text.

use std::path::Path;

use gatehouse_config::Site;
use proptest::prelude::*;

const FULL: &str = include_str!("../examples/site.toml");

/// Typing mistakes and leftovers of a broken editor.
const PIECES: [&str; 24] = [
    "\n",
    "\r\n",
    "\t",
    " ",
    "#",
    "=",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "\\",
    "门口",
    "\u{feff}",
    "id = 1\n",
    "[[gate]]\n",
    "[crowd.zone.levels]\n",
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(usize),
    Remove(usize),
    CopyTo(usize, usize),
}

/// Like [`edits`] without copies: a secret copied to the place of a key is a key like any other.
fn slips(most: usize) -> impl Strategy<Value = Vec<(usize, Edit)>> {
    let edit = prop_oneof![(0..PIECES.len()).prop_map(Edit::Insert), (1..10usize).prop_map(Edit::Remove)];
    prop::collection::vec((any::<usize>(), edit), 1..=most)
}

fn edits(most: usize) -> impl Strategy<Value = Vec<(usize, Edit)>> {
    let edit = prop_oneof![
        (0..PIECES.len()).prop_map(Edit::Insert),
        (1..40usize).prop_map(Edit::Remove),
        (any::<usize>(), 1..200usize).prop_map(|(to, length)| Edit::CopyTo(to, length)),
    ];
    prop::collection::vec((any::<usize>(), edit), 1..=most)
}

fn edited(text: &str, edits: &[(usize, Edit)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, edit) in edits {
        let at = at % (chars.len() + 1);
        let end = |length: usize| (at + length).min(chars.len());
        match edit {
            Edit::Insert(piece) => drop(chars.splice(at..at, PIECES[*piece].chars())),
            Edit::Remove(length) => drop(chars.splice(at..end(*length), [])),
            Edit::CopyTo(to, length) => {
                let copy = chars[at..end(*length)].to_vec();
                let to = to % (chars.len() + 1);
                chars.splice(to..to, copy);
            }
        }
    }
    chars.into_iter().collect()
}

/// Nothing panics, and every error is somewhere in the text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let Err(errors) = Site::parse(text, Path::new("site.toml")) else { return Ok(()) };
    let lines: Vec<&str> = text.split('\n').collect();
    prop_assert!(errors.iter().count() > 0);
    let mut before = (0, 0);
    for error in errors.iter() {
        prop_assert!((1..=lines.len()).contains(&error.line), "{error}");
        prop_assert!((1..=lines[error.line - 1].chars().count() + 1).contains(&error.column), "{error}");
        prop_assert!(before <= (error.line, error.column), "out of order: {error}");
        before = (error.line, error.column);
    }
    prop_assert!(!errors.to_string().is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_error_of_a_damaged_site_file_lies_within_it(edits in edits(6)) {
        check(&edited(FULL, &edits))?;
    }

    #[test]
    fn every_error_of_any_text_lies_within_it(text in "[\\[\\]{}=\"'#.,a-c0-9 \n\r\t\u{e9}门\\PC]{0,80}") {
        check(&text)?;
    }

    #[test]
    fn a_secret_in_the_file_is_never_repeated(
        // Each with the mark of a secret that follows. Without the mark, a password in a path is a
        // path.
        (line, mark) in prop::sample::select(vec![
            ("login = \"admin:SECRET\"", "login ="),
            ("login = 'SECRET'", "login ="),
            ("login = admin:SECRET", "login ="),
            ("login = \"\"\"\nSECRET\"\"\"", "login ="),
            ("password = \"SECRET\"", "password ="),
            ("source = \"rtsp://admin:SECRET@192.0.2.1/live\"", "@"),
            ("source = \"rtsp://admin:SECRET@192.0.2.1:port/live\"", "@"),
            ("source = \"rtsp://192.0.2.1/user=admin&password=SECRET\"", "password="),
            ("source = \"rtsp://192.0.2.1/live?token=SECRET\"", "?token="),
            ("source = \"http://192.0.2.1/live?token=SECRET\"", "?token="),
        ]),
        header in prop::sample::select(vec!["[[gate]]\n", "[[crowd]]\n", "[store]\n", "[bus]\n", "[typo]\n"]),
        edits in slips(2),
    ) {
        let secret = "7xQvSesame0pen";
        // The key stays: the value of a key that holds no secrets is not known to be one.
        let (name, value) = line.split_at(line.find(' ').unwrap_or_default());
        let piece = format!("{name}{}", edited(&value.replace("SECRET", "\u{1}"), &edits).replace('\u{1}', secret));
        if !piece.contains(mark) {
            return Ok(());
        }
        let text = format!("{header}{piece}\n{FULL}");
        let output = match Site::parse(&text, Path::new("site.toml")) {
            Ok(site) => format!("{site:?}"),
            Err(errors) => format!("{errors}\n{errors:?}"),
        };
        prop_assert!(!output.contains(secret), "{output}\n\nof\n{text}");
    }
}
