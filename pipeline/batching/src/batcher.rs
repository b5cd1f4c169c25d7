//! The batcher itself: one slot a lane behind one lock, and a condition that wakes the workers.
//!
//! Lock order: there is one lock, held for a slot's exchange or a plan, never during an inference or while an item is
//! dropped (an item may hold a decoder's buffer, and giving that back can take time).
//!
//! A lane whose item a worker has is busy until that worker asks for more: the items of one camera are worked on one after
//! the other, in their order, however many workers there are.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::time::{Clock, Monotonic};

use crate::plan::{BatchPolicy, Plan, Waiting, plan};

/// How much too early an item has to come ([`Lane::comes_too_early`]): above 1, so that the rate at which items are shipped can grow again.
const TOO_EARLY: f64 = 1.5;

struct Slot<T> {
    item: Option<T>,
    since: Monotonic,
    last_served: u64,
    served_at: Option<Monotonic>,
    /// How many items a second were shipped, of all lanes, from its last turn but one to the last.
    shipped_a_second: Option<f64>,
    open: bool,
    /// A worker has an item of it.
    busy: bool,
}

impl<T> Slot<T> {
    /// A worker takes its item now, as the `served`-th of all.
    fn serve(&mut self, served: u64, now: Monotonic) {
        let shipped = (served - self.last_served) as f64;
        self.shipped_a_second = self.served_at.map(|at| shipped / now.since(at).as_secs_f64().max(f64::EPSILON));
        (self.last_served, self.served_at, self.busy) = (served, Some(now), true);
    }
}

struct State<T> {
    lanes: Vec<Slot<T>>,
    /// Items shipped so far.
    served: u64,
    closed: bool,
    /// Reused by every plan.
    waiting: Vec<Waiting>,
}

impl<T> State<T> {
    fn release(&mut self, lanes: &mut Vec<usize>) {
        lanes.drain(..).for_each(|lane| self.lanes[lane].busy = false);
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    policy: BatchPolicy,
    clock: Arc<dyn Clock>,
}

impl<T> Shared<T> {
    /// A worker that panicked left no half-made change behind: every change under the lock is a plain assignment.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Batches the items of many cameras for the workers of one model. Cheap to clone.
pub struct Batcher<T>(Arc<Shared<T>>);

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Batcher<T> {
    /// A batcher without lanes.
    pub fn new(policy: BatchPolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State { lanes: Vec::new(), served: 0, closed: false, waiting: Vec::new() };
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
            open: true,
            busy: false,
        });
        state.waiting.reserve(1);
        Lane { shared: Arc::clone(&self.0), index: state.lanes.len() - 1 }
    }

    /// A worker that has no batch yet.
    pub fn worker(&self) -> Worker<T> {
        Worker { shared: Arc::clone(&self.0), batch: Vec::new(), lanes: Vec::new() }
    }

    /// Drops what waits and lets every worker return. Offers made later are dropped as well.
    pub fn close(&self) {
        let dropped: Vec<T> = {
            let mut state = self.0.state();
            state.closed = true;
            state.lanes.iter_mut().filter_map(|slot| slot.item.take()).collect()
        };
        self.0.changed.notify_all();
        drop(dropped);
    }
}

/// One of those who take batches from a [`Batcher`], each on a thread of its own.
pub struct Worker<T> {
    shared: Arc<Shared<T>>,
    batch: Vec<T>,
    /// Where the batch came from.
    lanes: Vec<usize>,
}

