//! The GStreamer elements that capture uses, and their Debian packages.

use crate::CaptureError;

/// Every element, its purpose, and the Debian package that has it.
pub const REQUIRED: &[(&str, &str, &str)] = &[
    ("rtph264depay", "H.264 out of RTP", "gstreamer1.0-plugins-good"),
    ("rtph265depay", "H.265 out of RTP", "gstreamer1.0-plugins-good"),
    ("h264parse", "H.264 access units", "gstreamer1.0-plugins-bad"),
    ("h265parse", "H.265 access units", "gstreamer1.0-plugins-bad"),
    ("avdec_h264", "H.264 decoder", "gstreamer1.0-libav"),
    ("avdec_h265", "H.265 decoder", "gstreamer1.0-libav"),
    ("filesrc", "files", "libgstreamer1.0-0"),
    ("decodebin", "files of any codec", "gstreamer1.0-plugins-base"),
    ("videoconvert", "files in other pixel formats", "gstreamer1.0-plugins-base"),
    ("videoflip", "files of turned phones", "gstreamer1.0-plugins-good"),
    ("videotestsrc", "test pictures", "gstreamer1.0-plugins-base"),
    ("appsink", "frames out of the pipeline", "gstreamer1.0-plugins-base"),
];

/// An element that isn't installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The element's name.
    pub element: &'static str,
    /// Its purpose.
    pub purpose: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

/// Starts GStreamer. May be called more than once.
///
/// # Errors
/// If the library doesn't start.
pub fn init() -> Result<(), CaptureError> {
    gstreamer::init().map_err(|e| CaptureError::Init(e.to_string()))
}

/// The version of the GStreamer library, as `1.22.0`.
pub fn gstreamer_version() -> String {
    let (major, minor, micro, _) = gstreamer::version();
    format!("{major}.{minor}.{micro}")
}

/// The elements that aren't installed. Call [`init`] first.
pub fn missing() -> Vec<Missing> {
    REQUIRED
        .iter()
        .filter(|(element, ..)| gstreamer::ElementFactory::find(element).is_none())
        .map(|&(element, purpose, package)| Missing { element, purpose, package })
        .collect()
}
