//! Whether an entry opens the door. Pure: a function of the entries seen, their signatures and the time.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{EntryEvent, EventId};
use gatehouse_core::time::WallTime;
use gatehouse_credential::{GrantError, SiteVerifier, check_grant};
use serde::{Deserialize, Serialize};

/// Decisions may be numbered the other way round than the times in their ids say, which are those of capture, by less than this: no
/// gate decides by a picture that is older.
const MOMENT: Duration = Duration::from_secs(3);
/// The most that an entry's own statement about its camera's clock is believed: no such clock is used that is further off.
const MOST_STATED_ERROR: Duration = Duration::from_secs(10);

/// Whose grants open the door, and when.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The site's key on the bus, `gatehouse/v1/<area>/<site>`: a part of what is signed.
    pub site: String,
    /// The gate whose decisions count.
    pub gate: CameraId,
    /// The site's public key.
    pub verifier: SiteVerifier,
    /// How long after its capture a grant is worth nothing.
    pub max_age: Duration,
    /// How far the clocks here and at the node may be apart.
    pub clock_error: Duration,
}

/// What an entry does to the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It opens once, if that can be done before `until`.
    Open {
        /// The end of the grant.
        until: WallTime,
    },
    /// Nothing.
    Ignore(Refusal),
}

/// Why an entry doesn't open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is another gate's.
    #[error("it is another gate's decision")]
    OtherGate,
    /// It carries no right to pass.
    #[error(transparent)]
    Grant(GrantError),
    /// The grant's end is past.
    #[error("its grant ended {} ms ago", .ago.as_millis())]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// The person was in front of the camera too long ago.
    #[error("its picture is {} ms old; are the clocks here and at the node right?", .age.as_millis())]
    Stale {
        /// How long ago.
        age: Duration,
    },
    /// It was made later than now.
    #[error("it is from {} ms in the future; are the clocks here and at the node right?", .ahead.as_millis())]
    FromTheFuture {
        /// How far in the future.
        ahead: Duration,
    },
    /// It was made before this controller began, which doesn't know any more what it had opened for then.
    #[error("it is from before the start, and what was opened for before the start isn't known")]
    BeforeStart,
    /// It opened the door before.
    #[error("the door was opened for it already")]
    Repeated,
    /// A later one has opened the door before.
    #[error("it is number {sequence}, and {last} opened the door before")]
    OutOfOrder {
        /// Its number.
        sequence: u64,
        /// The number of the last one that opened the door.
        last: u64,
    },
}

impl Refusal {
    /// Whether it says that something is wrong. A decision that was never to open the door, and what the bus repeats to whoever
    /// joins late, are no cause for concern.
    pub fn is_noteworthy(&self) -> bool {
        match self {
            Self::OtherGate | Self::Grant(GrantError::NotAdmitted) | Self::Repeated | Self::BeforeStart => false,
            Self::Grant(_) | Self::FromTheFuture { .. } | Self::OutOfOrder { .. } => true,
            Self::Expired { .. } | Self::Stale { .. } => true,
        }
    }
}

/// What must survive a restart, so that no grant opens the door twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Nothing captured earlier opens the door, in milliseconds since 1970.
    not_before_ms: i64,
    /// The highest number of the present count that opened the door; 0 for none.
    last_sequence: u64,
    /// The latest time in the id of an event that opened the door, in milliseconds since 1970.
    last_made_ms: u64,
    /// The events of the last [`MOMENT`] before that. All that are older are refused for their time.
    recent: BTreeSet<EventId>,
}

impl Memory {
    /// Of a controller that starts now and remembers nothing.
    pub fn new(now: WallTime) -> Self {
        Self { not_before_ms: now.unix_millis(), last_sequence: 0, last_made_ms: 0, recent: BTreeSet::new() }
    }
}

/// Decides for each entry whether it opens the door. Each grant does so once at most, whatever is replayed, held back, swapped
/// or altered on its way, and over restarts as long as [`Memory`] is kept.
#[derive(Debug)]
pub struct Controller {
    rules: Rules,
    memory: Memory,
}

impl Controller {
    /// Goes on from what is remembered.
    pub fn new(rules: Rules, memory: Memory) -> Self {
        Self { rules, memory }
    }

    /// What to remember. Changes with each entry that opens the door.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes an entry that came on the bus, at the wall time `now`.
    pub fn entry(&mut self, entry: &EntryEvent, now: WallTime) -> Action {
        match self.check(entry, now) {
            Ok(until) => {
                self.remember(entry);
                Action::Open { until }
            }
            Err(refusal) => Action::Ignore(refusal),
        }
    }

