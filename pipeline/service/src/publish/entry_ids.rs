//! Ids of entries: made of the node's clock, and strictly increasing.

use gatehouse_core::event::EventId;
use gatehouse_core::time::WallTime;
use ulid::Ulid;

/// Makes ids. While the clock is behind the last id's time, each id is the last one plus 1.
#[derive(Debug)]
pub(super) struct EntryIds {
    last: Ulid,
}

impl EntryIds {
    /// Makes ids after those of earlier runs.
    pub(super) fn after(newest: Option<EventId>) -> Self {
        Self { last: newest.map_or(Ulid(0), |id| id.0) }
    }

    /// The id of an entry that was decided at `decided_at`.
    pub(super) fn next(&mut self, decided_at: WallTime) -> EventId {
        let millis = u64::try_from(decided_at.unix_millis()).unwrap_or_default();
        let new = Ulid::from_parts(millis, rand::random());
        self.last = new.max(Ulid(self.last.0.saturating_add(1)));
        EventId(self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_says_when_the_gate_decided() {
        let mut ids = EntryIds::after(None);
        let id = ids.next(WallTime::from_unix_nanos(1_790_000_000_123_456_789));
        assert_eq!(id.0.timestamp_ms(), 1_790_000_000_123);
        let next = EntryIds::after(Some(id)).next(WallTime::from_unix_nanos(0));
        assert_eq!(next.0.0, id.0.0 + 1, "the clock was set back by 56 years");
    }

    proptest! {
        #[test]
        fn no_id_goes_back_whatever_the_clock_does(times in prop::collection::vec(any::<i64>(), 1..100), restart in 0usize..100) {
            let mut ids = EntryIds::after(None);
            let mut last = None;
            for (number, at) in times.into_iter().enumerate() {
                if number == restart {
                    ids = EntryIds::after(last);
                }
                let id = ids.next(WallTime::from_unix_nanos(at));
                prop_assert!(last < Some(id), "{id} after {last:?}");
                last = Some(id);
            }
        }
    }
}
