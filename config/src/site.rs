//! A site as the rest of `gatehouse` works from it: every value checked, every path joined to the site file's folder.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::Places;
use crate::endpoint::Endpoint;
use crate::error::{ConfigError, ConfigErrors};
use crate::rate::OneIn;
use crate::secret::SecretRef;
use crate::source::Source;

/// One site, as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The version of the file's format: 1.
    pub version: u32,
    /// Which site this is.
    pub site: SiteId,
    /// What is kept, and where.
    pub store: Store,
    /// How events leave the site.
    pub bus: Bus,
    /// The web page for operators, if there is one.
    pub console: Option<Console>,
    /// Which models are used, and how.
    pub models: Models,
    /// The gate cameras, in the file's order.
    pub gates: Vec<GateCamera>,
    /// The crowd cameras, in the file's order. `gates` and `crowds` together hold at least one camera.
    pub crowds: Vec<CrowdCamera>,
    /// Where in the file each value stands.
    pub places: Places,
}

impl Site {
    /// Reads and checks a site file.
    ///
    /// # Errors
    /// Every mistake in the file, or the one reason why it can't be read.
    pub fn load(path: &Path) -> Result<Site, ConfigErrors> {
        crate::read_site::load(path)
    }

    /// Checks the text of a site file. `file_name` is what errors call it, and its folder is where relative paths start;
    /// nothing is read from disk.
    ///
    /// # Errors
    /// Every mistake in the text.
    pub fn parse(text: &str, file_name: &Path) -> Result<Site, ConfigErrors> {
        crate::read_site::parse(text, file_name)
    }

    /// Line and column, both from 1, of the value at a path such as `gate[0].source`; `None` where the file leaves it
    /// out.
    pub fn locate(&self, path: &str) -> Option<(usize, usize)> {
        self.places.locate(path)
    }

    /// An error about a value that was found out after the file was read, such as a model that isn't there. Where the
    /// file leaves the value out, the error is about the file as a whole.
    pub fn error_at(&self, path: &str, message: impl Into<String>, help: Option<String>) -> ConfigError {
        self.places.error_at(path, message.into(), help)
    }
}

/// Which site this is. Each name is one chunk of a zenoh key: 1 to 64 characters out of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteId {
    /// The site's name.
    pub id: String,
    /// Where the site belongs, from the widest level to the narrowest: 1 to 8 chunks joined by `/`.
    pub area: String,
    /// This process's name.
    pub node: String,
}

/// What is kept, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database.
    pub path: PathBuf,
    /// The site's key.
    pub key: SecretRef,
    /// From how many stored people on the operator has to act; warned of from 80 % on.
    pub people_limit: u32,
    /// How long published entry events are kept for replay: 1 to 90 days.
    pub outbox: Duration,
    /// How long the site's own log keeps who came in: 1 to 3650 days.
    pub entry_log: Duration,
    /// Roles that may look into that log, and export what is stored of a person.
    pub entry_roles: Vec<String>,
    /// How long the audit log is kept: 30 to 36,500 days.
    pub audit: Duration,
    /// How long a person stays stored after the end of their consent, never matched: 0 to 365 days.
    pub ended_consent: Duration,
    /// How long a pass or card stays listed after its end: 0 to 365 days.
    pub ended_pass: Duration,
}

/// How events leave the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// Where others may connect; port 0 lets the system choose.
    pub listen: Vec<Endpoint>,
    /// Routers or peers to connect to.
    pub connect: Vec<Endpoint>,
}

/// The web page for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// A loopback address; port 0 lets the system choose.
    pub listen: SocketAddr,
}

/// Which models are used, by the names in their manifests, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    /// Finds faces, at gates only.
    pub face_detector: String,
    /// Turns a face into an embedding, at gates only.
    pub face_embedder: String,
    /// Tells a live face from a picture of one, at gates only.
    pub liveness: String,
    /// Finds people, on crowd cameras only.
    pub person_detector: String,
    /// Measures densities, on crowd cameras only. `None`: the person detector does.
    pub crowd_density: Option<String>,
    /// Folders with further manifests.
    pub manifests: Vec<PathBuf>,
    /// A calibration table. `None`: the embedder manifest's.
    pub calibration: Option<PathBuf>,
    /// What may run the models, the first that can; at least one, each once, [`Provider::Cpu`] last, of one build of ONNX Runtime.
    pub providers: Vec<Provider>,
    /// ONNX Runtime threads per session, 1 to 64.
    pub threads: usize,
    /// Workers per model, 1 to 64. `None`: as many as there are processors for.
    pub workers: Option<usize>,
    /// Most frames in a batch, 1 to 64. `None`: 1 on a CPU; elsewhere as many as gain something, measured at start.
    pub max_batch: Option<usize>,
    /// How long a batch waits to fill, 0 to 1 s.
    pub max_wait: Duration,
}

