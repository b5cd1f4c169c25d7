//! Every key of the site file. The reader, the JSON Schema and the reference page all work from this table.

use crate::spec::{Format, Key, Kind, Presence, Table};

pub(crate) static ROOT: Table = Table {
    heading: "the top of the file",
    meaning: "",
    keys: &[
        &VERSION,
        &SITE_TABLE,
        &STORE_TABLE,
        &BUS_TABLE,
        &CONSOLE_TABLE,
        &MODELS_TABLE,
        &GATE_TABLES,
        &CROWD_TABLES,
    ],
};

pub(crate) static VERSION: Key = Key {
    name: "version",
    kind: Kind::Integer { min: 1, max: 1 },
    presence: Presence::Required,
    example: "1",
    meaning: "The version of this file's format.",
};
pub(crate) static SITE_TABLE: Key = Key {
    name: "site",
    kind: Kind::Table(&SITE),
    presence: Presence::Required,
    example: r#"{ id = "north-gate", area = "riverside/mill-town" }"#,
    meaning: "Which site this is.",
};
pub(crate) static STORE_TABLE: Key = Key {
    name: "store",
    kind: Kind::Table(&STORE),
    presence: Presence::Required,
    example: r#"{ key = "file:secrets/site.key" }"#,
    meaning: "What the site keeps, and where.",
};
pub(crate) static BUS_TABLE: Key = Key {
    name: "bus",
    kind: Kind::Table(&BUS),
    presence: Presence::Default("{}"),
    example: r#"{ connect = ["tcp/router.example:7447"] }"#,
    meaning: "How events leave the site.",
};
pub(crate) static CONSOLE_TABLE: Key = Key {
    name: "console",
    kind: Kind::Table(&CONSOLE),
    presence: Presence::Optional("no console is served"),
    example: r#"{ listen = "127.0.0.1:8080" }"#,
    meaning: "The web page for operators.",
};
pub(crate) static MODELS_TABLE: Key = Key {
    name: "models",
    kind: Kind::Table(&MODELS),
    presence: Presence::Default("{}"),
    example: "{ threads = 2 }",
    meaning: "Which models are used, and how.",
};
pub(crate) static GATE_TABLES: Key = Key {
    name: "gate",
    kind: Kind::Tables(&GATE),
    presence: Presence::Default("[]"),
    example: r#"[{ id = "gate-1", source = "rtsp://192.0.2.10/main", liveness = "off" }]"#,
    meaning: "One table for each gate camera.",
};
pub(crate) static CROWD_TABLES: Key = Key {
    name: "crowd",
    kind: Kind::Tables(&CROWD),
    presence: Presence::Default("[]"),
    example: r#"[{ id = "plaza", source = "rtsp://192.0.2.11/main" }]"#,
    meaning: "One table for each crowd camera.",
};

