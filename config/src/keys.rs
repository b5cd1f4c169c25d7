//! Every key of the site file and of the door file. The reader, the JSON Schemas and the reference pages all work from
//! these tables.

mod camera;
mod crowd;
pub(crate) mod door;
mod gate;

pub(crate) use camera::*;
pub(crate) use crowd::*;
pub(crate) use gate::*;

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
    kind: Kind::Tables(&gate::GATE),
    presence: Presence::Default("[]"),
    example: r#"[{ id = "gate-1", source = "rtsp://192.0.2.10/main", liveness = "required" }]"#,
    meaning: "One table for each gate camera.",
};
pub(crate) static CROWD_TABLES: Key = Key {
    name: "crowd",
    kind: Kind::Tables(&crowd::CROWD),
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
    keys: &[
        &STORE_PATH,
        &STORE_KEY,
        &STORE_PEOPLE_LIMIT,
        &STORE_OUTBOX_DAYS,
        &STORE_ENTRY_LOG_DAYS,
        &STORE_ENTRY_ROLES,
        &STORE_AUDIT_DAYS,
        &STORE_ENDED_CONSENT_DAYS,
        &STORE_ENDED_PASS_DAYS,
    ],
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
    meaning: "The site's key: names and templates are encrypted with it; `gatehouse key new` makes one. Keep a copy apart from the \
              database's: without the key nobody can read the database.",
};
pub(crate) static STORE_OUTBOX_DAYS: Key = Key {
    name: "outbox_days",
    kind: Kind::Integer { min: 1, max: 90 },
    presence: Presence::Default("7"),
    example: "30",
    meaning: "How many days a published entry event is kept, so that a receiver that was away can ask for it again.",
};
pub(crate) static STORE_PEOPLE_LIMIT: Key = Key {
    name: "people_limit",
    kind: Kind::Integer { min: 1, max: 10_000_000 },
    presence: Presence::Default("100000"),
    example: "5000",
    meaning: "How many people may be stored before the operator has to act. The law may ask for a filing from some number \
              of stored people on. `gatehouse` warns at 80, 90 and 100 % of it, and goes on working.",
};
pub(crate) static STORE_ENTRY_LOG_DAYS: Key = Key {
    name: "entry_log_days",
    kind: Kind::Integer { min: 1, max: 3650 },
    presence: Presence::Default("30"),
    example: "14",
    meaning: "How many days the site's own encrypted log keeps who came in. Older entries are deleted by themselves.",
};
pub(crate) static STORE_ENTRY_ROLES: Key = Key {
    name: "entry_roles",
    kind: Kind::Texts(Format::Name),
    presence: Presence::Default(r#"["security"]"#),
    example: r#"["security", "site-manager"]"#,
    meaning: "In which roles staff may look into the site's own log of who came in, and export what is stored of a person. Any \
              other role is refused, and the attempt stands in the audit log. An empty list: nobody may.",
};
pub(crate) static STORE_AUDIT_DAYS: Key = Key {
    name: "audit_days",
    kind: Kind::Integer { min: 30, max: 36_500 },
    presence: Presence::Default("1095"),
    example: "1825",
    meaning: "How many days the audit log keeps what staff did: enrolled, looked up, exported, changed.",
};
pub(crate) static STORE_ENDED_CONSENT_DAYS: Key = Key {
    name: "ended_consent_days",
    kind: Kind::Integer { min: 0, max: 365 },
    presence: Presence::Default("30"),
    example: "7",
    meaning: "How many days a person whose consent has ended stays stored, so that it can be renewed without new photos. \
              Nobody is recognised in these days. Then the person is forgotten by itself. A consent that is taken back \
              has no such days: that person is forgotten at once.",
};
pub(crate) static STORE_ENDED_PASS_DAYS: Key = Key {
    name: "ended_pass_days",
    kind: Kind::Integer { min: 0, max: 365 },
    presence: Presence::Default("30"),
    example: "7",
    meaning: "How many days a pass or card stays listed after its end. It opens nothing in these days.",
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
        &MODELS_LIVENESS,
        &MODELS_PERSON_DETECTOR,
        &MODELS_CROWD_DENSITY,
        &MODELS_MANIFESTS,
        &MODELS_CALIBRATION,
        &MODELS_PROVIDERS,
        &MODELS_THREADS,
        &MODELS_WORKERS,
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
pub(crate) static MODELS_LIVENESS: Key = Key {
    name: "liveness",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Default(r#""fr-liveness""#),
    example: r#""fr-liveness""#,
    meaning: "Tells a live face from a photo or a screen held up to the camera. Used by gate cameras only.",
};
pub(crate) static MODELS_PERSON_DETECTOR: Key = Key {
    name: "person_detector",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Default(r#""crowd""#),
    example: r#""nanodet""#,
    meaning: "Finds people. Used by crowd cameras only.",
};
pub(crate) static MODELS_CROWD_DENSITY: Key = Key {
    name: "crowd_density",
    kind: Kind::Text(Format::ModelName),
    presence: Presence::Optional("the person detector's own density, if it has one"),
    example: r#""csrnet""#,
    meaning: "A model of its own that measures how dense people stand, where they are too many to be counted one by one. Used by \
              crowd cameras only. `csrnet` is large and slow, was trained on research data, and must be fetched first: \
              `make setup WITH=csrnet`.",
};
pub(crate) static MODELS_MANIFESTS: Key = Key {
    name: "manifests",
    kind: Kind::Texts(Format::Path),
    presence: Presence::Default("[]"),
    example: r#"["models"]"#,
    meaning: "Folders with manifests of your own models. A relative path starts at the site file's folder.",
};
pub(crate) static MODELS_CALIBRATION: Key = Key {
    name: "calibration",
    kind: Kind::Text(Format::Path),
    presence: Presence::Optional("the table in the face embedder's manifest"),
    example: r#""calibration.toml""#,
    meaning: "A calibration table, as `gatehouse-lab eval face --calibration FILE` writes it: how often strangers and \
              enrolled people reach each score. A gate's `match_target` is computed from it. A relative path starts at the \
              site file's folder.",
};
pub(crate) static MODELS_PROVIDERS: Key = Key {
    name: "providers",
    kind: Kind::Texts(Format::Provider),
    presence: Presence::Default(r#"["cpu"]"#),
    example: r#"["tensorrt", "cuda", "cpu"]"#,
    meaning: "What runs the models: for each model the first of the list that can. Why one can't is told in the log; if none can, the \
              node doesn't start. `cpu` is ONNX Runtime's own. `openvino` is Intel's, on the CPU; fetch it first: `make setup \
              WITH=openvino`. `cuda` and `tensorrt` are NVIDIA's: `make setup WITH=cuda`, beside NVIDIA's own driver, CUDA 12, cuDNN \
              9 and TensorRT 10.",
};
pub(crate) static MODELS_THREADS: Key = Key {
    name: "threads",
    kind: Kind::Integer { min: 1, max: 64 },
    presence: Presence::Default("1"),
    example: "2",
    meaning: "ONNX Runtime threads for each session. More of them answer one frame sooner on an idle machine; fewer, with more \
              workers, serve more cameras.",
};
pub(crate) static MODELS_WORKERS: Key = Key {
    name: "workers",
    kind: Kind::Integer { min: 1, max: 64 },
    presence: Presence::Optional("as many as there are processors for, each with its `threads`"),
    example: "4",
    meaning: "How many frames a model works on at a time, each with a copy of the model in memory. Never more than it has \
              cameras.",
};
pub(crate) static MODELS_MAX_BATCH: Key = Key {
    name: "max_batch",
    kind: Kind::Integer { min: 1, max: 64 },
    presence: Presence::Optional(
        "1 on a CPU, where 8 take 8 times as long as one; elsewhere measured at start, up to 8",
    ),
    example: "8",
    meaning: "The most frames, over all cameras, that go through a model at once.",
};
pub(crate) static MODELS_MAX_WAIT_MS: Key = Key {
    name: "max_wait_ms",
    kind: Kind::Integer { min: 0, max: 1000 },
    presence: Presence::Default("20"),
    example: "10",
    meaning: "How long a batch waits to fill before it goes as it is, in milliseconds. Means nothing for batches of one.",
};
