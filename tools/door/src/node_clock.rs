//! Follows the node's monotonic clock by signed answers to queries: a pure function of answers and
//! arrival times.
//!
//! Neither machine's wall clock takes part, so that either may be wrong or be set at any moment.

use std::time::Duration;

use gatehouse_core::node_clock::{ClockStatement, RunId};
use gatehouse_core::time::{Monotonic, WallTime};
use gatehouse_credential::{SiteVerifier, is_clock_of};

/// An answer older than this says nothing about now: the machines' clocks run apart.
const TRUSTED_FOR: Duration = Duration::from_secs(60);
/// How long a query is kept after its time, so that a slow answer is recognised as one.
const KEPT_LONGER: Duration = Duration::from_secs(2);
const MAX_QUERIES: usize = 64;
/// Largest expected difference between the rates of two machines' clocks.
const RATE_ERROR_PPM: u32 = 1000;

/// The node's clock, as the door knows it.
#[derive(Debug)]
pub(crate) struct NodeClock {
    /// The longest round trip of an answer that is used.
    longest_round_trip: Duration,
    /// Queries whose answers may still be used. Oldest first.
    queries: Vec<Query>,
    answer: Option<Answer>,
    /// Answers that were used so far.
    answers: u64,
    /// Why the newest answer was not used.
    refused: Option<AnswerRefusal>,
}

#[derive(Debug)]
struct Query {
    nonce: String,
    sent: Monotonic,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    run: RunId,
    now_ms: u64,
    sent: Monotonic,
    received: Monotonic,
    /// Node's wall clock minus this machine's, in milliseconds.
    wall_offset_ms: i64,
}

/// The node's time, in milliseconds since the start of its run: not before `earliest_ms` and not
/// after `latest_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeTime {
    pub(crate) run: RunId,
    pub(crate) earliest_ms: u64,
    pub(crate) latest_ms: u64,
}

/// Why an answer is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerRefusal {
    #[error("it answers no query that is waiting")]
    NotAsked,
    #[error("this site did not sign it: it is forged, altered, or from another site")]
    Forged,
    #[error("it took {} ms, and `clock_error_ms` allows {} ms", .took.as_millis(), .allowed.as_millis())]
    TooSlow { took: Duration, allowed: Duration },
}

impl NodeClock {
    pub(crate) fn new(longest_round_trip: Duration) -> Self {
        Self { longest_round_trip, queries: Vec::new(), answer: None, answers: 0, refused: None }
    }

    /// Records that a query with this nonce is being sent.
    pub(crate) fn record_query(&mut self, nonce: String, sent: Monotonic) {
        let too_late = |query: &Query| sent.since(query.sent) > self.longest_round_trip + KEPT_LONGER;
        self.queries.retain(|query| !too_late(query));
        if self.queries.len() >= MAX_QUERIES {
            self.queries.remove(0);
        }
        self.queries.push(Query { nonce, sent });
    }

    /// Takes an answer that was received at `received`, which is `wall` on this machine's wall
    /// clock.
    pub(crate) fn record_answer(
        &mut self,
        statement: &ClockStatement,
        verifier: &SiteVerifier,
        site: &str,
        (received, wall): (Monotonic, WallTime),
    ) -> Result<(), AnswerRefusal> {
        let taken = self.use_answer(statement, verifier, site, (received, wall));
        self.refused = taken.err();
        taken
    }

    fn use_answer(
        &mut self,
        statement: &ClockStatement,
        verifier: &SiteVerifier,
        site: &str,
        (received, wall): (Monotonic, WallTime),
    ) -> Result<(), AnswerRefusal> {
        let asked = self.queries.iter().position(|query| query.nonce == statement.nonce);
        let asked = asked.ok_or(AnswerRefusal::NotAsked)?;
        if !is_clock_of(verifier, site, statement) {
            return Err(AnswerRefusal::Forged);
        }
        let sent = self.queries.remove(asked).sent;
        let (took, allowed) = (received.since(sent), self.longest_round_trip);
        if took > allowed {
            return Err(AnswerRefusal::TooSlow { took, allowed });
        }
        self.answers += 1;
        let (run, now_ms) = (statement.run, statement.now_ms);
        let wall_offset_ms = statement.at.unix_millis().saturating_sub(wall.unix_millis());
        let new = Answer { run, now_ms, sent, received, wall_offset_ms };
        let is_better = |old: &Answer| {
            old.run != run || received.since(old.sent) > TRUSTED_FOR || new.error(received) <= old.error(received)
        };
        match &mut self.answer {
            Some(old) if !is_better(old) => old.wall_offset_ms = wall_offset_ms,
            answer => *answer = Some(new),
        }
        Ok(())
    }

    /// The node's time at `now`. `None` without an answer in the last minute.
    pub(crate) fn time(&self, now: Monotonic) -> Option<NodeTime> {
        let answer = self.answer.filter(|answer| now.since(answer.sent) <= TRUSTED_FOR)?;
        Some(answer.time(now))
    }

    /// Answers that were used so far.
    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    /// Why the newest answer was not used.
    pub(crate) fn refused(&self) -> Option<AnswerRefusal> {
        self.refused
    }

