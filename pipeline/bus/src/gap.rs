//! Detects missing entries, by their sequence numbers alone.

use std::collections::{BTreeMap, HashMap};

use gatehouse_core::event::{EntryEvent, EventId};

/// Gaps remembered for each key. The oldest are dropped when there are more.
const MOST_GAPS: usize = 1024;

/// Entries that a receiver has not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The key of the gate's entries.
    pub key: String,
    /// The first missing sequence number.
    pub from: u64,
    /// The last missing one.
    pub until: u64,
}

/// How an entry relates to those that a receiver has seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// New, and the first of its gate: counting begins here.
    First,
    /// New, and the one after the last.
    Next,
    /// New, and some before it are missing.
    After(Gap),
    /// New, though late: it was missing.
    Filled,
    /// Not new: a repeat, or from before the first one seen.
    Old,
    /// New, and the gate counts from 1 again (its store was lost): what was known of it is
    /// forgotten. With the entries of the new count that are missing already.
    Restarted(Option<Gap>),
}

impl Arrival {
    /// True if the receiver sees this entry for the first time.
    pub fn is_new(&self) -> bool {
        *self != Self::Old
    }
}

/// Follows the entries of any number of gates. Tells gaps, repeats and restarted counts apart;
/// touches no network.
#[derive(Debug, Default)]
pub struct GapDetector {
    gates: HashMap<String, Gate>,
}

#[derive(Debug)]
struct Gate {
    highest: u64,
    /// The latest time of any event id seen. A number that was had before, on an event that is
    /// later than every other, is no repeat: the count has restarted.
    latest_ms: u64,
    /// Missing numbers below `highest`, as ranges: first to last.
    missing: BTreeMap<u64, u64>,
}

impl GapDetector {
    /// Continues from an earlier detector of this receiver: `sequence` and `event_id` of the last
    /// entry on that key. Later entries that are not seen form a gap.
    pub fn resume(&mut self, key: &str, sequence: u64, event_id: EventId) {
        let gate = Gate { highest: sequence, latest_ms: event_id.0.timestamp_ms(), missing: BTreeMap::new() };
        self.gates.insert(key.to_owned(), gate);
    }

    /// Records an entry that arrived on `key`, live or replayed.
    pub fn observe(&mut self, key: &str, entry: &EntryEvent) -> Arrival {
        let (sequence, at_ms) = (entry.sequence, entry.event_id.0.timestamp_ms());
        let Some(gate) = self.gates.get_mut(key) else {
            self.resume(key, sequence, entry.event_id);
            return Arrival::First;
        };
        let gap = |from, until| Gap { key: key.to_owned(), from, until };
        if sequence > gate.highest {
            let expected = gate.highest.saturating_add(1);
            gate.highest = sequence;
            gate.latest_ms = gate.latest_ms.max(at_ms);
            if sequence == expected {
                return Arrival::Next;
            }
            gate.missing.insert(expected, sequence - 1);
            if gate.missing.len() > MOST_GAPS {
                gate.missing.pop_first();
            }
            return Arrival::After(gap(expected, sequence - 1));
        }
        if gate.fill(sequence) {
            return Arrival::Filled;
        }
        if at_ms <= gate.latest_ms {
            return Arrival::Old;
        }
        let missing = (sequence > 1).then(|| gap(1, sequence - 1));
        let ranges = missing.iter().map(|gap| (gap.from, gap.until)).collect();
        *gate = Gate { highest: sequence, latest_ms: at_ms, missing: ranges };
        Arrival::Restarted(missing)
    }

    /// The gaps that are still open, by key and number.
    pub fn gaps(&self) -> Vec<Gap> {
        let gaps = self.gates.iter().flat_map(|(key, gate)| {
            gate.missing.iter().map(|(from, until)| Gap { key: key.clone(), from: *from, until: *until })
        });
        let mut gaps: Vec<Gap> = gaps.collect();
        gaps.sort_by(|a, b| (&a.key, a.from).cmp(&(&b.key, b.from)));
        gaps
    }
}

