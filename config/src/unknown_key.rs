//! The message about a key that a table does not have.

use crate::crowd::CrowdCamera;
use crate::gate::GateCamera;
use crate::nearest::nearest;
use crate::raw_value::shortened;
use crate::reader::Table;
use crate::spec::TableSpec;

/// Words that only a camera that recognises people needs.
const IDENTITY_WORDS: [&str; 10] =
    ["face", "match", "gallery", "embed", "identi", "recogni", "enrol", "liveness", "watch_list", "watchlist"];

static GATE: TableSpec = GateCamera::SPEC;
static CROWD: TableSpec = CrowdCamera::SPEC;

pub(crate) struct UnknownKey {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// False next to a broken line, where it may be the rest of a value, and so a secret.
    pub(crate) surely_a_key: bool,
}

pub(crate) fn unknown_key(root: &'static TableSpec, table: &'static TableSpec, name: &str) -> UnknownKey {
    let heading = table.heading;
    let shown = shortened(name);
    let is_of_crowds =
        root.key("crowd").is_some() && CROWD.with_all_below().iter().any(|below| below.heading == heading);
    if is_of_crowds {
        let lower = name.to_lowercase();
        let is_gate_key = GATE.key(name).is_some() && CROWD.key(name).is_none();
        if is_gate_key || IDENTITY_WORDS.iter().any(|word| lower.contains(word)) {
            return UnknownKey {
                message: format!("crowd cameras know no identity: {heading} can't have `{shown}`"),
                help: Some("only [[gate]] cameras recognise people, and no setting changes that".to_owned()),
                surely_a_key: GATE.key(name).is_some(),
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
        format!("it has the keys {}", table.names().collect::<Vec<_>>().join(", "))
    } else {
        format!("`{shown}` belongs to {}", elsewhere.join(" or "))
    };
    UnknownKey { message: unknown, help: Some(help), surely_a_key: !elsewhere.is_empty() }
}
