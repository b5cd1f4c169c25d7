//! The simulator's config, written in TOML.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    CameraClock, Codec, Fault, Login, Oddity, PictureForm, Scene, SenderReports, SimError,
    encode::{self, Encoding},
    error::{ClipError, init_gstreamer},
};

/// The config of a simulator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimConfig {
    /// Address of the RTSP server; with port 0 the system chooses one. Default: 127.0.0.1, any
    /// port.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Where encoded scenes are kept for the next start. Default: nowhere.
    #[serde(default)]
    pub cache_dir: Option<PathBuf>,
    /// The cameras.
    #[serde(rename = "mount")]
    pub mounts: Vec<MountConfig>,
}

/// One simulated camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountConfig {
    /// Path in the URL, e.g. `/plaza`.
    pub path: String,
    /// What the camera sees.
    pub scene: Scene,
    /// H.264 (default) or H.265.
    #[serde(default)]
    pub codec: Codec,
    /// Width and height in pixels; even, unless `form` says otherwise. Default 1280×720.
    #[serde(default = "size_720p")]
    pub size: [u32; 2],
    /// Frames per second, 1 to 120. Default 25.
    #[serde(default = "fps_25")]
    pub fps: u32,
    /// Target bit rate. Default 2000.
    #[serde(default = "bitrate_2000")]
    pub bitrate_kbps: u32,
    /// A constant quantizer, 1 to 51, in place of the bit rate. Default 0: none. H.264 only.
    #[serde(default)]
    pub quantizer: u32,
    /// Seconds between key frames. Default 1.0. A new client waits at most this long for a picture.
    #[serde(default = "one_second")]
    pub gop_seconds: f64,
    /// Seconds from a client's start to its first picture, as if it had just missed a key frame.
    /// Sets the key frames of cameras apart. Default 0, at most 4.
    #[serde(default)]
    pub key_wait_seconds: f64,
    /// B-frames between two other pictures, 0 to 3; no picture refers to one. Default 0, as most
    /// cameras.
    #[serde(default)]
    pub b_frames: u32,
    /// Intra blocks wander over the picture, and no key frame comes but the clip's first. H.264
    /// only.
    #[serde(default)]
    pub intra_refresh: bool,
    /// Seconds from one picture to the next where they come slower than the scene. Default 0: as
    /// `fps` says. At most 60.
    #[serde(default)]
    pub frame_seconds: f64,
    /// Pictures are held back and sent at once, at intervals of this number of seconds. Default 0:
    /// none is. At most 30.
    #[serde(default)]
    pub burst_seconds: f64,
    /// Seconds of the scene behind its first key frame at which the first client joins, as where
    /// the stream already runs. Default 0.
    #[serde(default)]
    pub join_seconds: f64,
    /// Seconds of the scene to skip at first, up to the next key frame. Default 0, at most 600.
    #[serde(default)]
    pub skip_seconds: u32,
    /// The most seconds of the scene to encode. Default 60, at most 600: the clip is kept in
    /// memory.
    #[serde(default = "sixty_seconds")]
    pub max_seconds: u32,
    /// Colour space, samples, scan, cropping and light. Default: BT.709, limited range, 4:2:0,
    /// progressive.
    #[serde(default)]
    pub form: PictureForm,
    /// The login. Default: none is required.
    #[serde(default)]
    pub auth: Option<Login>,
    /// The policy for RTCP sender reports.
    #[serde(default)]
    pub sender_reports: SenderReports,
    /// The camera's clock, as its sender reports show it. Default: this machine's.
    #[serde(default)]
    pub clock: CameraClock,
    /// Scheduled faults.
    #[serde(default, rename = "fault")]
    pub faults: Vec<ScriptedFault>,
    /// What this camera does otherwise than the standard says. A camera with oddities has a port of
    /// its own that the system chooses, and no faults.
    #[serde(default)]
    pub oddities: Vec<Oddity>,
    /// Faults whose pictures are encoded at the start, and not when they are first injected.
    #[serde(default)]
    pub prepare_faults: Vec<Fault>,
}

