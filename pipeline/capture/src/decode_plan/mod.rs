//! Decides which access units of a camera's stream are decoded and which pictures are analysed.
//!
//! [`DecodePlan`] is a pure state machine: facts go in, a decision with its reason comes out. No
//! GStreamer type, clock, lock or atomic is in it. Pad probes and the appsink carry it out. `rtp`
//! and `packets` treat packets before the depayloader, `key_frames` and `held` treat access units;
//! neither pair uses the other, and neither uses this file.

mod held;
mod key_frames;
mod packets;
mod rtp;

#[cfg(test)]
mod tests;

use std::time::Duration;

use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Monotonic;
use gatehouse_core::{DropReason, FrameDemand};

use held::{HeldUnits, Holding};
use key_frames::{KeyFrameCadence, MAX_SHED_GAP};
pub(crate) use packets::PacketDecision;
use packets::PacketFilter;
pub(crate) use rtp::{Content, RtpPacket};

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

/// The facts of one access unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessUnit {
    /// True if it refers to no other unit and can be decoded first.
    pub(crate) is_key: bool,
    /// When its picture is to be shown, if known.
    pub(crate) presentation_time: Option<Duration>,
    pub(crate) arrival: Monotonic,
}

/// What the consumer says when an access unit comes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Consumer {
    pub(crate) demand: FrameDemand,
    /// The shortest time that a frame offered now waits for its analysis, if known.
    pub(crate) shortest_wait: Option<Duration>,
}

/// Why an access unit is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeReason {
    /// Nothing is known of the cadence yet, or later units may refer to this key frame.
    KeyFrame,
    /// Only key frames are decoded, and this one is due.
    DueKeyFrame,
    /// The whole stream is decoded.
    WholeStream,
    /// The consumer needs frames now.
    Demanded,
    /// No more units can be held. Its picture is hidden.
    CatchUp,
}

/// What becomes of the access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitDecision {
    Decode(DecodeReason),
    /// It waits undecoded: a later unit may need it.
    Hold,
    Drop(DropReason),
}

/// What becomes of the units that were held before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldDecision {
    Keep,
    /// No later unit needs them.
    Discard,
    /// They are decoded before this unit; their pictures are hidden.
    Decode,
}

/// The decision about an access unit. The held units come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) held: HeldDecision,
    pub(crate) unit: UnitDecision,
}

impl Decision {
    fn decode(reason: DecodeReason) -> Self {
        Self { held: HeldDecision::Keep, unit: UnitDecision::Decode(reason) }
    }

    fn drop(reason: DropReason) -> Self {
        Self { held: HeldDecision::Keep, unit: UnitDecision::Drop(reason) }
    }
}

/// The decision about a decoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureDecision {
    Analyse,
    /// Not due by the rate. It is analysed only if the consumer calls it urgent.
    NotDue,
    /// It was decoded only for the sake of later ones.
    Hidden,
}

/// The rule that applies to one connection.
#[derive(Debug)]
enum Rule {
    Everything,
    KeyFrames(KeyFrameCadence),
    Demand(HeldUnits),
}

