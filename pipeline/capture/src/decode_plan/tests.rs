//! Whole streams through the plan: groups of pictures, rates, demands, queues and decoders.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// The time between two access units.
const UNIT: Duration = Duration::from_millis(40);

/// What became of an access unit, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Dropped(DropReason),
    Hidden,
    NotDue,
    Analysed,
}

/// A camera of 25 units a second, a decoder that follows the plan, and a consumer.
struct Simulation {
    plan: DecodePlan,
    /// Units until a picture leaves the decoder.
    delay: usize,
    decoder: VecDeque<u64>,
    held: Vec<u64>,
    fates: Vec<Option<Fate>>,
    decisions: Vec<Decision>,
    /// The last unit that may be referred to and was decoded.
    decoded_through: Option<u64>,
    /// A key frame that the decoder was drained behind, to be decoded again.
    drained: Option<u64>,
    /// Those that are decoded again just now.
    again: Vec<u64>,
}

impl Simulation {
    fn new(wanted: Wanted) -> Self {
        Self {
            plan: DecodePlan::new(wanted),
            delay: 0,
            decoder: VecDeque::new(),
            held: Vec::new(),
            fates: Vec::new(),
            decisions: Vec::new(),
            decoded_through: None,
            drained: None,
            again: Vec::new(),
        }
    }

    fn with_delay(self, delay: usize) -> Self {
        Self { delay, ..self }
    }

    fn at(number: u64) -> Duration {
        UNIT * u32::try_from(number).expect("a short stream")
    }

    fn decode(&mut self, number: u64, is_key: bool) {
        let follows = self.decoded_through.is_some_and(|before| before + 1 == number);
        assert!(is_key || follows, "unit {number} refers to a dropped one");
        self.decoded_through = Some(number);
        self.decoder.push_back(number);
        if self.decoder.len() > self.delay {
            self.show();
        }
    }

    /// The decoder is drained if it keeps the picture back. It then forgets the key frame, which is
    /// decoded again before units that refer to it.
    fn decode_alone(&mut self, number: u64) {
        self.decode(number, true);
        let at = Some(Self::at(number));
        if self.plan.awaits_picture(at) {
            while !self.decoder.is_empty() {
                self.show();
            }
            self.decoded_through = None;
            self.drained = self.plan.record_drained(at).then_some(number);
        }
    }

    fn show(&mut self) {
        let Some(number) = self.decoder.pop_front() else { return };
        let at = Self::at(number);
        let decision = self.plan.on_picture(Some(at), Monotonic::from_start(at), false).decision;
        if let Some(place) = self.again.iter().position(|again| *again == number) {
            self.again.remove(place);
            assert_eq!(decision, PictureDecision::Hidden, "unit {number} was shown before");
            return;
        }
        let fate = match decision {
            PictureDecision::Analyse => Fate::Analysed,
            PictureDecision::NotDue => Fate::NotDue,
            PictureDecision::Hidden => Fate::Hidden,
            PictureDecision::Corrupted => panic!("unit {number} is not broken"),
        };
        self.set(number, fate);
    }

    fn set(&mut self, number: u64, fate: Fate) {
        let known = self.fates[number as usize].replace(fate);
        assert!(matches!(known, None | Some(Fate::Held)), "unit {number} has two fates: {known:?} and {fate:?}");
    }

