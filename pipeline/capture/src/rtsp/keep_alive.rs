//! Keeps a session alive (RFC 2326, section 12.37): a request well within its time-out, over TCP
//! too. Some cameras end the stream otherwise, though packets flow.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A session's time-out if the camera states none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// More often is never needed.
const SHORTEST: Duration = Duration::from_millis(500);

/// The value of a `Session` field: the id, and the time-out.
pub(crate) fn session(field: &str) -> (String, Duration) {
    let mut parts = field.split(';').map(str::trim);
    let id = parts.next().unwrap_or_default().to_owned();
    let stated = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse::<u64>().ok())?
    });
    let timeout = stated.filter(|seconds| *seconds > 0).map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    (id, timeout)
}

/// The request that keeps the session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAliveMethod {
    GetParameter,
    /// For cameras that refuse the other.
    Options,
}

impl KeepAliveMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GetParameter => "GET_PARAMETER",
            Self::Options => "OPTIONS",
        }
    }
}

/// When to send what.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    method: KeepAliveMethod,
    every: Duration,
    next: Monotonic,
}

impl KeepAlive {
    /// Two fifths of the time-out: one that is lost leaves time for another.
    pub(crate) fn new(timeout: Duration, method: KeepAliveMethod, now: Monotonic) -> Self {
        let every = (timeout * 2 / 5).max(SHORTEST);
        Self { method, every, next: now + every }
    }

    /// Time until the next request.
    pub(crate) fn wait(&self, now: Monotonic) -> Duration {
        self.next.since(now)
    }

    /// The request, if one is due.
    pub(crate) fn due(&mut self, now: Monotonic) -> Option<KeepAliveMethod> {
        if !self.wait(now).is_zero() {
            return None;
        }
        self.next = now + self.every;
        Some(self.method)
    }

    /// An answer came. If the camera refuses the method, the other one is sent from now on.
    pub(crate) fn on_answer(&mut self, status: u16, now: Monotonic) {
        if status >= 400 && status != 401 && self.method == KeepAliveMethod::GetParameter {
            self.method = KeepAliveMethod::Options;
            self.next = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_and_its_time_out_are_read() {
        for (field, id, seconds) in [
            ("12345678;timeout=30", "12345678", 30),
            (" 1 ; Timeout = 5 ", "1", 5),
            ("abc", "abc", 60),
            ("abc;timeout=", "abc", 60),
            ("abc;timeout=0", "abc", 60),
            ("abc;x=1;timeout=90;y", "abc", 90),
        ] {
            assert_eq!(session(field), (id.to_owned(), Duration::from_secs(seconds)), "{field}");
        }
    }

    #[test]
    fn requests_come_in_time_and_a_refusal_changes_the_method() {
        let at = |millis| Monotonic::from_start(Duration::from_millis(millis));
        let mut keep_alive = KeepAlive::new(Duration::from_secs(60), KeepAliveMethod::GetParameter, at(0));
        assert_eq!(keep_alive.due(at(23_999)), None);
        assert_eq!(keep_alive.due(at(24_000)), Some(KeepAliveMethod::GetParameter));
        assert_eq!(keep_alive.wait(at(24_000)), Duration::from_secs(24));
        keep_alive.on_answer(200, at(24_010));
        assert_eq!(keep_alive.due(at(24_010)), None);
        keep_alive.on_answer(501, at(24_020));
        assert_eq!(keep_alive.due(at(24_020)), Some(KeepAliveMethod::Options));
        keep_alive.on_answer(404, at(24_030));
        assert_eq!(keep_alive.due(at(24_030)), None, "it is not hammered");
        assert_eq!(KeepAlive::new(Duration::from_secs(1), KeepAliveMethod::Options, at(0)).wait(at(0)), SHORTEST);
    }
}