impl<T> Worker<T> {
    /// Drops what is left of the last batch and waits for the next one. `None` once the batcher is closed.
    pub fn collect(&mut self) -> Option<&mut Vec<T>> {
        self.batch.clear();
        let shared = Arc::clone(&self.shared);
        let mut guard = shared.state();
        guard.release(&mut self.lanes);
        loop {
            if guard.closed {
                return None;
            }
            let state = &mut *guard;
            state.waiting.clear();
            state.waiting.extend(
                state.lanes.iter().enumerate().filter(|(_, s)| s.item.is_some() && !s.busy).map(|(lane, s)| Waiting {
                    lane,
                    since: s.since,
                    last_served: s.last_served,
                }),
            );
            let open = state.lanes.iter().filter(|s| s.open && !s.busy).count();
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
                Plan::Idle => shared.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Plan::WaitUntil(deadline) => {
                    let woken = shared.changed.wait_timeout(guard, deadline.since(now));
                    woken.unwrap_or_else(PoisonError::into_inner).0
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

/// One camera's place in a [`Batcher`]. Dropping it withdraws what still waits there.
pub struct Lane<T> {
    shared: Arc<Shared<T>>,
    index: usize,
}

impl<T> Lane<T> {
    /// Puts in the newest item, in place of an older one that was not served yet: whether it overtook one. Never blocks on a worker.
    pub fn offer(&self, item: T) -> bool {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.state();
        if state.closed {
            return false;
        }
        let slot = &mut state.lanes[self.index];
        let overtaken = slot.item.replace(item);
        if overtaken.is_none() {
            slot.since = now;
        }
        drop(state);
        self.shared.changed.notify_one();
        overtaken.is_some()
    }

    /// Whether an item that were offered now would be overtaken by the lane's next, which comes `next` later, before its turn: so many
    /// lanes that wait go before it, at the rate at which items were shipped from its last turn but one to the last. So where there is
    /// more than workers can do, nobody has to make items in vain, and those that are shipped are new.
    pub fn comes_too_early(&self, next: Duration) -> bool {
        let state = self.shared.state();
        let slot = &state.lanes[self.index];
        let Some(shipped_a_second) = slot.shipped_a_second else { return false };
        let go_before = |other: &&Slot<T>| other.item.is_some() && other.last_served < slot.last_served;
        let before = state.lanes.iter().filter(go_before).count();
        before as f64 > TOO_EARLY * next.as_secs_f64() * shipped_a_second
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let item = {
            let mut state = self.shared.state();
            let slot = &mut state.lanes[self.index];
            slot.open = false;
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
    fn an_item_takes_no_memory_on_its_way() {
        let batcher = batcher(2, 1);
        let (lanes, mut worker) = ([(); 2].map(|()| batcher.lane()), batcher.worker());
        let mut pass = || {
            assert!(!lanes.iter().any(|lane| lane.offer((0, 0))));
            assert_eq!(worker.collect().map(|batch| batch.len()), Some(2));
        };
        pass();
        assert_eq!(allocation_counter::measure(pass).count_total, 0);
    }

    #[test]
    fn the_newest_item_wins_and_the_loss_is_told() {
        let batcher = batcher(2, 1);
        let (a, _silent) = (batcher.lane(), batcher.lane());
        assert_eq!([0, 1, 2].map(|n| a.offer((0, n))), [false, true, true]);
        assert_eq!(batcher.worker().collect(), Some(&mut vec![(0, 2)]));
        assert!(!a.offer((0, 3)));
    }

    #[test]
    fn cameras_take_turns_when_there_are_more_than_fit() {
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

    /// What became of the items of some lanes.
    #[derive(Debug, Default)]
    struct Outcome {
        made: u64,
        served: Vec<u64>,
        /// Of those that were served, from their making on, in ms.
        oldest: u64,
    }

    /// Ten minutes of lanes that have an item a second each, at a time of their own, and one worker who takes `work_ms` for each. What
    /// the first three minutes come to isn't told.
    fn simulate(phases: &[u64], work_ms: u64, makes_all: bool) -> Outcome {
        let clock = Arc::new(ManualClock::default());
        let policy = BatchPolicy { max_batch: 1, max_wait: Duration::ZERO };
        let batcher: Batcher<(usize, u64)> = Batcher::new(policy, clock.clone());
        let lanes: Vec<_> = phases.iter().map(|_| batcher.lane()).collect();
        let (mut worker, mut free_at, mut waiting) = (batcher.worker(), 0, 0);
        let mut outcome = Outcome { served: vec![0; phases.len()], ..Outcome::default() };
        for now in 0..600_000u64 {
            clock.set(Duration::from_millis(now));
            let told = now >= 180_000;
            for (i, lane) in lanes.iter().enumerate() {
                if now % 1000 == phases[i] && (makes_all || !lane.comes_too_early(Duration::from_secs(1))) {
                    waiting += u64::from(!lane.offer((i, now)));
                    outcome.made += u64::from(told);
                }
            }
            if now >= free_at && waiting > 0 {
                let (i, made_at) = worker.collect().and_then(|batch| batch.pop()).expect("one waits");
                (waiting, free_at) = (waiting - 1, now + work_ms);
                if told {
                    outcome.served[i] += 1;
                    outcome.oldest = outcome.oldest.max(now - made_at);
                }
            }
        }
        outcome
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// With four times as much as there can be done: two are made for one that is served and not four, none is old, and all are
        /// served alike, as often as if all were made; also where items come at the same moment.
        #[test]
        fn where_too_much_comes_little_is_made_in_vain(spread in 1u64..1000, seed in any::<u64>()) {
            let phases: Vec<_> = (0..40u64).map(|i| (seed.rotate_left(i as u32) ^ (i * 7919)) % spread).collect();
            let (all, some) = (simulate(&phases, 100, true), simulate(&phases, 100, false));
            let served = |outcome: &Outcome| outcome.served.iter().sum::<u64>();
            prop_assert!(served(&some) * 100 >= served(&all) * 99, "{some:?} {all:?}");
            prop_assert!(some.made * 10 <= served(&some) * 23, "{some:?}");
            prop_assert!(some.oldest <= 2500, "{some:?}");
            let (least, most) = (some.served.iter().min(), some.served.iter().max());
            prop_assert!(least.zip(most).is_some_and(|(least, most)| least * 10 >= most * 8), "{some:?}");
        }

        /// With as much as there can be done, or less, all is made.
        #[test]
        fn where_all_can_be_done_nothing_comes_too_early(cameras in 1u64..20, seed in any::<u64>()) {
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
    fn what_doesnt_fit_into_one_batch_wakes_the_next_worker() {
        let batcher = batcher(2, 1_000_000);
        let lanes: Vec<_> = (0..4).map(|_| batcher.lane()).collect();
        let (done, results) = std::sync::mpsc::channel();
        let workers = [(); 2].map(|()| {
            let (mut worker, done) = (batcher.worker(), done.clone());
            std::thread::spawn(move || {
                // The batch is kept, so that only the other worker can take what is left.
                done.send(worker.collect().map(|batch| batch.len())).expect("it is awaited");
                worker
            })
        });
        assert!(!lanes.iter().enumerate().any(|(i, lane)| lane.offer((i, 0))));
        assert_eq!([(); 2].map(|()| results.recv().expect("a worker's")), [Some(2); 2]);
        workers.into_iter().for_each(|worker| drop(worker.join().expect("it returns")));
    }

    #[test]
    fn closing_wakes_workers_and_drops_what_waits() {
        let batcher = batcher(2, 1_000_000);
        let (lane, _other) = (batcher.lane(), batcher.lane());
        lane.offer((0, 0));
        let mut worker = batcher.worker();
        let worker = std::thread::spawn(move || worker.collect().is_none());
        batcher.close();
        assert!(worker.join().expect("the worker returns"));
        assert!(!lane.offer((0, 1)) && !lane.offer((0, 2)), "an offer to a closed batcher is dropped");
    }
}