    fn unit(&mut self, is_key: bool, consumer: Consumer) {
        let number = self.fates.len() as u64;
        self.fates.push(None);
        let at = Self::at(number);
        let kind = if is_key { UnitKind::Key } else { UnitKind::Delta };
        let unit = AccessUnit { kind, presentation_time: Some(at), arrival: Monotonic::from_start(at), bytes: 0 };
        let decision = self.plan.on_unit(&unit, &consumer);
        self.decisions.push(decision);
        match decision.held {
            HeldDecision::Keep => {}
            HeldDecision::Discard(reason) => {
                self.drained = None;
                let held = std::mem::take(&mut self.held);
                held.into_iter().for_each(|number| self.set(number, Fate::Dropped(reason)));
            }
            HeldDecision::Decode => {
                if let Some(number) = self.drained.take() {
                    self.again.push(number);
                    self.decode(number, true);
                }
                let held = std::mem::take(&mut self.held);
                held.into_iter().for_each(|number| self.decode(number, false));
            }
        }
        match decision.unit {
            UnitDecision::Decode(_) => self.decode(number, is_key),
            UnitDecision::DecodeAlone(_) => self.decode_alone(number),
            UnitDecision::Hold => {
                self.fates[number as usize] = Some(Fate::Held);
                self.held.push(number);
            }
            UnitDecision::Drop(reason) => self.set(number, Fate::Dropped(reason)),
        }
        assert!(self.held.len() < MAX_UNDECIDED, "memory is bounded");
    }

    fn end(&mut self) {
        (0..self.delay).for_each(|_| self.show());
    }

    fn numbers(&self, wanted: impl Fn(Fate) -> bool) -> Vec<u64> {
        let fates = (0..).zip(&self.fates);
        fates.filter(|(_, fate)| fate.is_some_and(&wanted)).map(|(number, _)| number).collect()
    }

    fn shown(&self) -> Vec<u64> {
        self.numbers(|fate| [Fate::Analysed, Fate::NotDue].contains(&fate))
    }

    fn analysed(&self) -> Vec<u64> {
        self.numbers(|fate| fate == Fate::Analysed)
    }
}

/// Every second, with a key frame every `gop` units.
fn crowd(gop: u64, units: u64, consumer: impl Fn(u64) -> Consumer) -> Simulation {
    let mut simulation = Simulation::new(Wanted::OneIn(Duration::from_secs(1)));
    (0..units).for_each(|number| simulation.unit(number % gop == 0, consumer(number)));
    simulation
}

/// Ten a second, with a key frame every `gop` units.
fn gate(gop: u64, units: u64, demand: impl Fn(u64) -> FrameDemand) -> Simulation {
    let mut simulation = Simulation::new(Wanted::AsDemanded(Duration::from_millis(100)));
    let consumer = |number| Consumer { demand: demand(number), ..Consumer::default() };
    (0..units).for_each(|number| simulation.unit(number % gop == 0, consumer(number)));
    simulation
}

fn waiting(seconds: f64) -> Consumer {
    Consumer { shortest_wait: Some(Duration::from_secs_f64(seconds)), ..Consumer::default() }
}

#[test]
fn only_due_key_frames_are_decoded_where_they_are_enough() {
    let simulation = crowd(25, 250, |_| Consumer::default());
    assert_eq!(simulation.shown(), (0..250).step_by(25).collect::<Vec<_>>());
    assert_eq!(simulation.analysed(), simulation.shown());
    // Two key frames in each second: every second one is not decoded.
    let simulation = crowd(12, 250, |_| Consumer::default());
    let dropped = simulation.numbers(|fate| fate == Fate::Dropped(DropReason::NotDue));
    assert!(dropped.len() >= 9, "{dropped:?}");
    assert_eq!(simulation.analysed(), simulation.shown());
}

#[test]
fn a_key_frame_is_dropped_if_the_next_would_supersede_it() {
    // The wait is compared with the time to the next wanted key frame: 1 s, whatever their gap.
    for gop in [25, 12] {
        let mut simulation = crowd(gop, 1000, |_| waiting(1.0));
        assert!(simulation.numbers(|fate| fate == Fate::Dropped(DropReason::WouldBeSuperseded)).is_empty());
        assert_eq!(simulation.plan.missed(), 0);
        simulation = crowd(gop, 1000, |_| waiting(1.001));
        assert_eq!(simulation.shown(), [0], "nothing is known of the first");
        let dropped = simulation.numbers(|fate| fate == Fate::Dropped(DropReason::WouldBeSuperseded));
        assert_eq!(simulation.plan.missed(), dropped.len() as u64, "each was due");
    }
}

