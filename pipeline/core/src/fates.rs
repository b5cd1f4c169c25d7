//! What became of a camera's frames: one record per camera.
//!
//! Capture counts what happens before the analysis, the workers count the rest. The record is the
//! metric and, as [`FrameFates`], part of the camera's health event.

use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a frame was dropped without analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Not decoded: only key frames of this stream are decoded.
    BetweenKeyFrames,
    /// Not due by the camera's rate. Decoded only where later frames refer to it.
    NotDue,
    /// Not decoded: the queue is so long that the camera's next frame would replace it.
    WouldBeSuperseded,
    /// Not decoded: nothing moved, and no later frame needed it.
    Idle,
    /// Decoded only so that a later frame could be decoded.
    CatchUp,
    /// Decoded, and packets of it or of frames that it refers to were lost on the way.
    Damaged,
    /// Not decoded: no key frame had come yet on which it could build.
    BeforeKeyFrame,
    /// The decoder marked its picture as broken.
    Corrupted,
}

/// One step in a frame's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The frame arrived, encoded.
    Received,
    /// The decoder gave its picture.
    Decoded,
    /// It was dropped without analysis.
    Dropped(DropReason),
    /// It was not analysed: nothing had changed since a frame that was.
    Unchanged,
    /// A newer frame replaced it before its analysis.
    Superseded,
    /// Its analysis failed.
    Failed,
    /// It was analysed.
    Analysed,
}

/// The counters of one camera, shared by its stream and its workers. Each counts since the start.
#[derive(Debug, Default)]
pub struct FateCounters {
    received: AtomicU64,
    decoded: AtomicU64,
    between_key_frames: AtomicU64,
    not_due: AtomicU64,
    would_be_superseded: AtomicU64,
    idle: AtomicU64,
    catch_up: AtomicU64,
    damaged: AtomicU64,
    before_key_frame: AtomicU64,
    corrupted: AtomicU64,
    unchanged: AtomicU64,
    superseded: AtomicU64,
    failed: AtomicU64,
    analysed: AtomicU64,
    missed: AtomicU64,
    packets_received: AtomicU64,
    packets_lost: AtomicU64,
}

impl FateCounters {
    fn counter(&self, fate: Fate) -> &AtomicU64 {
        match fate {
            Fate::Received => &self.received,
            Fate::Decoded => &self.decoded,
            Fate::Dropped(DropReason::BetweenKeyFrames) => &self.between_key_frames,
            Fate::Dropped(DropReason::NotDue) => &self.not_due,
            Fate::Dropped(DropReason::WouldBeSuperseded) => &self.would_be_superseded,
            Fate::Dropped(DropReason::Idle) => &self.idle,
            Fate::Dropped(DropReason::CatchUp) => &self.catch_up,
            Fate::Dropped(DropReason::Damaged) => &self.damaged,
            Fate::Dropped(DropReason::BeforeKeyFrame) => &self.before_key_frame,
            Fate::Dropped(DropReason::Corrupted) => &self.corrupted,
            Fate::Unchanged => &self.unchanged,
            Fate::Superseded => &self.superseded,
            Fate::Failed => &self.failed,
            Fate::Analysed => &self.analysed,
        }
    }

    /// Counts one frame. Returns the new count.
    pub fn count(&self, fate: Fate) -> u64 {
        self.count_many(fate, 1)
    }

    /// Counts several frames. Returns the new count.
    pub fn count_many(&self, fate: Fate, frames: u64) -> u64 {
        self.counter(fate).fetch_add(frames, Ordering::Relaxed) + frames
    }

    /// Sets how many due analyses never happened.
    pub fn set_missed(&self, missed: u64) {
        self.missed.store(missed, Ordering::Relaxed);
    }