impl Gate {
    /// Takes a number out of the missing ones; false if it was none.
    fn fill(&mut self, sequence: u64) -> bool {
        let Some((&from, &until)) = self.missing.range(..=sequence).next_back() else { return false };
        if until < sequence {
            return false;
        }
        self.missing.remove(&from);
        if from < sequence {
            self.missing.insert(from, sequence - 1);
        }
        if sequence < until {
            self.missing.insert(sequence + 1, until);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gatehouse_core::CameraId;
    use gatehouse_core::event::{Decision, Direction, EntryLatency, Method, Reason};
    use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "gatehouse/v1/a/s/gate/g/entry";

    fn entry(sequence: u64, at_ms: u64) -> EntryEvent {
        let at = WallTime::from_unix_nanos(0);
        EntryEvent {
            event_id: EventId(ulid::Ulid::from_parts(at_ms, u128::from(sequence))),
            sequence,
            gate: CameraId::new("g"),
            direction: Direction::In,
            decision: Decision::Refer,
            reason: Reason::NoMatch,
            method: Method::Face,
            capture_time: CaptureTime { at, source: ClockSource::Arrival, error_ms: 600, clock_offset_ms: None },
            latency_ms: EntryLatency::default(),
            grant: None,
        }
    }

    fn numbers(gaps: &[Gap]) -> BTreeSet<u64> {
        gaps.iter().flat_map(|gap| gap.from..=gap.until).collect()
    }

    fn gap(from: u64, until: u64) -> Gap {
        Gap { key: KEY.to_owned(), from, until }
    }

    #[test]
    fn a_receiver_that_was_away_learns_what_it_missed() {
        let mut detector = GapDetector::default();
        detector.resume(KEY, 10, entry(10, 10).event_id);
        assert_eq!(detector.observe(KEY, &entry(10, 10)), Arrival::Old);
        assert_eq!(detector.observe(KEY, &entry(14, 14)), Arrival::After(gap(11, 13)));
        assert_eq!(detector.observe(KEY, &entry(12, 12)), Arrival::Filled);
        assert_eq!(detector.gaps(), [gap(11, 11), gap(13, 13)]);
        assert_eq!(detector.observe(KEY, &entry(15, 15)), Arrival::Next);
    }

    #[test]
    fn a_lost_store_is_not_a_repeat() {
        let mut detector = GapDetector::default();
        for sequence in 1..=5 {
            detector.observe(KEY, &entry(sequence, 100 + sequence));
        }
        assert_eq!(detector.observe(KEY, &entry(2, 102)), Arrival::Old);
        assert_eq!(detector.observe(KEY, &entry(2, 900)), Arrival::Restarted(Some(gap(1, 1))));
        assert_eq!(detector.observe(KEY, &entry(1, 899)), Arrival::Filled);
        assert_eq!(detector.observe(KEY, &entry(3, 901)), Arrival::Next);
        assert!(detector.gaps().is_empty());
    }

    #[test]
    fn a_sender_that_skips_without_end_can_not_fill_the_memory() {
        let mut detector = GapDetector::default();
        for sequence in (1..10_000).step_by(2) {
            detector.observe(KEY, &entry(sequence, sequence));
        }
        assert_eq!(detector.gaps().len(), MOST_GAPS);
        assert_eq!(detector.observe(KEY, &entry(u64::MAX, 20_000)), Arrival::After(gap(10_000, u64::MAX - 1)));
        assert_eq!(detector.observe(KEY, &entry(u64::MAX, 20_000)), Arrival::Old);
    }

    proptest! {
        /// Whatever is lost, repeated or late: every number from the first one on is either new
        /// exactly once, or missing.
        #[test]
        fn every_number_is_either_new_once_or_missing(order in proptest::collection::vec(1u64..60, 1..120)) {
            let mut detector = GapDetector::default();
            let mut seen = BTreeSet::new();
            let first = order[0];
            for sequence in order {
                let arrival = detector.observe(KEY, &entry(sequence, 1_000 + sequence));
                let expect_new = sequence >= first && seen.insert(sequence);
                prop_assert_eq!(arrival.is_new(), expect_new, "{} was {:?}", sequence, arrival);
                let highest = *seen.last().expect("the first is in it");
                let missing: BTreeSet<u64> = (first..=highest).filter(|n| !seen.contains(n)).collect();
                prop_assert_eq!(numbers(&detector.gaps()), missing);
            }
        }

        /// Gates don't mix.
        #[test]
        fn each_gate_counts_for_itself(order in proptest::collection::vec((0usize..3, 1u64..20), 1..60)) {
            let keys = ["gate/a/entry", "gate/b/entry", "gate/c/entry"];
            let (mut together, mut apart) = (GapDetector::default(), [(); 3].map(|()| GapDetector::default()));
            for (gate, sequence) in order {
                let entry = entry(sequence, 1_000 + sequence);
                prop_assert_eq!(together.observe(keys[gate], &entry), apart[gate].observe(keys[gate], &entry));
            }
            let gaps: Vec<Gap> = apart.iter().flat_map(GapDetector::gaps).collect();
            prop_assert_eq!(together.gaps(), gaps);
        }

        /// A restarted count is detected at its first entry and then followed like a new one.
        #[test]
        fn a_restart_is_noticed_once(before in 1u64..50, from in 1u64..50, after in 1u64..20) {
            let from = from.min(before);
            let mut detector = GapDetector::default();
            (1..=before).for_each(|n| drop(detector.observe(KEY, &entry(n, n))));
            let restarted = detector.observe(KEY, &entry(from, 1_000));
            prop_assert_eq!(restarted, Arrival::Restarted((from > 1).then(|| gap(1, from - 1))));
            for n in 1..after {
                prop_assert_eq!(detector.observe(KEY, &entry(from + n, 1_000 + n)), Arrival::Next);
            }
            prop_assert_eq!(numbers(&detector.gaps()), (1..from).collect());
        }
    }
}
