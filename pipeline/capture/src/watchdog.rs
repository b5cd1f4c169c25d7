//! Judges a connection by the times of arrived and decoded frames: a pure function.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A connection without a picture is given up after this time.
pub(crate) const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// Silence after which a camera is reported as stalled.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(2);
/// Silence after which the camera is reconnected.
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_secs(8);

/// The judgement of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No frame yet, within the time allowed.
    Waiting,
    /// Frames come.
    Live,
    /// Frames came, but none for this time.
    Stalled(Duration),
    /// No frame for so long that the camera is reconnected.
    GiveUp(Duration),
}

/// The times of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// When it began.
    pub(crate) connected: Monotonic,
    /// When its last frame arrived, decoded or not.
    pub(crate) arrived: Option<Monotonic>,
    /// When its last frame was decoded.
    pub(crate) decoded: Option<Monotonic>,
    /// How far apart decoded frames may be while others arrive.
    pub(crate) max_decode_gap: Duration,
}

/// Judges a connection.
pub(crate) fn judge(now: Monotonic, seen: &Seen) -> Verdict {
    let Some(decoded) = seen.decoded else {
        let silent = now.since(seen.connected);
        return if silent < FIRST_FRAME_WITHIN { Verdict::Waiting } else { Verdict::GiveUp(silent) };
    };
    let silent = now.since(decoded);
    let nothing_arrived = seen.arrived.map_or(silent, |arrived| now.since(arrived).min(silent));
    let silence = if nothing_arrived >= STALLED_AFTER { nothing_arrived } else { silent };
    match nothing_arrived.max(silent.saturating_sub(seen.max_decode_gap)) {
        overdue if overdue >= GIVEN_UP_AFTER => Verdict::GiveUp(silence),
        overdue if overdue >= STALLED_AFTER => Verdict::Stalled(silence),
        _ => Verdict::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_first_a_stall_and_then_a_lost_connection() {
        let judged = |now, decoded: Option<u64>| {
            judge(
                at(now),
                &Seen { connected: at(0), arrived: None, decoded: decoded.map(at), max_decode_gap: Duration::ZERO },
            )
        };
        assert_eq!(judged(14, None), Verdict::Waiting);
        assert_eq!(judged(15, None), Verdict::GiveUp(Duration::from_secs(15)));
        assert_eq!(judged(21, Some(20)), Verdict::Live);
        assert_eq!(judged(22, Some(20)), Verdict::Stalled(Duration::from_secs(2)));
        assert_eq!(judged(28, Some(20)), Verdict::GiveUp(Duration::from_secs(8)));
    }

    #[test]
    fn frames_that_need_not_be_decoded_are_no_silence() {
        let judged = |now, arrived, decoded| {
            let (arrived, decoded) = (Some(at(arrived)), Some(at(decoded)));
            judge(at(now), &Seen { connected: at(0), arrived, decoded, max_decode_gap: Duration::from_secs(4) })
        };
        assert_eq!(judged(25, 25, 20), Verdict::Live);
        assert_eq!(judged(26, 26, 20), Verdict::Stalled(Duration::from_secs(6)), "the wanted one is overdue");
        assert_eq!(
            judged(32, 32, 20),
            Verdict::GiveUp(Duration::from_secs(12)),
            "frames come, and none can be decoded"
        );
        assert_eq!(judged(23, 21, 20), Verdict::Stalled(Duration::from_secs(2)), "nothing comes");
        assert_eq!(judged(29, 21, 20), Verdict::GiveUp(Duration::from_secs(8)));
        assert_eq!(judged(21, 10, 20), Verdict::Live, "what was decoded has arrived");
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }
}
