//! Keeps frames from the decoder that need not be decoded, before it: those between key frames, where these are enough
//! ([`crate::key_frames`]), those to which no other refers ([`crate::references`]), and those that nobody wants just now
//! ([`crate::held_frames`]). Where key frames are enough, most packets of the others don't come this far ([`crate::packets`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_core::{Demand, FrameSink};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::decoder::Codec;
use crate::held_frames::HeldFrames;
use crate::key_frames::KeyFrames;
use crate::references::References;
use crate::source::Wanted;

/// What a camera's thread and its pipeline's tell each other of frames that need not be decoded.
#[derive(Debug, Default)]
pub(crate) struct Thinning {
    /// Frames that came, decoded or not.
    arrived: AtomicU64,
    /// Whether key frames alone are decoded and it is known that they are enough, or everything is.
    settled: AtomicBool,
    /// Whether everything is decoded.
    whole: AtomicBool,
    /// Whether it isn't though key frames are too rare.
    spared: AtomicBool,
    /// Whether key frames alone are to be decoded even where they are too rare.
    sparing: AtomicBool,
    /// Whether they were so rare that nobody could wait for the second one.
    rare: AtomicBool,
    /// Whether nobody wants more than key frames just now.
    resting: AtomicBool,
    /// Pictures up to this time of the pipeline, in nanoseconds, are decoded for the sake of others only. 0: none is.
    unseen: AtomicU64,
}

impl Thinning {
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// A frame came.
    pub(crate) fn note_arrival(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is known that key frames alone are decoded, also after the next one. Before the others are decoded again there is
    /// doubt for as long as from one key frame to the next, or the node says that it need not spare the camera any more.
    pub(crate) fn keeps_key_frames_alone(&self) -> bool {
        let is_spared = self.is_spared() && self.sparing.load(Ordering::Relaxed);
        !self.is_whole() && (self.is_settled() || is_spared)
    }

    /// Whether it is known which frames are decoded.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// Decoded pictures are shown again from behind this time on.
    pub(crate) fn show_after(&self, unseen: gst::ClockTime) {
        self.unseen.store(unseen.nseconds(), Ordering::Relaxed);
    }

    /// Whether the picture of this time, as it leaves the decoder, is to be shown.
    pub(crate) fn shows(&self, at: Option<gst::ClockTime>) -> bool {
        let unseen = self.unseen.load(Ordering::Relaxed);
        unseen == 0 || at.is_none_or(|at| at.nseconds() > unseen)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    pub(crate) fn is_spared(&self) -> bool {
        self.spared.load(Ordering::Relaxed)
    }

    fn note(&self, rule: Option<&KeyFrames>) {
        self.settled.store(rule.is_none_or(|rule| rule.settled), Ordering::Relaxed);
        self.whole.store(rule.is_some_and(|rule| rule.whole), Ordering::Relaxed);
        self.spared.store(rule.is_some_and(|rule| rule.rare && !rule.whole), Ordering::Relaxed);
    }

    pub(crate) fn spare(&self, sparing: bool) {
        self.sparing.store(sparing, Ordering::Relaxed);
    }

    /// The second key frame didn't come in time: from the next connection on everything is decoded at first.
    pub(crate) fn key_frames_are_rare(&self) {
        self.rare.store(true, Ordering::Relaxed);
    }
}

/// Keeps frames that aren't needed from leaving `parser`, whose output is a byte stream, and counts them all.
pub(crate) fn thin(
    parser: &gst::Element,
    codec: Codec,
    wanted: Wanted,
    frames: Arc<dyn FrameSink>,
    thinning: Arc<Thinning>,
) -> Result<(), String> {
    thinning.show_after(gst::ClockTime::ZERO);
    let rule = match wanted {
        Wanted::All => return Ok(()),
        Wanted::OneIn(every) => {
            let key_frames = KeyFrames::new(every, thinning.rare.load(Ordering::Relaxed));
            thinning.note(Some(&key_frames));
            Rule::Rate { key_frames, references: References::new(codec, every) }
        }
        Wanted::AsDemanded(every) => {
            thinning.note(None);
            Rule::Demand { references: References::new(codec, every), held: HeldFrames::default() }
        }
    };
    let pad = parser.static_pad("src").ok_or("the parser has no output")?;
    let rule = Mutex::new(rule);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        // Parameter sets on their own are no frame.
        if buffer.flags().contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() {
            return gst::PadProbeReturn::Ok;
        }
        thinning.note_arrival();
        let mut rule = rule.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = match &mut *rule {
            Rule::Rate { key_frames, references } => by_rate(buffer, key_frames, references, &thinning),
            Rule::Demand { references, held } => {
                let demand = frames.demand();
                thinning.resting.store(demand == Demand::KeyFrames, Ordering::Relaxed);
                by_demand(buffer, demand, references, held, (pad, &thinning))
            }
        };
        if needed { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
    Ok(())
}

/// What decides about a connection's frames.
enum Rule {
    Rate { key_frames: KeyFrames, references: References },
    Demand { references: References, held: HeldFrames },
}

fn is_key(buffer: &gst::BufferRef) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

fn shown_at(buffer: &gst::BufferRef) -> Option<Duration> {
    buffer.pts().map(Into::into)
}

fn by_rate(
    buffer: &gst::BufferRef,
    key_frames: &mut KeyFrames,
    references: &mut References,
    thinning: &Thinning,
) -> bool {
    let at = shown_at(buffer);
    let of_interest = key_frames.needs(is_key(buffer), at, thinning.sparing.load(Ordering::Relaxed));
    thinning.note(Some(key_frames));
    of_interest && references.needs(buffer, at)
}

/// `pad`: where the frame leaves the parser.
fn by_demand(
    buffer: &gst::Buffer,
    demand: Demand,
    references: &mut References,
    held: &mut HeldFrames,
    (pad, thinning): (&gst::Pad, &Thinning),
) -> bool {
    let referred_to = references.needs(buffer, shown_at(buffer));
    if is_key(buffer) {
        held.begin_anew();
        return true;
    }
    match demand {
        Demand::KeyFrames if referred_to => held.hold(buffer, pad, thinning),
        Demand::KeyFrames => {}
        Demand::Usual | Demand::All => held.decode(pad, thinning),
    }
    demand == Demand::All || (demand == Demand::Usual && referred_to)
}
