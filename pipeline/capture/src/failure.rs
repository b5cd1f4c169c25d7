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
    // rtspsrc's debug text holds the server's answer. Without it a refused login can't be told from
    // other errors. Only our own words leave this function.
    let answered = |words: &str| debug.is_some_and(|d| d.contains(words));
    if error.matches(gst::ResourceError::NotAuthorized) || answered("Unauthorized") || answered("(401)") {
        return Failure::Refused("the camera refuses the login (401): check the user and password".into());
    }
    if error.matches(gst::ResourceError::NotFound) || answered("Not Found") || answered("(404)") {
        return Failure::Lost("the camera knows no such stream (404): check the path in the address".into());
    }
    if error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::StreamError::WrongType) {
        return Failure::Lost(format!("the stream can't be decoded: {}", without_addresses(error.message())));
    }
    if answered("not-negotiated") {
        return Failure::Lost("the decoder's pictures are in a format that cannot be used".into());
    }
    if error.matches(gst::ResourceError::OpenRead) || error.matches(gst::ResourceError::OpenReadWrite) {
        return Failure::Lost(format!("can't connect: {}", without_addresses(error.message())));
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
    fn a_refused_login_is_not_a_lost_connection() {
        let camera = Source::Rtsp("rtsp://cam/1".into());
        let refused = gst::glib::Error::new(gst::ResourceError::NotAuthorized, "no");
        assert!(matches!(of_error(&camera, &refused, None), Failure::Refused(_)));
        let lost = gst::glib::Error::new(gst::ResourceError::Read, "Could not read from resource.");
        assert_eq!(of_error(&camera, &lost, None), Failure::Lost("Could not read from resource.".into()));
    }

    #[test]
    fn no_address_gets_through() {
        let error = gst::glib::Error::new(gst::ResourceError::OpenRead, "open rtsp://admin:secret@cam/1 failed");
        let camera = Source::Rtsp("rtsp://cam/1".into());
        let Failure::Lost(reason) = of_error(&camera, &error, Some("rtsp://admin:secret@cam/1")) else {
            panic!("not a refused login");
        };
        assert_eq!(reason, "can't connect: open <address> failed");
    }
}
