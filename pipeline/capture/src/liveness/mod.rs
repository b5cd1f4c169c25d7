//! Decides whether a camera's stream is alive.
//!
//! [`Liveness`] is a pure state machine: facts go in, a [`Verdict`] with its reason comes out. No
//! GStreamer type, clock, lock or atomic is in it. It keeps three things apart: `transport`
//! (packets come), `key_frames` (decoding can begin) and `decoding` (the decoder gives clean
//! pictures). Beside it, `picture` decides whether the pictures still change.
//! `docs/design/capture.md` has the rules with their thresholds.

mod decoding;
mod key_frames;
mod picture;
mod transport;

#[cfg(test)]
mod tests;

use std::time::Duration;

use gatehouse_core::health::{Stall, Waiting};
use gatehouse_core::time::Monotonic;

use decoding::Decoding;
use key_frames::KeyFrames;
pub(crate) use picture::{PictureFacts, PictureWatch};
use transport::{Patience, Transport};

/// The first packet comes within this time, or the connection is given up. A camera may send a
/// frame every 16 s.
const FIRST_PACKET_WITHIN: Duration = Duration::from_secs(20);
/// The first picture comes within this time after the decoder was sent its key frame.
const FIRST_PICTURE_WITHIN: Duration = Duration::from_secs(15);
/// A stalled stream is given up after this time, or half its patience.
const GIVEN_UP_AFTER_STALL: Duration = Duration::from_secs(6);
/// The next frame of a camera whose rate isn't known is waited for at most this long.
const UNKNOWN_RATE: Duration = Duration::from_secs(40);
/// A wait for a key frame that is shorter is not reported.
const WAIT_REPORTED_AFTER: Duration = Duration::from_secs(3);
/// Where key frames alone are decoded and the interval is unknown, one is overdue after this time.
const KEY_FRAME_OVERDUE: Duration = Duration::from_secs(10);
/// Broken pictures for this long are reported, and given up after the second time.
const BROKEN_REPORTED_AFTER: Duration = Duration::from_secs(3);
const BROKEN_GIVEN_UP_AFTER: Duration = Duration::from_secs(150);

/// The judgement of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was decoded yet, within the time allowed.
    Connecting,
    /// Frames come.
    Live,
    /// Video comes, and nothing can be decoded yet.
    Waiting(Waiting),
    /// No video or no picture has come for longer than usual.
    Stalled(Stall),
    /// The connection is renewed.
    GiveUp(GiveUp),
}

/// Why a connection is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// Nothing came since the connection began.
    NothingCame(Duration),
    /// It was stalled for too long.
    Stalled(Stall),
    /// It waited for too long.
    Waited(Waiting),
    /// Key frames come and the decoder never gave a picture.
    NeverDecoded(Duration),
}

/// What the decode plan does with the stream just now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mode {
    /// True until a unit has come with which decoding begins.
    pub(crate) awaits_key_frame: bool,
    /// The wanted interval while other units than key frames are dropped.
    pub(crate) key_frames_every: Option<Duration>,
}

/// The facts about one packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketFacts {
    /// True for the first packet of a frame.
    pub(crate) begins_frame: bool,
    /// True if it is part of a key frame.
    pub(crate) is_key: bool,
}

/// Judges one camera, over all of its connections.
#[derive(Debug)]
pub(crate) struct Liveness {
    /// When the connection began.
    connected: Monotonic,
    transport: Transport,
    key_frames: KeyFrames,
    decoding: Decoding,
    /// True once packets were reported in this connection. Then units say nothing about transport.
    has_packets: bool,
    /// True once an access unit was reported in this connection. Other sources have none.
    has_units: bool,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            connected: Monotonic::from_start(Duration::ZERO),
            transport: Transport::default(),
            key_frames: KeyFrames::default(),
            decoding: Decoding::default(),
            has_packets: false,
            has_units: false,
        }
    }
}

