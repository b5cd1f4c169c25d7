use std::collections::HashSet;

use gatehouse_core::event::{Decision, Direction, EntryLatency, EventId, Method, Reason};
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_credential::{GrantTimes, SiteSecret, SiteSigner, sign_grant, state_clock};
use proptest::prelude::*;
use ulid::Ulid;

use super::*;

const SITE: &str = "gatehouse/v1/town/north";
const ROUND_TRIP: Duration = Duration::from_millis(500);

fn door_at(ms: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(ms))
}

fn signer(digits: &str) -> SiteSigner {
    SiteSigner::new(&SiteSecret::from_text(&digits.repeat(32)).expect("a secret"))
}

fn run(number: u128) -> RunId {
    RunId(Ulid(number))
}

fn rules() -> Rules {
    Rules {
        site: SITE.to_owned(),
        gate: CameraId::new("gate-1"),
        verifier: signer("42").verifier(),
        max_age: Duration::from_secs(3),
        clock_error: ROUND_TRIP,
    }
}

/// A controller that starts at 0 on its own clock, without any memory.
fn controller() -> Controller {
    Controller { rules: rules(), memory: Memory::default(), started: door_at(0) }
}

/// The node's clock after a query at `door_ms`, answered at once: the node's run is that old.
fn clock(number: u128, door_ms: u64, node_ms: u64) -> NodeClock {
    let mut clock = NodeClock::new(ROUND_TRIP);
    ask(&mut clock, number, door_ms, (0, 0), node_ms, 0);
    clock
}

/// A query at `door_ms`; the node reads its clock after the first of the trips.
fn ask(clock: &mut NodeClock, number: u128, door_ms: u64, trips: (u64, u64), node_ms: u64, wall_ms: i64) {
    let wall = WallTime::from_unix_nanos(wall_ms.saturating_mul(1_000_000));
    clock.record_query("nonce".into(), door_at(door_ms));
    let statement = state_clock(&signer("42"), SITE, run(number), node_ms, wall, "nonce".into());
    let received = (door_at(door_ms + trips.0 + trips.1), WallTime::from_unix_nanos(0));
    let _ = clock.record_answer(&statement, &signer("42").verifier(), SITE, received);
}

/// An entry whose picture arrived at the node at `from_ms` of run 1, good for 5 s.
fn entry(sequence: u64, from_ms: u64) -> EntryEvent {
    entry_of(1, sequence, from_ms, 0)
}

/// The wall clock says `wall_ms`.
fn entry_of(number: u128, sequence: u64, from_ms: u64, wall_ms: i64) -> EntryEvent {
    let at = WallTime::from_unix_nanos(wall_ms.saturating_mul(1_000_000));
    let entry = EntryEvent {
        event_id: EventId(Ulid::from_parts(from_ms, number << 64 | u128::from(sequence))),
        sequence,
        gate: CameraId::new("gate-1"),
        direction: Direction::In,
        decision: Decision::Admit,
        reason: Reason::Matched,
        method: Method::Face,
        capture_time: CaptureTime { at, source: ClockSource::Arrival, error_ms: 100, clock_offset_ms: None },
        latency_ms: EntryLatency::default(),
        grant: None,
    };
    let times = GrantTimes { run: run(number), from_ms, until_ms: from_ms + 5000, expires_at: at };
    signed(entry, times)
}

fn signed(mut entry: EntryEvent, times: GrantTimes) -> EntryEvent {
    entry.grant = sign_grant(&signer("42"), SITE, &entry, times);
    entry
}

fn times(from_ms: u64, until_ms: u64) -> GrantTimes {
    GrantTimes { run: run(1), from_ms, until_ms, expires_at: WallTime::from_unix_nanos(0) }
}

#[test]
fn a_signed_and_fresh_admit_opens_once() {
    let (mut controller, clock) = (controller(), clock(1, 0, 50_000));
    let entry = entry(7, 50_100);
    assert_eq!(controller.decide(&entry, &clock, door_at(300)), Ok(Duration::from_millis(4799)));
    assert_eq!(controller.decide(&entry, &clock, door_at(301)), Err(Refusal::Repeated));
}

