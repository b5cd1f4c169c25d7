//! When to ship a batch, and who is in it: a pure function of the lanes and the time.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// How long to wait for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Items in a full batch, 1 or more.
    pub max_batch: usize,
    /// How long the oldest waiting item may wait for others to join it.
    pub max_wait: Duration,
}

/// A lane that has something to ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Which lane.
    pub lane: usize,
    /// Since when the lane has waited to be served. A newer item doesn't set it back.
    pub since: Monotonic,
    /// The lane's turn: how many items had been shipped when it was served last, that one included; 0 for never.
    pub last_served: u64,
}

/// What a worker is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing waits.
    Idle,
    /// Wait for more, at most until then.
    WaitUntil(Monotonic),
    /// Ship the first so many of the waiting lanes, which are now sorted by turn.
    Ship(usize),
}

/// Decides what to do now. `open_lanes` is the number of lanes that could still offer something.
///
/// A batch is shipped when it is full, when every open lane is in it, or when its oldest item has waited long enough, so
/// a silent camera never holds up the others. Whoever was served longest ago comes first; among those the one that has
/// waited longest. So with `n` lanes that always have something, none waits for more than `⌈n / max_batch⌉` batches.
pub fn plan(waiting: &mut [Waiting], open_lanes: usize, now: Monotonic, policy: BatchPolicy) -> Plan {
    let Some(oldest) = waiting.iter().map(|w| w.since).min() else {
        return Plan::Idle;
    };
    let deadline = oldest + policy.max_wait;
    let full = waiting.len() >= policy.max_batch.max(1).min(open_lanes);
    if !full && now < deadline {
        return Plan::WaitUntil(deadline);
    }
    waiting.sort_unstable_by_key(|w| (w.last_served, w.since, w.lane));
    Plan::Ship(waiting.len().min(policy.max_batch.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    fn waiting(lane: usize, since: u64, last_served: u64) -> Waiting {
        Waiting { lane, since: at(since), last_served }
    }

    const POLICY: BatchPolicy = BatchPolicy { max_batch: 4, max_wait: Duration::from_millis(20) };

    #[test]
    fn a_part_batch_waits_for_its_deadline_and_no_longer() {
        let mut lanes = [waiting(0, 100, 0), waiting(1, 110, 0)];
        assert_eq!(plan(&mut lanes, 9, at(115), POLICY), Plan::WaitUntil(at(120)));
        assert_eq!(plan(&mut lanes, 9, at(120), POLICY), Plan::Ship(2));
        assert_eq!(plan(&mut [], 9, at(120), POLICY), Plan::Idle);
    }

    #[test]
    fn a_full_batch_or_the_last_open_lane_ships_at_once() {
        let mut four: Vec<_> = (0..4).map(|i| waiting(i, 100, 0)).collect();
        assert_eq!(plan(&mut four, 9, at(100), POLICY), Plan::Ship(4));
        assert_eq!(plan(&mut four[..2], 2, at(100), POLICY), Plan::Ship(2));
    }

    #[test]
    fn who_was_served_longest_ago_comes_first() {
        let mut lanes = [waiting(0, 100, 7), waiting(1, 150, 3), waiting(2, 90, 7), waiting(3, 160, 0)];
        let policy = BatchPolicy { max_batch: 2, ..POLICY };
        assert_eq!(plan(&mut lanes, 4, at(160), policy), Plan::Ship(2));
        assert_eq!(lanes.map(|w| w.lane), [3, 1, 2, 0]);
    }

    /// A day at the batcher in virtual time: cameras at their own rates, some silent, an inference that takes a while.
    /// Returns for each lane the longest time between becoming ready and being shipped.
    fn simulate(periods_ms: &[u64], policy: BatchPolicy, infer_ms: u64, until_ms: u64) -> Vec<u64> {
        let n = periods_ms.len();
        let (mut ready, mut served, mut longest) = (vec![None::<u64>; n], vec![0u64; n], vec![0u64; n]);
        let (mut shipped, mut busy_until) = (0, 0);
        for now in 0..until_ms {
            for (lane, period) in periods_ms.iter().enumerate().filter(|(_, p)| **p > 0) {
                if now % period == (lane as u64 * 7) % period && ready[lane].is_none() {
                    ready[lane] = Some(now);
                }
            }
            if now < busy_until {
                continue;
            }
            let mut lanes: Vec<_> =
                (0..n).filter_map(|lane| ready[lane].map(|since| waiting(lane, since, served[lane]))).collect();
            if let Plan::Ship(count) = plan(&mut lanes, n, at(now), policy) {
                for w in &lanes[..count] {
                    shipped += 1;
                    longest[w.lane] = longest[w.lane].max(now - ready[w.lane].take().expect("it was waiting"));
                    served[w.lane] = shipped;
                }
                busy_until = now + infer_ms;
            }
        }
        longest
    }

    proptest! {
        #[test]
        fn no_lane_starves_whatever_the_others_do(
            periods in proptest::collection::vec(prop_oneof![Just(0u64), 1u64..200], 1..60),
            max_batch in 1usize..8,
            infer_ms in 1u64..40,
        ) {
            let policy = BatchPolicy { max_batch, ..POLICY };
            let rounds = periods.len().div_ceil(max_batch) as u64 + 1;
            let bound = 20 + rounds * infer_ms;
            for (lane, longest) in simulate(&periods, policy, infer_ms, 3_000).iter().enumerate() {
                prop_assert!(*longest <= bound, "lane {lane} waited {longest} ms, bound {bound} ms");
            }
        }

        #[test]
        fn a_batch_is_never_too_big_and_never_late(
            since in proptest::collection::vec(0u64..100, 0..20), now in 100u64..200, max_batch in 1usize..10,
        ) {
            let mut lanes: Vec<_> = since.iter().enumerate().map(|(i, s)| waiting(i, *s, 0)).collect();
            let policy = BatchPolicy { max_batch, ..POLICY };
            match plan(&mut lanes, 20, at(now), policy) {
                Plan::Ship(n) => prop_assert!(n >= 1 && n <= max_batch),
                Plan::WaitUntil(t) => prop_assert!(t > at(now) && lanes.len() < max_batch),
                Plan::Idle => prop_assert!(lanes.is_empty()),
            }
        }
    }
}
