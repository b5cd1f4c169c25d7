//! A site as the rest of `gatehouse` works from it: every value checked, every path joined to the site file's folder.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::error::{ConfigError, ConfigErrors};
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
        self.places.of.get(path).copied()
    }

    /// An error about a value that was found out after the file was read, such as a model that isn't there. Where the
    /// file leaves the value out, the error is about the file as a whole.
    pub fn error_at(&self, path: &str, message: impl Into<String>, help: Option<String>) -> ConfigError {
        let (line, column) = self.locate(path).unwrap_or_default();
        let file = self.places.file.clone();
        ConfigError { file, line, column, path: path.to_owned(), message: message.into(), help, shown: None }
    }
}

/// Where in the site file each value stands. Two of them are always equal: sites that say the same are the same.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub(crate) file: PathBuf,
    pub(crate) of: BTreeMap<String, (usize, usize)>,
}

impl PartialEq for Places {
    fn eq(&self, _: &Places) -> bool {
        true
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
    /// How long published entry events are kept for replay: 1 to 90 days.
    pub outbox: Duration,
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
    /// Finds people, on crowd cameras only.
    pub person_detector: String,
    /// Folders with further manifests.
    pub manifests: Vec<PathBuf>,
    /// ONNX Runtime threads per session, 1 to 64.
    pub threads: usize,
    /// Most frames in a batch, 1 to 64.
    pub max_batch: usize,
    /// How long a batch waits to fill, 0 to 1 s.
    pub max_wait: Duration,
}

/// How a camera's stream is had; the same for both kinds of camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSettings {
    /// Where the pictures come from.
    pub source: Source,
    /// The camera's login; only with [`Source::Rtsp`].
    pub login: Option<SecretRef>,
    /// How an RTSP camera sends its video.
    pub transport: Transport,
    /// The jitter buffer, 0 to 5 s.
    pub latency: Duration,
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
    /// Least cosine that counts as the same person, 0 to 1. `None`: the embedder manifest's.
    pub match_threshold: Option<f32>,
    /// Faces with a smaller eye distance are not looked at, in pixels of the frame, 8 to 1000.
    pub min_eye_distance_px: u32,
    /// Frames that must show the same person for an `admit`, 1 to `frames_to_judge`.
    pub frames_to_agree: u32,
    /// Frames without agreement after which the gate says `refer`, 1 to 60.
    pub frames_to_judge: u32,
    /// How long no second decision is made about the same person, 0 to 1 h.
    pub cool_down: Duration,
    /// How long an `admit` is valid, 1 s to 1 min.
    pub grant: Duration,
    /// Whether photos and screens are refused.
    pub liveness: Liveness,
}

/// Whether a gate refuses photos and screens held up to it (presentation attacks, ISO/IEC 30107).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It doesn't. The only choice in this version, and one that the site file has to write out.
    Off,
}

/// A camera over a place: it counts people and knows no identity.
///
/// It has no field that could hold a face model, a threshold or a gallery, so none can be given to it:
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
    /// Least score of the person detector that counts, 0.05 to 0.95.
    pub min_score: f32,
    /// Columns of the density map, 4 to 128.
    pub map_columns: usize,
    /// Rows of the density map, 4 to 128.
    pub map_rows: usize,
    /// Whether the console shows the live picture, people pixelated.
    pub preview: bool,
    /// What is counted, at least one. Where the file has none: the whole picture, as `all`.
    pub zones: Vec<Zone>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Worth a look.
    pub medium: u32,
    /// Time to act.
    pub high: u32,
    /// Danger.
    pub critical: u32,
}
