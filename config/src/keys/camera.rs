//! Keys that both kinds of camera have.

use crate::spec::{Format, Key, Kind, Presence};

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
pub(crate) static DECODERS: Key = Key {
    name: "decoders",
    kind: Kind::Texts(Format::Decoder),
    presence: Presence::Default(r#"["software"]"#),
    example: r#"["nvdec", "vaapi", "software"]"#,
    meaning: "What decodes an RTSP camera's stream: the first of the list that is on this machine and can. Which one does is told when \
              the camera goes live, and why another can't, when it is lost. `software` is libavcodec, on the CPU. `vaapi` is the \
              graphics hardware of Intel and AMD, `nvdec` NVIDIA's; both are built and not yet tried on such hardware.",
};
pub(crate) static LATENCY_MS: Key = Key {
    name: "latency_ms",
    kind: Kind::Integer { min: 0, max: 5000 },
    presence: Presence::Default("100"),
    example: "300",
    meaning: "How long video is held back to smooth out late packets (the jitter buffer), in milliseconds.",
};
pub(crate) static PRIVACY: Key = Key {
    name: "privacy",
    kind: Kind::Polygons,
    presence: Presence::Default("[]"),
    example: "[[[0.0, 0.0], [0.3, 0.0], [0.3, 0.2], [0.0, 0.2]]]",
    meaning: "Parts of the picture that nobody may look at, such as windows of homes. They are black from the decoder on, for \
              the models and in every picture shown.",
};