    /// The end of the grant, if it opens the door.
    fn check(&self, entry: &EntryEvent, now: WallTime) -> Result<WallTime, Refusal> {
        let Rules { site, gate, verifier, max_age, clock_error } = &self.rules;
        if entry.gate != *gate {
            return Err(Refusal::OtherGate);
        }
        // The signature first: nothing that the site didn't say is looked at any further.
        check_grant(verifier, site, entry).map_err(Refusal::Grant)?;
        let grant = entry.grant.as_ref().ok_or(Refusal::Grant(GrantError::Missing))?;
        let (captured, memory) = (entry.capture_time.at, &self.memory);
        if captured.unix_millis() < memory.not_before_ms {
            return Err(Refusal::BeforeStart);
        }
        if now >= grant.expires_at {
            return Err(Refusal::Expired { ago: now.distance(grant.expires_at) });
        }
        if captured < now && now.distance(captured) > *max_age {
            return Err(Refusal::Stale { age: now.distance(captured) });
        }
        // A camera's clock may be ahead of its node's by what the entry states.
        let stated = Duration::from_millis(entry.capture_time.error_ms.into()).min(MOST_STATED_ERROR);
        let latest_capture = now + *clock_error + stated;
        if captured > latest_capture {
            return Err(Refusal::FromTheFuture { ahead: captured.distance(now) });
        }
        let made_ms = entry.event_id.0.timestamp_ms();
        let latest_made_ms = (now + *clock_error).unix_millis().max(0).unsigned_abs();
        if made_ms > latest_made_ms {
            let ahead = Duration::from_millis(made_ms.saturating_sub(now.unix_millis().max(0).unsigned_abs()));
            return Err(Refusal::FromTheFuture { ahead });
        }
        if memory.recent.contains(&entry.event_id) {
            return Err(Refusal::Repeated);
        }
        let moment = MOMENT.as_millis() as u64;
        let is_next = entry.sequence > memory.last_sequence && made_ms.saturating_add(moment) >= memory.last_made_ms;
        // A gate whose store was lost counts from 1 again. Its new decisions are later than all of the old count.
        let count_restarted =
            entry.sequence <= memory.last_sequence && made_ms > memory.last_made_ms.saturating_add(moment);
        if !is_next && !count_restarted {
            return Err(Refusal::OutOfOrder { sequence: entry.sequence, last: memory.last_sequence });
        }
        Ok(grant.expires_at)
    }

