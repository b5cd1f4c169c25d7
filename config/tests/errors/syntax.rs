//! Mistakes in the TOML syntax.

use std::path::Path;

use gatehouse_config::Site;

use crate::{FULL, check, errors_of, summary};

#[test]
fn a_mistake_in_the_syntax_is_reported() {
    check(&[
        ("id = 'g'", "id = gate", "9:6 : not valid TOML: text must be in quotes"),
        ("id = 'g'", "id = \"g", "9:8 : the text has no closing quote"),
        ("id = 'g'", "id 'g'", "9:4 : not valid TOML: key with no value, expected `=`"),
        ("id = 'g'", "id = 'g'\nid = 'h'", "10:1 : `id` is given twice"),
        ("[store]", "[site]", "5:2 : `site` is given twice"),
        ("[[gate]]", "[[gate]", "8:8 : not valid TOML: unclosed array table, expected `]`"),
    ]);
}

#[test]
fn mistakes_in_the_syntax_do_not_hide_the_others() {
    let text = "\
version = 1
[site]
id = north
area = 'Town'
[store]
key = 'file:k
outbox_days = 0
[[gate]]
id 'g'
sauce = 'rtsp://cam/'
liveness = yes
";
    let expected = "\
3:6 : not valid TOML: text must be in quotes
4:8 site.area: `area` must be 1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`, found the \
text \"Town\"
6:14 : not valid TOML: invalid literal string, expected `'`
7:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90 (days), found 0
9:4 : not valid TOML: key with no value, expected `=`
10:1 gate[0].sauce: unknown key `sauce` in [[gate]]; did you mean `source`?
11:12 : not valid TOML: text must be in quotes";
    assert_eq!(summary(&errors_of(text)), expected);
}

#[test]
fn a_lost_character_is_one_mistake_near_its_line() {
    for (at, lost) in FULL.char_indices() {
        let text = format!("{}{}", &FULL[..at], &FULL[at + lost.len_utf8()..]);
        let Err(errors) = Site::parse(&text, Path::new("site.toml")) else { continue };
        if errors.iter().all(|error| !error.path.is_empty()) {
            continue;
        }
        let line = FULL[..at].matches('\n').count() + 1;
        // A header that has lost a bracket is no longer of a list of tables, and so clashes with
        // the next of its name.
        let own = || errors.iter().filter(|error| !error.message.ends_with("is given twice"));
        assert!(own().count() <= 1, "{lost:?} of line {line}:\n{errors}");
        assert!(own().all(|error| (line..=line + 2).contains(&error.line)), "{lost:?} of line {line}:\n{errors}");
    }
}
