//! Watches that the decoder gives a clean picture for what it is sent.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A decoder keeps at most 16 frames for their order (ITU-T H.264, section A.3.1), and a few more
/// where it is hardware.
const MANY: u32 = 24;
const MANY_FOR: Duration = Duration::from_secs(3);
/// Of a slow camera's frames fewer are kept back, but each takes longer.
const SOME: u32 = 6;
const SOME_FOR: Duration = Duration::from_secs(8);
/// A key frame that is decoded alone gives its picture at once. It counts as this many units.
const ALONE: u32 = 8;

/// The decoder's work in one connection.
#[derive(Debug, Default)]
pub(super) struct Decoding {
    /// Units sent since the last picture.
    sent: u32,
    /// When the first of them was sent.
    since: Option<Monotonic>,
    /// The last clean picture.
    clean: Option<Monotonic>,
    /// When broken pictures began to come, if no clean one has come since.
    broken: Option<Monotonic>,
}

impl Decoding {
    /// A unit went to the decoder. `is_alone`: no later one need come before its picture does.
    pub(super) fn on_sent(&mut self, is_alone: bool, now: Monotonic) {
        self.since.get_or_insert(now);
        self.sent = self.sent.saturating_add(if is_alone { ALONE } else { 1 });
    }

    /// A picture left the decoder.
    pub(super) fn on_picture(&mut self, is_clean: bool, now: Monotonic) {
        (self.sent, self.since) = (0, None);
        if is_clean {
            (self.clean, self.broken) = (Some(now), None);
        } else {
            self.broken.get_or_insert(now);
        }
    }

    /// True once a clean picture has come.
    pub(super) fn has_pictures(&self) -> bool {
        self.clean.is_some()
    }

    /// The last clean picture.
    pub(super) fn last_clean(&self) -> Option<Monotonic> {
        self.clean
    }

    /// Time since broken pictures began to come.
    pub(super) fn broken_for(&self, now: Monotonic) -> Option<Duration> {
        self.broken.map(|since| now.since(since))
    }

    /// Time since the decoder was sent units, if it should have given a picture for them.
    pub(super) fn overdue(&self, now: Monotonic) -> Option<Duration> {
        let waited = now.since(self.since?);
        let is_overdue = (self.sent >= MANY && waited >= MANY_FOR) || (self.sent >= SOME && waited >= SOME_FOR);
        is_overdue.then_some(waited)
    }
}