/// A scheduled fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedFault {
    /// Seconds after the simulator's start.
    pub at_seconds: f64,
    /// Duration, in seconds.
    #[serde(default)]
    pub for_seconds: f64,
    /// What goes wrong, e.g. `"black"` or `"resolution 640x480"`.
    pub kind: Fault,
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
fn size_720p() -> [u32; 2] {
    [1280, 720]
}
fn fps_25() -> u32 {
    25
}
fn bitrate_2000() -> u32 {
    2000
}
fn one_second() -> f64 {
    1.0
}
fn sixty_seconds() -> u32 {
    60
}

impl Default for SimConfig {
    /// No cameras, on a port of 127.0.0.1 that the system chooses.
    fn default() -> Self {
        Self { listen: any_port(), cache_dir: None, mounts: Vec::new() }
    }
}

impl SimConfig {
    /// Reads and checks a config file. Paths in it start at its own folder.
    ///
    /// # Errors
    /// Names the file, or the key and what was expected.
    pub fn load(path: &Path) -> Result<Self, SimError> {
        let text = fs::read_to_string(path)
            .map_err(|error| SimError::Config(format!("cannot read simulator config {}: {error}", path.display())))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads and checks a config. Relative paths in it start at `base`.
    ///
    /// # Errors
    /// Names the line and column, or the mount and what was expected.
    pub fn parse(text: &str, base: &Path) -> Result<Self, SimError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| SimError::Config(format!("simulator config: {error}")))?;
        for mount in &mut config.mounts {
            mount.scene.resolve(base);
        }
        config.cache_dir = config.cache_dir.map(|folder| base.join(folder));
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types cannot; a config that is built in code is checked too.
    pub(crate) fn validate(&self) -> Result<(), SimError> {
        let mut names = BTreeSet::new();
        for mount in &self.mounts {
            let invalid =
                |reason: &str| SimError::Config(format!("simulator config, mount {:?}: {reason}", mount.path));
            mount.validate().map_err(|reason| invalid(&reason))?;
            if !names.insert(mount.name()) {
                return Err(invalid("two mounts have this path"));
            }
        }
        Ok(())
    }
}

impl MountConfig {
    /// A camera with every setting but these at its default.
    pub fn new(path: impl Into<String>, scene: Scene) -> Self {
        Self {
            path: path.into(),
            scene,
            codec: Codec::default(),
            size: size_720p(),
            fps: fps_25(),
            bitrate_kbps: bitrate_2000(),
            quantizer: 0,
            gop_seconds: one_second(),
            key_wait_seconds: 0.0,
            b_frames: 0,
            intra_refresh: false,
            frame_seconds: 0.0,
            burst_seconds: 0.0,
            join_seconds: 0.0,
            skip_seconds: 0,
            max_seconds: sixty_seconds(),
            form: PictureForm::default(),
            auth: None,
            sender_reports: SenderReports::default(),
            clock: CameraClock::default(),
            faults: Vec::new(),
            oddities: Vec::new(),
            prepare_faults: Vec::new(),
        }
    }

    /// The path without slashes at its ends, which is the mount's name.
    pub fn name(&self) -> &str {
        self.path.trim_matches('/')
    }

    /// Encodes the scene into a file, as the byte stream of its codec. Players open it.
    ///
    /// # Errors
    /// When the settings are wrong, the scene cannot be encoded, or the file cannot be written.
    pub fn write_stream(&self, path: &Path) -> Result<(), SimError> {
        let mount = self.name().to_owned();
        self.validate().map_err(|reason| SimError::Config(format!("mount {mount:?}: {reason}")))?;
        init_gstreamer()?;
        let clip = encode::encode(&self.scene, &self.encoding());
        let written = clip.and_then(|clip| {
            let stream: Vec<u8> = clip.units.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
            fs::write(path, stream).map_err(|source| ClipError::File { path: path.to_owned(), source })
        });
        written.map_err(|source| SimError::Clip { mount, source })
    }

