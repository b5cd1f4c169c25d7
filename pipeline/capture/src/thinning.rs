//! Keeps frames from the decoder that need not be decoded, before it: those between key frames, where these are enough
//! ([`crate::key_frames`]), and those to which no other refers ([`crate::references`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_core::FrameSink;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::decoder::Codec;
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
}

impl Thinning {
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Whether it is known which frames are decoded.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
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

/// The rules for one connection.
struct Rules {
    /// None where nobody could wait for a key frame.
    key_frames: Option<KeyFrames>,
    references: References,
}

/// Keeps frames that aren't needed from leaving `parser`, whose output is a byte stream, and counts them all.
pub(crate) fn thin(
    parser: &gst::Element,
    codec: Codec,
    wanted: Wanted,
    frames: Arc<dyn FrameSink>,
    thinning: Arc<Thinning>,
) -> Result<(), String> {
    let (key_frames, every) = match wanted {
        Wanted::All => return Ok(()),
        Wanted::OneIn(every) => (Some(KeyFrames::new(every, thinning.rare.load(Ordering::Relaxed))), every),
        Wanted::OneInOrAll(every) => (None, every),
    };
    thinning.note(key_frames.as_ref());
    let rules = Mutex::new(Rules { key_frames, references: References::new(codec, every) });
    let pad = parser.static_pad("src").ok_or("the parser has no output")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        // Parameter sets on their own are no frame.
        if buffer.flags().contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() {
            return gst::PadProbeReturn::Ok;
        }
        thinning.arrived.fetch_add(1, Ordering::Relaxed);
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let at = buffer.pts().map(Into::into);
        let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
        let Rules { key_frames, references } = &mut *rules;
        let of_interest = key_frames.as_mut().is_none_or(|rule| {
            let needed = rule.needs(is_key, at, thinning.sparing.load(Ordering::Relaxed));
            thinning.note(Some(rule));
            needed
        });
        let needed = of_interest && (references.needs(buffer, at) || frames.wants_all());
        if needed { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
    Ok(())
}