/// Decides for one camera, over all of its connections.
#[derive(Debug)]
pub(crate) struct DecodePlan {
    wanted: Wanted,
    /// `None` if all frames are analysed.
    rate: Option<RateLimit>,
    rule: Rule,
    packets: PacketFilter,
    /// Key frames were so rare that the second one was not waited for.
    key_frames_are_rare: bool,
    is_shedding: bool,
    admitted: Option<Admitted>,
    /// Pictures up to this presentation time are hidden.
    hidden_until: Option<Duration>,
    is_resting: bool,
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
            key_frames_are_rare: false,
            is_shedding: false,
            admitted: None,
            hidden_until: None,
            is_resting: false,
        };
        plan.begin_connection();
        plan
    }

    /// A new connection begins: the frames of the last one are forgotten.
    pub(crate) fn begin_connection(&mut self) {
        self.rule = match self.wanted {
            Wanted::All => Rule::Everything,
            Wanted::OneIn(interval) => Rule::KeyFrames(KeyFrameCadence::new(interval, self.key_frames_are_rare)),
            Wanted::AsDemanded(_) => Rule::Demand(HeldUnits::default()),
        };
        self.packets = PacketFilter::default();
        (self.admitted, self.hidden_until, self.is_resting) = (None, None, false);
    }

    /// Decides about a packet before RTP's session. Packets must come in order.
    pub(crate) fn on_packet(&mut self, packet: &RtpPacket) -> PacketDecision {
        let key_frames_only = self.keeps_key_frames_only();
        self.packets.on_packet(packet, key_frames_only)
    }

    /// Decides about an access unit before the decoder.
    pub(crate) fn on_unit(&mut self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        match &mut self.rule {
            Rule::Everything => Decision::decode(DecodeReason::WholeStream),
            Rule::KeyFrames(_) => self.by_cadence(unit, consumer),
            Rule::Demand(_) => self.by_demand(unit, consumer),
        }
    }

    fn by_cadence(&mut self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        let Rule::KeyFrames(cadence) = &mut self.rule else { return Decision::decode(DecodeReason::WholeStream) };
        if !cadence.on_unit(unit.is_key, unit.presentation_time, self.is_shedding) {
            return Decision::drop(DropReason::BetweenKeyFrames);
        }
        let (Some(next), Some(at)) = (cadence.next_wanted_in(), unit.presentation_time) else {
            let reason = if cadence.needs_whole_stream() { DecodeReason::WholeStream } else { DecodeReason::KeyFrame };
            self.is_resting = false;
            self.admitted.iter_mut().for_each(|admitted| admitted.is_open = false);
            return Decision::decode(reason);
        };
        // No other unit refers to this one, so it is decoded only if its picture will be analysed.
        self.is_resting = true;
        if !self.rate.as_mut().is_none_or(|rate| rate.admits(unit.arrival)) {
            return Decision::drop(DropReason::NotDue);
        }
        if consumer.shortest_wait.is_some_and(|wait| wait > next) {
            self.rate.iter_mut().for_each(RateLimit::record_missed);
            return Decision::drop(DropReason::WouldBeSuperseded);
        }
        self.is_resting = false;
        let first = self.admitted.filter(|admitted| admitted.is_open).map_or(at, |admitted| admitted.first);
        self.admitted = Some(Admitted { first, last: at, is_open: true });
        Decision::decode(DecodeReason::DueKeyFrame)
    }

    fn by_demand(&mut self, unit: &AccessUnit, consumer: &Consumer) -> Decision {
        let Rule::Demand(held) = &mut self.rule else { return Decision::decode(DecodeReason::WholeStream) };
        let is_idle = consumer.demand == FrameDemand::KeyFrames;
        self.is_resting = is_idle;
        if unit.is_key {
            held.begin();
            return Decision { held: HeldDecision::Discard, unit: UnitDecision::Decode(DecodeReason::KeyFrame) };
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

    /// Decides about a decoded picture. Sources without access units come here alone.
    pub(crate) fn on_picture(&mut self, at: Option<Duration>, arrival: Monotonic) -> PictureDecision {
        if self.hidden_until.zip(at).is_some_and(|(until, at)| at <= until) {
            return PictureDecision::Hidden;
        }
        self.hidden_until = None;
        let was_admitted = self.admitted.zip(at).is_some_and(|(a, at)| (a.first..=a.last).contains(&at));
        if was_admitted || self.rate.as_mut().is_none_or(|rate| rate.admits(arrival)) {
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

    /// The second key frame didn't come in time: the next connection begins with the whole stream.
    /// Has no effect once the cadence is known.
    pub(crate) fn give_up_waiting_for_key_frame(&mut self) {
        if matches!(&self.rule, Rule::KeyFrames(cadence) if !cadence.is_settled()) {
            self.key_frames_are_rare = true;
        }
    }

    /// True while the whole stream is decoded although fewer frames are wanted.
    pub(crate) fn decodes_whole_stream(&self) -> bool {
        matches!(&self.rule, Rule::KeyFrames(cadence) if cadence.needs_whole_stream())
    }

    /// True while load shedding decodes key frames alone although they are rarer than wanted.
    pub(crate) fn is_shed(&self) -> bool {
        matches!(&self.rule, Rule::KeyFrames(cadence) if cadence.is_shed())
    }

    /// True if only key frames will be decoded, after the next one too: before the whole stream is
    /// decoded again, doubt rises for one gap, or load shedding ends.
    fn keeps_key_frames_only(&self) -> bool {
        let Rule::KeyFrames(cadence) = &self.rule else { return false };
        !cadence.needs_whole_stream() && (cadence.is_settled() || (cadence.is_shed() && self.is_shedding))
    }

    /// True while the last unit was not decoded because no consumer wants a frame.
    pub(crate) fn is_resting(&self) -> bool {
        self.is_resting
    }

    /// How far apart decoded frames may be while others arrive.
    pub(crate) fn max_decode_gap(&self) -> Duration {
        match (self.wanted, &self.rule) {
            (Wanted::All, _) => Duration::ZERO,
            (Wanted::OneIn(interval), Rule::KeyFrames(cadence)) if !cadence.is_settled() => interval.max(MAX_SHED_GAP),
            (Wanted::OneIn(interval) | Wanted::AsDemanded(interval), _) => interval,
        }
    }
}