#[test]
fn a_whole_stream_is_decoded_whatever_the_queue() {
    let simulation = crowd(60, 1000, |_| waiting(60.0));
    assert!(simulation.plan.decodes_whole_stream());
    let last = simulation.decisions.last().expect("there are some");
    assert_eq!(last.unit, UnitDecision::Decode(DecodeReason::WholeStream));
    let shown = simulation.shown();
    assert_eq!(shown[shown.len() - 800..], (200..1000).collect::<Vec<_>>()[..]);
    // The rate limit picks among the pictures.
    let analysed = simulation.analysed().into_iter().filter(|number| *number >= 200).count();
    assert!((31..=33).contains(&analysed), "{analysed} in 32 s");
}

#[test]
fn load_shedding_and_its_end_need_no_reconnection() {
    let mut simulation = crowd(100, 400, |_| Consumer::default());
    assert!(simulation.plan.decodes_whole_stream() && !simulation.plan.is_shed());
    simulation.plan.set_shedding(true);
    (400..800).for_each(|number| simulation.unit(number % 100 == 0, Consumer::default()));
    assert!(!simulation.plan.decodes_whole_stream() && simulation.plan.is_shed());
    let shown: Vec<_> = simulation.shown().into_iter().filter(|number| *number >= 400).collect();
    assert_eq!(shown, [500, 600, 700], "that at 400 is not due: a picture just before it was");
    simulation.plan.set_shedding(false);
    (800..1000).for_each(|number| simulation.unit(number % 100 == 0, Consumer::default()));
    assert_eq!(simulation.shown().iter().filter(|n| **n >= 800).count(), 200);
}

#[test]
fn a_resting_gate_decodes_held_units_before_the_next_one() {
    let demand = |number| if (30..40).contains(&number) { FrameDemand::AtRate } else { FrameDemand::KeyFrames };
    let simulation = gate(25, 60, demand);
    assert_eq!(simulation.shown(), [0, 25].into_iter().chain(30..40).chain([50]).collect::<Vec<_>>());
    assert_eq!(simulation.numbers(|fate| fate == Fate::Hidden), (26..30).collect::<Vec<_>>());
    let idle = simulation.numbers(|fate| fate == Fate::Dropped(DropReason::Idle));
    assert_eq!(idle, (1..25).chain(40..50).collect::<Vec<_>>());
}

#[test]
fn units_between_rare_key_frames_are_decoded_in_parts() {
    let simulation = gate(1000, 160, |_| FrameDemand::KeyFrames);
    assert_eq!(simulation.shown(), [0]);
    assert_eq!(simulation.numbers(|fate| fate == Fate::Hidden), (1..151).collect::<Vec<_>>());
    assert_eq!(simulation.decisions[50].unit, UnitDecision::Decode(DecodeReason::CatchUp));
}

#[test]
fn before_the_first_key_frame_units_are_dropped() {
    for wanted in [Wanted::All, Wanted::OneIn(UNIT), Wanted::AsDemanded(UNIT)] {
        let mut simulation = Simulation::new(wanted);
        (0..60).for_each(|_| simulation.unit(false, Consumer::default()));
        assert!(simulation.plan.mode().awaits_key_frame);
        let dropped = simulation.numbers(|fate| fate == Fate::Dropped(DropReason::BeforeKeyFrame));
        assert_eq!(dropped.len(), 60);
        simulation.unit(true, Consumer::default());
        assert_eq!(simulation.shown(), [60]);
        assert!(!simulation.plan.mode().awaits_key_frame);
    }
}

#[test]
fn a_gate_at_its_rate_decodes_all_and_analyses_some() {
    let simulation = gate(50, 250, |_| FrameDemand::AtRate);
    assert_eq!(simulation.shown().len(), 250);
    assert_eq!(simulation.analysed().len(), 100);
}

