//! Keys of a gate camera.

use super::camera::{CAMERA_ID, DECODERS, LATENCY_MS, LOGIN, PRIVACY, SOURCE, TRANSPORT};
use crate::spec::{Format, Key, Kind, Presence, Table};

pub(super) static GATE: Table = Table {
    heading: "[[gate]]",
    meaning: "A camera at a gate: it recognises people who have enrolled, and no one else. It also reads QR passes and \
              cards, always: a face is never the only way in, so there is no key to turn that off.",
    keys: &[
        &CAMERA_ID,
        &SOURCE,
        &LOGIN,
        &TRANSPORT,
        &LATENCY_MS,
        &DECODERS,
        &PRIVACY,
        &GATE_ANALYSE_FPS,
        &DIRECTION,
        &MATCH_TARGET,
        &MATCH_THRESHOLD,
        &MATCH_MARGIN,
        &MIN_EYE_DISTANCE_PX,
        &FRAMES_TO_AGREE,
        &FRAMES_TO_JUDGE,
        &DEADLINE_S,
        &COOL_DOWN_S,
        &GRANT_S,
        &PASS_AGAIN_S,
        &LIVENESS,
        &LIVENESS_THRESHOLD,
        &CHECK_BACKGROUND,
        &GATE_SKIP_UNCHANGED,
        &SUB_SOURCE,
    ],
};