#[test]
fn what_the_site_did_not_say_opens_nothing() {
    let good = entry(7, 50_100);
    let with = |alter: &dyn Fn(&mut EntryEvent)| {
        let mut entry = good.clone();
        alter(&mut entry);
        controller().decide(&entry, &clock(1, 0, 50_000), door_at(300))
    };
    let unsigned = with(&|e| e.grant = None);
    assert_eq!(unsigned, Err(Refusal::Grant(GrantError::Missing)));
    let stranger = with(&|e| e.grant = sign_grant(&signer("43"), SITE, e, times(50_100, 55_100)));
    assert_eq!(stranger, Err(Refusal::Grant(GrantError::Forged)));
    let other = with(&|e| e.grant = sign_grant(&signer("42"), "gatehouse/v1/town/south", e, times(50_100, 55_100)));
    assert_eq!(other, Err(Refusal::Grant(GrantError::Forged)));
    let referred = with(&|e| e.decision = Decision::Refer);
    assert_eq!(referred, Err(Refusal::Grant(GrantError::NotAdmitted)));
    let other_gate = with(&|e| {
        e.gate = CameraId::new("gate-2");
        e.grant = sign_grant(&signer("42"), SITE, e, times(50_100, 55_100));
    });
    assert_eq!(other_gate, Err(Refusal::OtherGate));
    let other_run =
        with(&|e| e.grant = sign_grant(&signer("42"), SITE, e, GrantTimes { run: run(2), ..times(50_100, 55_100) }));
    assert_eq!(other_run, Err(Refusal::EarlierRun));
}

#[test]
fn a_grant_opens_only_in_its_time_on_the_nodes_clock() {
    let (ms, clock) = (Duration::from_millis, clock(1, 0, 50_000));
    let refused =
        |entry: &EntryEvent, door_ms| controller().decide(entry, &clock, door_at(door_ms)).expect_err("refused");
    let opens = |entry: &EntryEvent, door_ms| controller().decide(entry, &clock, door_at(door_ms)).is_ok();
    // The node's time is known to 1 ms.
    let short = signed(entry(7, 50_100), times(50_100, 50_301));
    assert_eq!(refused(&short, 300), Refusal::Expired { ago: ms(0) });
    assert!(opens(&short, 299));
    // Good for 5 s, but 3 s is the most that this door takes.
    let long = entry(7, 50_100);
    assert!(opens(&long, 3095));
    assert!(matches!(refused(&long, 3101), Refusal::Stale { age, allowed } if age > allowed && allowed == ms(3000)));
    assert_eq!(refused(&entry(7, 50_302), 300), Refusal::FromTheFuture { ahead: ms(1) });
    assert!(opens(&entry(7, 50_301), 300));
    // Whether the door was opened for it before the start isn't known.
    assert_eq!(refused(&entry(7, 50_000), 300), Refusal::BeforeStart);
    let unknown = controller().decide(&long, &NodeClock::new(ROUND_TRIP), door_at(300));
    assert_eq!(unknown, Err(Refusal::NoClock));
}

#[test]
fn no_wall_clock_changes_a_decision() {
    let years_30_ms = 30 * 365 * 86_400_000;
    for (node_wall_ms, entry_wall_ms) in
        [(0, 28_800_000), (28_800_000, 0), (years_30_ms, -years_30_ms), (i64::MAX, i64::MIN)]
    {
        let mut clock = NodeClock::new(ROUND_TRIP);
        ask(&mut clock, 1, 0, (0, 0), 50_000, node_wall_ms);
        let entry = entry_of(1, 7, 50_100, entry_wall_ms);
        assert!(controller().decide(&entry, &clock, door_at(300)).is_ok());
    }
}

