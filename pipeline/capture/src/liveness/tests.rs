//! Cameras of all kinds through the decode plan and the liveness model, with injected time.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::decode_plan::{
    AccessUnit, Consumer, Content, HeldDecision, PacketDecision, PictureDecision, RtpPacket, UnitDecision, UnitKind,
    Wanted,
};
use crate::shared_plan::SharedPlan;

/// A camera's habits.
#[derive(Debug, Clone, Copy)]
struct Habits {
    fps: f64,
    /// Frames from one key frame to the next.
    gop: u64,
    /// The frame at which the viewer joins.
    join: u64,
    /// Units until a picture leaves the decoder.
    delay: usize,
    /// An SEI with a marker comes before each picture.
    marked_sei: bool,
    /// The last packet of a picture has the marker.
    marks: bool,
    /// Frames are held back and sent at once, after so many seconds; 0 for none.
    burst: f64,
    /// The share of packets that the network loses. 0 over TCP.
    loss: f64,
    key_packets: u32,
    delta_packets: u32,
    /// Gradual refresh with a recovery point instead of key frames.
    refreshes: bool,
}

impl Habits {
    fn key_interval(&self) -> f64 {
        self.gop as f64 / self.fps
    }

    /// A frame's time at the camera, since the viewer joined.
    fn at(&self, number: u64) -> f64 {
        number as f64 / self.fps
    }

    fn kind(&self, number: u64) -> UnitKind {
        match ((self.join + number) % self.gop, self.refreshes) {
            (0, false) => UnitKind::Key,
            (0, true) => UnitKind::RecoveryPoint((self.gop as u32 / 2).min(30)),
            _ => UnitKind::Delta,
        }
    }
}

/// An access unit that was sent.
#[derive(Debug, Clone, Copy)]
struct Unit {
    number: u64,
    kind: UnitKind,
    is_whole: bool,
}

/// A camera, its network, its depayloader and its decoder, in front of the plan.
struct World {
    habits: Habits,
    plan: Arc<SharedPlan>,
    random: u64,
    sequence_number: u16,
    /// The unit in the depayloader.
    pending: Option<Unit>,
    held: Vec<Unit>,
    decoder: VecDeque<u64>,
    /// The moments of analysed pictures.
    looks: Vec<f64>,
    is_decoder_dead: bool,
}

impl World {
    fn new(habits: Habits, wanted: Wanted, seed: u64) -> Self {
        let plan = Arc::new(SharedPlan::new(wanted, Arc::default()));
        plan.begin_connection(at(0.0));
        Self {
            habits,
            plan,
            random: seed,
            sequence_number: 0,
            pending: None,
            held: Vec::new(),
            decoder: VecDeque::new(),
            looks: Vec::new(),
            is_decoder_dead: false,
        }
    }

    /// A number in 0–1 (SplitMix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }

    fn send_frame(&mut self, number: u64, now: f64) {
        let (kind, habits) = (self.habits.kind(number), self.habits);
        let is_key = kind == UnitKind::Key;
        let content = if is_key { Content::Key } else { Content::Delta };
        if habits.marked_sei {
            self.send(number, kind, Content::Auxiliary, [false, true], now);
        }
        let packets = if is_key { habits.key_packets } else { habits.delta_packets };
        for n in 0..packets {
            self.send(number, kind, content, [n == 0, n + 1 == packets && habits.marks], now);
        }
    }

    fn send(&mut self, number: u64, kind: UnitKind, content: Content, flags: [bool; 2], now: f64) {
        let [begins_picture, marker] = flags;
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let timestamp = (self.habits.at(number) * 90_000.0) as u32;
        let packet =
            RtpPacket { sequence_number: self.sequence_number, timestamp, marker, content, begins_picture };
        let is_lost = self.habits.loss > 0.0 && self.random() < self.habits.loss;
        let goes_on = if self.habits.loss > 0.0 {
            if !is_lost {
                self.plan.watch_packet(&packet, at(now));
            }
            !is_lost
        } else {
            matches!(self.plan.on_packet(&packet, at(now)), PacketDecision::Forward(_))
        };
        self.depayload(&packet, Unit { number, kind, is_whole: true }, goes_on, now);
    }

