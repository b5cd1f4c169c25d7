//! Describes what went wrong with a pipeline, in words for an operator and without credentials.

use gatehouse_core::stream::Source;
use gstreamer as gst;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The camera refuses the login.
    Refused(String),
    /// Anything else.
    Lost(String),
    /// The source played to its end.
    Ended,
}

/// Makes a [`Failure`] from an error that an element posted.
pub(crate) fn of_error(source: &Source, error: &gst::glib::Error, debug: Option<&str>) -> Failure {
    if let Source::File(_) = source {
        let missing = error.matches(gst::ResourceError::NotFound);
        let reason = if missing { "there is no such file".into() } else { without_addresses(error.message()) };
        return Failure::Lost(reason);
    }
    if error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::StreamError::WrongType) {
        return Failure::Lost(format!("the stream can't be decoded: {}", without_addresses(error.message())));
    }
    if debug.is_some_and(|debug| debug.contains("not-negotiated")) {
        return Failure::Lost("the decoder's pictures are in a format that cannot be used".into());
    }
    Failure::Lost(without_addresses(error.message()))
}

/// Replaces every URL, because it may hold credentials.
pub(crate) fn without_addresses(text: &str) -> String {
    text.split_whitespace()
        .map(|word| if word.contains("://") { "<address>" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_gets_through() {
        let error = gst::glib::Error::new(gst::ResourceError::OpenRead, "open rtsp://admin:secret@cam/1 failed");
        let camera = Source::Rtsp("rtsp://cam/1".into());
        let failure = of_error(&camera, &error, Some("rtsp://admin:secret@cam/1"));
        assert_eq!(failure, Failure::Lost("open <address> failed".into()));
    }
}