#[test]
fn an_earlier_run_of_the_node_opens_nothing() {
    let mut controller = controller();
    let mut clock = clock(1, 0, 50_000);
    let (old, held) = (entry(500, 50_100), entry(501, 50_200));
    assert!(controller.decide(&old, &clock, door_at(200)).is_ok());
    // It has lost its store too.
    ask(&mut clock, 2, 3000, (0, 0), 400, 0);
    assert!(controller.decide(&entry_of(2, 1, 300, 0), &clock, door_at(3010)).is_ok());
    assert!(controller.decide(&entry_of(2, 2, 500, 0), &clock, door_at(3210)).is_ok());
    for late in [old, held] {
        assert_eq!(controller.decide(&late, &clock, door_at(3300)), Err(Refusal::EarlierRun));
    }
}

#[test]
fn memory_survives_its_file_and_does_not_grow() {
    let mut controller = controller();
    for n in 1..=500u64 {
        let clock = clock(n.into(), n * 1000, 1000);
        assert!(controller.decide(&entry_of(n.into(), n, 1000, 0), &clock, door_at(n * 1000)).is_ok());
    }
    let text = serde_json::to_string(&controller.memory).expect("JSON");
    assert_eq!(serde_json::from_str::<Memory>(&text).expect("reads back"), controller.memory);
    assert_eq!(controller.memory.runs.len(), REMEMBERED_RUNS);
}

/// A fault of an entry on its way, or of a machine.
#[derive(Debug, Clone)]
enum Step {
    /// The next entry comes in time.
    New,
    /// One of the earlier entries comes (again), by how far back.
    Old(usize),
    /// The newest one comes with one bit of what is signed altered.
    Altered(u32),
    /// Time goes by.
    Wait(u64),
    /// The node's wall clock is set to any time.
    SetNodeClock(i64),
    /// The controller is started anew, with what it wrote down.
    RestartDoor,
    /// The controller is started anew, and its folder is lost.
    LoseFolder,
    /// The node is started anew.
    RestartNode,
    /// The node is started anew, and counts from 1.
    LoseStore,
    /// An entry is made that doesn't come now.
    Held,
    /// The node answers a query for its clock, after these trips.
    Ask(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::New),
        3 => (0..8usize).prop_map(Step::Old),
        1 => any::<u32>().prop_map(Step::Altered),
        3 => (1..2500u64).prop_map(Step::Wait),
        1 => any::<i64>().prop_map(Step::SetNodeClock),
        1 => Just(Step::RestartDoor),
        1 => Just(Step::LoseFolder),
        1 => Just(Step::RestartNode),
        1 => Just(Step::LoseStore),
        2 => Just(Step::Held),
        6 => (0..400u64, 0..400u64).prop_map(|(to, back)| Step::Ask(to, back)),
    ];
    prop::collection::vec(step, 1..80)
}

fn altered(entry: &EntryEvent, bit: u32) -> EntryEvent {
    let mut entry = entry.clone();
    let more = u64::from(bit / 8) + 1;
    let grant = entry.grant.as_mut().expect("signed");
    match bit % 8 {
        0 => entry.sequence += more,
        1 => entry.event_id.0.0 ^= 1 << (bit % 128),
        2 => entry.capture_time.at = entry.capture_time.at + Duration::from_millis(more),
        3 => grant.expires_at = grant.expires_at + Duration::from_millis(more),
        4 => entry.direction = Direction::Out,
        5 => (grant.from_ms, grant.until_ms) = (grant.from_ms + more, grant.until_ms + more),
        6 => grant.run = run(u128::from(more) << 32),
        _ => grant.signature.replace_range(..2, "00"),
    }
    entry
}

/// A node and a door, whose clocks start at different times and run at different rates.
struct World {
    /// The true time.
    now: u64,
    number: u128,
    node_start: u64,
    door_start: u64,
    sequence: u64,
    node_wall_ms: i64,
    ppm: i64,
    controller: Controller,
    clock: NodeClock,
    made: Vec<EntryEvent>,
    made_at: Vec<u64>,
}

impl World {
    fn node_ms(&self, at: u64) -> u64 {
        let passed = i64::try_from(at - self.node_start).expect("it fits");
        (passed + passed * self.ppm / 1_000_000).unsigned_abs()
    }

    fn door_ms(&self) -> u64 {
        self.now - self.door_start
    }