#[test]
fn a_superseded_picture_is_made_up_for_by_the_next() {
    let mut simulation = gate(50, 100, |_| FrameDemand::AtRate);
    simulation.plan.record_superseded(Monotonic::from_start(Simulation::at(100)));
    let before = simulation.analysed().len();
    let consumer = Consumer::default();
    (100..125).for_each(|number| simulation.unit(number % 50 == 0, consumer));
    assert_eq!(simulation.analysed().len() - before, 11, "one more than in any second");
}

#[test]
fn sources_without_access_units_are_limited_too() {
    let mut plan = DecodePlan::new(Wanted::OneIn(Duration::from_secs(1)));
    let at = |number| Monotonic::from_start(Simulation::at(number));
    let analysed =
        (0..240).filter(|n| plan.on_picture(None, at(*n), false).decision == PictureDecision::Analyse).count();
    assert_eq!(analysed, 10);
    let mut plan = DecodePlan::new(Wanted::All);
    assert!((0..250).all(|n| plan.on_picture(None, at(n), false).decision == PictureDecision::Analyse));
}

#[test]
fn an_overdue_key_frame_is_not_waited_for() {
    // 25 units a second, and a key frame every 40 s: the others are decoded after one interval and
    // a half, from the key frame on.
    for delay in [0, 2] {
        let mut simulation = Simulation::new(Wanted::OneIn(Duration::from_millis(500))).with_delay(delay);
        (0..500).for_each(|number| simulation.unit(number == 0, Consumer::default()));
        simulation.end();
        assert!(simulation.plan.decodes_whole_stream());
        assert_eq!(simulation.shown(), [0].into_iter().chain(19..500).collect::<Vec<_>>());
        assert_eq!(simulation.numbers(|fate| fate == Fate::Hidden), (1..19).collect::<Vec<_>>());
    }
    // So far apart that memory would grow: the next key frame decides.
    let mut simulation = Simulation::new(Wanted::OneIn(Duration::from_secs(10)));
    (0..1000).for_each(|number| simulation.unit(number == 0, Consumer::default()));
    assert!(!simulation.plan.decodes_whole_stream());
    assert_eq!(simulation.shown(), [0]);
    (0..1001).for_each(|number| simulation.unit(number % 1000 == 0, Consumer::default()));
    assert!(simulation.plan.decodes_whole_stream(), "two gaps of 40 s are enough");
}

#[test]
fn a_gradual_refresh_is_shown_once_it_is_complete() {
    for wanted in [Wanted::All, Wanted::OneIn(UNIT), Wanted::AsDemanded(UNIT)] {
        let mut plan = DecodePlan::new(wanted);
        let mut shown = Vec::new();
        for number in 0..40 {
            let kind = if number % 20 == 7 { UnitKind::RecoveryPoint(10) } else { UnitKind::Delta };
            let (at, arrival) = (Some(Simulation::at(number)), Monotonic::from_start(Simulation::at(number)));
            let unit = AccessUnit { kind, presentation_time: at, arrival, bytes: 0 };
            if matches!(plan.on_unit(&unit, &Consumer::default()).unit, UnitDecision::Decode(_)) {
                let picture = plan.on_picture(at, arrival, false);
                assert_eq!(picture.unit.map(|unit| unit.arrival), Some(arrival));
                shown.extend((picture.decision != PictureDecision::Corrupted).then_some(number));
            }
        }
        assert_eq!(shown, (17..40).collect::<Vec<_>>(), "{wanted:?}");
    }
}

