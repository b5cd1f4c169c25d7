//! The batcher: one slot per lane behind one lock, and a condition that wakes the workers.
//!
//! Locks: one, held for a slot's exchange or a plan, never during an inference or while an item is
//! dropped: an item may hold a decoder's buffer, and returning that can take time.
//!
//! A lane whose item a worker has is busy until that worker collects again. So the items of one
//! camera are processed one after the other, in their order, by any number of workers.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::Delivery;
use gatehouse_core::time::{Clock, Monotonic};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::plan::{BatchPolicy, Plan, Waiting, plan};

/// [`Lane::shortest_wait`] assumes that items are shipped this much faster than of late. Above 1,
/// so that the rate can grow again.
const SPEED_UP: f64 = 1.5;

struct Slot<T> {
    item: Option<T>,
    since: Monotonic,
    last_served: u64,
    served_at: Option<Monotonic>,
    /// Items of all lanes shipped a second, between its last two turns.
    shipped_a_second: Option<f64>,
    is_open: bool,
    is_busy: bool,
}

impl<T> Slot<T> {
    /// A worker takes its item now, as number `served` of all items.
    fn serve(&mut self, served: u64, now: Monotonic) {
        let shipped = (served - self.last_served) as f64;
        self.shipped_a_second = self.served_at.map(|at| shipped / now.since(at).as_secs_f64().max(f64::EPSILON));
        (self.last_served, self.served_at, self.is_busy) = (served, Some(now), true);
    }
}

struct State<T> {
    lanes: Vec<Slot<T>>,
    served: u64,
    is_closed: bool,
    /// Reused by every plan.
    waiting: Vec<Waiting>,
}

impl<T> State<T> {
    fn release(&mut self, lanes: &mut Vec<usize>) {
        lanes.drain(..).for_each(|lane| self.lanes[lane].is_busy = false);
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    policy: BatchPolicy,
    clock: Arc<dyn Clock>,
}

impl<T> Shared<T> {
    /// A panic leaves no half-made change behind: each change under the lock is a plain assignment.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }
}

/// Batches the items of many cameras for the workers of one model. A clone is another handle.
pub struct Batcher<T>(Arc<Shared<T>>);

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Batcher<T> {
    /// Makes a batcher without lanes.
    pub fn new(policy: BatchPolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State { lanes: Vec::new(), served: 0, is_closed: false, waiting: Vec::new() };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), policy, clock }))
    }

    /// Adds a lane, for one camera.
    pub fn lane(&self) -> Lane<T> {
        let mut state = self.0.state();
        let since = self.0.clock.monotonic();
        state.lanes.push(Slot {
            item: None,
            since,
            last_served: 0,
            served_at: None,
            shipped_a_second: None,
            is_open: true,
            is_busy: false,
        });
        state.waiting.reserve(1);
        Lane { shared: Arc::clone(&self.0), index: state.lanes.len() - 1 }
    }

    /// Adds a worker. It has no batch yet.
    pub fn worker(&self) -> Worker<T> {
        Worker { shared: Arc::clone(&self.0), batch: Vec::new(), lanes: Vec::new() }
    }

    /// Drops waiting items and lets every worker return. Later offers are dropped.
    pub fn close(&self) {
        let dropped: Vec<T> = {
            let mut state = self.0.state();
            state.is_closed = true;
            state.lanes.iter_mut().filter_map(|slot| slot.item.take()).collect()
        };
        self.0.changed.notify_all();
        drop(dropped);
    }
}

/// Takes batches from a [`Batcher`], on a thread of its own.
pub struct Worker<T> {
    shared: Arc<Shared<T>>,
    batch: Vec<T>,
    lanes: Vec<usize>,
}

impl<T> Worker<T> {
    /// Drops the last batch and waits for the next one. `None` once the batcher is closed.
    pub fn collect(&mut self) -> Option<&mut Vec<T>> {
        self.batch.clear();
        let shared = Arc::clone(&self.shared);
        let mut guard = shared.state();
        guard.release(&mut self.lanes);
        loop {
            if guard.is_closed {
                return None;
            }
            let state = &mut *guard;
            state.waiting.clear();
            state.waiting.extend(
                state
                    .lanes
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| s.item.is_some() && !s.is_busy)
                    .map(|(lane, s)| Waiting { lane, since: s.since, last_served: s.last_served }),
            );
            let open = state.lanes.iter().filter(|s| s.is_open && !s.is_busy).count();
            let now = shared.clock.monotonic();
            guard = match plan(&mut state.waiting, open, now, shared.policy) {
                Plan::Ship(count) => {
                    for waiting in &state.waiting[..count] {
                        let slot = &mut state.lanes[waiting.lane];
                        state.served += 1;
                        slot.serve(state.served, now);
                        self.batch.extend(slot.item.take());
                        self.lanes.push(waiting.lane);
                    }
                    let more_wait = state.waiting.len() > count;
                    drop(guard);
                    if more_wait {
                        shared.changed.notify_one();
                    }
                    return Some(&mut self.batch);
                }
                Plan::Idle => {
                    shared.changed.wait(&mut guard);
                    guard
                }
                Plan::WaitUntil(deadline) => {
                    shared.changed.wait_for(&mut guard, deadline.since(now));
                    guard
                }
            };
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.shared.state().release(&mut self.lanes);
        self.shared.changed.notify_all();
    }
}