    fn make(&mut self) {
        self.now += 20;
        self.sequence += 1;
        let entry = entry_of(self.number, self.sequence, self.node_ms(self.now), self.node_wall_ms % (1 << 42));
        self.made.push(entry);
        self.made_at.push(self.now);
    }

    fn restart_door(&mut self) {
        self.now += 100;
        self.door_start = self.now;
        self.controller.started = door_at(0);
        self.clock = NodeClock::new(ROUND_TRIP);
    }

    fn restart_node(&mut self) {
        self.now += 100;
        self.number += 1;
        self.node_start = self.now;
    }

    /// The entry that comes at the door in this step.
    fn step(&mut self, step: &Step) -> Option<EntryEvent> {
        match *step {
            Step::New => {
                self.make();
                return self.made.last().cloned();
            }
            Step::Held => self.make(),
            Step::Old(back) => return self.made.iter().rev().nth(back).cloned(),
            Step::Altered(bit) => return self.made.last().map(|entry| altered(entry, bit)),
            Step::Wait(ms) => self.now += ms,
            Step::SetNodeClock(ms) => self.node_wall_ms = ms,
            Step::RestartDoor => {
                let text = serde_json::to_vec(&self.controller.memory).expect("JSON");
                self.controller.memory = serde_json::from_slice(&text).expect("reads back");
                self.restart_door();
            }
            Step::LoseFolder => {
                self.controller.memory = Memory::default();
                self.restart_door();
            }
            Step::RestartNode => self.restart_node(),
            Step::LoseStore => {
                self.restart_node();
                self.sequence = 0;
            }
            Step::Ask(to, back) => {
                let (node_ms, door_ms) = (self.node_ms(self.now + to), self.door_ms());
                ask(&mut self.clock, self.number, door_ms, (to, back), node_ms, self.node_wall_ms);
                self.now += to + back;
            }
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_grant_opens_once_in_time_and_in_order(steps in steps(), ppm in -500i64..500) {
        let mut world = World {
            now: 2000, number: 1, node_start: 0, door_start: 1000, sequence: 0, node_wall_ms: 0, ppm,
            controller: controller(), clock: NodeClock::new(ROUND_TRIP), made: Vec::new(), made_at: Vec::new(),
        };
        let mut opened: HashSet<EventId> = HashSet::new();
        let mut last = (0, 0);
        for step in steps {
            let Some(given) = world.step(&step) else { continue };
            let now = door_at(world.door_ms());
            let Ok(left) = world.controller.decide(&given, &world.clock, now) else { continue };
            let made = world.made.iter().position(|entry| *entry == given);
            let made = made.map(|n| world.made_at[n]);
            prop_assert!(made.is_some(), "altered, and yet opened: {given:?}");
            prop_assert!(opened.insert(given.event_id), "opened twice: {given:?}");
            let (age, left) = (world.now - made.unwrap_or_default(), left.as_millis() as u64);
            prop_assert!(age <= 3002, "{age} ms old");
            prop_assert!(age + left <= 5004, "good for {left} ms more, {age} ms old");
            let order = (given.grant.as_ref().map_or(0, |grant| grant.run.0.0), given.sequence);
            prop_assert!(order > last, "{order:?} after {last:?}");
            last = order;
        }
    }

    #[test]
    fn what_comes_in_order_and_in_time_opens(
        gaps in prop::collection::vec((1..5u64, 0..1500u64), 1..50), ppm in -500i64..500, wall in any::<i64>(),
    ) {
        let (mut controller, mut clock) = (controller(), NodeClock::new(ROUND_TRIP));
        let (mut sequence, mut ms) = (0, 10);
        let node_ms = |door_ms: u64| 1_000_000 + (door_ms as i64 + door_ms as i64 * ppm / 1_000_000) as u64;
        ask(&mut clock, 1, 0, (0, 0), node_ms(0), wall);
        for (missed, later) in gaps {
            sequence += missed;
            ms += later;
            ask(&mut clock, 1, ms, (5, 200), node_ms(ms + 5), wall);
            ms += 205;
            prop_assert!(controller.decide(&entry(sequence, node_ms(ms)), &clock, door_at(ms + 250)).is_ok());
        }
    }
}
