//! Cameras of all kinds through the decode plan and the liveness model, with injected time.

mod world;

use proptest::prelude::*;

use super::*;
use crate::decode_plan::Wanted;
use world::{Habits, World, at};

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
            // More frames lie in a wanted interval than are held, so the second key frame decides.
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
        assert_eq!(since, 3.0);
        let words = waiting.to_string();
        assert!(words.starts_with("waiting for the first key frame since 3 s; "), "{words}");
        assert!(words.ends_with("the connection is renewed after 150 s"), "{words}");
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
    let [_, (waits, Verdict::Waiting(_)), (given_up, Verdict::GiveUp(_))] = states[..] else { panic!("{states:?}") };
    assert_eq!((waits, given_up), (10.0, 40.0));
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