    /// A unit leaves the depayloader behind its marker, or when the next one begins.
    fn depayload(&mut self, packet: &RtpPacket, unit: Unit, came: bool, now: f64) {
        if let Some(pending) = self.pending.filter(|pending| pending.number != unit.number && came) {
            self.pending = None;
            self.parse(pending, now);
        }
        if packet.content == Content::Auxiliary && !came {
            return;
        }
        if !came {
            // Over TCP the packet was dropped on purpose, with all of its frame.
            if self.habits.loss > 0.0 {
                self.pending = Some(Unit { is_whole: false, ..self.pending.unwrap_or(unit) });
            }
            return;
        }
        self.pending.get_or_insert(unit);
        if self.plan.role_of(packet).ends_unit
            && let Some(unit) = self.pending.take()
        {
            self.parse(unit, now);
        }
    }

    fn parse(&mut self, unit: Unit, now: f64) {
        if !unit.is_whole {
            return;
        }
        let presentation_time = Some(self.presentation_time(unit.number));
        let facts = AccessUnit { kind: unit.kind, presentation_time, arrival: at(now) };
        let decision = self.plan.on_unit(&facts, &Consumer::default());
        match decision.held {
            HeldDecision::Keep => {}
            HeldDecision::Discard(_) => self.held.clear(),
            HeldDecision::Decode => {
                let held = std::mem::take(&mut self.held);
                held.into_iter().for_each(|held| self.decode(held.number, now));
            }
        }
        match decision.unit {
            UnitDecision::Decode(_) => self.decode(unit.number, now),
            UnitDecision::DecodeAlone(_) => {
                self.decode(unit.number, now);
                let awaits_picture = self.plan.state().plan.awaits_picture(presentation_time);
                if awaits_picture {
                    (0..self.decoder.len()).for_each(|_| self.show(now));
                    if self.plan.state().plan.record_drained(presentation_time) {
                        self.held.push(unit);
                    }
                }
            }
            UnitDecision::Hold => self.held.push(unit),
            UnitDecision::Drop(_) => {}
        }
    }

    fn presentation_time(&self, number: u64) -> Duration {
        Duration::from_secs_f64(self.habits.at(number))
    }

    fn decode(&mut self, number: u64, now: f64) {
        if !self.is_decoder_dead {
            self.decoder.push_back(number);
            if self.decoder.len() > self.habits.delay {
                self.show(now);
            }
        }
    }

    fn show(&mut self, now: f64) {
        let Some(number) = self.decoder.pop_front() else { return };
        let (shown, _) = self.plan.on_picture(Some(self.presentation_time(number)), at(now), false);
        if shown.decision == PictureDecision::Analyse {
            self.looks.push(now);
        }
    }

    /// Runs from joining until `until`; nothing is sent from `dies` on. `check` gets each verdict.
    fn run(&mut self, until: f64, dies: f64, mut check: impl FnMut(f64, Verdict)) {
        let habits = self.habits;
        let sent_at = |number: u64| {
            let at = habits.at(number);
            if habits.burst > 0.0 { (at / habits.burst).ceil() * habits.burst } else { at }
        };
        let (mut number, mut tick) = (0, 0.0);
        while tick < until {
            while sent_at(number) <= tick && sent_at(number) < dies {
                self.send_frame(number, sent_at(number));
                number += 1;
            }
            check(tick, self.plan.judge(at(tick)));
            tick += 0.25;
        }
    }
}

fn at(seconds: f64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs_f64(seconds))
}

