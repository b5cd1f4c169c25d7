//! The facts and the decisions of a decode plan.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_core::{DropReason, FrameDemand};

use super::sent::SentUnit;
use super::units::UnitKind;

/// The facts of one access unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessUnit {
    pub(crate) kind: UnitKind,
    /// When its picture is to be shown, if known.
    pub(crate) presentation_time: Option<Duration>,
    pub(crate) arrival: Monotonic,
    pub(crate) bytes: usize,
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
    /// It is decoded, and its picture is needed before any other unit comes: a decoder that keeps
    /// it back for its order is drained.
    DecodeAlone(DecodeReason),
    /// It waits undecoded: a later unit may need it.
    Hold,
    Drop(DropReason),
}

/// What becomes of the units that were held before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldDecision {
    Keep,
    /// No later unit needs them.
    Discard(DropReason),
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
    pub(super) fn decode(reason: DecodeReason) -> Self {
        Self { held: HeldDecision::Keep, unit: UnitDecision::Decode(reason) }
    }

    pub(super) fn drop(reason: DropReason) -> Self {
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
    /// The decoder marked it as broken, or a gradual refresh isn't complete.
    Corrupted,
}

/// A decoded picture: what becomes of it, and what is known of its access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) decision: PictureDecision,
    /// `None` for a source without access units, or if the decoder changed the presentation time.
    pub(crate) unit: Option<SentUnit>,
    /// True if it refers to no other picture, as all of a source without access units.
    pub(crate) is_key: bool,
}
