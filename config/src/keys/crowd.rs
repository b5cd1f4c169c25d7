//! Keys of a crowd camera. There is none for faces.

use super::camera::{CAMERA_ID, LATENCY_MS, LOGIN, SOURCE, TRANSPORT};
use crate::spec::{Format, Key, Kind, Presence, Table};

pub(super) static CROWD: Table = Table {
    heading: "[[crowd]]",
    meaning: "A camera over a place: it counts people and never sees who anyone is. It has no key for faces.",
    keys: &[
        &CAMERA_ID,
        &SOURCE,
        &LOGIN,
        &TRANSPORT,
        &LATENCY_MS,
        &CROWD_ANALYSE_FPS,
        &DETAIL_PX,
        &MIN_SCORE,
        &MAP_COLUMNS,
        &MAP_ROWS,
        &PREVIEW,
        &ZONE_TABLES,
    ],
};
pub(crate) static CROWD_ANALYSE_FPS: Key = Key {
    name: "analyse_fps",
    kind: Kind::Number { min: 0.1, max: 60.0 },
    presence: Presence::Default("2.0"),
    example: "1.0",
    meaning: "How many frames a second are looked at. The others are decoded and dropped.",
};
pub(crate) static DETAIL_PX: Key = Key {
    name: "detail_px",
    kind: Kind::Integer { min: 256, max: 2048 },
    presence: Presence::Default("768"),
    example: "1024",
    meaning: "How large the picture is when people are looked for in it: its longer side, in pixels. More finds smaller people, \
              and costs more, by its square.",
};
pub(crate) static MIN_SCORE: Key = Key {
    name: "min_score",
    kind: Kind::Number { min: 0.05, max: 0.95 },
    presence: Presence::Default("0.5"),
    example: "0.4",
    meaning: "The least score of the person detector that counts as a person.",
};
pub(crate) static MAP_COLUMNS: Key = Key {
    name: "map_columns",
    kind: Kind::Integer { min: 4, max: 128 },
    presence: Presence::Default("32"),
    example: "64",
    meaning: "Columns of the density map.",
};
pub(crate) static MAP_ROWS: Key = Key {
    name: "map_rows",
    kind: Kind::Integer { min: 4, max: 128 },
    presence: Presence::Default("18"),
    example: "36",
    meaning: "Rows of the density map.",
};
pub(crate) static PREVIEW: Key = Key {
    name: "preview",
    kind: Kind::Boolean,
    presence: Presence::Default("true"),
    example: "false",
    meaning: "Whether the console shows the live picture. People in it are pixelated before it leaves the node.",
};
pub(crate) static ZONE_TABLES: Key = Key {
    name: "zone",
    kind: Kind::Tables(&ZONE),
    presence: Presence::Default("[]"),
    example: r#"[{ id = "crossing", polygon = [[0.1, 0.4], [0.6, 0.4], [0.6, 1.0]] }]"#,
    meaning: "The parts of the picture that are counted. With none, the whole picture is one zone, `all`.",
};

static ZONE: Table = Table {
    heading: "[[crowd.zone]]",
    meaning: "A part of the picture of the `[[crowd]]` camera above it, counted on its own.",
    keys: &[&ZONE_ID, &POLYGON, &AREA_M2, &LEVELS_TABLE],
};
pub(crate) static ZONE_ID: Key = Key {
    name: "id",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""crossing""#,
    meaning: "The zone's name. No two zones of a camera have the same.",
};
pub(crate) static POLYGON: Key = Key {
    name: "polygon",
    kind: Kind::Polygon,
    presence: Presence::Required,
    example: "[[0.1, 0.4], [0.6, 0.4], [0.6, 1.0], [0.1, 1.0]]",
    meaning: "The zone's corners in order, as parts of the picture's width and height: `[0, 0]` is top left, `[1, 1]` \
              bottom right. Its sides must not cross. It closes by itself.",
};
pub(crate) static AREA_M2: Key = Key {
    name: "area_m2",
    kind: Kind::Number { min: 0.1, max: 1_000_000.0 },
    presence: Presence::Optional("no people per square metre are given"),
    example: "120.0",
    meaning: "The ground the zone covers, in square metres.",
};
pub(crate) static LEVELS_TABLE: Key = Key {
    name: "levels",
    kind: Kind::Table(&LEVELS),
    presence: Presence::Optional("no levels are given"),
    example: "{ medium = 5, high = 10, critical = 20 }",
    meaning: "From how many people on a level is reached.",
};

static LEVELS: Table = Table {
    heading: "`levels`",
    meaning: "From how many people on the zone reaches a level. Each must be more than the one before.",
    keys: &[&LEVEL_MEDIUM, &LEVEL_HIGH, &LEVEL_CRITICAL],
};
pub(crate) static LEVEL_MEDIUM: Key = Key {
    name: "medium",
    kind: Kind::Integer { min: 1, max: 100_000 },
    presence: Presence::Required,
    example: "5",
    meaning: "Worth a look.",
};
pub(crate) static LEVEL_HIGH: Key = Key {
    name: "high",
    kind: Kind::Integer { min: 1, max: 100_000 },
    presence: Presence::Required,
    example: "10",
    meaning: "Time to act.",
};
pub(crate) static LEVEL_CRITICAL: Key = Key {
    name: "critical",
    kind: Kind::Integer { min: 1, max: 100_000 },
    presence: Presence::Required,
    example: "20",
    meaning: "Danger.",
};
