//! Puts RTP packets in order by their sequence numbers, drops those that come twice, and counts
//! those that are lost (RFC 3550, appendix A.1).

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// The most packets that wait for a missing one.
const MAX_HELD: usize = 1024;
/// A number that is further ahead belongs to another sequence.
const MAX_AHEAD: u16 = 3000;
/// A number that is further behind belongs to another sequence.
const MAX_BEHIND: u16 = 1000;
/// The number of packets with old but successive numbers that show that a sequence began anew.
const OLD_IN_A_ROW: u32 = 8;

/// What is missing before a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nothing.
    None,
    /// This number of packets.
    Lost(u16),
    /// Unknown: the sequence began anew.
    Restart,
}

/// The order of one sequence of packets.
#[derive(Debug)]
pub(crate) struct Reorder {
    /// A packet that is held longer than this no longer waits for a missing one.
    patience: Duration,
    next: Option<u16>,
    /// Packets that wait, and when they came. The first one is that of `next`.
    held: VecDeque<Option<(Vec<u8>, Monotonic)>>,
    /// A packet far off all others, and its number.
    stray: Option<(u16, Vec<u8>)>,
    /// Packets in a row with old numbers, and the last number.
    old: (u32, u16),
    /// True if the next packet begins a sequence anew.
    has_restarted: bool,
}