    fn remember(&mut self, entry: &EntryEvent) {
        let memory = &mut self.memory;
        memory.last_sequence = entry.sequence;
        memory.last_made_ms = memory.last_made_ms.max(entry.event_id.0.timestamp_ms());
        memory.recent.insert(entry.event_id);
        let oldest = memory.last_made_ms.saturating_sub(MOMENT.as_millis() as u64);
        memory.recent.retain(|id| id.0.timestamp_ms() >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use gatehouse_core::event::{Decision, Direction, EntryLatency, Method, Reason};
    use gatehouse_core::time::{CaptureTime, ClockSource};
    use gatehouse_credential::{SiteSecret, SiteSigner, sign_grant};
    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;

    const SITE: &str = "gatehouse/v1/town/north";
    /// When the controllers of these tests start.
    const START_MS: i64 = 1_790_000_000_000;

    fn at(ms: i64) -> WallTime {
        WallTime::from_unix_nanos((START_MS + ms) * 1_000_000)
    }

    fn signer(digits: &str) -> SiteSigner {
        SiteSigner::new(&SiteSecret::from_text(&digits.repeat(32)).expect("a secret"))
    }

    fn rules() -> Rules {
        Rules {
            site: SITE.to_owned(),
            gate: CameraId::new("gate-1"),
            verifier: signer("42").verifier(),
            max_age: Duration::from_secs(3),
            clock_error: Duration::from_millis(500),
        }
    }

    fn controller() -> Controller {
        Controller::new(rules(), Memory::new(at(0)))
    }

    /// An entry captured and decided at a time, good for 5 s.
    fn entry(sequence: u64, ms: i64) -> EntryEvent {
        let made_ms = (START_MS + ms).unsigned_abs();
        let entry = EntryEvent {
            event_id: EventId(Ulid::from_parts(made_ms, u128::from(sequence))),
            sequence,
            gate: CameraId::new("gate-1"),
            direction: Direction::In,
            decision: Decision::Admit,
            reason: Reason::Matched,
            method: Method::Face,
            capture_time: CaptureTime { at: at(ms), source: ClockSource::Arrival, error_ms: 100 },
            latency_ms: EntryLatency::default(),
            grant: None,
        };
        signed(entry, ms + 5000)
    }

    fn signed(mut entry: EntryEvent, until_ms: i64) -> EntryEvent {
        entry.grant = sign_grant(&signer("42"), SITE, &entry, at(until_ms));
        entry
    }

    fn opens(action: Action) -> bool {
        matches!(action, Action::Open { .. })
    }

    #[test]
    fn a_signed_and_fresh_admit_opens_once() {
        let mut controller = controller();
        let entry = entry(7, 100);
        assert_eq!(controller.entry(&entry, at(300)), Action::Open { until: at(5100) });
        assert_eq!(controller.entry(&entry, at(301)), Action::Ignore(Refusal::Repeated));
    }

    #[test]
    fn what_the_site_did_not_say_opens_nothing() {
        let good = entry(7, 100);
        let with = |alter: &dyn Fn(&mut EntryEvent)| {
            let mut entry = good.clone();
            alter(&mut entry);
            controller().entry(&entry, at(300))
        };
        let unsigned = with(&|e| e.grant = None);
        assert_eq!(unsigned, Action::Ignore(Refusal::Grant(GrantError::Missing)));
        let stranger = with(&|e| e.grant = sign_grant(&signer("43"), SITE, e, at(5000)));
        assert_eq!(stranger, Action::Ignore(Refusal::Grant(GrantError::Forged)));
        let other_site = with(&|e| e.grant = sign_grant(&signer("42"), "gatehouse/v1/town/south", e, at(5000)));
        assert_eq!(other_site, Action::Ignore(Refusal::Grant(GrantError::Forged)));
        let referred = with(&|e| e.decision = Decision::Refer);
        assert_eq!(referred, Action::Ignore(Refusal::Grant(GrantError::NotAdmitted)));
        let other_gate = with(&|e| {
            e.gate = CameraId::new("gate-2");
            e.grant = sign_grant(&signer("42"), SITE, e, at(5000));
        });
        assert_eq!(other_gate, Action::Ignore(Refusal::OtherGate));
    }

    #[test]
    fn a_grant_opens_only_in_its_time() {
        let refused = |entry: &EntryEvent, ms| controller().entry(entry, at(ms));
        let ms = Duration::from_millis;
        let short = signed(entry(7, 100), 200);
        assert_eq!(refused(&short, 200), Action::Ignore(Refusal::Expired { ago: ms(0) }));
        assert!(opens(refused(&short, 199)));
        // Good for 5 s, but 3 s is the most that this door takes.
        assert_eq!(refused(&entry(7, 100), 3101), Action::Ignore(Refusal::Stale { age: ms(3001) }));
        assert!(opens(refused(&entry(7, 100), 3100)));
        // Half a second for the clocks here and there, and 100 ms that the entry states of its camera's.
        assert_eq!(refused(&entry(7, 1601), 1000), Action::Ignore(Refusal::FromTheFuture { ahead: ms(601) }));
        let mut ahead = entry(7, 1400);
        ahead.capture_time.at = at(1600);
        assert!(opens(refused(&signed(ahead.clone(), 9000), 1000)));
        ahead.event_id = EventId(Ulid::from_parts((START_MS + 1501).unsigned_abs(), 1));
        let made_later = refused(&signed(ahead.clone(), 9000), 1000);
        assert_eq!(made_later, Action::Ignore(Refusal::FromTheFuture { ahead: ms(501) }));
        // What it states isn't signed, so it is believed only so far.
        ahead.capture_time = CaptureTime { at: at(11_600), error_ms: u32::MAX, ..ahead.capture_time };
        assert!(!opens(refused(&signed(ahead, 20_000), 1000)));
        // Whether the door was opened for it before the start isn't known.
        assert_eq!(refused(&entry(7, -1), 10), Action::Ignore(Refusal::BeforeStart));
    }

    #[test]
    fn a_gate_that_counts_from_one_again_is_followed_and_its_old_count_stays_closed() {
        let mut controller = controller();
        let old = entry(500, 100);
        assert!(opens(controller.entry(&old, at(200))));
        assert!(opens(controller.entry(&entry(1, 3500), at(3600))));
        assert!(opens(controller.entry(&entry(2, 3700), at(3800))));
        for late in [old, entry(501, 600)] {
            assert!(!opens(controller.entry(&late, at(3900))), "{late:?}");
        }
    }

    #[test]
    fn memory_survives_its_file_and_does_not_grow() {
        let mut controller = controller();
        for n in 1..=5000u64 {
            let ms = n as i64 * 10;
            assert!(opens(controller.entry(&entry(n, ms), at(ms))));
        }
        let text = serde_json::to_string(controller.memory()).expect("JSON");
        assert_eq!(serde_json::from_str::<Memory>(&text).expect("reads back"), *controller.memory());
        assert!(controller.memory().recent.len() <= 301, "{}", controller.memory().recent.len());
    }

    /// What happens to an entry on its way, or to the controller.
    #[derive(Debug, Clone)]
    enum Step {
        /// The next entry comes in time.
        New,
        /// One of the earlier entries comes (again), by how far back.
        Old(usize),
        /// The newest one comes with one bit of what is signed altered.
        Altered(u32),
        /// Time goes by.
        Wait(i64),
        /// The wall clock here is set back.
        SetBack(i64),
        /// The controller is started anew, with what it wrote down.
        Restart,
        /// The gate's count begins at 1 again.
        Recount,
        /// An entry is made that doesn't come now.
        Held,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::New),
            2 => (0..8usize).prop_map(Step::Old),
            1 => any::<u32>().prop_map(Step::Altered),
            2 => (1..2500i64).prop_map(Step::Wait),
            1 => (1..4000i64).prop_map(Step::SetBack),
            1 => Just(Step::Restart),
            1 => Just(Step::Recount),
            2 => Just(Step::Held),
        ];
        prop::collection::vec(step, 1..60)
    }

