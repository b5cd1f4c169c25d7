//! What is said about a key that a table doesn't have.

use crate::keys;
use crate::nearest::nearest;
use crate::reader::shortened;
use crate::spec::Table;

/// Words that only a camera that recognises people has a use for.
const IDENTITY_WORDS: [&str; 10] =
    ["face", "match", "gallery", "embed", "identi", "recogni", "enrol", "liveness", "watch_list", "watchlist"];

/// What is said about a key that nobody asked for.
pub(crate) struct UnknownKey {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether it was meant as a key for sure. Beside a broken line it may also be the rest of a value, and so a secret.
    pub(crate) surely_a_key: bool,
}

pub(crate) fn unknown_key(root: &'static Table, table: &'static Table, name: &str) -> UnknownKey {
    let heading = table.heading;
    let shown = shortened(name);
    let under_crowd = keys::CROWD_TABLES.kind.table().into_iter().flat_map(Table::with_all_below);
    if under_crowd.into_iter().any(|below| std::ptr::eq(below, table)) {
        let lower = name.to_lowercase();
        let of_gates = keys::GATE_TABLES.kind.table().is_some_and(|gate| gate.key(name).is_some());
        let of_crowds = keys::CROWD_TABLES.kind.table().is_some_and(|crowd| crowd.key(name).is_some());
        if (of_gates && !of_crowds) || IDENTITY_WORDS.iter().any(|word| lower.contains(word)) {
            return UnknownKey {
                message: format!("crowd cameras know no identity: {heading} can't have `{shown}`"),
                help: Some("people are recognised at [[gate]] cameras only, and no setting changes that".to_owned()),
                surely_a_key: of_gates,
            };
        }
    }
    let unknown = if heading.starts_with(['[', '`']) {
        format!("unknown key `{shown}` in {heading}")
    } else {
        format!("unknown key `{shown}` at {heading}")
    };
    if let Some(near) = nearest(name, table.names()) {
        return UnknownKey { message: format!("{unknown}; did you mean `{near}`?"), help: None, surely_a_key: true };
    }
    let elsewhere: Vec<&str> =
        root.with_all_below().iter().filter(|other| other.key(name).is_some()).map(|other| other.heading).collect();
    let help = if elsewhere.is_empty() {
        format!("it takes: {}", table.names().collect::<Vec<_>>().join(", "))
    } else {
        format!("`{shown}` belongs to {}", elsewhere.join(" or "))
    };
    UnknownKey { message: unknown, help: Some(help), surely_a_key: !elsewhere.is_empty() }
}
