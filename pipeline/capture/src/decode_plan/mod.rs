//! Decides which access units of a camera's stream are decoded and which pictures are analysed.
//!
//! [`DecodePlan`] is a pure state machine: facts go in, a decision with its reason comes out. No
//! GStreamer type, clock, lock or atomic is in it. The RTSP client, a pad probe and the appsink
//! carry it out. `rtp`, `markers` and `packets` treat packets, `units`, `key_frames` and `held`
//! treat access units, `sent` treats pictures.

mod decision;
mod held;
mod key_frames;
mod markers;
mod packets;
mod rtp;
mod sent;
mod units;

#[cfg(test)]
mod tests;

use std::time::Duration;

use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Monotonic;
use gatehouse_core::{DropReason, FrameDemand};

use crate::liveness::{Mode, PacketFacts};
pub(crate) use decision::{
    AccessUnit, Consumer, Decision, DecodeReason, HeldDecision, PictureDecision, Shown, UnitDecision,
};
use held::{HeldUnits, Holding};
use key_frames::KeyFrameCadence;
use markers::MarkerCheck;
pub(crate) use markers::PacketRole;
pub(crate) use packets::PacketDecision;
use packets::PacketFilter;
pub(crate) use rtp::{Content, RtpPacket, mend};
use sent::{SentUnit, SentUnits};
pub(crate) use units::{UnitKind, kind_of};

/// At most this many units are held while nothing moves before a gate. A processor decodes them in
/// 0.1 s to 0.2 s, and the frame that is wanted next waits for that. Where key frames are farther
/// apart, the units are decoded in parts.
const MAX_HELD: usize = 50;
/// At most this many units are held until it is known whether key frames are rare.
const MAX_UNDECIDED: usize = 128;

/// The frames of a stream that are analysed. Others need not be decoded, unless these refer to
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// One in this time. Where key frames come as often, they alone are decoded.
    OneIn(Duration),
    /// One in this time, and at each moment more or fewer, as [`FrameSink::demand`] says.
    ///
    /// [`FrameSink::demand`]: gatehouse_core::FrameSink::demand
    AsDemanded(Duration),
}

/// The rule that applies to one connection.
#[derive(Debug)]
enum Rule {
    Everything,
    /// Units are held until the second key frame has come, or is overdue.
    KeyFrames(KeyFrameCadence, HeldUnits),
    Demand(HeldUnits),
}

/// The beginning of a connection's decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// No unit has come with which it can begin.
    Awaited,
    /// The decoder's marks are believed.
    Clean,
    /// The decoder marks all pictures as broken, because it doesn't know that it began with a whole
    /// picture.
    Unmarked,
    /// This many pictures remain until a gradual refresh is complete.
    Refreshing(u32),
}

/// Decides for one camera, over all of its connections.
#[derive(Debug)]
pub(crate) struct DecodePlan {
    wanted: Wanted,
    /// `None` if all frames are analysed.
    rate: Option<RateLimit>,
    rule: Rule,
    packets: PacketFilter,
    markers: MarkerCheck,
    /// The timestamp of the last packet of a picture.
    picture: Option<u32>,
    start: Start,
    sent: SentUnits,
    is_shedding: bool,
    admitted: Option<Admitted>,
    /// Pictures up to this presentation time are hidden.
    hidden_until: Option<Duration>,
}

/// Presentation times of pictures that were admitted before they were decoded.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    first: Duration,
    last: Duration,
    /// False once a unit was decoded that was not admitted before.
    is_open: bool,
}