#[test]
fn pictures_that_the_decoder_marks_are_not_shown() {
    let arrival = Monotonic::from_start(Duration::ZERO);
    for (kind, expected) in [(UnitKind::Key, PictureDecision::Corrupted), (UnitKind::Intra, PictureDecision::Analyse)] {
        let mut plan = DecodePlan::new(Wanted::All);
        for (kind, number) in [(kind, 0), (UnitKind::Delta, 1)] {
            let at = Some(Simulation::at(number));
            plan.on_unit(&AccessUnit { kind, presentation_time: at, arrival, bytes: 0 }, &Consumer::default());
            assert_eq!(plan.on_picture(at, arrival, true).decision, expected, "{kind:?}");
        }
    }
}

#[test]
fn packets_are_dropped_only_while_key_frames_are_enough() {
    let packet = |number: u64, content| RtpPacket {
        sequence_number: number as u16,
        timestamp: 3600 * number as u32,
        marker: true,
        content,
        begins_picture: true,
    };
    let drops = |gop: u64, is_shedding: bool| {
        let mut simulation = crowd(gop, 400, |_| Consumer::default());
        simulation.plan.set_shedding(is_shedding);
        (400..400 + gop).for_each(|number| simulation.unit(number % gop == 0, Consumer::default()));
        simulation.plan.on_packet(&packet(0, rtp::Content::Key));
        simulation.plan.on_packet(&packet(1, rtp::Content::Delta)) != PacketDecision::Forward(1)
    };
    assert!(drops(25, false));
    assert!(!drops(100, false), "the whole stream is decoded");
    assert!(drops(100, true), "load is shed");
}

proptest! {
    /// Every unit has one fate, the decoder never misses a reference, and the rate is kept,
    /// whatever the stream's structure, the queue, load shedding and the decoder's delay.
    #[test]
    fn crowd_streams_are_decodable_and_keep_their_rate(
        gaps in proptest::collection::vec((1u64..120, any::<bool>(), 0u64..4), 1..30),
        interval_ms in 40u64..3000,
        delay in 0usize..4,
    ) {
        let interval = Duration::from_millis(interval_ms);
        let mut simulation = Simulation::new(Wanted::OneIn(interval)).with_delay(delay);
        for (gap, is_shedding, wait) in gaps {
            simulation.plan.set_shedding(is_shedding);
            (0..gap).for_each(|i| simulation.unit(i == 0, waiting(wait as f64)));
        }
        simulation.end();
        prop_assert!(simulation.fates.iter().all(Option::is_some));
        let units = simulation.fates.len() as u64;
        let most = Simulation::at(units).div_duration_f64(interval).ceil() as usize + 2;
        prop_assert!(simulation.analysed().len() <= most, "{} of {most}", simulation.analysed().len());
    }

    /// The same for a gate. While frames are demanded, each is shown; a held one never is.
    #[test]
    fn gate_streams_are_decodable_and_show_what_is_demanded(
        gaps in proptest::collection::vec(1u64..120, 1..12),
        demands in proptest::collection::vec((1usize..90, 0u8..3), 1..20),
    ) {
        let demands = demands.into_iter().flat_map(|(count, demand)| {
            let demand = [FrameDemand::KeyFrames, FrameDemand::AtRate, FrameDemand::All][usize::from(demand)];
            std::iter::repeat_n(demand, count)
        });
        let keys = gaps.into_iter().flat_map(|gap| (0..gap).map(|i| i == 0));
        let mut simulation = Simulation::new(Wanted::AsDemanded(Duration::from_millis(100)));
        let mut expected = Vec::new();
        for (number, (is_key, demand)) in (0..).zip(keys.zip(demands.cycle())) {
            simulation.unit(is_key, Consumer { demand, ..Consumer::default() });
            if is_key || demand != FrameDemand::KeyFrames {
                expected.push(number);
            }
        }
        prop_assert_eq!(simulation.shown(), expected);
        let held = simulation.numbers(|fate| fate == Fate::Held).len();
        prop_assert_eq!(held, simulation.held.len());
        prop_assert!(simulation.fates.iter().all(Option::is_some));
    }
}