impl Reorder {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, next: None, held: VecDeque::new(), stray: None, old: (0, 0), has_restarted: false }
    }

    /// The order of a sequence that follows another one.
    pub(crate) fn anew(patience: Duration) -> Self {
        Self { has_restarted: true, ..Self::new(patience) }
    }

    /// What is missing before a packet that [`Reorder::is_next`] calls the next one.
    pub(crate) fn gap_of_next(&mut self) -> Gap {
        if std::mem::take(&mut self.has_restarted) { Gap::Restart } else { Gap::None }
    }

    /// Takes a packet. Returns true if it is the next one: then the caller goes on with it, and
    /// with those that [`Reorder::take_ready`] gives. Others are kept or dropped.
    pub(crate) fn is_next(&mut self, number: u16, packet: &[u8], now: Monotonic) -> bool {
        let next = *self.next.get_or_insert(number);
        let ahead = number.wrapping_sub(next);
        if ahead == 0 {
            self.held.pop_front();
            self.next = Some(number.wrapping_add(1));
            (self.stray, self.old) = (None, (0, 0));
            return true;
        }
        if ahead < MAX_AHEAD {
            (self.stray, self.old) = (None, (0, 0));
            let index = usize::from(ahead);
            if self.held.len() <= index {
                self.held.resize(index + 1, None);
            }
            self.held[index].get_or_insert_with(|| (packet.to_vec(), now));
        } else if next.wrapping_sub(number) <= MAX_BEHIND {
            let in_a_row = if number == self.old.1.wrapping_add(1) { self.old.0 + 1 } else { 1 };
            self.old = (in_a_row, number);
            if in_a_row >= OLD_IN_A_ROW {
                self.restart(number, [packet.to_vec()], now);
            }
        } else {
            // One packet far off may be a stray one; a second that continues it is not.
            match self.stray.take() {
                Some((first, held)) if number == first.wrapping_add(1) => {
                    self.restart(first, [held, packet.to_vec()], now);
                }
                _ => self.stray = Some((number, packet.to_vec())),
            }
        }
        false
    }

    fn restart<const N: usize>(&mut self, next: u16, packets: [Vec<u8>; N], now: Monotonic) {
        self.next = Some(next);
        self.held = packets.into_iter().map(|packet| Some((packet, now))).collect();
        (self.old, self.has_restarted) = ((0, 0), true);
    }

    /// The next packet that waits for nothing more, with what is missing before it.
    pub(crate) fn take_ready(&mut self, now: Monotonic) -> Option<(Vec<u8>, Gap)> {
        let missing = self.held.iter().position(Option::is_some)?;
        if missing > 0 && self.held.len() <= MAX_HELD && !self.wait(now)?.is_zero() {
            return None;
        }
        self.held.drain(..missing);
        let (packet, _) = self.held.pop_front()??;
        // At most `MAX_AHEAD`.
        let missing = missing as u16;
        self.next = self.next.map(|next| next.wrapping_add(missing).wrapping_add(1));
        let gap = if missing > 0 { Gap::Lost(missing) } else { self.gap_of_next() };
        Some((packet, gap))
    }

    /// How long the packet that came first still waits. `None`: none is held.
    pub(crate) fn wait(&self, now: Monotonic) -> Option<Duration> {
        let since = self.held.iter().flatten().map(|(_, since)| *since).min()?;
        Some(self.patience.saturating_sub(now.since(since)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(millis))
    }

    /// Gives the packets, each a millisecond after the one before. Returns what comes out.
    fn through(numbers: &[u16]) -> Vec<(u16, Gap)> {
        let (mut reorder, mut out) = (Reorder::new(PATIENCE), Vec::new());
        let end = at(numbers.len() as u64) + PATIENCE;
        for (n, number) in (0..).zip(numbers) {
            if reorder.is_next(*number, &number.to_be_bytes(), at(n)) {
                out.push((*number, Gap::None));
            }
            out.extend(ready(&mut reorder, at(n)));
        }
        out.extend(ready(&mut reorder, end));
        out
    }

    fn ready(reorder: &mut Reorder, now: Monotonic) -> Vec<(u16, Gap)> {
        let next = || reorder.take_ready(now);
        std::iter::from_fn(next).map(|(bytes, gap)| (u16::from_be_bytes([bytes[0], bytes[1]]), gap)).collect()
    }

    fn numbers(out: &[(u16, Gap)]) -> Vec<u16> {
        out.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_missing_packet_is_waited_for_and_then_given_up() {
        let mut reorder = Reorder::new(PATIENCE);
        assert!(reorder.is_next(65_535, &[], at(0)));
        assert!(!reorder.is_next(2, &[0, 2], at(10)) && !reorder.is_next(1, &[0, 1], at(50)));
        assert_eq!(reorder.wait(at(60)), Some(Duration::from_millis(50)), "since the first that waits came");
        assert_eq!(ready(&mut reorder, at(109)), []);
        assert_eq!(ready(&mut reorder, at(110)), [(1, Gap::Lost(1)), (2, Gap::None)]);
        assert!(!reorder.is_next(0, &[], at(111)), "too late");
        assert!(reorder.is_next(3, &[], at(112)));
        assert_eq!(reorder.wait(at(113)), None);
    }

    #[test]
    fn a_sequence_that_begins_anew_goes_on() {
        for from in [0u16, 500, 30_000, 65_000] {
            let before: Vec<u16> = (0..20).map(|n| from.wrapping_add(n)).collect();
            for jump in [5_000u16, 30_000, 60_000, 64_900] {
                let after: Vec<u16> = (0..40).map(|n| from.wrapping_add(jump).wrapping_add(n)).collect();
                let out = through(&[before.clone(), after.clone()].concat());
                let restart = out.iter().position(|(_, gap)| *gap == Gap::Restart);
                assert_eq!(restart, Some(20), "{from} {jump}: {out:?}");
                assert!(numbers(&out).ends_with(&after[OLD_IN_A_ROW as usize - 1..]), "{from} {jump}");
            }
        }
        assert_eq!(numbers(&through(&[1, 2, 40_000, 3, 4])), [1, 2, 3, 4], "a stray packet is none");
        let twice: Vec<u16> = (0..100).flat_map(|n| [n, n]).collect();
        let out = through(&twice);
        assert_eq!((out.len(), out.iter().all(|(_, gap)| *gap == Gap::None)), (100, true), "old ones are none");
    }

    proptest! {
        /// Shuffled within their patience and doubled, packets come out once and in order.
        #[test]
        fn order_is_restored(
            first: u16, count in 1usize..200, keys in proptest::collection::vec(0usize..20, 200),
            twice in proptest::collection::vec(any::<bool>(), 200),
        ) {
            let sent: Vec<u16> = (0..count as u16).map(|n| first.wrapping_add(n)).collect();
            let mut shuffled: Vec<(usize, u16)> =
                sent.iter().enumerate().map(|(n, number)| (if n == 0 { 0 } else { n + keys[n] }, *number)).collect();
            shuffled.sort_by_key(|(key, _)| *key);
            let came: Vec<u16> = shuffled
                .iter()
                .enumerate()
                .flat_map(|(n, (_, number))| std::iter::repeat_n(*number, 1 + usize::from(twice[n])))
                .collect();
            let out = through(&came);
            prop_assert_eq!(numbers(&out), sent);
            prop_assert!(out.iter().all(|(_, gap)| *gap == Gap::None));
        }

        /// Each lost packet is counted once.
        #[test]
        fn losses_are_counted(first: u16, kept in proptest::collection::vec(any::<bool>(), 2..300)) {
            let ends = |n: usize| n == 0 || n + 1 == kept.len();
            let came: Vec<u16> = (0..kept.len())
                .filter(|n| kept[*n] || ends(*n))
                .map(|n| first.wrapping_add(n as u16))
                .collect();
            let out = through(&came);
            let lost: usize = out.iter().map(|(_, gap)| if let Gap::Lost(n) = gap { usize::from(*n) } else { 0 }).sum();
            prop_assert_eq!(numbers(&out), came.clone());
            prop_assert_eq!(lost, kept.len() - came.len());
        }
    }
}