static SITE: Table = Table {
    heading: "[site]",
    meaning: "Which site this is. Its place on the bus is `gatehouse/v1/AREA/ID/…`.",
    keys: &[&SITE_ID, &SITE_AREA, &SITE_NODE],
};
pub(crate) static SITE_ID: Key = Key {
    name: "id",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""north-gate""#,
    meaning: "The site's name on the bus. It must be the only one of that name in its area.",
};
pub(crate) static SITE_AREA: Key = Key {
    name: "area",
    kind: Kind::Text(Format::Area),
    presence: Presence::Required,
    example: r#""riverside/oak-county/mill-town/cell-12""#,
    meaning: "Where the site belongs, from the widest level to the narrowest. Command centres subscribe by level.",
};
pub(crate) static SITE_NODE: Key = Key {
    name: "node",
    kind: Kind::Text(Format::Name),
    presence: Presence::Default(r#""node-1""#),
    example: r#""node-2""#,
    meaning: "This process's name on the bus. Give each its own where several run at one site.",
};

static STORE: Table = Table {
    heading: "[store]",
    meaning: "What the site keeps, and where.",
    keys: &[&STORE_PATH, &STORE_KEY, &STORE_OUTBOX_DAYS],
};
pub(crate) static STORE_PATH: Key = Key {
    name: "path",
    kind: Kind::Text(Format::Path),
    presence: Presence::Default(r#""data/site.db""#),
    example: r#""/var/lib/gatehouse/site.db""#,
    meaning: "The site's database, made at the first start. A relative path starts at the site file's folder.",
};
pub(crate) static STORE_KEY: Key = Key {
    name: "key",
    kind: Kind::Text(Format::Secret),
    presence: Presence::Required,
    example: r#""file:secrets/site.key""#,
    meaning: "The site's key: names and templates are encrypted with it; `gatehouse key` makes one. Keep a copy apart from the \
              database's: without the key nobody can read the database.",
};
pub(crate) static STORE_OUTBOX_DAYS: Key = Key {
    name: "outbox_days",
    kind: Kind::Integer { min: 1, max: 90 },
    presence: Presence::Default("7"),
    example: "30",
    meaning: "How many days a published entry event is kept, so that a receiver that was away can ask for it again.",
};

static BUS: Table = Table {
    heading: "[bus]",
    meaning: "How events leave the site: zenoh, over TCP.",
    keys: &[&BUS_LISTEN, &BUS_CONNECT],
};
pub(crate) static BUS_LISTEN: Key = Key {
    name: "listen",
    kind: Kind::Texts(Format::Listen),
    presence: Presence::Default(r#"["tcp/127.0.0.1:0"]"#),
    example: r#"["tcp/127.0.0.1:7447"]"#,
    meaning: "Where others may connect. With port 0 the system chooses a free one. An empty list: nowhere.",
};
pub(crate) static BUS_CONNECT: Key = Key {
    name: "connect",
    kind: Kind::Texts(Format::Connect),
    presence: Presence::Default("[]"),
    example: r#"["tcp/router.example:7447"]"#,
    meaning: "Routers or peers to connect to.",
};

static CONSOLE: Table = Table {
    heading: "[console]",
    meaning: "The web page for operators. Leave the table out and no page is served.",
    keys: &[&CONSOLE_LISTEN],
};
pub(crate) static CONSOLE_LISTEN: Key = Key {
    name: "listen",
    kind: Kind::Text(Format::ConsoleAddress),
    presence: Presence::Default(r#""127.0.0.1:8080""#),
    example: r#""127.0.0.1:8080""#,
    meaning: "Where the page is served: this machine only, since this version has no login yet. With port 0 the \
              system chooses a free one.",
};

static MODELS: Table = Table {
    heading: "[models]",
    meaning: "Which models are used, by the names in their manifests, and how. Every key may be left out.",
    keys: &[
        &MODELS_FACE_DETECTOR,
        &MODELS_FACE_EMBEDDER,
        &MODELS_PERSON_DETECTOR,
        &MODELS_MANIFESTS,
        &MODELS_THREADS,
        &MODELS_MAX_BATCH,
        &MODELS_MAX_WAIT_MS,
    ],
};
pub(crate) static MODELS_FACE_DETECTOR: Key = Key {
    name: "face_detector",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Default(r#""yunet""#),
    example: r#""yunet""#,
    meaning: "Finds faces. Used by gate cameras only.",
};
pub(crate) static MODELS_FACE_EMBEDDER: Key = Key {
    name: "face_embedder",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Default(r#""sface""#),
    example: r#""sface""#,
    meaning: "Turns a face into the numbers that are compared. Used by gate cameras only.",
};
pub(crate) static MODELS_PERSON_DETECTOR: Key = Key {
    name: "person_detector",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Default(r#""nanodet""#),
    example: r#""nanodet""#,
    meaning: "Finds people. Used by crowd cameras only.",
};
pub(crate) static MODELS_MANIFESTS: Key = Key {
    name: "manifests",
    kind: Kind::Texts(Format::Path),
    presence: Presence::Default("[]"),
    example: r#"["models"]"#,
    meaning: "Folders with manifests of your own models. A relative path starts at the site file's folder.",
};
pub(crate) static MODELS_THREADS: Key = Key {
    name: "threads",
    kind: Kind::Integer { min: 1, max: 64 },
    presence: Presence::Default("1"),
    example: "2",
    meaning: "ONNX Runtime threads for each session.",
};
pub(crate) static MODELS_MAX_BATCH: Key = Key {
    name: "max_batch",
    kind: Kind::Integer { min: 1, max: 64 },
    presence: Presence::Default("4"),
    example: "8",
    meaning: "The most frames, over all cameras, that go through a model at once.",
};
pub(crate) static MODELS_MAX_WAIT_MS: Key = Key {
    name: "max_wait_ms",
    kind: Kind::Integer { min: 0, max: 1000 },
    presence: Presence::Default("20"),
    example: "10",
    meaning: "How long a batch waits to fill before it goes as it is, in milliseconds.",
};

static GATE: Table = Table {
    heading: "[[gate]]",
    meaning: "A camera at a gate: it recognises people who have enrolled, and no one else.",
    keys: &[
        &CAMERA_ID,
        &SOURCE,
        &LOGIN,
        &TRANSPORT,
        &LATENCY_MS,
        &GATE_ANALYSE_FPS,
        &MATCH_THRESHOLD,
        &MIN_EYE_DISTANCE_PX,
        &FRAMES_TO_AGREE,
        &FRAMES_TO_JUDGE,
        &COOL_DOWN_S,
        &GRANT_S,
        &LIVENESS,
    ],
};

// Keys that both kinds of camera have.
pub(crate) static CAMERA_ID: Key = Key {
    name: "id",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""east-1""#,
    meaning: "The camera's name on the bus. No two cameras of a site have the same, gate or crowd.",
};
pub(crate) static SOURCE: Key = Key {
    name: "source",
    kind: Kind::Text(Format::Source),
    presence: Presence::Required,
    example: r#""rtsp://192.0.2.10:554/main""#,
    meaning: "Where the pictures come from. A user or password in the address is refused: use `login`. The relative \
              path of a `file://` starts at the site file's folder.",
};
pub(crate) static LOGIN: Key = Key {
    name: "login",
    kind: Kind::Text(Format::Secret),
    presence: Presence::Optional("the camera asks for none"),
    example: r#""env:GATE_1_LOGIN""#,
    meaning: "The camera's login, for an `rtsp://` source: a secret that holds `user:password`.",
};
pub(crate) static TRANSPORT: Key = Key {
    name: "transport",
    kind: Kind::OneOf(&["tcp", "udp"]),
    presence: Presence::Default(r#""tcp""#),
    example: r#""udp""#,
    meaning: "How an RTSP camera sends its video. `udp` loses packets where the network is busy.",
};
pub(crate) static LATENCY_MS: Key = Key {
    name: "latency_ms",
    kind: Kind::Integer { min: 0, max: 5000 },
    presence: Presence::Default("100"),
    example: "300",
    meaning: "How long video is held back to smooth out late packets (the jitter buffer), in milliseconds.",
};

pub(crate) static GATE_ANALYSE_FPS: Key = Key {
    name: "analyse_fps",
    kind: Kind::Number { min: 0.1, max: 60.0 },
    presence: Presence::Default("10.0"),
    example: "5.0",
    meaning: "How many frames a second are looked at. The others are decoded and dropped.",
};
pub(crate) static MATCH_THRESHOLD: Key = Key {
    name: "match_threshold",
    kind: Kind::Number { min: 0.0, max: 1.0 },
    presence: Presence::Optional("the threshold in the face embedder's manifest"),
    example: "0.363",
    meaning: "The least likeness (cosine of two embeddings) that counts as the same person. Higher: fewer people let \
              in as someone else, more people sent to the staffed lane.",
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
pub(crate) static LIVENESS: Key = Key {
    name: "liveness",
    kind: Kind::OneOf(&["off"]),
    presence: Presence::Required,
    example: r#""off""#,
    meaning: "Whether photos and screens held up to the camera are refused. This version can't, so only `\"off\"` is \
              taken, and it must be written out: a photo of an enrolled person may be let in.",
};

static CROWD: Table = Table {
    heading: "[[crowd]]",
    meaning: "A camera over a place: it counts people and never sees who anyone is. It has no key for faces.",
    keys: &[
        &CAMERA_ID,
        &SOURCE,
        &LOGIN,
        &TRANSPORT,
        &LATENCY_MS,
        &CROWD_ANALYSE_FPS,
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
