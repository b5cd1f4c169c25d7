//! A camera's stream as an operator sets it: source, login, transport, decoder.

use std::fmt;
use std::path::PathBuf;

use strum::{Display, EnumString, VariantNames};
use zeroize::Zeroizing;

/// Where a camera's video comes from. Holds no login, so `Display` and `Debug` may go to a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A camera that speaks RTSP (RFC 2326).
    Rtsp(RtspUrl),
    /// A video file, played once.
    File(PathBuf),
    /// A generated picture, by the name of its `videotestsrc` pattern: `ball`, `smpte`, `snow`, …
    Test(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp(url) => url.fmt(f),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Test(pattern) => write!(f, "test://{pattern}"),
        }
    }
}

/// An `rtsp://` URL without user and password, which the configuration has checked. Where a camera
/// takes them in the path or the query, [`USER_PLACEHOLDER`] and [`PASSWORD_PLACEHOLDER`] stand.
///
/// `Display` and `Debug` leave the query out: some cameras take a token there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RtspUrl(String);

/// Stands for the percent-encoded user in the path or query of an address.
pub const USER_PLACEHOLDER: &str = "{user}";
/// Stands for the percent-encoded password in the path or query of an address.
pub const PASSWORD_PLACEHOLDER: &str = "{password}";

impl RtspUrl {
    /// True if the login is to be filled into the address.
    pub fn needs_login(&self) -> bool {
        [USER_PLACEHOLDER, PASSWORD_PLACEHOLDER].iter().any(|placeholder| self.0.contains(placeholder))
    }

    /// The whole URL, for the client that connects. Not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RtspUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for RtspUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Display for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((place, _)) => write!(f, "{place}?…"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspUrl({self})")
    }
}

/// The user and password that a camera asks for, read from where they are kept. Wiped from memory
/// when dropped; `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: Zeroizing<String>,
    /// The password; may be empty.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login([redacted])")
    }
}

/// How RTP travels from an RTSP camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// In UDP datagrams.
    Udp,
}

/// What decodes H.264 and H.265.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Decoder {
    /// libavcodec, on the CPU.
    Software,
    /// The graphics hardware of Intel and AMD, by VA-API.
    VaApi,
    /// NVIDIA's decoder.
    Nvdec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_kept_for_the_client_and_kept_from_logs() {
        let url = RtspUrl::from("rtsp://cam/live?token=abc");
        assert_eq!(url.as_str(), "rtsp://cam/live?token=abc");
        assert_eq!(format!("{url} {url:?}"), "rtsp://cam/live?… RtspUrl(rtsp://cam/live?…)");
    }

    #[test]
    fn a_login_is_never_shown() {
        let login = Login { user: "operator".to_owned().into(), password: "hunter2".to_owned().into() };
        assert_eq!(format!("{login:?}"), "Login([redacted])");
    }
}
