//! Decides when a batch is shipped, and with which lanes: a pure function of lanes and time.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// The limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Items in a full batch, at least 1.
    pub max_batch: usize,
    /// The longest time that the oldest item waits for others to join it.
    pub max_wait: Duration,
}

/// A lane with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The lane's index.
    pub lane: usize,
    /// When the lane began to wait. A newer item doesn't reset it.
    pub since: Monotonic,
    /// The lane's turn: items shipped until it was last served, that one included; 0 for never.
    pub last_served: u64,
}

/// The decision for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// No lane waits.
    Idle,
    /// Wait for more items, at most until this time.
    WaitUntil(Monotonic),
    /// Ship this many of the waiting lanes, which are now sorted by turn.
    Ship(usize),
}

/// Decides what a worker does now. `open_lanes`: lanes that are in use and with no worker.
///
/// A batch is shipped when it is full, when every open lane is in it, or when its oldest item has
/// waited `max_wait`, so a silent camera never holds up the others. The lane served longest ago
/// comes first; among equals, the one that has waited longest. With `n` lanes that always have an
/// item and `w` workers, none waits for more than `⌈n / (w · max_batch)⌉` batches and its own.
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
    fn the_lane_served_longest_ago_comes_first() {
        let mut lanes = [waiting(0, 100, 7), waiting(1, 150, 3), waiting(2, 90, 7), waiting(3, 160, 0)];
        let policy = BatchPolicy { max_batch: 2, ..POLICY };
        assert_eq!(plan(&mut lanes, 4, at(160), policy), Plan::Ship(2));
        assert_eq!(lanes.map(|w| w.lane), [3, 1, 2, 0]);
    }

    /// Cameras, workers and how long an inference takes, in virtual time.
    struct Simulation<'s> {
        /// From one frame of a camera to the next; 0 for a silent one.
        periods_ms: &'s [u64],
        policy: BatchPolicy,
        workers: usize,
        /// For each item of a batch.
        infer_ms: u64,
    }

    /// The result of one camera.
    #[derive(Debug, Clone, Default)]
    struct Served {
        frames: u64,
        /// The longest time between becoming ready and being shipped.
        longest_ms: u64,
    }

    impl Simulation<'_> {
        fn run(&self, until_ms: u64) -> Vec<Served> {
            let n = self.periods_ms.len();
            let (mut ready, mut turns, mut served) = (vec![None::<u64>; n], vec![0u64; n], vec![Served::default(); n]);
            // Until when a worker is busy, and with whose items.
            let mut working: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); self.workers];
            let mut shipped = 0;
            for now in 0..until_ms {
                for (lane, period) in self.periods_ms.iter().enumerate().filter(|(_, p)| **p > 0) {
                    if now % period == (lane as u64 * 7) % period && ready[lane].is_none() {
                        ready[lane] = Some(now);
                    }
                }
                for worker in 0..self.workers {
                    if now < working[worker].0 {
                        continue;
                    }
                    working[worker].1.clear();
                    let busy: Vec<usize> = working.iter().flat_map(|(_, lanes)| lanes.iter().copied()).collect();
                    let free = |lane: &usize| !busy.contains(lane);
                    let mut lanes: Vec<_> = (0..n)
                        .filter(free)
                        .filter_map(|lane| ready[lane].map(|since| waiting(lane, since, turns[lane])))
                        .collect();
                    let open = (0..n).filter(free).count();
                    let Plan::Ship(count) = plan(&mut lanes, open, at(now), self.policy) else { continue };
                    for w in &lanes[..count] {
                        shipped += 1;
                        let waited = now - ready[w.lane].take().expect("it was waiting");
                        served[w.lane].frames += 1;
                        served[w.lane].longest_ms = served[w.lane].longest_ms.max(waited);
                        turns[w.lane] = shipped;
                    }
                    let lanes = lanes[..count].iter().map(|w| w.lane).collect();
                    working[worker] = (now + self.infer_ms * count as u64, lanes);
                }
            }
            served
        }
    }

    /// 300 cameras of a city's node, of which the machine can serve two thirds: all get the same
    /// share.
    #[test]
    fn capacity_is_shared_evenly_among_hundreds() {
        let policy = BatchPolicy { max_batch: 1, max_wait: Duration::ZERO };
        let simulation = Simulation { periods_ms: &[1_000; 300], policy, workers: 8, infer_ms: 40 };
        let served = simulation.run(60_000);
        let frames: Vec<u64> = served.iter().map(|lane| lane.frames).collect();
        let (least, most) =
            (frames.iter().min().expect("there are some"), frames.iter().max().expect("there are some"));
        assert!(most - least <= 1, "{least} to {most} frames");
        let share = frames.iter().sum::<u64>() as f64 / (8.0 * 60_000.0 / 40.0);
        assert!(share > 0.999, "workers were idle: {share}");
        assert!(served.iter().all(|lane| lane.longest_ms <= 1_540), "its turn comes after all others had theirs");
    }

    proptest! {
        #[test]
        fn no_lane_starves(
            periods in proptest::collection::vec(prop_oneof![Just(0u64), 1u64..200], 1..60),
            max_batch in 1usize..8,
            workers in 1usize..5,
            infer_ms in 1u64..20,
        ) {
            let policy = BatchPolicy { max_batch, ..POLICY };
            let simulation = Simulation { periods_ms: &periods, policy, workers, infer_ms };
            // Earlier batches hold lanes served longer ago; a lane with a worker waits for that
            // worker.
            let batches = periods.len().div_ceil(max_batch * workers) as u64 + 2;
            let bound = 20 + batches * infer_ms * max_batch as u64;
            for (lane, served) in simulation.run(3_000).iter().enumerate() {
                prop_assert!(served.longest_ms <= bound, "lane {lane}: {served:?}, bound {bound} ms");
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
