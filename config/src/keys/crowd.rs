//! Keys of a crowd camera. There is none for faces.

use super::camera::{CAMERA_ID, DECODERS, LATENCY_MS, LOGIN, PRIVACY, SOURCE, TRANSPORT};
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
        &DECODERS,
        &PRIVACY,
        &CROWD_ANALYSE_FPS,
        &DETAIL_PX,
        &TILES,
        &MIN_SCORE,
        &MAP_COLUMNS,
        &MAP_ROWS,
        &PREVIEW,
        &SKIP_UNCHANGED,
        &IN_TOTAL,
        &EXCLUDE,
        &GROUND_TABLE,
        &ZONE_TABLES,
        &LINE_TABLES,
    ],
};
pub(crate) static CROWD_ANALYSE_FPS: Key = Key {
    name: "analyse_fps",
    kind: Kind::Number { min: 0.1, max: 60.0 },
    presence: Presence::Default("2.0"),
    example: "1.0",
    meaning: "How many frames a second are looked at. Where the camera's key frames come as often, they alone are decoded; \
              otherwise all are, and those between are dropped.",
};
pub(crate) static DETAIL_PX: Key = Key {
    name: "detail_px",
    kind: Kind::Integer { min: 256, max: 2048 },
    presence: Presence::Default("768"),
    example: "1024",
    meaning: "How large the picture is when people are looked for in it: its longer side, in pixels. More finds smaller people, \
              and costs more, by its square. Where `ground` is given and this is left out, it is as large as people in the zones ask \
              for: 416 to 1024.",
};
pub(crate) static TILES: Key = Key {
    name: "tiles",
    kind: Kind::Integer { min: 0, max: 16 },
    presence: Presence::Default("0"),
    example: "4",
    meaning: "At most so many parts of the picture are looked at again, larger, where people are too small to be found in the whole: \
              far away, by the camera's `ground` or by how high the people are who are found. For cameras with many more pixels than \
              `detail_px`; each part costs at most what the whole picture does. 0: none.",
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
pub(crate) static SKIP_UNCHANGED: Key = Key {
    name: "skip_unchanged",
    kind: Kind::Boolean,
    presence: Presence::Default("true"),
    example: "false",
    meaning: "Whether a picture in which nothing has changed is counted as the one before, for up to 30 seconds. Its event says since \
              when; it costs next to nothing.",
};
pub(crate) static IN_TOTAL: Key = Key {
    name: "in_total",
    kind: Kind::Boolean,
    presence: Presence::Default("true"),
    example: "false",
    meaning: "Whether the camera's count belongs to the site's sum (`crowd/rollup`). `false` for one that sees the same people as \
              another.",
};
pub(crate) static EXCLUDE: Key = Key {
    name: "exclude",
    kind: Kind::Polygons,
    presence: Presence::Default("[]"),
    example: "[[[0.7, 0.1], [0.9, 0.1], [0.9, 0.3], [0.7, 0.3]]]",
    meaning: "Parts of the picture in which heads don't count: screens, posters, mirrors.",
};
pub(crate) static GROUND_TABLE: Key = Key {
    name: "ground",
    kind: Kind::Table(&GROUND),
    presence: Presence::Optional(
        "people per square metre need a zone's `area_m2`, and a dense crowd stands where its heads are",
    ),
    example: "{ height_m = 6.0, tilt_deg = 30.0, field_of_view_deg = 70.0 }",
    meaning: "How the camera looks at the ground, which is taken to be flat: zones have their areas from it, and people in a dense \
              crowd are placed where their feet are. Either four points of known places, or how the camera is mounted.",
};
pub(crate) static LINE_TABLES: Key = Key {
    name: "line",
    kind: Kind::Tables(&LINE),
    presence: Presence::Default("[]"),
    example: r#"[{ id = "door", from = [0.4, 0.8], to = [0.6, 0.8], inside = [0.5, 0.95] }]"#,
    meaning: "Lines across which people are counted, each way. Only people who are made out one by one are.",
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
    keys: &[&ZONE_ID, &POLYGON, &AREA_M2, &LEVELS_TABLE, &SURGE_TABLE],
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
    presence: Presence::Optional(
        "it is computed, where the camera has a `ground`; else no people per square metre are given",
    ),
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
pub(crate) static SURGE_TABLE: Key = Key {
    name: "surge",
    kind: Kind::Table(&SURGE),
    presence: Presence::Optional("nothing is told of people pouring in"),
    example: "{ people = 20, within_s = 30 }",
    meaning: "When people pour into the zone: so many more than a moment ago.",
};

static LEVELS: Table = Table {
    heading: "`levels`",
    meaning: "From how many people on the zone reaches a level. Each must be more than the one before. A level is given up once the \
              value is a tenth of its threshold, and at least one person, below it.",
    keys: &[&LEVEL_MEDIUM, &LEVEL_HIGH, &LEVEL_CRITICAL, &LEVEL_UNIT, &LEVEL_HOLD_S],
};
pub(crate) static LEVEL_MEDIUM: Key = Key {
    name: "medium",
    kind: Kind::Number { min: 0.01, max: 100_000.0 },
    presence: Presence::Required,
    example: "5",
    meaning: "Worth a look.",
};
pub(crate) static LEVEL_HIGH: Key = Key {
    name: "high",
    kind: Kind::Number { min: 0.01, max: 100_000.0 },
    presence: Presence::Required,
    example: "10",
    meaning: "Time to act.",
};
pub(crate) static LEVEL_CRITICAL: Key = Key {
    name: "critical",
    kind: Kind::Number { min: 0.01, max: 100_000.0 },
    presence: Presence::Required,
    example: "20",
    meaning: "Danger. Above 4 people per square metre nobody moves freely, from 5 on a crowd can crush.",
};
pub(crate) static LEVEL_UNIT: Key = Key {
    name: "unit",
    kind: Kind::OneOf(&["people", "people_per_m2"]),
    presence: Presence::Default(r#""people""#),
    example: r#""people_per_m2""#,
    meaning: "What the levels are given in. People per square metre need the zone's `area_m2`, or the camera's `ground`.",
};
pub(crate) static LEVEL_HOLD_S: Key = Key {
    name: "hold_s",
    kind: Kind::Number { min: 0.0, max: 600.0 },
    presence: Presence::Default("0.0"),
    example: "10.0",
    meaning: "How long a level must be reached, or left, before it is taken or given up, in seconds.",
};

static SURGE: Table = Table {
    heading: "`surge`",
    meaning: "People pour in when there are `people` more than at any time in the last `within_s` seconds. It ends when it is half \
              as many.",
    keys: &[&SURGE_PEOPLE, &SURGE_WITHIN_S],
};
pub(crate) static SURGE_PEOPLE: Key = Key {
    name: "people",
    kind: Kind::Number { min: 1.0, max: 100_000.0 },
    presence: Presence::Required,
    example: "20",
    meaning: "So many more.",
};
pub(crate) static SURGE_WITHIN_S: Key = Key {
    name: "within_s",
    kind: Kind::Number { min: 1.0, max: 3600.0 },
    presence: Presence::Required,
    example: "30",
    meaning: "In so many seconds.",
};

static LINE: Table = Table {
    heading: "[[crowd.line]]",
    meaning: "A line in the picture of the `[[crowd]]` camera above it. People whose feet go across it are counted, each way.",
    keys: &[&LINE_ID, &LINE_FROM, &LINE_TO, &LINE_INSIDE],
};
pub(crate) static LINE_ID: Key = Key {
    name: "id",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""door""#,
    meaning: "The line's name. No two lines of a camera have the same.",
};
const IN_PICTURE: Kind = Kind::Points { count: 1, min: 0.0, max: 1.0 };
pub(crate) static LINE_FROM: Key = Key {
    name: "from",
    kind: IN_PICTURE,
    presence: Presence::Required,
    example: "[0.4, 0.8]",
    meaning: "One end, as parts of the picture's width and height.",
};
pub(crate) static LINE_TO: Key = Key {
    name: "to",
    kind: IN_PICTURE,
    presence: Presence::Required,
    example: "[0.6, 0.8]",
    meaning: "The other end.",
};
pub(crate) static LINE_INSIDE: Key = Key {
    name: "inside",
    kind: IN_PICTURE,
    presence: Presence::Required,
    example: "[0.5, 0.95]",
    meaning: "Any point on the inner side: who goes there is counted as `in`, who comes from there as `out`.",
};

static GROUND: Table = Table {
    heading: "`ground`",
    meaning: "Either `points` with `metres`, or `height_m`, `tilt_deg` and `field_of_view_deg`.",
    keys: &[&GROUND_POINTS, &GROUND_METRES, &GROUND_HEIGHT_M, &GROUND_TILT_DEG, &GROUND_FIELD_OF_VIEW_DEG],
};
pub(crate) static GROUND_POINTS: Key = Key {
    name: "points",
    kind: Kind::Points { count: 4, min: 0.0, max: 1.0 },
    presence: Presence::Optional("the camera's mounting must be given"),
    example: "[[0.2, 0.5], [0.8, 0.5], [1.0, 0.9], [0.0, 0.9]]",
    meaning: "Four points on the ground, the corners of a convex shape in order, as parts of the picture's width and height. The \
              larger the shape, the better.",
};
pub(crate) static GROUND_METRES: Key = Key {
    name: "metres",
    kind: Kind::Points { count: 4, min: -10_000.0, max: 10_000.0 },
    presence: Presence::Optional("the camera's mounting must be given"),
    example: "[[0, 0], [12, 0], [12, 20], [0, 20]]",
    meaning: "Where those points are on the ground, in metres, measured from anywhere: a rectangle of 12 by 20 metres, say.",
};
pub(crate) static GROUND_HEIGHT_M: Key = Key {
    name: "height_m",
    kind: Kind::Number { min: 1.8, max: 200.0 },
    presence: Presence::Optional("four points must be given"),
    example: "6.0",
    meaning: "How high the lens is above the ground, in metres.",
};
pub(crate) static GROUND_TILT_DEG: Key = Key {
    name: "tilt_deg",
    kind: Kind::Number { min: 0.0, max: 90.0 },
    presence: Presence::Optional("four points must be given"),
    example: "30.0",
    meaning: "How far the camera looks down, in degrees: 0 is level, 90 straight down.",
};
pub(crate) static GROUND_FIELD_OF_VIEW_DEG: Key = Key {
    name: "field_of_view_deg",
    kind: Kind::Number { min: 5.0, max: 120.0 },
    presence: Presence::Optional("four points must be given"),
    example: "70.0",
    meaning: "From the picture's left edge to its right one, in degrees; it is in the camera's data sheet.",
};
