//! Key expressions: `gatehouse/v1/<area path>/<site>/…`. A command centre subscribes at its own
//! level.

use std::fmt;

use crate::event::{Event, Kind};
use crate::id::CameraId;

/// Prefix of every key: the product and the version of its events.
pub const ROOT: &str = "gatehouse/v1";

/// Key expression of every event of every site.
pub const EVERYTHING: &str = "gatehouse/v1/**";

/// Prefix of one site's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteKey(String);

impl SiteKey {
    /// The prefix of a site in its area (`city/county/town/cell`). The configuration has checked
    /// both.
    pub fn new(area: &str, site: &str) -> Self {
        Self(format!("{ROOT}/{area}/{site}"))
    }

    /// The site's path: area and site id.
    pub fn place(&self) -> &str {
        self.0.strip_prefix(ROOT).and_then(|path| path.strip_prefix('/')).unwrap_or(&self.0)
    }

    /// The key of an event.
    pub fn of(&self, event: &Event) -> String {
        match event {
            Event::Entry(entry) => self.entry(&entry.gate),
            Event::Tally(tally) => format!("{self}/gate/{}/tally", tally.gate),
            Event::Density(density) => format!("{self}/crowd/{}/density", density.camera),
            Event::Level(level) => format!("{self}/crowd/{}/level", level.camera),
            Event::Map(map) => format!("{self}/crowd/{}/map", map.camera),
            Event::RollUp(_) => format!("{self}/crowd/rollup"),
            Event::Health(health) => format!("{self}/camera/{}/health", health.camera),
            Event::Load(load) => format!("{self}/node/{}/load", load.node),
            Event::Door(door) => self.door(&door.door),
        }
    }

    /// The key of a gate's entries.
    pub fn entry(&self, gate: &CameraId) -> String {
        format!("{self}/gate/{gate}/entry")
    }

    /// The key of a door's state.
    pub fn door(&self, door: &str) -> String {
        format!("{self}/door/{door}/state")
    }

    /// The key of the queryable that replays a gate's entries.
    pub fn entry_history(&self, gate: &CameraId) -> String {
        format!("{self}/history/gate/{gate}/entry")
    }

    /// The key of a node's liveliness token.
    pub fn alive(&self, node: &str) -> String {
        format!("{self}/node/{node}/alive")
    }

    /// The key of the queryable that states a node's clock.
    pub fn clock(&self, node: &str) -> String {
        format!("{self}/node/{node}/clock")
    }

    /// The key of the queryable that returns a snapshot of the site.
    pub fn status(&self) -> String {
        format!("{self}/status")
    }
}

impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kind {
    /// The kind of event that a key carries, by its last chunks; `None` if it carries no event.
    fn of(key: &str) -> Option<Self> {
        let mut chunks = key.strip_prefix(ROOT)?.rsplit('/');
        let last = chunks.next()?;
        let before = chunks.next()?;
        if last == "rollup" && (before == "crowd" || before == "area") {
            return Some(Self::RollUp);
        }
        match (chunks.next()?, last) {
            ("gate", "entry") => Some(Self::Entry),
            ("gate", "tally") => Some(Self::Tally),
            ("crowd", "density") => Some(Self::Density),
            ("crowd", "level") => Some(Self::Level),
            ("crowd", "map") => Some(Self::Map),
            ("camera", "health") => Some(Self::Health),
            ("node", "load") => Some(Self::Load),
            ("door", "state") => Some(Self::Door),
            _ => None,
        }
    }
}

/// Why a payload is not an event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The key is not an event's.
    #[error("{0}: not the key of an event")]
    Key(String),
    /// The payload does not fit the key's kind.
    #[error("{key}: {source}")]
    Payload {
        /// The key.
        key: String,
        /// What does not fit, and where.
        source: serde_json::Error,
    },
}

/// Decodes an event from its key and its JSON payload.
///
/// # Errors
/// If the key is not an event's, or the payload does not fit its kind.
pub fn decode(key: &str, payload: &[u8]) -> Result<Event, DecodeError> {
    let kind = Kind::of(key).ok_or_else(|| DecodeError::Key(key.to_owned()))?;
    let event = match kind {
        Kind::Entry => serde_json::from_slice(payload).map(Event::Entry),
        Kind::Tally => serde_json::from_slice(payload).map(Event::Tally),
        Kind::Density => serde_json::from_slice(payload).map(Event::Density),
        Kind::Level => serde_json::from_slice(payload).map(Event::Level),
        Kind::Map => serde_json::from_slice(payload).map(Event::Map),
        Kind::RollUp => serde_json::from_slice(payload).map(Event::RollUp),
        Kind::Load => serde_json::from_slice(payload).map(Event::Load),
        Kind::Health => serde_json::from_slice(payload).map(Event::Health),
        Kind::Door => serde_json::from_slice(payload).map(Event::Door),
    };
    event.map_err(|source| DecodeError::Payload { key: key.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TallyEvent;
    use crate::rollup::{area_key, site_of};
    use crate::time::WallTime;

    #[test]
    fn an_event_is_decoded_from_its_key_and_payload() {
        let gate = CameraId::new("gate-1");
        let from = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
        let until = from + std::time::Duration::from_secs(60);
        let tally = Event::Tally(TallyEvent {
            gate,
            from,
            until,
            admitted_by_face: 3,
            admitted_by_qr: 1,
            admitted_by_both: 0,
            referred: 1,
            present: None,
        });
        let site = SiteKey::new("riverside/oak-county/mill-town/cell-12", "north-gate");
        let key = site.of(&tally);
        assert_eq!(key, "gatehouse/v1/riverside/oak-county/mill-town/cell-12/north-gate/gate/gate-1/tally");
        let payload = serde_json::to_vec(&tally).expect("an event is JSON");
        assert_eq!(decode(&key, &payload).expect("it is a tally"), tally);
    }

    #[test]
    fn keys_of_other_things_have_no_kind() {
        for key in ["gatehouse/v1/a/s/status", "gatehouse/v1/a/s/node/n/alive", "else/gate/g/entry", "gatehouse/v1"] {
            assert_eq!(Kind::of(key), None, "{key}");
        }
        assert_eq!(Kind::of("gatehouse/v1/a/s/gate/g/entry"), Some(Kind::Entry));
        assert_eq!(
            Kind::of("gatehouse/v1/a/s/crowd/rollup/density"),
            Some(Kind::Density),
            "a camera may be called `rollup`"
        );
    }

    #[test]
    fn a_roll_up_has_the_key_of_its_site_or_area() {
        let of_site = "gatehouse/v1/city/cell/north/crowd/rollup";
        assert_eq!((Kind::of(of_site), site_of(of_site)), (Some(Kind::RollUp), Some("city/cell/north")));
        assert_eq!(Kind::of(&area_key("city/cell")), Some(Kind::RollUp));
        assert_eq!(site_of(&area_key("city/cell")), None, "an area is not a site of the area above it");
    }
}