fn habits() -> impl Strategy<Value = Habits> {
    let rates = prop_oneof![Just(0.0625), 0.0625..1.0, 1.0..5.0, Just(10.0), Just(25.0), 5.0..60.0];
    let key_intervals = prop_oneof![Just(0.5), 0.5..4.0, 4.0..30.0, 30.0..120.0];
    let bursts = prop_oneof![3 => Just(0.0), 1 => 1.0..5.0];
    let losses = prop_oneof![2 => Just(0.0), 1 => 0.001..0.05, 1 => Just(0.05)];
    (rates, key_intervals, 0.0..1.0, 0usize..4, any::<[bool; 2]>(), bursts, losses, 8u32..40, 1u32..5).prop_map(
        |(fps, key_interval, join, delay, [marked_sei, marks], burst, loss, key_packets, delta_packets)| {
            let gop = f64::round(key_interval * fps).max(1.0) as u64;
            Habits {
                fps,
                gop,
                join: (join * gop as f64) as u64,
                delay,
                marked_sei,
                marks,
                burst: if fps >= 2.0 { burst } else { 0.0 },
                loss,
                key_packets,
                delta_packets,
                refreshes: false,
            }
        },
    )
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        Just(Wanted::All),
        (0.1..5.0).prop_map(|seconds| Wanted::OneIn(Duration::from_secs_f64(seconds))),
        Just(Wanted::AsDemanded(Duration::from_millis(100))),
    ]
}