/// What runs a model's operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime's own CPU kernels.
    Cpu,
    /// Intel's OpenVINO, on the CPU.
    OpenVino,
    /// NVIDIA's CUDA.
    Cuda,
    /// NVIDIA's TensorRT.
    TensorRt,
}

/// How a camera's stream is had; the same for both kinds of camera.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// Where the pictures come from.
    pub source: Source,
    /// The camera's login; only with [`Source::Rtsp`].
    pub login: Option<SecretRef>,
    /// How an RTSP camera sends its video.
    pub transport: Transport,
    /// The jitter buffer, 0 to 5 s.
    pub latency: Duration,
    /// What may decode an RTSP camera's stream, best first; at least one, each once.
    pub decoders: Vec<Decoder>,
    /// What is black from the decoder on: polygons as of a zone.
    pub privacy: Vec<Vec<Point>>,
}

/// What decodes H.264 and H.265.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decoder {
    /// libavcodec, on the CPU.
    Software,
    /// The graphics hardware of Intel and AMD, by VA-API.
    VaApi,
    /// NVIDIA's decoder.
    Nvdec,
}

/// How an RTSP camera sends its video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// RTP over UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        })
    }
}

/// A camera at a gate: it recognises people who have enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct GateCamera {
    /// The camera's name, one zenoh chunk, the only one of its name at the site.
    pub id: String,
    /// How its stream is had.
    pub stream: StreamSettings,
    /// Frames looked at in a second, 0.1 to 60.
    pub analyse_fps: f64,
    /// Where it leads.
    pub direction: Direction,
    /// What the threshold is computed from. Never together with `match_threshold`.
    pub match_target: Option<MatchTarget>,
    /// Least cosine that counts as the same person, 0 to 1. `None`, and no target: the embedder manifest's.
    pub match_threshold: Option<f32>,
    /// Least distance to the next best person, as a cosine, 0 to 0.5.
    pub match_margin: f32,
    /// Faces with a smaller eye distance are not looked at, in pixels of the frame, 8 to 1000.
    pub min_eye_distance_px: u32,
    /// Frames that must show the same person for an `admit`, 1 to `frames_to_judge`.
    pub frames_to_agree: u32,
    /// Frames without agreement after which the gate says `refer`, 1 to 60.
    pub frames_to_judge: u32,
    /// How long a person is looked at before the gate says `refer`, 1 s to 1 min.
    pub deadline: Duration,
    /// How long no second decision is made about the same person, 0 to 1 h.
    pub cool_down: Duration,
    /// How long an `admit` is valid, 1 s to 1 min.
    pub grant: Duration,
    /// How long the same pass or card is not taken again, 0 to 1 h.
    pub pass_again: Duration,
    /// What becomes of a face that is not seen to be live.
    pub liveness: Liveness,
    /// Least score that counts as live, 0 to 1; never with [`Liveness::Off`]. `None`: the liveness manifest's.
    pub liveness_threshold: Option<f32>,
    /// Whether the gate's own view must be seen beside a live face.
    pub check_background: bool,
    /// Whether a calm, empty gate is looked at less often.
    pub skip_unchanged: bool,
    /// The same camera's smaller stream, which is watched so that the other need not be decoded while nobody is there.
    pub sub_source: Option<Source>,
}

/// Where a gate leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the site.
    In,
    /// Out of it.
    Out,
}

/// The error rate that a threshold is to be computed for (an open-set identification's FPIR, ISO/IEC 19795-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatchTarget {
    /// At most so many strangers at the gate are taken for someone who is enrolled.
    pub strangers_let_in: OneIn,
    /// With so many people enrolled, at least 1.
    pub enrolled: u32,
}

/// What becomes of a face that is not seen to be live (presentation attacks, ISO/IEC 30107).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It is referred.
    Required,
    /// It needs a pass as well.
    SecondFactor,
    /// Nothing is checked; the site file has to write it out.
    Off,
}