pub(crate) static GATE_ANALYSE_FPS: Key = Key {
    name: "analyse_fps",
    kind: Kind::Number { min: 0.1, max: 60.0 },
    presence: Presence::Default("10.0"),
    example: "5.0",
    meaning: "How many frames a second are looked at while nobody near is being decided about; the others are decoded and \
              dropped. As long as somebody is, every frame is looked at that the node keeps up with.",
};
pub(crate) static DIRECTION: Key = Key {
    name: "direction",
    kind: Kind::OneOf(&["in", "out"]),
    presence: Presence::Default(r#""in""#),
    example: r#""out""#,
    meaning: "Where the gate leads: into the site or out of it. Where exits are watched too, the site counts who is inside.",
};
pub(crate) static MATCH_TARGET: Key = Key {
    name: "match_target",
    kind: Kind::Table(&MATCH_TARGET_TABLE),
    presence: Presence::Optional("`match_threshold` decides"),
    example: r#"{ strangers_let_in = "1 in 10000", enrolled = 8000 }"#,
    meaning: "How seldom a stranger may be taken for someone who is enrolled. The threshold is computed from it and from \
              the model's calibration table. A target that the table has too little data for is refused, with what it \
              could support. Not together with `match_threshold`.",
};
pub(crate) static MATCH_THRESHOLD: Key = Key {
    name: "match_threshold",
    kind: Kind::Number { min: 0.0, max: 1.0 },
    presence: Presence::Optional("the threshold in the face embedder's manifest"),
    example: "0.363",
    meaning: "The least likeness (cosine of two embeddings) that counts as the same person. Higher: fewer people let \
              in as someone else, more people sent to the staffed lane. Better state a `match_target`; not both.",
};
pub(crate) static MATCH_MARGIN: Key = Key {
    name: "match_margin",
    kind: Kind::Number { min: 0.0, max: 0.5 },
    presence: Presence::Default("0.05"),
    example: "0.1",
    meaning: "How much more a face must be like the best person than like the next best one. Closer, and the gate can't \
              tell the two apart (siblings, twins) and says `refer`. 0 turns it off.",
};
pub(crate) static MIN_EYE_DISTANCE_PX: Key = Key {
    name: "min_eye_distance_px",
    kind: Kind::Integer { min: 8, max: 1000 },
    presence: Presence::Default("40"),
    example: "60",
    meaning: "Faces with their eyes closer together than this, in pixels of the camera's picture, are not looked at.",
};
pub(crate) static FRAMES_TO_AGREE: Key = Key {
    name: "frames_to_agree",
    kind: Kind::Integer { min: 1, max: 60 },
    presence: Presence::Default("2"),
    example: "3",
    meaning: "How many frames must show the same enrolled person before the gate says `admit`. At most \
              `frames_to_judge`.",
};
pub(crate) static FRAMES_TO_JUDGE: Key = Key {
    name: "frames_to_judge",
    kind: Kind::Integer { min: 1, max: 60 },
    presence: Presence::Default("5"),
    example: "8",
    meaning: "After how many frames without agreement the gate says `refer`.",
};
pub(crate) static DEADLINE_S: Key = Key {
    name: "deadline_s",
    kind: Kind::Number { min: 1.0, max: 60.0 },
    presence: Presence::Default("5.0"),
    example: "8.0",
    meaning: "How long a person who stands at the gate is looked at, in seconds. Past it the gate says `refer`, with the \
              reason.",
};
pub(crate) static COOL_DOWN_S: Key = Key {
    name: "cool_down_s",
    kind: Kind::Integer { min: 0, max: 3600 },
    presence: Presence::Default("10"),
    example: "30",
    meaning: "How long no second decision is made about the same person, in seconds.",
};
pub(crate) static GRANT_S: Key = Key {
    name: "grant_s",
    kind: Kind::Integer { min: 1, max: 60 },
    presence: Presence::Default("5"),
    example: "8",
    meaning: "How long an `admit` is valid, in seconds. A gate controller must not open on an older one.",
};
pub(crate) static PASS_AGAIN_S: Key = Key {
    name: "pass_again_s",
    kind: Kind::Integer { min: 0, max: 3600 },
    presence: Presence::Default("60"),
    example: "300",
    meaning: "How long the same QR pass is not taken again at this gate, in seconds, so that it isn't handed back over the \
              fence. A card, which admits nobody but its owner, is taken again after the gate's usual pause.",
};
pub(crate) static LIVENESS: Key = Key {
    name: "liveness",
    kind: Kind::OneOf(&["required", "second-factor", "off"]),
    presence: Presence::Required,
    example: r#""required""#,
    meaning: "What becomes of a face that is not seen to be live, such as a photo or a screen held up to the camera. \
              `\"required\"`: it is referred to a person. `\"second-factor\"`: the person must show a QR pass as well. \
              `\"off\"`: nobody checks, and a photo of an enrolled person may be let in; let a guard watch such a gate.",
};
pub(crate) static LIVENESS_THRESHOLD: Key = Key {
    name: "liveness_threshold",
    kind: Kind::Number { min: 0.0, max: 1.0 },
    presence: Presence::Optional("the threshold in the liveness model's manifest"),
    example: "0.7",
    meaning: "The least score of the liveness model that counts as a live face. Higher: fewer photos pass, more people are \
              held up. Not with `liveness = \"off\"`.",
};
pub(crate) static GATE_SKIP_UNCHANGED: Key = Key {
    name: "skip_unchanged",
    kind: Kind::Boolean,
    presence: Presence::Default("true"),
    example: "false",
    meaning: "Whether an empty gate in whose picture nothing has changed for 3 seconds is looked at only once a second, and again \
              with every frame from the first one that shows a change.",
};
pub(crate) static SUB_SOURCE: Key = Key {
    name: "sub_source",
    kind: Kind::Text(Format::Source),
    presence: Presence::Optional("none: `source` is decoded whole"),
    example: r#""rtsp://192.0.2.10/sub""#,
    meaning: "The same camera's smaller stream (sub-stream), with the same view and login. While nothing moves in it, of `source` \
              only key frames are decoded, which costs a fraction; from the first frame on that shows a change `source` is decoded whole. \
              Faces and codes are looked for in `source` only. For a camera with a key frame every 2 seconds or more often. Not with \
              `skip_unchanged = false`.",
};
pub(crate) static CHECK_BACKGROUND: Key = Key {
    name: "check_background",
    kind: Kind::Boolean,
    presence: Presence::Default("true"),
    example: "false",
    meaning: "Whether a face counts as live only where, beside or above it, the camera sees what it sees when nobody is there: a \
              screen or a print that is held close hides that. `false` for a camera that turns, or whose view never rests. \
              Of no use with `liveness = \"off\"`.",
};

static MATCH_TARGET_TABLE: Table = Table {
    heading: "`match_target`",
    meaning: "How seldom a stranger may be let in as someone who is enrolled.",
    keys: &[&STRANGERS_LET_IN, &TARGET_ENROLLED],
};
pub(crate) static STRANGERS_LET_IN: Key = Key {
    name: "strangers_let_in",
    kind: Kind::Text(Format::Rate),
    presence: Presence::Required,
    example: r#""1 in 10000""#,
    meaning: "At most so many strangers who walk up to the gate are let in.",
};
pub(crate) static TARGET_ENROLLED: Key = Key {
    name: "enrolled",
    kind: Kind::Integer { min: 1, max: 10_000_000 },
    presence: Presence::Required,
    example: "8000",
    meaning: "With how many people enrolled that must hold. The more there are, the likelier a stranger is like one of \
              them: give the most that there will be.",
};
