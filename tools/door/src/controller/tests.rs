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
    Controller { rules: rules(), memory: Memory::new(at(0)) }
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

fn opens(decision: Result<WallTime, Refusal>) -> bool {
    decision.is_ok()
}

#[test]
fn a_signed_and_fresh_admit_opens_once() {
    let mut controller = controller();
    let entry = entry(7, 100);
    assert_eq!(controller.decide(&entry, at(300)), Ok(at(5100)));
    assert_eq!(controller.decide(&entry, at(301)), Err(Refusal::Repeated));
}

#[test]
fn what_the_site_did_not_say_opens_nothing() {
    let good = entry(7, 100);
    let with = |alter: &dyn Fn(&mut EntryEvent)| {
        let mut entry = good.clone();
        alter(&mut entry);
        controller().decide(&entry, at(300))
    };
    let unsigned = with(&|e| e.grant = None);
    assert_eq!(unsigned, Err(Refusal::Grant(GrantError::Missing)));
    let stranger = with(&|e| e.grant = sign_grant(&signer("43"), SITE, e, at(5000)));
    assert_eq!(stranger, Err(Refusal::Grant(GrantError::Forged)));
    let other_site = with(&|e| e.grant = sign_grant(&signer("42"), "gatehouse/v1/town/south", e, at(5000)));
    assert_eq!(other_site, Err(Refusal::Grant(GrantError::Forged)));
    let referred = with(&|e| e.decision = Decision::Refer);
    assert_eq!(referred, Err(Refusal::Grant(GrantError::NotAdmitted)));
    let other_gate = with(&|e| {
        e.gate = CameraId::new("gate-2");
        e.grant = sign_grant(&signer("42"), SITE, e, at(5000));
    });
    assert_eq!(other_gate, Err(Refusal::OtherGate));
}

#[test]
fn a_grant_opens_only_in_its_time() {
    let refused = |entry: &EntryEvent, ms| controller().decide(entry, at(ms));
    let ms = Duration::from_millis;
    let short = signed(entry(7, 100), 200);
    assert_eq!(refused(&short, 200), Err(Refusal::Expired { ago: ms(0) }));
    assert!(opens(refused(&short, 199)));
    // Good for 5 s, but 3 s is the most that this door takes.
    assert_eq!(refused(&entry(7, 100), 3101), Err(Refusal::Stale { age: ms(3001) }));
    assert!(opens(refused(&entry(7, 100), 3100)));
    // Half a second for the clocks here and there, and 100 ms that the entry states of its
    // camera's.
    assert_eq!(refused(&entry(7, 1601), 1000), Err(Refusal::FromTheFuture { ahead: ms(601) }));
    let mut ahead = entry(7, 1400);
    ahead.capture_time.at = at(1600);
    assert!(opens(refused(&signed(ahead.clone(), 9000), 1000)));
    ahead.event_id = EventId(Ulid::from_parts((START_MS + 1501).unsigned_abs(), 1));
    let made_later = refused(&signed(ahead.clone(), 9000), 1000);
    assert_eq!(made_later, Err(Refusal::FromTheFuture { ahead: ms(501) }));
    // The stated error is not signed, so it counts up to a bound only.
    ahead.capture_time = CaptureTime { at: at(11_600), error_ms: u32::MAX, ..ahead.capture_time };
    assert!(!opens(refused(&signed(ahead, 20_000), 1000)));
    // Whether the door was opened for it before the start isn't known.
    assert_eq!(refused(&entry(7, -1), 10), Err(Refusal::BeforeStart));
}

#[test]
fn a_restarted_count_is_accepted_and_the_old_one_refused() {
    let mut controller = controller();
    let old = entry(500, 100);
    assert!(opens(controller.decide(&old, at(200))));
    assert!(opens(controller.decide(&entry(1, 3500), at(3600))));
    assert!(opens(controller.decide(&entry(2, 3700), at(3800))));
    for late in [old, entry(501, 600)] {
        assert!(!opens(controller.decide(&late, at(3900))), "{late:?}");
    }
}

#[test]
fn memory_survives_its_file_and_does_not_grow() {
    let mut controller = controller();
    for n in 1..=5000u64 {
        let ms = n as i64 * 10;
        assert!(opens(controller.decide(&entry(n, ms), at(ms))));
    }
    let text = serde_json::to_string(&controller.memory).expect("JSON");
    assert_eq!(serde_json::from_str::<Memory>(&text).expect("reads back"), controller.memory);
    assert!(controller.memory.recent.len() <= 301, "{}", controller.memory.recent.len());
}

/// A fault of an entry on its way, or of the controller.
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
    fn each_grant_opens_once_in_time_and_in_order(steps in steps()) {
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
                    let text = serde_json::to_vec(&controller.memory).expect("JSON");
                    controller.memory = serde_json::from_slice(&text).expect("reads back");
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
            if !opens(controller.decide(&given, here)) {
                continue;
            }
            prop_assert!(made.contains(&given), "altered, and yet opened: {given:?}");
            prop_assert!(opened.insert(given.event_id), "opened twice: {given:?}");
            prop_assert!(given.grant.as_ref().is_some_and(|grant| here < grant.expires_at));
            prop_assert!(given.capture_time.at >= here || here.distance(given.capture_time.at) <= Duration::from_secs(3));
            prop_assert!(given.capture_time.at <= here + Duration::from_millis(600));
            let made_ms = given.event_id.0.timestamp_ms();
            prop_assert!(made_ms + ORDER_TOLERANCE.as_millis() as u64 >= last_opened_ms, "older than one that opened: {given:?}");
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
            prop_assert!(opens(controller.decide(&entry(sequence, ms), at(ms + 250))));
        }
    }
}
