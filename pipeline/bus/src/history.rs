//! Queries for past entries, and the key on which a gate's history is served.

use gatehouse_core::CameraId;
use gatehouse_core::event::EntryEvent;
use serde_json::Value;

use crate::error::BusError;

/// Most entries in one answer.
pub(crate) const MOST: usize = 1000;
/// Entries in an answer to a query without `limit`.
const USUAL: usize = 100;

/// A query for a gate's past entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The gate.
    pub gate: CameraId,
    /// The first sequence number wanted, 1 or more.
    pub from: u64,
    /// Most entries wanted, 1 to 1000.
    pub limit: usize,
}

impl HistoryRequest {
    /// Reads zenoh's parameters, or returns an error text for the asking side.
    pub(crate) fn read(gate: &CameraId, parameters: &str) -> Result<Self, String> {
        let mut request = Self { gate: gate.clone(), from: 1, limit: USUAL };
        for pair in parameters.split(';').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "from" => {
                    let from = value.parse().ok().filter(|from| *from >= 1);
                    request.from = from.ok_or_else(|| expected("from", "a sequence number, 1 or more", value))?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    request.limit = limit.ok_or_else(|| expected("limit", &format!("1 to {MOST}"), value))?;
                }
                // zenoh's own, such as `_timeout`.
                name if name.starts_with('_') => {}
                name => return Err(format!("no parameter `{name}`; there are `from` and `limit`, separated by `;`")),
            }
        }
        Ok(request)
    }
}

fn expected(name: &str, what: &str, found: &str) -> String {
    let hint = if found.contains('&') { " (parameters are separated by `;`)" } else { "" };
    format!("`{name}`: expected {what}, found `{found}`{hint}")
}

/// An answer to `request`.
pub(crate) fn write(request: &HistoryRequest, mut entries: Vec<EntryEvent>) -> Result<Value, String> {
    entries.truncate(request.limit);
    serde_json::to_value(entries).map_err(|error| format!("an entry can't be written as JSON: {error}"))
}

/// Where a gate's entries are replayed: `…/gate/<gate>/entry` becomes
/// `…/history/gate/<gate>/entry`.
pub(crate) fn history_key(entry_key: &str) -> Result<(String, CameraId), BusError> {
    let not = || BusError::NotEntryKey { key: entry_key.to_owned() };
    let (before, gate) = entry_key.strip_suffix("/entry").and_then(|rest| rest.rsplit_once('/')).ok_or_else(not)?;
    let site = before.strip_suffix("/gate").ok_or_else(not)?;
    if gate.contains('*') {
        return Err(not());
    }
    Ok((format!("{site}/history/gate/{gate}/entry"), CameraId::new(gate)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_core::key::SiteKey;

    #[test]
    fn parameters_come_back_and_wrong_ones_are_explained() {
        let gate = CameraId::new("north");
        let read = |parameters: &str| HistoryRequest::read(&gate, parameters);
        let usual = HistoryRequest { gate: gate.clone(), from: 1, limit: USUAL };
        assert_eq!(read(""), Ok(usual.clone()));
        assert_eq!(read("_timeout=3"), Ok(usual.clone()));
        assert_eq!(read("from=7;limit=1000"), Ok(HistoryRequest { from: 7, limit: 1000, ..usual }));
        for (parameters, word) in [
            ("from=0", "1 or more"),
            ("from=-3", "`-3`"),
            ("from", "found ``"),
            ("limit=0", "1 to 1000"),
            ("limit=1001", "1 to 1000"),
            ("from=5&limit=2", "separated by `;`"),
            ("since=5", "no parameter `since`"),
        ] {
            let reason = read(parameters).expect_err(parameters);
            assert!(reason.contains(word), "{parameters}: {reason}");
        }
    }

    #[test]
    fn a_gates_history_is_found_from_its_entry_key() {
        let site = SiteKey::new("city/town", "site");
        let gate = CameraId::new("gate-1");
        let found = history_key(&site.entry(&gate)).expect("it is one");
        assert_eq!(found, (site.entry_history(&gate), gate));
        for key in ["a/gate/g/tally", "a/gate/*/entry", "a/crowd/g/entry", "entry", "gate/g/entry"] {
            assert!(history_key(key).is_err(), "{key}");
        }
    }
}