impl Liveness {
    /// A new connection begins now. What was learnt of the camera's rates remains.
    pub(crate) fn begin_connection(&mut self, now: Monotonic) {
        self.connected = now;
        self.transport.begin_connection();
        self.key_frames.begin_connection();
        self.decoding = Decoding::default();
        (self.has_packets, self.has_units) = (false, false);
    }

    /// A packet of video came.
    pub(crate) fn on_packet(&mut self, packet: PacketFacts, now: Monotonic) {
        self.has_packets = true;
        self.transport.on_packet(packet.begins_frame, now);
        if packet.is_key {
            self.key_frames.on_packet(packet.begins_frame, now);
        }
    }

    /// An RTCP report came.
    pub(crate) fn on_report(&mut self, now: Monotonic) {
        self.transport.on_report(now);
    }

    /// A whole access unit came. `begins`: the decoder can begin with it.
    pub(crate) fn on_unit(&mut self, begins: bool, now: Monotonic) {
        self.has_units = true;
        if !self.has_packets {
            self.transport.on_packet(true, now);
        }
        if begins {
            self.key_frames.on_key_frame(now);
        }
    }

    /// An access unit went to the decoder. `is_alone`: no later one need come before its picture
    /// does.
    pub(crate) fn on_sent(&mut self, is_alone: bool, now: Monotonic) {
        self.decoding.on_sent(is_alone, now);
    }

    /// A picture left the decoder, or the source gave one.
    pub(crate) fn on_picture(&mut self, is_clean: bool, now: Monotonic) {
        if !self.has_packets && !self.has_units {
            self.transport.on_packet(true, now);
        }
        self.decoding.on_picture(is_clean, now);
    }

    /// True once a clean picture has come in this connection.
    pub(crate) fn has_pictures(&self) -> bool {
        self.decoding.has_pictures()
    }

    /// The time between the camera's key frames, once two have come.
    pub(crate) fn key_frame_interval(&self) -> Option<Duration> {
        self.key_frames.interval()
    }

    /// The connection was given up because no key frame came within two known intervals.
    pub(crate) fn forget_key_frame_interval(&mut self) {
        self.key_frames.forget_interval();
    }

    /// Judges the connection.
    pub(crate) fn judge(&self, mode: Mode, now: Monotonic) -> Verdict {
        let Some(silent) = self.transport.silence(now) else {
            let waited = now.since(self.connected);
            let is_late = waited >= FIRST_PACKET_WITHIN;
            return if is_late { Verdict::GiveUp(GiveUp::NothingCame(waited)) } else { Verdict::Connecting };
        };
        let is_encoded = self.has_packets || self.has_units;
        self.silence(silent)
            .or_else(|| if mode.awaits_key_frame && is_encoded { self.first_key_frame(now) } else { None })
            .or_else(|| self.decoder(now))
            .or_else(|| mode.key_frames_every.and_then(|wanted| self.next_key_frame(wanted, now)))
            .unwrap_or(if self.has_pictures() { Verdict::Live } else { Verdict::Connecting })
    }

    fn silence(&self, silent: Duration) -> Option<Verdict> {
        let (first, last) = self.transport.first_and_last()?;
        match self.transport.patience(self.key_frames.interval_at_least(first, last)) {
            Patience::StalledAfter(patience) if silent >= patience => {
                let stall = Stall::NoVideo { silent, sends_reports: self.transport.sends_reports() };
                let given_up_after = patience + GIVEN_UP_AFTER_STALL.max(patience / 2);
                Some(stalled(stall, silent >= given_up_after))
            }
            Patience::WaitsAfter(patience) if silent >= patience => {
                let gives_up_after = UNKNOWN_RATE.max(2 * patience);
                let wait = Waiting::NextFrame { since_last: silent, gives_up_after };
                Some(waiting(wait, silent >= gives_up_after))
            }
            _ => None,
        }
    }

