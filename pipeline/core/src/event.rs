//! The events that leave a node, as they are on the bus: one type per kind of key.
//!
//! No event says who anyone is. An entry says that *someone enrolled* came in at this gate, now, by
//! this method. No field can hold a person, a template or an image; a test walks the JSON Schema to
//! prove it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumDiscriminants, EnumString, IntoStaticStr, VariantNames};
use ulid::Ulid;

use crate::door::DoorEvent;
use crate::health::HealthEvent;
use crate::id::{CameraId, LineId, ZoneId};
use crate::load::NodeLoad;
use crate::node_clock::RunId;
use crate::rollup::RollUp;
use crate::time::{CaptureTime, WallTime};

/// Any event of a site.
// As a static text it is its kind in small letters, such as `rollup`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, EnumDiscriminants, IntoStaticStr)]
#[serde(untagged)]
#[strum(serialize_all = "lowercase")]
#[strum_discriminants(name(Kind), vis(pub(crate)))]
pub enum Event {
    /// A gate's decision about one person.
    Entry(EntryEvent),
    /// A gate's counts of the last full minute.
    Tally(TallyEvent),
    /// A crowd camera's counts.
    Density(DensityEvent),
    /// A zone's level or surge changed.
    Level(LevelEvent),
    /// A crowd camera's density grid.
    Map(MapEvent),
    /// The sum of several crowd cameras.
    RollUp(RollUp),
    /// The state of a camera.
    Health(HealthEvent),
    /// The load of a node.
    Load(Box<NodeLoad>),
    /// The state of a door.
    Door(DoorEvent),
}

impl Event {
    /// The camera that the event is about, if it is about one. A door's camera is its gate's.
    pub fn camera(&self) -> Option<&CameraId> {
        Some(match self {
            Self::RollUp(_) | Self::Load(_) => return None,
            Self::Entry(e) => &e.gate,
            Self::Tally(e) => &e.gate,
            Self::Density(e) => &e.camera,
            Self::Level(e) => &e.camera,
            Self::Map(e) => &e.camera,
            Self::Health(e) => &e.camera,
            Self::Door(e) => &e.gate,
        })
    }
}

/// Unique identifier of an event (ULID), made of the node's clock at the decision. A node's ids
/// increase strictly, also when its clock is set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(#[schemars(with = "String", regex(pattern = r"^[0-9A-HJKMNP-TV-Z]{26}$"))] pub Ulid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One decision of a gate (`gate/<gate>/entry`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryEvent {
    /// Unique identifier of this decision (ULID).
    pub event_id: EventId,
    /// Number of this entry at its gate, counted from 1 without gaps, across restarts. A receiver
    /// that misses a number asks for a replay.
    pub sequence: u64,
    /// The gate's camera.
    pub gate: CameraId,
    /// Whether the gate leads into the site or out of it.
    pub direction: Direction,
    /// Whether the person was admitted or referred to staff.
    pub decision: Decision,
    /// Why the gate decided so.
    pub reason: Reason,
    /// What the person presented.
    pub method: Method,
    /// Capture time of the frame that decided.
    pub capture_time: CaptureTime,
    /// Latency of the deciding frame by stage, in milliseconds.
    pub latency_ms: EntryLatency,
    /// The right to pass. Absent unless the decision is `admit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// Direction in which people pass a gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumString, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Direction {
    /// Into the site.
    #[default]
    In,
    /// Out of the site.
    Out,
}

/// The right to pass one gate once, until it expires. A gate controller opens only for a grant that
/// the site signed.
///
/// A controller judges its age by `run`, `from_ms` and `until_ms`, and by the answer to a query for
/// the node's clock. So neither wall clock needs to be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The moment at which the grant becomes invalid, on the node's wall clock.
    pub expires_at: WallTime,
    /// The run of the node that gave it. A later run of the node gives no right to use it.
    pub run: RunId,
    /// Arrival of the frame that decided, in milliseconds since the start of the run.
    pub from_ms: u64,
    /// The same moment as `expires_at`, in milliseconds since the start of the run.
    pub until_ms: u64,
    /// The site's Ed25519 signature (RFC 8032) over site, gate, direction, event id, sequence,
    /// capture time, expiry, run, start and end: 128 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{128}$"))]
    pub signature: String,
}

