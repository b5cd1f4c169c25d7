//! The line of the file under an error message, without anything that may be a secret.
//!
//! Messages end up on screens and in logs, and someone may have written a password into this line.
//! So a value is shown only if its key or its form holds no secrets; comments are never shown.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use gatehouse_core::stream::Source;

use crate::endpoint::Endpoint;
use crate::error::Excerpt;
use crate::http_url::HttpUrl;
use crate::nearest::nearest;
use crate::raw_value::printable;
use crate::secret::SecretRef;
use crate::source;
use crate::spec::{KeyIn, TableSpec};
use crate::text_position::{Lines, Position};

/// Stands for the rest of a line that is not shown.
const HIDDEN: &str = "[hidden]";
/// Longer lines are cut: a terminal would fold them and misplace the mark.
const MAX_CHARS: usize = 160;

/// The line at `position`, with `span` (bytes of the text) marked; `None` if none may be shown.
pub(crate) fn excerpt(
    root: &'static TableSpec,
    lines: &Lines<'_>,
    position: Position,
    span: &Range<usize>,
) -> Option<Excerpt> {
    let line = lines.line(position.line);
    let visible = if in_long_string(lines.before(position.line)) { "" } else { visible(root, line) };
    let hidden = visible.trim_end().len() < without_comment(line).trim_end().len();
    let visible_chars = visible.chars().count();
    if visible.trim().is_empty() && hidden || position.column > MAX_CHARS {
        return None;
    }
    let text: String = visible.chars().map(printable).chain(if hidden { HIDDEN } else { "" }.chars()).collect();
    let text = if hidden { text } else { text.trim_end().to_owned() };
    let before = (position.column - 1).min(visible_chars);
    let end = lines.position(span.end);
    let marked = match () {
        () if hidden && before == visible_chars => HIDDEN.len(),
        () if end.line == position.line => (end.column - position.column).min(visible_chars - before),
        () => visible_chars - before,
    };
    Some(Excerpt { text: text.chars().take(MAX_CHARS).collect(), before, marked: marked.max(1) })
}

/// Whether the text ends within a string of several lines. Errs to yes.
fn in_long_string(before: &str) -> bool {
    before.matches("\"\"\"").count() % 2 == 1 || before.matches("'''").count() % 2 == 1
}

/// The part of a line, from its beginning, that may be shown.
fn visible<'l>(root: &'static TableSpec, line: &'l str) -> &'l str {
    let line = without_comment(line);
    let Some((name, value)) = line.split_once('=') else {
        return if is_header(root, line) || is_plain(line) || shows_only_places(line) {
            line
        } else {
            known_first_word(root, line)
        };
    };
    let value = value.trim_start();
    let mut path = name.split('.').map(|name| name.trim().trim_matches(['"', '\'']));
    let name = path.next_back().unwrap_or_default();
    if !path.all(|name| is_key(root, name)) {
        return "";
    }
    match may_be_shown(root, name, value) {
        Shown::All => line,
        Shown::Key => &line[..line.len() - value.len()],
        Shown::Nothing => "",
    }
}

enum Shown {
    All,
    Key,
    Nothing,
}

fn may_be_shown(root: &'static TableSpec, name: &str, value: &str) -> Shown {
    let tables = root.with_all_below();
    let keys: Vec<KeyIn> = tables.iter().filter_map(|table| table.key(name)).collect();
    let all = if keys.is_empty() {
        // A name that is no key may be the second half of a secret with a line end in it.
        if nearest(name, tables.iter().copied().flat_map(TableSpec::names)).is_none() {
            return Shown::Nothing;
        }
        is_plain(value)
    } else if keys.iter().any(|found| found.key.kind.may_hold_a_secret()) {
        shows_only_places(value)
    } else {
        strings(value).is_some_and(|(strings, between)| match strings[..] {
            [] => is_plain_table(root, value),
            // A `#` in a string is rare; where quotes do not pair up, it is more likely a comment.
            _ => is_plain(&between) && !value.contains('#'),
        })
    };
    if all { Shown::All } else { Shown::Key }
}

/// A table's header, if it is one of ours or was meant to be.
fn is_header(root: &'static TableSpec, line: &str) -> bool {
    let Some(path) = line.trim().strip_prefix('[') else { return false };
    let path = path.trim_matches(['[', ']', ' ']);
    path.split('.')
        .all(|name| nearest(name, root.with_all_below().iter().copied().flat_map(TableSpec::names)).is_some())
}

/// Numbers, `true` and `false`, and what joins them.
fn is_plain(text: &str) -> bool {
    let rest = text.replace("true", "").replace("false", "");
    rest.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+-._,[]".contains(c))
}

/// Numbers under the names of keys: `{ medium = 5, high = 10 }`.
fn is_plain_table(root: &'static TableSpec, text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "={},".contains(c)).all(|word| is_plain(word) || is_key(root, word))
}

/// A line that lost its `=`, up to the first word, if that is a key.
fn known_first_word<'l>(root: &'static TableSpec, line: &'l str) -> &'l str {
    let Some(word) = line.split_whitespace().next() else { return "" };
    let length = line.len() - line.trim_start().len() + word.len();
    if is_key(root, word) { &line[..length] } else { "" }
}

fn is_key(root: &'static TableSpec, word: &str) -> bool {
    root.with_all_below().iter().any(|table| table.key(word).is_some())
}