impl DecodePlan {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let rate = match wanted {
            Wanted::All => None,
            Wanted::OneIn(interval) | Wanted::AsDemanded(interval) => Some(RateLimit::every(interval)),
        };
        let mut plan = Self {
            wanted,
            rate,
            rule: Rule::Everything,
            packets: PacketFilter::default(),
            markers: MarkerCheck::default(),
            picture: None,
            start: Start::Awaited,
            sent: SentUnits::default(),
            is_shedding: false,
            admitted: None,
            hidden_until: None,
        };
        plan.begin_connection();
        plan
    }

    /// A new connection begins: the frames of the last one are forgotten. What is known of the
    /// camera's markers remains.
    pub(crate) fn begin_connection(&mut self) {
        self.rule = match self.wanted {
            Wanted::All => Rule::Everything,
            Wanted::OneIn(interval) => Rule::KeyFrames(KeyFrameCadence::new(interval), HeldUnits::up_to(MAX_UNDECIDED)),
            Wanted::AsDemanded(_) => Rule::Demand(HeldUnits::up_to(MAX_HELD)),
        };
        self.packets = PacketFilter::default();
        self.sent.clear();
        self.start = Start::Awaited;
        (self.admitted, self.hidden_until, self.picture) = (None, None, None);
    }

    /// What a packet says about liveness.
    pub(crate) fn packet_facts(&mut self, packet: &RtpPacket) -> PacketFacts {
        let begins_frame = packet.is_picture() && (self.picture != Some(packet.timestamp) || packet.begins_picture);
        if packet.is_picture() {
            self.picture = Some(packet.timestamp);
        }
        PacketFacts { begins_frame, is_key: packet.content == Content::Key }
    }

    /// Decides about a packet before RTP's session. Packets must come in order.
    pub(crate) fn on_packet(&mut self, packet: &RtpPacket) -> PacketDecision {
        // Where no marker is believed, a key frame leaves the depayloader with the next packet.
        let key_frames_only = self.keeps_key_frames_only() && !self.markers.are_wrong();
        self.packets.on_packet(packet, key_frames_only)
    }

    /// Says what a packet that goes to the depayloader is to its access unit. Packets must come in
    /// order.
    pub(crate) fn role_of(&mut self, packet: &RtpPacket, now: Monotonic) -> PacketRole {
        self.markers.on_packet(packet, now)
    }

    /// Decides about an access unit before the decoder.
    pub(crate) fn on_unit(&mut self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        let begins = self.start == Start::Awaited;
        let arrival = self.markers.take_end().unwrap_or(unit.arrival);
        self.start = match (unit.kind, self.start) {
            (UnitKind::Delta, Start::Awaited) => return Decision::drop(DropReason::BeforeKeyFrame),
            (UnitKind::Key, _) => Start::Clean,
            (UnitKind::Intra, Start::Awaited) => Start::Unmarked,
            (UnitKind::RecoveryPoint(pictures), Start::Awaited) => Start::Refreshing(pictures),
            (_, start) => start,
        };
        let decision = match &mut self.rule {
            Rule::Everything => Decision::decode(DecodeReason::WholeStream),
            Rule::KeyFrames(..) => self.by_cadence(unit, begins, consumer),
            Rule::Demand(_) => self.by_demand(unit, begins, consumer),
        };
        // Held units count from their own arrival, too, but their pictures are hidden.
        if matches!(decision.unit, UnitDecision::Decode(_) | UnitDecision::DecodeAlone(_)) {
            let AccessUnit { kind, bytes, .. } = *unit;
            self.sent.push(unit.presentation_time, SentUnit { arrival, is_key: kind.is_key(), bytes });
        }
        decision
    }

    fn by_cadence(&mut self, unit: &AccessUnit, begins: bool, consumer: &Consumer) -> Decision {
        let whole_stream = Decision::decode(DecodeReason::WholeStream);
        let Rule::KeyFrames(cadence, held) = &mut self.rule else { return whole_stream };
        let is_key = unit.kind.is_key();
        if begins && !is_key {
            // A stream that refreshes its picture gradually may have no key frames at all.
            cadence.decode_whole_stream();
        }
        if !cadence.on_unit(is_key, unit.presentation_time, self.is_shedding) {
            return self.between_key_frames(unit);
        }
        if !is_key {
            self.admitted.iter_mut().for_each(|admitted| admitted.is_open = false);
            return whole_stream;
        }
        held.begin();
        let discard = HeldDecision::Discard(DropReason::BetweenKeyFrames);
        let (next, needs_whole_stream) = (cadence.next_wanted_in(), cadence.needs_whole_stream());
        let (Some(next), Some(at)) = (next, unit.presentation_time) else {
            self.admitted.iter_mut().for_each(|admitted| admitted.is_open = false);
            let unit = if needs_whole_stream {
                UnitDecision::Decode(DecodeReason::WholeStream)
            } else {
                UnitDecision::DecodeAlone(DecodeReason::KeyFrame)
            };
            return Decision { held: discard, unit };
        };
        // No other unit refers to this one, so it is decoded only if its picture will be analysed.
        held.forget();
        if !self.rate.as_mut().is_none_or(|rate| rate.admits(unit.arrival)) {
            return Decision { held: discard, unit: UnitDecision::Drop(DropReason::NotDue) };
        }
        if consumer.shortest_wait.is_some_and(|wait| wait > next) {
            self.rate.iter_mut().for_each(RateLimit::record_missed);
            return Decision { held: discard, unit: UnitDecision::Drop(DropReason::WouldBeSuperseded) };
        }
        let first = self.admitted.filter(|admitted| admitted.is_open).map_or(at, |admitted| admitted.first);
        self.admitted = Some(Admitted { first, last: at, is_open: true });
        Decision { held: discard, unit: UnitDecision::DecodeAlone(DecodeReason::DueKeyFrame) }
    }

    /// Decides about a unit between key frames while they alone are decoded. After the first one
    /// units are held: if the second is overdue, the whole stream is decoded from the first on.
    fn between_key_frames(&mut self, unit: &AccessUnit) -> Decision {
        let dropped = Decision::drop(DropReason::BetweenKeyFrames);
        let Rule::KeyFrames(cadence, held) = &mut self.rule else { return dropped };
        if !cadence.is_undecided() || !held.has_key_frame() {
            return dropped;
        }
        let is_overdue = if held.is_almost_full() {
            cadence.is_late(unit.presentation_time)
        } else {
            cadence.is_overdue(unit.presentation_time)
        };
        if is_overdue && !self.is_shedding {
            cadence.decode_whole_stream();
            self.hidden_until = held.release();
            return Decision { held: HeldDecision::Decode, unit: UnitDecision::Decode(DecodeReason::WholeStream) };
        }
        match held.hold(unit.presentation_time) {
            Holding::Held => Decision { held: HeldDecision::Keep, unit: UnitDecision::Hold },
            Holding::Full | Holding::Undecodable => {
                held.forget();
                Decision { held: HeldDecision::Discard(DropReason::BetweenKeyFrames), ..dropped }
            }
        }
    }

    fn by_demand(&mut self, unit: &AccessUnit, begins: bool, consumer: &Consumer) -> Decision {
        let Rule::Demand(held) = &mut self.rule else { return Decision::decode(DecodeReason::WholeStream) };
        let is_idle = consumer.demand == FrameDemand::KeyFrames;
        if unit.kind.is_key() || begins {
            held.begin();
            let unit = if is_idle && unit.kind.is_key() {
                UnitDecision::DecodeAlone(DecodeReason::KeyFrame)
            } else {
                UnitDecision::Decode(DecodeReason::KeyFrame)
            };
            return Decision { held: HeldDecision::Discard(DropReason::Idle), unit };
        }
        let reason = if is_idle {
            match held.hold(unit.presentation_time) {
                Holding::Held => return Decision { held: HeldDecision::Keep, unit: UnitDecision::Hold },
                Holding::Undecodable => return Decision::drop(DropReason::Idle),
                Holding::Full => DecodeReason::CatchUp,
            }
        } else {
            DecodeReason::Demanded
        };
        if let Some(latest) = held.release() {
            self.hidden_until = Some(latest);
        }
        Decision { held: HeldDecision::Decode, unit: UnitDecision::Decode(reason) }
    }

    /// True if the decoder keeps the picture of a unit that it was sent.
    pub(crate) fn awaits_picture(&self, at: Option<Duration>) -> bool {
        self.sent.contains(at)
    }

    /// The decoder was drained behind a key frame, and refers to it no more. True if the key frame
    /// is to be held, before the units that refer to it.
    pub(crate) fn record_drained(&mut self, at: Option<Duration>) -> bool {
        match &mut self.rule {
            Rule::Everything => false,
            Rule::KeyFrames(_, held) | Rule::Demand(held) => held.hold_key_frame(at),
        }
    }

    /// Decides about a decoded picture. Sources without access units come here alone. `is_marked`:
    /// the decoder marked it as broken.
    pub(crate) fn on_picture(&mut self, at: Option<Duration>, now: Monotonic, is_marked: bool) -> Shown {
        let unit = self.sent.take(at);
        let is_key = unit.map_or(self.start == Start::Awaited, |unit| unit.is_key);
        Shown { decision: self.picture_decision(at, now, is_marked), unit, is_key }
    }

    fn picture_decision(&mut self, at: Option<Duration>, now: Monotonic, is_marked: bool) -> PictureDecision {
        match &mut self.start {
            Start::Refreshing(0) => self.start = Start::Clean,
            Start::Refreshing(pictures) => {
                *pictures -= 1;
                return PictureDecision::Corrupted;
            }
            Start::Awaited | Start::Clean | Start::Unmarked => {}
        }
        if self.hidden_until.zip(at).is_some_and(|(until, at)| at <= until) {
            return PictureDecision::Hidden;
        }
        self.hidden_until = None;
        if is_marked && self.start != Start::Unmarked {
            return PictureDecision::Corrupted;
        }
        if self.admitted.zip(at).is_some_and(|(a, at)| (a.first..=a.last).contains(&at)) {
            return PictureDecision::Analyse;
        }
        if self.rate.as_mut().is_none_or(|rate| rate.admits(now)) {
            PictureDecision::Analyse
        } else {
            PictureDecision::NotDue
        }
    }

    /// A newer frame, which arrived now, superseded one that was to be analysed.
    pub(crate) fn record_superseded(&mut self, now: Monotonic) {
        self.rate.iter_mut().for_each(|rate| rate.record_superseded(now));
    }

    /// Analyses that were due and never happened.
    pub(crate) fn missed(&self) -> u64 {
        self.rate.as_ref().map_or(0, RateLimit::missed)
    }

    /// Starts or ends load shedding: key frames alone must do, even where they are rarer than
    /// wanted, if they are at most 10 s apart.
    pub(crate) fn set_shedding(&mut self, is_shedding: bool) {
        self.is_shedding = is_shedding;
    }

    /// True while the whole stream is decoded although fewer frames are wanted.
    pub(crate) fn decodes_whole_stream(&self) -> bool {
        matches!(&self.rule, Rule::KeyFrames(cadence, _) if cadence.needs_whole_stream())
    }

    /// True while load shedding decodes key frames alone although they are rarer than wanted.
    pub(crate) fn is_shed(&self) -> bool {
        matches!(&self.rule, Rule::KeyFrames(cadence, _) if cadence.is_shed())
    }

    /// True if only key frames will be decoded, after the next one too: before the whole stream is
    /// decoded again, doubt rises for one gap, or load shedding ends.
    fn keeps_key_frames_only(&self) -> bool {
        let Rule::KeyFrames(cadence, _) = &self.rule else { return false };
        !cadence.needs_whole_stream() && (cadence.is_settled() || (cadence.is_shed() && self.is_shedding))
    }

    /// What liveness needs to know of the decisions.
    pub(crate) fn mode(&self) -> Mode {
        Mode {
            awaits_key_frame: self.start == Start::Awaited,
            key_frames_every: match (&self.rule, self.wanted) {
                (Rule::KeyFrames(cadence, _), Wanted::OneIn(interval)) if !cadence.needs_whole_stream() => {
                    Some(interval)
                }
                _ => None,
            },
        }
    }
}
