//! Counts a gate's entries per minute.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, TallyEvent};
use gatehouse_core::time::WallTime;

const MINUTE: Duration = Duration::from_secs(60);

/// One gate's running minute.
#[derive(Debug)]
pub(crate) struct Tally {
    gate: CameraId,
    from: WallTime,
    admitted: u32,
    referred: u32,
}

impl Tally {
    /// A tally whose first minute starts with the minute that `now` lies in.
    pub(crate) fn new(gate: CameraId, now: WallTime) -> Self {
        Self { gate, from: start_of_minute(now), admitted: 0, referred: 0 }
    }

    pub(crate) fn gate(&self) -> &CameraId {
        &self.gate
    }

    pub(crate) fn count(&mut self, decision: Decision) {
        match decision {
            Decision::Admit => self.admitted += 1,
            Decision::Refer => self.referred += 1,
        }
    }

    /// The minute's tally once it is over; the next one starts.
    pub(crate) fn finish(&mut self, now: WallTime) -> Option<TallyEvent> {
        let until = self.from + MINUTE;
        // A wall clock that was set back starts a new minute too, or nothing would be told until it has caught up.
        if now >= self.from && now < until {
            return None;
        }
        let event = TallyEvent {
            gate: self.gate.clone(),
            from: self.from,
            until,
            admitted_by_face: self.admitted,
            referred_by_face: self.referred,
        };
        *self = Self::new(self.gate.clone(), now);
        Some(event)
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
    fn a_minute_is_told_once_it_is_over() {
        let at = |s: u64| WallTime::from_unix_nanos(1_790_000_040_000_000_000) + Duration::from_secs(s);
        let mut tally = Tally::new(CameraId::new("g"), at(10));
        tally.count(Decision::Admit);
        tally.count(Decision::Refer);
        tally.count(Decision::Admit);
        assert_eq!(tally.finish(at(59)), None);
        let told = tally.finish(at(60)).expect("the minute is over");
        assert_eq!((told.from, told.until), (at(0), at(60)));
        assert_eq!((told.admitted_by_face, told.referred_by_face), (2, 1));
        assert_eq!(tally.finish(at(119)), None);
        assert_eq!(tally.finish(at(200)).map(|t| t.admitted_by_face), Some(0));
    }
}