/// Long enough to see the camera's habits.
fn long(habits: &Habits) -> f64 {
    (2.5 * habits.key_interval()).max(40.0).max(12.0 / habits.fps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_healthy_camera_is_called_stalled_or_lost(habits in habits(), wanted in wanted(), seed in any::<u64>()) {
        let mut world = World::new(habits, wanted, seed);
        let frames_wanted = match wanted {
            Wanted::OneIn(interval) => habits.fps * interval.as_secs_f64(),
            Wanted::All | Wanted::AsDemanded(_) => 0.0,
        };
        let mut live_since = None;
        let mut problems = Vec::new();
        world.run(long(&habits), f64::INFINITY, |now, verdict| match verdict {
            Verdict::Connecting => {}
            Verdict::Live => {
                live_since.get_or_insert(now);
            }
            // What is lost on the network is waited for, and so are a slow camera's first frames.
            Verdict::Waiting(Waiting::NextFrame { .. }) if habits.fps < 1.0 => {}
            Verdict::Waiting(_) if habits.loss > 0.0 || live_since.is_none() => {}
            // So many frames lie in a wanted interval that the second key frame decides.
            Verdict::Waiting(Waiting::KeyFrame { .. }) if frames_wanted > 100.0 => {}
            Verdict::Waiting(_) | Verdict::Stalled(_) | Verdict::GiveUp(_) => problems.push((now, verdict)),
        });
        prop_assert!(problems.is_empty(), "{:?} of {}", problems[0], problems.len());
        let has_come = habits.loss > 0.0 || live_since.is_some();
        prop_assert!(has_come, "it never was live");
    }

    #[test]
    fn no_dead_camera_is_called_live(habits in habits(), wanted in wanted(), seed in any::<u64>(), share in 0.02..1.0) {
        let mut world = World::new(habits, wanted, seed);
        let dies = long(&habits) * share;
        let said = dies + (2.0 * (habits.key_interval() + habits.burst)).max(10.0) + 0.5;
        let mut wrong = None;
        world.run(said + 30.0, dies, |now, verdict| {
            if now > said && verdict == Verdict::Live {
                wrong.get_or_insert(now);
            }
        });
        prop_assert!(wrong.is_none(), "dead since {dies:.1}, and live at {wrong:?}");
    }

    #[test]
    fn a_decoder_that_gives_nothing_is_noticed(habits in habits(), wanted in wanted(), seed in any::<u64>()) {
        let habits = Habits { fps: habits.fps.max(2.0), loss: 0.0, burst: 0.0, ..habits };
        let mut world = World::new(habits, wanted, seed);
        world.is_decoder_dead = true;
        let mut given_up = None;
        world.run(habits.key_interval() * 3.0 + 60.0, f64::INFINITY, |now, verdict| {
            assert_ne!(verdict, Verdict::Live);
            if matches!(verdict, Verdict::GiveUp(_)) {
                given_up.get_or_insert((now, verdict));
            }
        });
        let key_wait = habits.at(habits.gop - habits.join % habits.gop) + 3.0 * habits.key_interval();
        let (now, verdict) = given_up.expect("it is given up");
        prop_assert!(matches!(verdict, Verdict::GiveUp(GiveUp::NeverDecoded(_))), "{:?}", verdict);
        prop_assert!(now <= key_wait + 20.0, "only after {} s", now);
    }

    /// Looks per second are as wanted where the stream allows it.
    #[test]
    fn as_many_pictures_are_analysed_as_are_wanted(habits in habits(), interval in 0.1..5.0, seed in any::<u64>()) {
        let habits = Habits { loss: 0.0, burst: 0.0, ..habits };
        let mut world = World::new(habits, Wanted::OneIn(Duration::from_secs_f64(interval)), seed);
        // It is known after the first few key frames what has to be decoded.
        let from = 4.0 * habits.key_interval() + 20.0;
        let lasts = (40.0 * interval).max(40.0 / habits.fps);
        world.run(from + lasts, f64::INFINITY, |_, _| {});
        let looks = world.looks.iter().filter(|look| **look >= from).count() as f64;
        let expected = lasts * habits.fps.min(1.0 / interval);
        prop_assert!((looks / expected - 1.0).abs() <= 0.05 + 1.5 / expected, "{} of {:.1}", looks, expected);
    }
}

fn steady(fps: f64, key_interval: f64) -> Habits {
    Habits {
        fps,
        gop: (fps * key_interval).round().max(1.0) as u64,
        join: 0,
        delay: 0,
        marked_sei: false,
        marks: true,
        burst: 0.0,
        loss: 0.0,
        key_packets: 12,
        delta_packets: 2,
        refreshes: false,
    }
}

/// The states of a run, each with the moment of its beginning.
fn states(world: &mut World, until: f64, dies: f64) -> Vec<(f64, Verdict)> {
    let mut states: Vec<(f64, Verdict)> = Vec::new();
    world.run(until, dies, |now, verdict| {
        let kind = std::mem::discriminant(&verdict);
        if states.last().is_none_or(|(_, last)| std::mem::discriminant(last) != kind) {
            states.push((now, verdict));
        }
    });
    states
}

#[test]
fn a_key_frame_that_comes_late_is_waited_for() {
    for wanted in [Wanted::All, Wanted::OneIn(Duration::from_millis(500))] {
        let habits = Habits { join: 250, ..steady(10.0, 80.0) };
        let states = states(&mut World::new(habits, wanted, 1), 300.0, f64::INFINITY);
        let [(_, Verdict::Connecting), (since, Verdict::Waiting(waiting)), (live, Verdict::Live)] = states[..] else {
            panic!("{states:?}")
        };
        let words = "waiting for the first key frame since 3 s; the connection is renewed after 150 s";
        assert_eq!((since, waiting.to_string().as_str()), (3.0, words));
        assert!((55.0..55.5).contains(&live), "{live}");
    }
    // Its key frames are never seen: a bound.
    let habits = Habits { join: 1, ..steady(10.0, 1000.0) };
    let states = states(&mut World::new(habits, Wanted::All, 1), 200.0, f64::INFINITY);
    let (when, Verdict::GiveUp(reason)) = states[2] else { panic!("{states:?}") };
    assert_eq!(when, 150.0);
    assert_eq!(reason.to_string(), "no key frame came for 150 s, so nothing could be decoded");
}

#[test]
fn a_gradual_refresh_needs_no_key_frame() {
    for wanted in [Wanted::All, Wanted::OneIn(Duration::from_millis(500)), Wanted::AsDemanded(Duration::from_secs(1))] {
        let habits = Habits { refreshes: true, join: 5, ..steady(25.0, 2.0) };
        let mut world = World::new(habits, wanted, 1);
        let states = states(&mut world, 60.0, f64::INFINITY);
        let [(_, Verdict::Connecting), (live, Verdict::Live)] = states[..] else { panic!("{states:?}") };
        assert!((2.5..3.5).contains(&live), "the next recovery point is 1.8 s away, and 25 pictures: {live}");
        assert!(world.looks.len() > 50, "{}", world.looks.len());
    }
}

#[test]
fn key_frames_alone_that_become_rare_are_waited_for() {
    let wanted = Wanted::OneIn(Duration::from_secs(1));
    let mut world = World::new(steady(10.0, 1.0), wanted, 1);
    let mut all = Vec::new();
    world.run(20.0, f64::INFINITY, |_, verdict| all.push(verdict));
    // The camera's smart codec is switched on: a key frame every 25 s.
    let mut number = 200;
    for tick in 80..400 {
        let now = f64::from(tick) * 0.25;
        while world.habits.at(number) <= now {
            world.habits.gop = 250;
            world.send_frame(number, now);
            number += 1;
        }
        all.push(world.plan.judge(at(now)));
    }
    let waited: Vec<_> = all.iter().filter(|verdict| matches!(verdict, Verdict::Waiting(_))).collect();
    let Some(Verdict::Waiting(first)) = waited.first() else { panic!("{all:?}") };
    assert!(first.to_string().starts_with("waiting for a key frame, the last came 3 s ago"), "{first}");
    assert!(all.iter().all(|verdict| !matches!(verdict, Verdict::Stalled(_) | Verdict::GiveUp(_))));
    assert_eq!(all.last(), Some(&Verdict::Live));
    assert!(world.plan.state().plan.decodes_whole_stream(), "after the next key frame");
}

#[test]
fn a_dead_camera_is_reported_and_given_up() {
    let states_of = |habits: Habits, dies| states(&mut World::new(habits, Wanted::All, 1), 120.0, dies);
    let states = states_of(steady(25.0, 2.0), 30.0);
    let [_, (stalled, Verdict::Stalled(stall)), (given_up, Verdict::GiveUp(_))] = states[..] else {
        panic!("{states:?}")
    };
    assert_eq!(stall.to_string(), "connected, but no video has come for 3.0 s");
    assert!((33.0..33.5).contains(&stalled) && (39.0..39.5).contains(&given_up), "{stalled} {given_up}");
    let states = states_of(steady(25.0, 2.0), 0.0);
    let [(_, Verdict::Connecting), (given_up, Verdict::GiveUp(GiveUp::NothingCame(_)))] = states[..] else {
        panic!("{states:?}")
    };
    assert_eq!(given_up, 20.0);
    // One frame alone: nothing is known of its rate.
    let states = states_of(steady(1.0, 2.0), 0.5);
    let [_, (waits, Verdict::Waiting(_)), (given_up, Verdict::GiveUp(_))] = states[..] else {
        panic!("{states:?}")
    };
    assert_eq!((waits, given_up), (6.5, 40.0));
}

#[test]
fn reports_say_that_the_connection_works() {
    let mut liveness = Liveness::default();
    let packet = PacketFacts { begins_frame: true, is_key: true };
    (0..100).for_each(|n| {
        liveness.on_packet(packet, at(f64::from(n) * 0.1));
        liveness.on_unit(true, at(f64::from(n) * 0.1));
        liveness.on_picture(true, at(f64::from(n) * 0.1));
    });
    liveness.on_report(at(12.0));
    let Verdict::Stalled(stall) = liveness.judge(Mode::default(), at(14.0)) else { panic!() };
    let words = "connected, and the camera still sends its reports, but no video has come for 4.1 s";
    assert_eq!(stall.to_string(), words);
}
