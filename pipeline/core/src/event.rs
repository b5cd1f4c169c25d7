//! The events that leave a node, one type for each kind of key, as they stand on the bus.
//!
//! No event says who anyone is: an entry says that *someone enrolled* came in at this gate, now, by this method. There is no
//! field that could hold a person, a template or an image, and a test over the JSON Schema holds it so.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, VariantNames};
use ulid::Ulid;

use crate::door::DoorEvent;
use crate::health::HealthEvent;
use crate::id::{CameraId, LineId, ZoneId};
use crate::load::NodeLoad;
use crate::rollup::RollUp;
use crate::time::{CaptureTime, WallTime};

/// Any event of a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Event {
    /// A gate's decision about one person.
    Entry(EntryEvent),
    /// A gate's counts of the last full minute.
    Tally(TallyEvent),
    /// A crowd camera's count per zone.
    Density(DensityEvent),
    /// A zone of a crowd camera became fuller or emptier.
    Level(LevelEvent),
    /// A crowd camera's density grid.
    Map(MapEvent),
    /// Crowd cameras summed up.
    RollUp(RollUp),
    /// The state of a camera.
    Health(HealthEvent),
    /// How busy a node is.
    Load(Box<NodeLoad>),
    /// The state of a door.
    Door(DoorEvent),
}

/// How an event must travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// None may be lost: written to the outbox first, numbered, replayed on request.
    Durable,
    /// May be dropped under load; the last value counts.
    LastValue,
}

impl Event {
    /// How this kind of event must travel.
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Entry(_) => Delivery::Durable,
            Self::Tally(_)
            | Self::Density(_)
            | Self::Level(_)
            | Self::Map(_)
            | Self::RollUp(_)
            | Self::Health(_)
            | Self::Load(_)
            | Self::Door(_) => Delivery::LastValue,
        }
    }

    /// The camera that it is about, if it is about one; a door's is its gate's.
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

/// Names an event for good; sorts by time (ULID).
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
    /// Names this decision for good.
    pub event_id: EventId,
    /// Counts this gate's entries from 1 without a gap, over restarts too: a receiver that misses one asks for a replay.
    pub sequence: u64,
    /// The gate.
    pub gate: CameraId,
    /// Whether the gate leads into the site or out of it.
    pub direction: Direction,
    /// Let through, or sent to a person.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// What was presented.
    pub method: Method,
    /// When the frame that settled it was captured.
    pub capture_time: CaptureTime,
    /// Where the time went.
    pub latency_ms: EntryLatency,
    /// The right to pass that comes with it; only an `admit` has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// Where a gate leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumString, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Direction {
    /// Into the site.
    #[default]
    In,
    /// Out of it.
    Out,
}

/// The right to pass one gate, once, before its end. A gate controller opens for no entry without one that the site signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// From this moment on it is worth nothing.
    pub expires_at: WallTime,
    /// Ed25519 signature (RFC 8032) by the site, over site, gate, direction, event, sequence, capture time and
    /// end: 128 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{128}$"))]
    pub signature: String,
}

/// What a gate does with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let through.
    Admit,
    /// Sent to the staffed lane.
    Refer,
}

/// Why a gate decided as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Enough frames agreed on one enrolled person with valid consent, or on the template that a card carries.
    Matched,
    /// The frames matched no one who is enrolled.
    NoMatch,
    /// The frames matched different people, or one person hardly better than another.
    Unsure,
    /// The face looks like a picture or a screen that is held up.
    NotLive,
    /// Whether the face is a live one could not be told in time.
    LivenessUnknown,
    /// No frame showed the face well enough in time: turned away, too dark, blurred or too far.
    FaceUnusable,
    /// The face is to be confirmed by a pass, and none was shown in time.
    PassNeeded,
    /// A valid pass was shown.
    PassAccepted,
    /// What was shown is no pass of this site, or was altered.
    PassInvalid,
    /// The pass is past its end, or before its start.
    PassExpired,
    /// The pass was taken back.
    PassRevoked,
    /// The pass has been used as often as it may, or a moment ago.
    PassUsed,
    /// The face is not the one that the card carries.
    CardMismatch,
}

/// What was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Method {
    /// A face.
    #[serde(rename = "face")]
    Face,
    /// A QR pass.
    #[serde(rename = "qr")]
    Qr,
    /// Both.
    #[serde(rename = "qr+face")]
    QrAndFace,
}