    /// How the scene is encoded.
    pub fn encoding(&self) -> Encoding {
        let [width, height] = self.size;
        Encoding {
            codec: self.codec,
            width,
            height,
            fps: self.fps,
            bitrate_kbps: self.bitrate_kbps,
            quantizer: self.quantizer,
            gop_pictures: (self.gop_seconds * f64::from(self.fps)).round().max(1.0) as u32,
            b_frames: self.b_frames,
            intra_refresh: self.intra_refresh,
            seconds_skipped: self.skip_seconds,
            seconds_max: self.max_seconds,
            form: self.form,
        }
    }

    fn validate(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if self.name().is_empty() || !self.path.chars().all(plain) {
            return Err("a path is made of letters, digits, '-', '_', '.' and '/'".to_owned());
        }
        for (name, value, range) in [
            ("width", self.size[0], 16..=7680),
            ("height", self.size[1], 16..=7680),
            ("fps", self.fps, 1..=120),
            ("bitrate_kbps", self.bitrate_kbps, 10..=100_000),
            ("quantizer", self.quantizer, 0..=51),
            ("b_frames", self.b_frames, 0..=3),
            ("skip_seconds", self.skip_seconds, 0..=600),
            ("max_seconds", self.max_seconds, 1..=600),
        ] {
            if !range.contains(&value) {
                return Err(format!("{name} is from {} to {}, got {value}", range.start(), range.end()));
            }
        }
        self.form.validate(self.codec, self.size)?;
        // A mount that ends waits 5 s for its players, which may be in the middle of the key wait.
        for (name, seconds, most) in [
            ("gop_seconds", self.gop_seconds, 120.0),
            ("key_wait_seconds", self.key_wait_seconds, 4.0),
            ("frame_seconds", self.frame_seconds, 60.0),
            ("burst_seconds", self.burst_seconds, 30.0),
            ("join_seconds", self.join_seconds, 600.0),
        ] {
            if !(0.0..=most).contains(&seconds) {
                return Err(format!("{name} is from 0 to {most}, got {seconds}"));
            }
        }
        if self.quantizer > 0 && self.codec != Codec::H264 {
            return Err("quantizer needs H.264".to_owned());
        }
        if self.intra_refresh && (self.codec != Codec::H264 || self.b_frames > 0) {
            return Err("intra_refresh needs H.264 without B-frames".to_owned());
        }
        if let Scene::WalkUp(walk_up) = &self.scene {
            walk_up.validate()?;
        }
        if !self.oddities.is_empty() && (self.auth.is_some() || !self.faults.is_empty() || self.b_frames > 0) {
            return Err(
                "a camera with oddities has no auth, fault or B-frames; its login is the oddity `digest`".to_owned()
            );
        }
        let mut end = 0.0;
        for fault in &self.faults {
            fault.times()?;
            if fault.at_seconds < end {
                return Err(format!("the fault at {} s begins before the one above it ends", fault.at_seconds));
            }
            end = fault.at_seconds + fault.for_seconds;
        }
        Ok(())
    }
}

impl ScriptedFault {
    /// Begin and end, since the simulator's start.
    pub(crate) fn times(&self) -> Result<(Duration, Duration), String> {
        let begin = Duration::try_from_secs_f64(self.at_seconds)
            .map_err(|error| format!("at_seconds = {}: {error}", self.at_seconds))?;
        let lasts = Duration::try_from_secs_f64(self.for_seconds)
            .map_err(|error| format!("for_seconds = {}: {error}", self.for_seconds))?;
        let end = begin.checked_add(lasts).ok_or_else(|| "a fault that ends too far in the future".to_owned())?;
        Ok((begin, end))
    }
}

#[cfg(test)]
mod tests;