/// A camera over a place: it counts people and knows no identity.
///
/// It has no field that could hold a face model, a threshold or a gallery, so none can be given to it. What a gate has,
///
/// ```
/// fn threshold(camera: &gatehouse_config::GateCamera) -> Option<f32> {
///     camera.match_threshold
/// }
/// ```
///
/// a crowd camera has not:
///
/// ```compile_fail,E0609
/// fn threshold(camera: &gatehouse_config::CrowdCamera) -> Option<f32> {
///     camera.match_threshold
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdCamera {
    /// The camera's name, one zenoh chunk, the only one of its name at the site.
    pub id: String,
    /// How its stream is had.
    pub stream: StreamSettings,
    /// Frames looked at in a second, 0.1 to 60.
    pub analyse_fps: f64,
    /// Longer side of the picture when people are looked for in it, in pixels, 256 to 2048. None where `ground` decides.
    pub detail_px: Option<usize>,
    /// Parts that are looked at again, larger, where people are small: at most so many, 0 to 16.
    pub tiles: usize,
    /// Least score of the person detector that counts, 0.05 to 0.95.
    pub min_score: f32,
    /// Columns of the density map, 4 to 128.
    pub map_columns: usize,
    /// Rows of the density map, 4 to 128.
    pub map_rows: usize,
    /// Whether the console shows the live picture, people pixelated.
    pub preview: bool,
    /// Whether a picture in which nothing has changed is counted as the one before.
    pub skip_unchanged: bool,
    /// Whether its count belongs to the site's sum.
    pub in_total: bool,
    /// Where heads don't count. Polygons as of a zone.
    pub exclude: Vec<Vec<Point>>,
    /// How the camera looks at the ground.
    pub ground: Option<Ground>,
    /// What is counted, at least one. Where the file has none: the whole picture, as `all`.
    pub zones: Vec<Zone>,
    /// Lines across which people are counted.
    pub lines: Vec<Line>,
}

/// How a camera looks at flat ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ground {
    /// Four points of the picture, convex and in order, with their places on the ground in metres.
    Points([(Point, [f64; 2]); 4]),
    /// How it is mounted.
    Mounting {
        /// Of the lens above the ground, in metres, 1.8 to 200.
        height_m: f64,
        /// Downwards from level, in degrees, 0 to 90.
        tilt_deg: f64,
        /// Across the picture, in degrees, 5 to 120.
        field_of_view_deg: f64,
    },
}

/// A line across which people are counted. It has two ends that are apart, and `inside` is not on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The line's name, one zenoh chunk, the only one of its name at the camera.
    pub id: String,
    /// One end.
    pub from: Point,
    /// The other.
    pub to: Point,
    /// A point on its inner side.
    pub inside: Point,
}

/// A part of a crowd camera's picture that is counted on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The zone's name, one zenoh chunk, the only one of its name at the camera.
    pub id: String,
    /// 3 to 64 corners in order; a simple polygon with an area, closed by itself.
    pub polygon: Vec<Point>,
    /// The ground it covers, in m².
    pub area_m2: Option<f64>,
    /// From how many people on a level is reached.
    pub levels: Option<Levels>,
    /// When people pour in.
    pub surge: Option<Surge>,
}

impl Zone {
    /// The whole picture, as zone `all`.
    pub fn all() -> Zone {
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
        Zone {
            id: "all".to_owned(),
            polygon: corners.map(|(x, y)| Point { x, y }).to_vec(),
            area_m2: None,
            levels: None,
            surge: None,
        }
    }
}

/// A point of the picture, as parts of its width and height: (0, 0) is top left, (1, 1) bottom right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left, 0 to 1.
    pub x: f32,
    /// From the top, 0 to 1.
    pub y: f32,
}

/// From how many people on a zone reaches a level: `medium` < `high` < `critical`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Worth a look.
    pub medium: f64,
    /// Time to act.
    pub high: f64,
    /// Danger.
    pub critical: f64,
    /// What they are given in.
    pub unit: LevelUnit,
    /// How long a level must be reached or left, up to 10 minutes.
    pub hold: Duration,
}

/// What levels are given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelUnit {
    /// People in the zone.
    People,
    /// People per square metre of it; then its area is known, or the camera's ground.
    PeoplePerM2,
}

/// People pour in when there are `people` more than at any time in the last `within`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surge {
    /// So many more, 1 or above.
    pub people: f64,
    /// Up to an hour.
    pub within: Duration,
}