/// Milliseconds spent on the frame that settled a decision, stage by stage. The stages follow each other without a gap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryLatency {
    /// From the first frame that showed the face near enough to the one that settled it: the frames that had to agree. For a
    /// card, from reading it. Nothing for a QR pass.
    pub acquire: f64,
    /// From capture to the decoded frame here, as far as the capture time can be trusted.
    pub capture_to_arrival: f64,
    /// Waiting for a place in a detection batch, and the detection itself; for a QR pass, reading it.
    pub detect: f64,
    /// Waiting for a place in a liveness and an embedding batch, and both models. Nothing for a QR pass.
    pub embed: f64,
    /// Matching and deciding; for a QR pass, checking it.
    pub decide: f64,
}

/// A gate's counts over one minute (`gate/<gate>/tally`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TallyEvent {
    /// The gate.
    pub gate: CameraId,
    /// Start of the minute.
    pub from: WallTime,
    /// Its end.
    pub until: WallTime,
    /// People let through by face.
    pub admitted_by_face: u32,
    /// People let through by a QR pass.
    pub admitted_by_qr: u32,
    /// People let through by a face and a QR code together: a card, or a second factor.
    pub admitted_by_both: u32,
    /// People sent to the staffed lane, whatever they presented.
    pub referred: u32,
    /// People inside the site by its own count, where its exits are watched too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<u32>,
}

/// How full a zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below every threshold.
    Low,
    /// At or above the first.
    Medium,
    /// At or above the second.
    High,
    /// At or above the third.
    Critical,
}

/// Between how many and how many people there are, at the coverage that the model was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountInterval {
    /// At least so many.
    pub low: f64,
    /// At most so many.
    pub high: f64,
}

/// A crowd camera's counts (`crowd/<camera>/density`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DensityEvent {
    /// The camera.
    pub camera: CameraId,
    /// When the frame was captured.
    pub capture_time: CaptureTime,
    /// People in the whole picture, but for the parts that the configuration leaves out; to a tenth, since a dense crowd is
    /// measured and not counted out.
    pub count: f64,
    /// How sure that is; nothing where the model's error is not known or the scene is not one that it can count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// The share of the pictures that the model was measured on whose interval held the truth, 0–1; nothing where there is no
    /// interval. A zone's interval is worked out like the whole picture's; on zones it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// The part of the count that was measured as a density, 0–1; the rest was made out one by one.
    pub share_by_density: f64,
    /// Each zone, in the order of the configuration. A person who stands in two zones counts in both. Empty while the camera
    /// doesn't look at what the zones were drawn on.
    pub zones: Vec<ZoneDensity>,
    /// Each line, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineFlow>,
    /// The model that counted, with its version.
    pub model: String,
    /// Whether the scene is one that the model can count.
    pub self_assessment: SelfAssessment,
    /// Where the picture has not changed since then, nothing was counted anew: these are the counts of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<WallTime>,
}

/// One zone's part of a [`DensityEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneDensity {
    /// The zone.
    pub zone: ZoneId,
    /// People who stand in it, to a tenth.
    pub count: f64,
    /// How sure that is, as for the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// People per square metre, where the zone's area is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people_per_m2: Option<f64>,
    /// How full it is, where the zone has thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Whether people are pouring in faster than the zone's rule allows, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<bool>,
    /// Seconds that those who are in it have been there, the median; nothing where they can't be told apart for that long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell_s: Option<f64>,
}

/// How many people have crossed a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineFlow {
    /// The line.
    pub line: LineId,
    /// To its inner side.
    #[serde(rename = "in")]
    pub inwards: u64,
    /// To its outer side.
    #[serde(rename = "out")]
    pub outwards: u64,
    /// Since when that was counted.
    pub since: WallTime,
}

/// A zone's level changed, or people began or ceased to pour in (`crowd/<camera>/level`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelEvent {
    /// The camera.
    pub camera: CameraId,
    /// When the frame was captured that it changed with.
    pub capture_time: CaptureTime,
    /// The zone as it is now.
    pub now: ZoneDensity,
    /// Its level before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_before: Option<Level>,
}

/// What a counting model says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelfAssessment {
    /// A sound picture of a scene like those that the model was measured on.
    InRange,
    /// A scene that the model can't count: people too many, too small, or nothing like what it was measured on. The count is a
    /// rough guess.
    OutOfRange,
    /// The picture is black or stands still; nobody is counted.
    NoPicture,
    /// The camera was moved or is covered: it doesn't look at what its zones were drawn on, and they are not counted.
    Moved,
}

/// A crowd camera's density grid (`crowd/<camera>/map`): where in the picture people stand, without saying who.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapEvent {
    /// The camera.
    pub camera: CameraId,
    /// When the frame was captured.
    pub capture_time: CaptureTime,
    /// Cells in a row; the rows' cells are equally wide.
    pub columns: u16,
    /// Rows, equally high.
    pub rows: u16,
    /// People that one step of a cell stands for.
    pub people_per_step: f32,
    /// `rows × columns` cells, row by row from the top left, in steps of 0–255.
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