/// A gate's decision about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The person may pass.
    Admit,
    /// The person is sent to the staffed lane.
    Refer,
}

/// Why a gate decided as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Enough frames matched one enrolled person with valid consent, or the template of a card.
    Matched,
    /// The frames matched nobody who is enrolled.
    NoMatch,
    /// The frames matched different people, or one person hardly better than another.
    Ambiguous,
    /// The face looks like a picture or a screen.
    NotLive,
    /// The liveness of the face could not be judged in time.
    LivenessUnknown,
    /// No frame showed the face well enough in time: it was turned away, too dark, blurred or too
    /// far away.
    FaceUnusable,
    /// The face needed a pass as a second factor, and none was shown in time.
    PassNeeded,
    /// A valid pass was shown.
    PassAccepted,
    /// The code is not a pass of this site, or was altered.
    PassInvalid,
    /// The pass has expired, or is not valid yet.
    PassExpired,
    /// The pass was revoked.
    PassRevoked,
    /// The pass has no uses left, or was used a moment ago.
    PassUsed,
    /// The face does not match the card.
    CardMismatch,
}

/// What a person presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Method {
    /// A face.
    #[serde(rename = "face")]
    Face,
    /// A QR pass.
    #[serde(rename = "qr")]
    Qr,
    /// A face together with a QR code: a card, or a pass as a second factor.
    #[serde(rename = "qr+face")]
    QrAndFace,
}

/// Latency of the frame that decided, in milliseconds (0 or more), stage by stage without gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryLatency {
    /// From the arrival of the first frame with the face near to the arrival of the deciding frame.
    /// For a card: from reading it. 0 for a QR pass.
    pub acquire: f64,
    /// From capture to the arrival of the decoded frame, as exact as the capture time.
    pub capture_to_arrival: f64,
    /// Queueing for a detection batch, and detection. For a QR pass: reading it.
    pub detect: f64,
    /// Queueing for an embedding batch, embedding and liveness. 0 for a QR pass.
    pub embed: f64,
    /// Matching and deciding. For a QR pass: checking it.
    pub decide: f64,
}

/// A gate's counts of one full minute (`gate/<gate>/tally`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TallyEvent {
    /// The gate's camera.
    pub gate: CameraId,
    /// Start of the minute.
    pub from: WallTime,
    /// End of the minute.
    pub until: WallTime,
    /// People admitted by face.
    pub admitted_by_face: u32,
    /// People admitted by a QR pass.
    pub admitted_by_qr: u32,
    /// People admitted by a face together with a QR code: a card, or a pass as a second factor.
    pub admitted_by_both: u32,
    /// People referred to staff, whatever they presented.
    pub referred: u32,
    /// People inside the site, by its entries and exits. Absent if no exit is watched, or the count
    /// failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<u32>,
}

/// How full a zone is, by its configured thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below every threshold.
    Low,
    /// At or above the first threshold.
    Medium,
    /// At or above the second threshold.
    High,
    /// At or above the third threshold.
    Critical,
}

/// Interval around a count, in people. `coverage` is its measured reliability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountInterval {
    /// Lower bound, 0 or more.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// A crowd camera's counts (`crowd/<camera>/density`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DensityEvent {
    /// The camera.
    pub camera: CameraId,
    /// Capture time of the frame.
    pub capture_time: CaptureTime,
    /// People in the picture without the excluded parts, to a tenth: the density of a dense crowd
    /// is no whole number.
    pub count: f64,
    /// Interval around `count`. Absent if the model's error is unknown, or if it cannot
    /// count this scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// Share of measured pictures whose interval contained the true count, 0–1. Absent without an
    /// interval. It was measured on whole pictures; zones use the same formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Share of `count` that comes from the density map, 0–1. The rest comes from detections.
    pub share_by_density: f64,
    /// The zones, in the order of the configuration. A person in two zones counts in both. Empty
    /// while `self_assessment` is `moved`.
    pub zones: Vec<ZoneDensity>,
    /// The counting lines, in the order of the configuration. Absent without lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineFlow>,
    /// The counting model, with its version.
    pub model: String,
    /// Whether the model can count this scene.
    pub self_assessment: SelfAssessment,
    /// Present if the picture has not changed since this time: the counts are those of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<WallTime>,
    /// True if packets of the picture, or of pictures that it refers to, were lost on the way:
    /// parts of it are the decoder's guess.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

