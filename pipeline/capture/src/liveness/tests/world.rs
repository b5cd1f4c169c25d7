//! A simulated camera, its network, its depayloader and its decoder, in front of the plan.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;

use crate::decode_plan::{
    AccessUnit, Consumer, Content, HeldDecision, PacketDecision, PictureDecision, RtpPacket, UnitDecision, UnitKind,
    Wanted,
};
use crate::liveness::Verdict;
use crate::shared_plan::SharedPlan;

/// A camera's habits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) fps: f64,
    /// Frames from one key frame to the next.
    pub(super) gop: u64,
    /// The frame at which the viewer joins.
    pub(super) join: u64,
    /// Units until a picture leaves the decoder.
    pub(super) delay: usize,
    /// An SEI with a marker comes before each picture.
    pub(super) marked_sei: bool,
    /// The last packet of a picture has the marker.
    pub(super) marks: bool,
    /// Frames are held back and sent at once, after this number of seconds; 0 for none.
    pub(super) burst: f64,
    /// The share of packets that the network loses. 0 over TCP.
    pub(super) loss: f64,
    pub(super) key_packets: u32,
    pub(super) delta_packets: u32,
    /// Gradual refresh with a recovery point instead of key frames.
    pub(super) refreshes: bool,
}

impl Habits {
    pub(super) fn key_interval(&self) -> f64 {
        self.gop as f64 / self.fps
    }

    /// A frame's time at the camera, since the viewer joined.
    pub(super) fn at(&self, number: u64) -> f64 {
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
pub(super) struct World {
    pub(super) habits: Habits,
    pub(super) plan: Arc<SharedPlan>,
    random: u64,
    sequence_number: u16,
    /// The unit in the depayloader.
    pending: Option<Unit>,
    held: Vec<Unit>,
    decoder: VecDeque<u64>,
    /// The moments of analysed pictures.
    pub(super) looks: Vec<f64>,
    pub(super) is_decoder_dead: bool,
}

impl World {
    pub(super) fn new(habits: Habits, wanted: Wanted, seed: u64) -> Self {
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

    pub(super) fn send_frame(&mut self, number: u64, now: f64) {
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
        let packet = RtpPacket { sequence_number: self.sequence_number, timestamp, marker, content, begins_picture };
        let unit = Unit { number, kind, is_whole: true };
        if self.habits.loss > 0.0 && self.random() < self.habits.loss {
            if content != Content::Auxiliary {
                self.begin_unit(unit, now);
                self.pending = Some(Unit { is_whole: false, ..self.pending.unwrap_or(unit) });
            }
            return;
        }
        let (role, decision) = self.plan.on_packet(&packet, at(now));
        // One that the plan drops belongs to a frame that it drops whole.
        if matches!(decision, PacketDecision::Forward(_)) {
            self.begin_unit(unit, now);
            self.pending.get_or_insert(unit);
            if role.ends_unit
                && let Some(unit) = self.pending.take()
            {
                self.parse(unit, now);
            }
        }
    }

    /// A unit leaves the depayloader behind its marker, or when the next one begins.
    fn begin_unit(&mut self, unit: Unit, now: f64) {
        if let Some(pending) = self.pending.take_if(|pending| pending.number != unit.number) {
            self.parse(pending, now);
        }
    }

    fn parse(&mut self, unit: Unit, now: f64) {
        if !unit.is_whole {
            return;
        }
        let presentation_time = Some(self.presentation_time(unit.number));
        let facts = AccessUnit { kind: unit.kind, presentation_time, arrival: at(now), bytes: 1000 };
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
    pub(super) fn run(&mut self, until: f64, dies: f64, mut check: impl FnMut(f64, Verdict)) {
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

pub(super) fn at(seconds: f64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs_f64(seconds))
}