    /// Node's wall clock minus this machine's, in milliseconds, by the last answer.
    pub(crate) fn wall_offset_ms(&self) -> Option<i64> {
        self.answer.map(|answer| answer.wall_offset_ms)
    }
}

impl Answer {
    /// The node read its clock between the query and the answer.
    fn time(&self, now: Monotonic) -> NodeTime {
        let (longest, shortest) = (now.since(self.sent), now.since(self.received));
        let rate_error = longest * RATE_ERROR_PPM / 1_000_000;
        // Up to a millisecond was cut off.
        let latest = longest + rate_error + Duration::from_millis(1);
        NodeTime {
            run: self.run,
            earliest_ms: self.now_ms.saturating_add(millis(shortest.saturating_sub(rate_error))),
            latest_ms: self.now_ms.saturating_add(millis(latest)),
        }
    }

    fn error(&self, now: Monotonic) -> u64 {
        let time = self.time(now);
        time.latest_ms - time.earliest_ms
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use gatehouse_credential::{SiteSecret, SiteSigner, state_clock};
    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;

    const SITE: &str = "gatehouse/v1/town/north";
    const RUN: RunId = RunId(Ulid(1));

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    fn signer(digits: &str) -> SiteSigner {
        SiteSigner::new(&SiteSecret::from_text(&digits.repeat(32)).expect("a secret"))
    }

    fn stated(now_ms: u64, nonce: &str) -> ClockStatement {
        state_clock(&signer("42"), SITE, RUN, now_ms, WallTime::from_unix_nanos(0), nonce.to_owned())
    }

    fn answer(clock: &mut NodeClock, statement: &ClockStatement, received: u64) -> Result<(), AnswerRefusal> {
        let received = (at(received), WallTime::from_unix_nanos(0));
        clock.record_answer(statement, &signer("42").verifier(), SITE, received)
    }

    #[test]
    fn a_signed_answer_to_a_query_counts_once() {
        let mut clock = NodeClock::new(Duration::from_millis(500));
        assert_eq!(answer(&mut clock, &stated(0, "a"), 10), Err(AnswerRefusal::NotAsked));
        clock.record_query("a".into(), at(100));
        clock.record_query("b".into(), at(200));
        assert_eq!(answer(&mut clock, &stated(0, "c"), 210), Err(AnswerRefusal::NotAsked));
        let forged = state_clock(&signer("43"), SITE, RUN, 0, WallTime::from_unix_nanos(0), "b".into());
        assert_eq!(answer(&mut clock, &forged, 210), Err(AnswerRefusal::Forged));
        assert_eq!(clock.time(at(210)), None);
        assert_eq!(answer(&mut clock, &stated(7000, "b"), 220), Ok(()));
        assert_eq!(clock.time(at(220)), Some(NodeTime { run: RUN, earliest_ms: 7000, latest_ms: 7021 }));
        assert_eq!(answer(&mut clock, &stated(7000, "b"), 221), Err(AnswerRefusal::NotAsked), "once");
        // A minute later it says nothing any more.
        assert!(clock.time(at(60_200)).is_some());
        assert_eq!(clock.time(at(60_201)), None);
    }

    #[test]
    fn a_slow_answer_is_not_used_and_a_better_one_stays() {
        let mut clock = NodeClock::new(Duration::from_millis(500));
        let mut ask = |sent: u64, took: u64| {
            clock.record_query("x".into(), at(sent));
            let taken = answer(&mut clock, &stated(sent + took / 2, "x"), sent + took);
            (taken.is_ok(), clock.time(at(sent + took)).map(|time| time.latest_ms - time.earliest_ms))
        };
        assert_eq!(ask(0, 501), (false, None));
        assert_eq!(ask(1000, 2), (true, Some(3)));
        assert_eq!(ask(3000, 400), (true, Some(3 + 5)), "the earlier answer is still the better one");
        assert_eq!(ask(10_000, 3), (true, Some(4)));
    }

    proptest! {
        #[test]
        fn the_nodes_time_lies_within_the_bounds(
            start in 0u64..1_000_000_000, ppm in -500i64..500,
            trips in prop::collection::vec((0u64..20_000, 0u64..300, 0u64..300), 1..30),
        ) {
            let mut clock = NodeClock::new(Duration::from_millis(500));
            let node_ms = |door_ms: u64| start + (door_ms as i128 + door_ms as i128 * i128::from(ppm) / 1_000_000) as u64;
            let mut now = 0;
            for (gap, to, back) in trips {
                now += gap;
                clock.record_query("x".into(), at(now));
                let statement = stated(node_ms(now + to), "x");
                now += to + back;
                let taken = answer(&mut clock, &statement, now);
                prop_assert_eq!(taken.is_ok(), to + back <= 500);
                for later in [0, 1000, 30_000] {
                    if let Some(time) = clock.time(at(now + later)) {
                        let truth = node_ms(now + later);
                        prop_assert!(time.earliest_ms <= truth + 1 && truth <= time.latest_ms, "{time:?}, {truth}");
                    }
                }
            }
        }
    }
}
