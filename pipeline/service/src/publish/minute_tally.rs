//! Counts a gate's entries per minute.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Method, TallyEvent};
use gatehouse_core::time::WallTime;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts one gate's entries of the current minute.
#[derive(Debug)]
pub(super) struct MinuteTally(pub(super) TallyEvent);

impl MinuteTally {
    /// Starts with the minute in which `now` lies.
    pub(super) fn new(gate: CameraId, now: WallTime) -> Self {
        let from = start_of_minute(now);
        Self(TallyEvent {
            gate,
            from,
            until: from + MINUTE,
            admitted_by_face: 0,
            admitted_by_qr: 0,
            admitted_by_both: 0,
            referred: 0,
            present: None,
        })
    }

    pub(super) fn count(&mut self, decision: Decision, method: Method) {
        let counter = match (decision, method) {
            (Decision::Admit, Method::Face) => &mut self.0.admitted_by_face,
            (Decision::Admit, Method::Qr) => &mut self.0.admitted_by_qr,
            (Decision::Admit, Method::QrAndFace) => &mut self.0.admitted_by_both,
            (Decision::Refer, _) => &mut self.0.referred,
        };
        *counter += 1;
    }

    /// The event of a minute that is over, with the people inside; starts the next minute.
    pub(super) fn finish(&mut self, now: WallTime, present: Option<u32>) -> Option<TallyEvent> {
        // A wall clock that was set back starts a new minute too. Otherwise no tally would be
        // published until it has caught up.
        if now >= self.0.from && now < self.0.until {
            return None;
        }
        let next = Self::new(self.0.gate.clone(), now);
        let over = std::mem::replace(self, next);
        Some(TallyEvent { present, ..over.0 })
    }
}

fn start_of_minute(now: WallTime) -> WallTime {
    const NANOS: i64 = 60_000_000_000;
    WallTime::from_unix_nanos(now.unix_nanos().div_euclid(NANOS) * NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_reported_when_it_is_over() {
        let at = |s: u64| WallTime::from_unix_nanos(1_790_000_040_000_000_000) + Duration::from_secs(s);
        let mut tally = MinuteTally::new(CameraId::new("g"), at(10));
        tally.count(Decision::Admit, Method::Face);
        tally.count(Decision::Refer, Method::Qr);
        tally.count(Decision::Admit, Method::Face);
        tally.count(Decision::Admit, Method::Qr);
        tally.count(Decision::Admit, Method::QrAndFace);
        assert_eq!(tally.finish(at(59), None), None);
        let event = tally.finish(at(60), Some(12)).expect("the minute is over");
        assert_eq!((event.from, event.until), (at(0), at(60)));
        assert_eq!((event.admitted_by_face, event.admitted_by_qr, event.admitted_by_both), (2, 1, 1));
        assert_eq!((event.referred, event.present), (1, Some(12)));
        assert_eq!(tally.finish(at(119), None), None);
        assert_eq!(tally.finish(at(200), None).map(|t| t.admitted_by_face), Some(0));
    }
}