    /// Counts packets of the camera's stream: those that came, and those that are missing.
    pub fn count_packets(&self, received: u64, lost: u64) {
        self.packets_received.fetch_add(received, Ordering::Relaxed);
        self.packets_lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// Packets that came, and packets that were lost, since the start.
    pub fn packets(&self) -> PacketCounts {
        PacketCounts {
            received: self.packets_received.load(Ordering::Relaxed),
            lost: self.packets_lost.load(Ordering::Relaxed),
        }
    }

    /// The count of one fate.
    pub fn get(&self, fate: Fate) -> u64 {
        self.counter(fate).load(Ordering::Relaxed)
    }

    /// All counts, read one after the other.
    pub fn snapshot(&self) -> FrameFates {
        FrameFates {
            received: self.get(Fate::Received),
            decoded: self.get(Fate::Decoded),
            analysed: self.get(Fate::Analysed),
            unchanged: self.get(Fate::Unchanged),
            superseded: self.get(Fate::Superseded),
            missed: self.missed.load(Ordering::Relaxed),
            failed: self.get(Fate::Failed),
            dropped: DroppedFrames {
                between_key_frames: self.get(Fate::Dropped(DropReason::BetweenKeyFrames)),
                not_due: self.get(Fate::Dropped(DropReason::NotDue)),
                would_be_superseded: self.get(Fate::Dropped(DropReason::WouldBeSuperseded)),
                idle: self.get(Fate::Dropped(DropReason::Idle)),
                catch_up: self.get(Fate::Dropped(DropReason::CatchUp)),
                damaged: self.get(Fate::Dropped(DropReason::Damaged)),
                before_key_frame: self.get(Fate::Dropped(DropReason::BeforeKeyFrame)),
                corrupted: self.get(Fate::Dropped(DropReason::Corrupted)),
            },
        }
    }
}

/// Packets of a camera's stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets that came.
    pub received: u64,
    /// Packets that were lost on the way, by their sequence numbers.
    pub lost: u64,
}

/// What became of a camera's frames since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameFates {
    /// Frames that arrived, decoded or not. 0 for a source that sends no encoded frames.
    pub received: u64,
    /// Frames that were decoded, without those of `dropped.catch_up` and
    /// `dropped.corrupted`.
    pub decoded: u64,
    /// Frames that were analysed.
    pub analysed: u64,
    /// Frames that were not analysed because nothing had changed since one that was.
    pub unchanged: u64,
    /// Frames that a newer one replaced in the queue before they were analysed.
    pub superseded: u64,
    /// Analyses that were due and never happened: the frame was superseded, or was not decoded
    /// because it would have been, and no later frame made up for it.
    pub missed: u64,
    /// Frames whose analysis failed.
    pub failed: u64,
    /// Frames that were dropped on purpose, by reason.
    pub dropped: DroppedFrames,
}

/// Frames that were dropped on purpose, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroppedFrames {
    /// Not decoded: only key frames of this stream were decoded.
    pub between_key_frames: u64,
    /// Not due by the camera's rate. Decoded only where later frames refer to them.
    pub not_due: u64,
    /// Not decoded: the queue was so long that the camera's next frame would have replaced them.
    pub would_be_superseded: u64,
    /// Not decoded: nothing moved, and no later frame needed them.
    pub idle: u64,
    /// Decoded only so that a later frame could be decoded.
    pub catch_up: u64,
    /// Decoded and not shown to a gate: packets of them, or of frames that they refer to, were
    /// lost on the way.
    #[serde(default)]
    pub damaged: u64,
    /// Not decoded: no key frame had come yet on which they could build.
    #[serde(default)]
    pub before_key_frame: u64,
    /// The decoder marked their pictures as broken.
    #[serde(default)]
    pub corrupted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_has_a_counter_of_its_own() {
        let counters = FateCounters::default();
        let dropped = [
            DropReason::BetweenKeyFrames,
            DropReason::NotDue,
            DropReason::WouldBeSuperseded,
            DropReason::Idle,
            DropReason::CatchUp,
            DropReason::Damaged,
            DropReason::BeforeKeyFrame,
            DropReason::Corrupted,
        ];
        let fates = [Fate::Received, Fate::Decoded, Fate::Unchanged, Fate::Superseded, Fate::Failed, Fate::Analysed];
        for (n, fate) in (1..).zip(fates.into_iter().chain(dropped.map(Fate::Dropped))) {
            assert_eq!(counters.count_many(fate, n), n);
        }
        counters.set_missed(15);
        let expected = FrameFates {
            received: 1,
            decoded: 2,
            unchanged: 3,
            superseded: 4,
            failed: 5,
            analysed: 6,
            missed: 15,
            dropped: DroppedFrames {
                between_key_frames: 7,
                not_due: 8,
                would_be_superseded: 9,
                idle: 10,
                catch_up: 11,
                damaged: 12,
                before_key_frame: 13,
                corrupted: 14,
            },
        };
        assert_eq!(counters.snapshot(), expected);
    }
}