    fn altered(entry: &EntryEvent, bit: u32) -> EntryEvent {
        let mut entry = entry.clone();
        let ms = 1_000_000 * i64::from(bit / 8 + 1);
        match bit % 6 {
            0 => entry.sequence += u64::from(bit) + 1,
            1 => entry.event_id.0.0 ^= 1 << (bit % 128),
            2 => entry.capture_time.at = WallTime::from_unix_nanos(entry.capture_time.at.unix_nanos() + ms),
            3 => entry.grant.iter_mut().for_each(|g| g.expires_at = g.expires_at + Duration::from_millis(1000)),
            4 => entry.direction = Direction::Out,
            _ => entry.grant.iter_mut().for_each(|g| g.signature.replace_range(..2, "00")),
        }
        entry
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_each_grant_opens_once_and_only_in_its_time_and_order(steps in steps()) {
            let mut controller = controller();
            // The true time, and how far the clock here is off.
            let (mut now, mut off, mut sequence) = (2000i64, 0i64, 0u64);
            let mut made: Vec<EntryEvent> = Vec::new();
            let mut opened: HashSet<EventId> = HashSet::new();
            let mut last_opened_ms = 0;
            for step in steps {
                let given = match step {
                    Step::New | Step::Held => {
                        now += 20;
                        sequence += 1;
                        made.push(entry(sequence, now));
                        matches!(step, Step::New).then(|| made.last().cloned()).flatten()
                    }
                    Step::Old(back) => made.iter().rev().nth(back).cloned(),
                    Step::Altered(bit) => made.last().map(|entry| altered(entry, bit)),
                    Step::Wait(ms) => {
                        now += ms;
                        None
                    }
                    Step::SetBack(ms) => {
                        off = (off - ms).max(-4000);
                        None
                    }
                    Step::Restart => {
                        let text = serde_json::to_vec(controller.memory()).expect("JSON");
                        controller = Controller::new(rules(), serde_json::from_slice(&text).expect("reads back"));
                        None
                    }
                    Step::Recount => {
                        now += 2000;
                        sequence = 0;
                        None
                    }
                };
                let Some(given) = given else { continue };
                let here = at(now + off);
                if !opens(controller.entry(&given, here)) {
                    continue;
                }
                prop_assert!(made.contains(&given), "altered, and yet opened: {given:?}");
                prop_assert!(opened.insert(given.event_id), "opened twice: {given:?}");
                prop_assert!(given.grant.as_ref().is_some_and(|grant| here < grant.expires_at));
                prop_assert!(given.capture_time.at >= here || here.distance(given.capture_time.at) <= Duration::from_secs(3));
                prop_assert!(given.capture_time.at <= here + Duration::from_millis(600));
                let made_ms = given.event_id.0.timestamp_ms();
                prop_assert!(made_ms + MOMENT.as_millis() as u64 >= last_opened_ms, "older than one that opened: {given:?}");
                last_opened_ms = made_ms.max(last_opened_ms);
            }
        }

        #[test]
        fn what_comes_in_order_and_in_time_opens(gaps in prop::collection::vec((1..5u64, 0..1500i64), 1..50)) {
            let mut controller = controller();
            let (mut sequence, mut ms) = (0, 10);
            for (missed, later) in gaps {
                sequence += missed;
                ms += later;
                prop_assert!(opens(controller.entry(&entry(sequence, ms), at(ms + 250))));
            }
        }
    }
}
