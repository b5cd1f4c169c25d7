//! What goes wrong with a camera's RTSP, in words for an operator and without its address.

use std::io;

use super::connection::Trouble;
use crate::failure::Failure;

/// What an answer other than success means. The login was sent and is wrong only where
/// [`refused`] says so.
pub(crate) fn of_status(method: &str, status: u16) -> Failure {
    Failure::Lost(match status {
        403 => {
            "the camera forbids this stream (403): let the user of the login view it, or check the path in the address"
                .into()
        }
        404 => "the camera knows no such stream (404): check the path in the address".into(),
        453 => "the camera has no bandwidth for another viewer (453): close other viewers, or raise its limit".into(),
        461 => "the camera refuses RTP over TCP and over UDP (461): check its stream settings".into(),
        501 | 405 => {
            format!("the camera does not know {method} ({status}): check that the address is of its RTSP service")
        }
        503 => "the camera is not available now (503): it starts, is busy, or has too many viewers".into(),
        505 => "the camera speaks another version of RTSP (505)".into(),
        502 | 504 => format!("what stands between the node and the camera does not reach it ({status})"),
        500..=599 => format!("the camera fails at {method} ({status}): restart it if this goes on"),
        _ => format!("the camera refuses {method} ({status}): check the path in the address"),
    })
}

/// The login was sent, and the camera refused it.
pub(crate) fn refused() -> Failure {
    Failure::Refused("the camera refuses the login (401): check the user and password".into())
}

/// No login is configured.
pub(crate) fn needs_login() -> Failure {
    Failure::Lost("the camera needs a login (401), and none is set: add `login` to the camera".into())
}

/// A host that a redirection led to.
pub(crate) fn needs_login_elsewhere() -> Failure {
    Failure::Lost(
        "the camera redirects to another host, which needs a login (401), and the login is for the first host only: \
         put the final address into `source`"
            .into(),
    )
}

pub(crate) fn unknown_login_method() -> Failure {
    Failure::Lost(
        "the camera asks for a login in a way that this version does not know (401): allow Digest with MD5 or SHA-256 \
         in its settings"
            .into(),
    )
}

pub(crate) fn too_many_redirects(most: usize) -> Failure {
    Failure::Lost(format!("the camera redirects more than {most} times: check the address"))
}

pub(crate) fn no_datagrams(seconds: u64) -> Failure {
    Failure::Lost(format!(
        "the camera refuses RTP over TCP, and over UDP nothing came for {seconds} s: let its UDP datagrams through the firewall"
    ))
}

pub(crate) fn cannot_connect(error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens on the port: check the port and that RTSP is enabled".into()
        }
        io::ErrorKind::TimedOut => "it does not answer: check its power, network and address".into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the network has no way to it: check its address and the network".into()
        }
        _ => error.to_string(),
    };
    Failure::Lost(format!("can't connect to the camera: {why}"))
}

/// `doing`: what the node waited for.
pub(crate) fn of_trouble(trouble: &Trouble, doing: &str) -> Failure {
    Failure::Lost(match trouble {
        Trouble::Closed => format!("the camera closed the connection ({doing})"),
        Trouble::Silent => format!("the camera does not answer ({doing})"),
        Trouble::NotRtsp => "what the camera sends is not RTSP: check the port in the address".into(),
        Trouble::Io(error) => format!("the connection to the camera broke ({doing}): {error}"),
        Trouble::Stopped => "stopped".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_login_is_called_one() {
        assert!(matches!(refused(), Failure::Refused(_)));
        for status in [400, 403, 404, 405, 451, 453, 454, 455, 459, 461, 500, 501, 502, 503, 504, 505, 551, 599] {
            let Failure::Lost(words) = of_status("DESCRIBE", status) else { panic!("{status}") };
            assert!(words.contains(&status.to_string()) && !words.contains("password"), "{words}");
        }
        for failure in [needs_login(), needs_login_elsewhere(), unknown_login_method()] {
            let Failure::Lost(words) = failure else { panic!("{failure:?}") };
            assert!(words.contains("401") && !words.contains("wrong"), "{words}");
        }
    }
}