/// The answer to [`Lane::offer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The item waits.
    Queued,
    /// The item waits, in place of an older one that was not served.
    Replaced,
    /// The batcher is closed; the item was dropped.
    Closed,
}

impl From<Offer> for Delivery {
    fn from(offer: Offer) -> Self {
        match offer {
            Offer::Queued => Self::Queued,
            Offer::Replaced => Self::Replaced,
            Offer::Closed => Self::Closed,
        }
    }
}

/// One camera's place in a [`Batcher`]. Dropping it withdraws its waiting item.
pub struct Lane<T> {
    shared: Arc<Shared<T>>,
    index: usize,
}

impl<T> Lane<T> {
    /// Offers the newest item. Never blocks on a worker.
    pub fn offer(&self, item: T) -> Offer {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.state();
        if state.is_closed {
            return Offer::Closed;
        }
        let slot = &mut state.lanes[self.index];
        let replaced = slot.item.replace(item);
        if replaced.is_none() {
            slot.since = now;
        }
        drop(state);
        self.shared.changed.notify_one();
        if replaced.is_some() { Offer::Replaced } else { Offer::Queued }
    }

    /// The shortest wait of an item offered now, by the lanes before it and the rate at which items
    /// were shipped of late. `None` until the lane was served twice. An item whose wait exceeds the
    /// time to the lane's next one would be replaced: it need not be made.
    pub fn shortest_wait(&self) -> Option<Duration> {
        let state = self.shared.state();
        let slot = &state.lanes[self.index];
        let shipped_a_second = slot.shipped_a_second?;
        let goes_before = |other: &&Slot<T>| other.item.is_some() && other.last_served < slot.last_served;
        let before = state.lanes.iter().filter(goes_before).count();
        Duration::try_from_secs_f64(before as f64 / (SPEED_UP * shipped_a_second)).ok()
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let item = {
            let mut state = self.shared.state();
            let slot = &mut state.lanes[self.index];
            slot.is_open = false;
            slot.item.take()
        };
        self.shared.changed.notify_all();
        drop(item);
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::SystemClock;
    use gatehouse_testing::clock::ManualClock;
    use proptest::prelude::*;

    use super::*;

    fn batcher(max_batch: usize, max_wait_ms: u64) -> Batcher<(usize, u32)> {
        let policy = BatchPolicy { max_batch, max_wait: Duration::from_millis(max_wait_ms) };
        Batcher::new(policy, Arc::new(SystemClock::new()))
    }

    #[test]
    fn an_item_allocates_nothing_on_its_way() {
        let batcher = batcher(2, 1);
        let (lanes, mut worker) = ([(); 2].map(|()| batcher.lane()), batcher.worker());
        let mut pass = || {
            assert!(lanes.iter().all(|lane| lane.offer((0, 0)) == Offer::Queued));
            assert_eq!(worker.collect().map(|batch| batch.len()), Some(2));
        };
        pass();
        assert_eq!(allocation_counter::measure(pass).count_total, 0);
    }

    #[test]
    fn the_newest_item_wins_and_the_loss_is_reported() {
        let batcher = batcher(2, 1);
        let (a, _silent) = (batcher.lane(), batcher.lane());
        assert_eq!([0, 1, 2].map(|n| a.offer((0, n))), [Offer::Queued, Offer::Replaced, Offer::Replaced]);
        assert_eq!(batcher.worker().collect(), Some(&mut vec![(0, 2)]));
        assert_eq!(a.offer((0, 3)), Offer::Queued);
    }

    #[test]
    fn cameras_take_turns_when_not_all_fit() {
        let batcher = batcher(2, 0);
        let lanes: Vec<_> = (0..5).map(|_| batcher.lane()).collect();
        let mut served = [0; 5];
        let mut worker = batcher.worker();
        for round in 0..10 {
            for (i, lane) in lanes.iter().enumerate() {
                lane.offer((i, round));
            }
            worker.collect().expect("it is open").iter().for_each(|(lane, _)| served[*lane] += 1);
        }
        assert_eq!(served, [4; 5]);
    }

    /// The result of some lanes.
    #[derive(Debug, Default)]
    struct Outcome {
        made: u64,
        served: Vec<u64>,
        /// The greatest age of a served item, in ms.
        oldest: u64,
    }

    /// Ten minutes of lanes that have an item a second each, at their own phases, and one worker
    /// that takes `work_ms` for each. The first three minutes are not counted.
    fn simulate(phases: &[u64], work_ms: u64, makes_all: bool) -> Outcome {
        let clock = Arc::new(ManualClock::default());
        let policy = BatchPolicy { max_batch: 1, max_wait: Duration::ZERO };
        let batcher: Batcher<(usize, u64)> = Batcher::new(policy, clock.clone());
        let lanes: Vec<_> = phases.iter().map(|_| batcher.lane()).collect();
        let (mut worker, mut free_at, mut waiting) = (batcher.worker(), 0, 0);
        let mut outcome = Outcome { served: vec![0; phases.len()], ..Outcome::default() };
        for now in 0..600_000u64 {
            clock.set(Duration::from_millis(now));
            let is_counted = now >= 180_000;
            for (i, lane) in lanes.iter().enumerate() {
                let would_be_replaced = || lane.shortest_wait().is_some_and(|wait| wait > Duration::from_secs(1));
                if now % 1000 == phases[i] && (makes_all || !would_be_replaced()) {
                    waiting += u64::from(lane.offer((i, now)) == Offer::Queued);
                    outcome.made += u64::from(is_counted);
                }
            }
            if now >= free_at && waiting > 0 {
                let (i, made_at) = worker.collect().and_then(|batch| batch.pop()).expect("one waits");
                (waiting, free_at) = (waiting - 1, now + work_ms);
                if is_counted {
                    outcome.served[i] += 1;
                    outcome.oldest = outcome.oldest.max(now - made_at);
                }
            }
        }
        outcome
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// With four times the load that the worker can do, two items are made for each served one,
        /// not four. None is old, and all lanes are served alike, as often as if all items were
        /// made.
        #[test]
        fn under_overload_few_items_are_made_in_vain(spread in 1u64..1000, seed in any::<u64>()) {
            let phases: Vec<_> = (0..40u64).map(|i| (seed.rotate_left(i as u32) ^ (i * 7919)) % spread).collect();
            let (all, some) = (simulate(&phases, 100, true), simulate(&phases, 100, false));
            let served = |outcome: &Outcome| outcome.served.iter().sum::<u64>();
            prop_assert!(served(&some) * 100 >= served(&all) * 99, "{some:?} {all:?}");
            prop_assert!(some.made * 10 <= served(&some) * 23, "{some:?}");
            prop_assert!(some.oldest <= 2500, "{some:?}");
            let (least, most) = (some.served.iter().min(), some.served.iter().max());
            prop_assert!(least.zip(most).is_some_and(|(least, most)| least * 10 >= most * 8), "{some:?}");
        }

        /// Without overload all items are made.
        #[test]
        fn without_overload_no_wait_is_too_long(cameras in 1u64..20, seed in any::<u64>()) {
            let phases: Vec<_> = (0..cameras).map(|i| (seed.rotate_left(i as u32) ^ (i * 7919)) % 1000).collect();
            let outcome = simulate(&phases, 50, false);
            prop_assert_eq!(outcome.made, 420 * cameras);
        }
    }

    #[test]
    fn one_camera_is_never_with_two_workers() {
        let batcher = batcher(1, 0);
        let (a, b) = (batcher.lane(), batcher.lane());
        let (mut first, mut second) = (batcher.worker(), batcher.worker());
        a.offer((0, 0));
        assert_eq!(first.collect(), Some(&mut vec![(0, 0)]));
        a.offer((0, 1));
        b.offer((1, 0));
        assert_eq!(second.collect(), Some(&mut vec![(1, 0)]), "the other camera's, though it came later");
        assert_eq!(first.collect(), Some(&mut vec![(0, 1)]), "its turn comes when the worker is done with it");
        a.offer((0, 2));
        drop(first);
        assert_eq!(second.collect(), Some(&mut vec![(0, 2)]), "or has ended");
    }

    #[test]
    fn items_beyond_one_batch_wake_the_next_worker() {
        let batcher = batcher(2, 1_000_000);
        let lanes: Vec<_> = (0..4).map(|_| batcher.lane()).collect();
        let (done, results) = std::sync::mpsc::channel();
        let workers = [(); 2].map(|()| {
            let (mut worker, done) = (batcher.worker(), done.clone());
            std::thread::spawn(move || {
                // The batch is kept, so that only the other worker can take the rest.
                done.send(worker.collect().map(|batch| batch.len())).expect("it is awaited");
                worker
            })
        });
        assert!(lanes.iter().enumerate().all(|(i, lane)| lane.offer((i, 0)) == Offer::Queued));
        assert_eq!([(); 2].map(|()| results.recv().expect("a worker's")), [Some(2); 2]);
        workers.into_iter().for_each(|worker| drop(worker.join().expect("it returns")));
    }

    #[test]
    fn closing_wakes_workers_and_drops_waiting_items() {
        let batcher = batcher(2, 1_000_000);
        let (lane, _other) = (batcher.lane(), batcher.lane());
        lane.offer((0, 0));
        let mut worker = batcher.worker();
        let worker = std::thread::spawn(move || worker.collect().is_none());
        batcher.close();
        assert!(worker.join().expect("the worker returns"));
        assert_eq!([1, 2].map(|item| lane.offer((0, item))), [Offer::Closed; 2]);
    }
}