/// One zone's part of a [`DensityEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneDensity {
    /// The zone.
    pub zone: ZoneId,
    /// People who stand in the zone, to a tenth.
    pub count: f64,
    /// Interval around `count`, as for the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// People per square metre. Absent if the zone's area is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people_per_m2: Option<f64>,
    /// The zone's level. Absent without thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// True while the zone fills faster than its rule allows. Absent without a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<bool>,
    /// Median time in seconds that the people in the zone have stayed. Absent if they cannot be
    /// tracked that long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell_s: Option<f64>,
}

/// People who have crossed a counting line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineFlow {
    /// The line.
    pub line: LineId,
    /// Crossings to the line's inner side since `since`.
    #[serde(rename = "in")]
    pub inwards: u64,
    /// Crossings to the line's outer side since `since`.
    #[serde(rename = "out")]
    pub outwards: u64,
    /// Start of the count.
    pub since: WallTime,
}

/// A zone's level or surge changed (`crowd/<camera>/level`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelEvent {
    /// The camera.
    pub camera: CameraId,
    /// Capture time of the frame with which it changed.
    pub capture_time: CaptureTime,
    /// The zone after the change.
    pub current: ZoneDensity,
    /// The level before the change. Absent if the zone had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_level: Option<Level>,
}

/// A counting model's assessment of its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelfAssessment {
    /// A sound picture of a scene like those that the model was measured on.
    InRange,
    /// A scene that the model cannot count: too many people, too small people, or an unknown kind
    /// of scene. The count is a rough guess.
    OutOfRange,
    /// The picture is dark or frozen; nobody is counted.
    NoPicture,
    /// The camera was moved or is covered. It no longer sees its zones, so they are not counted.
    Moved,
}

/// A crowd camera's density grid (`crowd/<camera>/map`): where in the picture people stand, not who
/// they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapEvent {
    /// The camera.
    pub camera: CameraId,
    /// Capture time of the frame.
    pub capture_time: CaptureTime,
    /// Number of columns, equally wide.
    pub columns: u16,
    /// Number of rows, equally high.
    pub rows: u16,
    /// People per step of a cell.
    pub people_per_step: f32,
    /// `rows × columns` cells, row by row from the top left, in steps (0–255) of `people_per_step`.
    pub cells: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field names, at any depth, of every event's JSON Schema.
    fn field_names(schema: &serde_json::Value, into: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(map) => {
                if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                    into.extend(properties.keys().cloned());
                }
                map.values().for_each(|v| field_names(v, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| field_names(v, into)),
            _ => {}
        }
    }

    #[test]
    fn no_event_has_a_field_for_a_person() {
        let schema = serde_json::to_value(schemars::schema_for!(Event)).expect("a schema is JSON");
        let mut names = Vec::new();
        field_names(&schema, &mut names);
        assert!(names.contains(&"sequence".to_owned()), "the walk finds fields");
        let identifying = ["person", "name", "subject", "template", "embedding", "image", "face", "identity", "score"];
        for name in &names {
            assert!(!identifying.iter().any(|word| name == word), "an event has the field `{name}`");
        }
    }

    #[test]
    fn unknown_fields_of_a_peer_are_refused() {
        let text = r#"{"gate":"g","from":"2026-01-01T00:00:00Z","until":"2026-01-01T00:01:00Z",
            "admitted_by_face":1,"admitted_by_qr":0,"admitted_by_both":0,"referred":0,"person":"x"}"#;
        let error = serde_json::from_str::<TallyEvent>(text).expect_err("`person` is no field of a tally");
        assert!(error.to_string().contains("unknown field `person`"), "{error}");
    }
}
