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
    /// Whether what came last that isn't decoded is wanted by nobody just now.
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
            Rule::Rate { key_frames, references } => by_rate(buffer, &*frames, key_frames, references, &thinning),
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
    frames: &dyn FrameSink,
    key_frames: &mut KeyFrames,
    references: &mut References,
    thinning: &Thinning,
) -> bool {
    let at = shown_at(buffer);
    let of_interest = key_frames.needs(is_key(buffer), at, thinning.sparing.load(Ordering::Relaxed));
    thinning.note(Some(key_frames));
    let needed = of_interest && references.needs(buffer, at);
    let declined = needed && key_frames.alone_for().is_some_and(|next| frames.declines(next));
    if needed {
        thinning.resting.store(declined, Ordering::Relaxed);
    }
    needed && !declined
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

#[cfg(test)]
mod tests {
    use gatehouse_core::Frame;
    use gstreamer_app as gst_app;

    use super::*;

    /// Declines every second frame that it is asked about, and keeps how much later the next was said to come.
    #[derive(Default)]
    struct EverySecond(Mutex<Vec<Duration>>);

    impl FrameSink for EverySecond {
        fn deliver(&self, _: Frame) {}

        fn declines(&self, next: Duration) -> bool {
            let mut asked = self.0.lock().expect("not poisoned");
            asked.push(next);
            asked.len() % 2 == 1
        }
    }

    /// The numbers of the frames that go to the decoder, of which one in so many is a key frame and one a second is wanted, and what was
    /// asked. Is it resting at the end?
    fn kept(key_every: u32, frames: u32) -> (Vec<u64>, Vec<Duration>, bool) {
        crate::init().expect("GStreamer");
        let text = format!(
            "videotestsrc num-buffers={frames} ! video/x-raw,width=64,height=48,framerate=25/1 \
             ! x264enc key-int-max={key_every} bframes=0 tune=zerolatency option-string=scenecut=0 ! h264parse name=parser \
             ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&text).expect("it is right").downcast::<gst::Pipeline>().expect("one");
        let sink: gst_app::AppSink = pipeline.by_name("sink").and_downcast().expect("it is in it");
        let (asked, thinning) = (Arc::new(EverySecond::default()), Arc::new(Thinning::default()));
        let wanted = Wanted::OneIn(Duration::from_secs(1));
        let parser = pipeline.by_name("parser").expect("it is in it");
        thin(&parser, Codec::H264, wanted, asked.clone(), Arc::clone(&thinning)).expect("it can");
        pipeline.set_state(gst::State::Playing).expect("it plays");
        let (mut numbers, mut first) = (Vec::new(), None);
        while let Ok(sample) = sink.pull_sample() {
            let at = sample.buffer().and_then(gst::BufferRef::pts).expect("it has a time");
            numbers.push(((at - *first.get_or_insert(at)).seconds_f64() * 25.0).round() as u64);
        }
        pipeline.set_state(gst::State::Null).expect("it stops");
        let asked = asked.0.lock().expect("not poisoned").clone();
        (numbers, asked, thinning.is_resting())
    }

    #[test]
    fn a_key_frame_that_nobody_could_look_at_is_not_decoded() {
        let (numbers, asked, resting) = kept(25, 150);
        assert_eq!(numbers, [0, 50, 100], "nothing is known of the first, and those at 25, 75 and 125 are declined");
        assert_eq!(asked, [Duration::from_secs(1); 5]);
        assert!(resting, "nobody waits for a picture");
        assert!(!kept(25, 125).2);
        // One that comes more often than it is wanted is overtaken by the next that is wanted.
        assert_eq!(kept(12, 40).1, [Duration::from_secs(1); 3]);
    }

    #[test]
    fn where_others_rest_on_it_it_is() {
        let (numbers, asked, _) = kept(60, 300);
        assert!(asked.len() <= 3, "{asked:?}");
        assert_eq!(numbers[numbers.len() - 100..], (200..300).collect::<Vec<_>>()[..], "all is decoded");
    }
}
