//! Judges a connection by its decoded frames: a pure function of times.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A connection that has shown no picture by then is given up.
pub(crate) const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// Silence after which a camera is called stalled.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(2);
/// Silence after which the connection is given up and made anew.
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_secs(8);

/// What to make of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No frame yet, and that's still all right.
    Waiting,
    /// Frames come.
    Live,
    /// Frames came, and none for this long.
    Stalled(Duration),
    /// Nothing for so long that the connection is made anew.
    GiveUp(Duration),
}

/// Judges a connection made at `connected`, whose last frame was decoded at `last_frame`.
pub(crate) fn judge(now: Monotonic, connected: Monotonic, last_frame: Option<Monotonic>) -> Verdict {
    let silent = now.since(last_frame.unwrap_or(connected));
    match last_frame {
        None if silent < FIRST_FRAME_WITHIN => Verdict::Waiting,
        None => Verdict::GiveUp(silent),
        Some(_) if silent >= GIVEN_UP_AFTER => Verdict::GiveUp(silent),
        Some(_) if silent >= STALLED_AFTER => Verdict::Stalled(silent),
        Some(_) => Verdict::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_first_a_stall_and_then_a_lost_connection() {
        let at = |s| Monotonic::from_start(Duration::from_secs(s));
        assert_eq!(judge(at(14), at(0), None), Verdict::Waiting);
        assert_eq!(judge(at(15), at(0), None), Verdict::GiveUp(Duration::from_secs(15)));
        assert_eq!(judge(at(21), at(0), Some(at(20))), Verdict::Live);
        assert_eq!(judge(at(22), at(0), Some(at(20))), Verdict::Stalled(Duration::from_secs(2)));
        assert_eq!(judge(at(28), at(0), Some(at(20))), Verdict::GiveUp(Duration::from_secs(8)));
    }
}