    fn first_key_frame(&self, now: Monotonic) -> Option<Verdict> {
        let waited = now.since(self.connected);
        let gives_up_after = self.key_frames.longest_wait();
        let since_sign = self.key_frames.last_sign().map_or(waited, |sign| now.since(sign));
        let wait = match self.key_frames.since_broken(now) {
            Some(since_last) => Waiting::WholeKeyFrame { since_last },
            None => Waiting::KeyFrame { since_last: self.key_frames.since_last(now), waited, gives_up_after },
        };
        (waited >= WAIT_REPORTED_AFTER).then(|| waiting(wait, since_sign >= gives_up_after))
    }

    /// Judges the decoder by the pictures that it gives.
    fn decoder(&self, now: Monotonic) -> Option<Verdict> {
        if let Some(overdue) = self.decoding.overdue(now) {
            let Some(clean) = self.decoding.last_clean() else {
                let never = Verdict::GiveUp(GiveUp::NeverDecoded(overdue));
                return Some(if overdue >= FIRST_PICTURE_WITHIN { never } else { Verdict::Connecting });
            };
            let stall = Stall::NoPicture { silent: now.since(clean) };
            return Some(stalled(stall, overdue >= FIRST_PICTURE_WITHIN));
        }
        let waited = self.decoding.broken_for(now).filter(|waited| *waited >= BROKEN_REPORTED_AFTER)?;
        let wait = Waiting::CleanPicture { waited, gives_up_after: BROKEN_GIVEN_UP_AFTER };
        Some(waiting(wait, waited >= BROKEN_GIVEN_UP_AFTER))
    }

    /// Judges a stream of which key frames alone are decoded.
    fn next_key_frame(&self, wanted: Duration, now: Monotonic) -> Option<Verdict> {
        let last = self.key_frames.last_here()?;
        let usual = self.key_frames.interval().map(|interval| interval.mul_f64(1.5) + Duration::from_secs(2));
        // Other frames must have come for as long: a slow camera's next frame may be a key frame.
        let (_, packet) = self.transport.first_and_last()?;
        let unknown = KEY_FRAME_OVERDUE.max(2 * wanted);
        if packet.since(last) < usual.unwrap_or(unknown).max(WAIT_REPORTED_AFTER) {
            return None;
        }
        let since_last = now.since(last);
        let gives_up_after = self.key_frames.longest_overdue();
        let wait = match self.key_frames.since_broken(now) {
            Some(since_last) => Waiting::WholeKeyFrame { since_last },
            None => Waiting::KeyFrame { since_last: Some(since_last), waited: since_last, gives_up_after },
        };
        let since_sign = self.key_frames.last_sign().map_or(since_last, |sign| now.since(sign));
        Some(waiting(wait, since_sign >= gives_up_after))
    }
}

fn stalled(stall: Stall, is_given_up: bool) -> Verdict {
    if is_given_up { Verdict::GiveUp(GiveUp::Stalled(stall)) } else { Verdict::Stalled(stall) }
}

fn waiting(wait: Waiting, is_given_up: bool) -> Verdict {
    if is_given_up { Verdict::GiveUp(GiveUp::Waited(wait)) } else { Verdict::Waiting(wait) }
}

impl std::fmt::Display for GiveUp {
    /// In words for an operator.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NothingCame(waited) => write!(f, "connected, but no video came for {:.0} s", waited.as_secs_f64()),
            Self::Stalled(stall) => stall.fmt(f),
            Self::Waited(Waiting::KeyFrame { waited, .. }) => {
                write!(f, "no key frame came for {} s, so nothing could be decoded", waited.as_secs())
            }
            Self::Waited(Waiting::CleanPicture { waited, .. }) => {
                write!(f, "the decoder marked all pictures as broken for {} s", waited.as_secs())
            }
            Self::Waited(Waiting::NextFrame { since_last, .. }) => {
                write!(f, "connected, but no video has come for {} s", since_last.as_secs())
            }
            Self::Waited(Waiting::WholeKeyFrame { since_last }) => {
                write!(f, "no whole key frame came; packets of the last one, {} s ago, were lost", since_last.as_secs())
            }
            Self::NeverDecoded(waited) => {
                write!(f, "video comes, but no frame could be decoded for {:.0} s", waited.as_secs_f64())
            }
        }
    }
}