/// Whether the text holds only strings that name places, and no secrets.
fn shows_only_places(text: &str) -> bool {
    let Some((strings, between)) = strings(text) else { return false };
    !strings.is_empty() && strings.into_iter().all(names_a_place) && is_plain(&between)
}

fn names_a_place(text: &str) -> bool {
    // A protocol that this version does not support names a place as well.
    let text = &text.replacen("rtsps://", "rtsp://", 1);
    let text = match text.split_once('/') {
        Some(("tls" | "udp" | "quic" | "ws", rest)) => &format!("tcp/{rest}"),
        _ => text,
    };
    let plain_source = match source::parse("source", text, Path::new("")) {
        Ok(Source::Rtsp(url)) => url.to_string() == url.as_str(),
        Ok(Source::File(_) | Source::Test(_)) => true,
        Err(_) => false,
    };
    plain_source
        || HttpUrl::parse(text).is_ok_and(|url| !url.as_str().contains('?'))
        || SecretRef::parse(text, Path::new("")).is_some()
        || Endpoint::parse(text, true).is_some()
        || text.parse::<SocketAddr>().is_ok()
}

/// The strings of a line and what stands between them; `None` where one doesn't end.
fn strings(text: &str) -> Option<(Vec<&str>, String)> {
    let (mut strings, mut between, mut rest) = (Vec::new(), String::new(), text);
    while let Some(start) = rest.find(['"', '\'']) {
        between.push_str(&rest[..start]);
        let quote = &rest[start..=start];
        let length = string_length(&rest[start + 1..], quote)?;
        strings.push(&rest[start + 1..start + 1 + length]);
        rest = &rest[start + 1 + length + 1..];
    }
    Some((strings, between + rest))
}

fn string_length(text: &str, quote: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let ends = b == quote.as_bytes()[0] && !escaped;
        escaped = b == b'\\' && quote == "\"" && !escaped;
        ends
    })
}

/// The line up to its comment. A line with an open string has none.
fn without_comment(line: &str) -> &str {
    let mut at = 0;
    while let Some(found) = line[at..].find(['"', '\'', '#']) {
        let found = at + found;
        let mark = &line[found..=found];
        if mark == "#" {
            return &line[..found];
        }
        let Some(length) = string_length(&line[found + 1..], mark) else { break };
        at = found + 1 + length + 1;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Table;
    use crate::site::Site;

    static ROOT: TableSpec = Site::SPEC;

    #[test]
    fn a_possible_secret_is_left_out_and_the_rest_is_shown() {
        for (line, expected) in [
            ("analyse_fps = 10.0 # was hunter2", "analyse_fps = 10.0 "),
            (r#"id = "North Gate" # hunter2"#, r#"id = "North Gate" "#),
            (r#"id = "hunter2 # ?"#, "id = "),
            (r#"id" = "a" # hunter2"#, r#"id" = "#),
            (r#"id = "a" hunter2"#, "id = "),
            ("grant_s = 5 hunter2", "grant_s = "),
            ("[[gate]]", "[[gate]]"),
            ("[[crowd.zon]", "[[crowd.zon]"),
            ("[admin:hunter2", ""),
            ("  [0.1, 0.4],", "  [0.1, 0.4],"),
            (r#"login = "env:GATE_1""#, r#"login = "env:GATE_1""#),
            (r#"login = "admin:hunter2""#, "login = "),
            (r#"gate.login = "admin:hunter2""#, "gate.login = "),
            (r#""login" = 'admin:hunter2'"#, r#""login" = "#),
            ("login = admin:hunter2", "login = "),
            ("login = 123456", "login = "),
            (r#""rtsp://admin:hunter2@192.id = 1"#, ""),
            ("login hunter2", "login"),
            ("门口\u{2028} hunter2", ""),
            ("hunter2", ""),
            (r#"key = "hunter2""#, "key = "),
            (r#"source = "rtsp://admin:hunter2@cam/""#, "source = "),
            (r#"source = "rtsp://admin:hunter2cam/""#, "source = "),
            (r#"source = "rtsp://cam/?token=hunter2""#, "source = "),
            (r#"source = "rtsp://cam/"#, "source = "),
            (r#"source = "rtsp://cam/live""#, r#"source = "rtsp://cam/live""#),
            (r#"listen = ["tcp/127.0.0.1:1", "tcp/[::1]:0"]"#, r#"listen = ["tcp/127.0.0.1:1", "tcp/[::1]:0"]"#),
            (r#"listen = "0.0.0.0:8080""#, r#"listen = "0.0.0.0:8080""#),
            (r#"  "tcp/127.0.0.1:1","#, r#"  "tcp/127.0.0.1:1","#),
            (r#"  "hunter2","#, ""),
            ("analyze_fps = 10", "analyze_fps = 10"),
            ("pin = 123456", ""),
            (r#"password = "hunter2""#, ""),
            (r#"sorce = "hunter2""#, "sorce = "),
            (r#"gate = [{ id = "a", login = "admin:hunter2" }]"#, "gate = "),
            (r#"id = "a", login = "admin:hunter2""#, "id = "),
            ("levels = { medium = 5, high = 3 }", "levels = { medium = 5, high = 3 }"),
            (r#"id = """hunter2"#, "id = "),
        ] {
            assert_eq!(visible(&ROOT, line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_within_a_multi_line_string_is_not_shown() {
        let text = "login = \"\"\"\nid = 5\n\"\"\"\n";
        assert_eq!(excerpt(&ROOT, &Lines::new(text), Position { line: 2, column: 1 }, &(12..14)), None);
    }
}
