//! Frames that nobody wants to see, kept undecoded until somebody wants a later one that refers to them.

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::thinning::Thinning;

/// So many frames are kept at most: whoever wants to see the next one waits until these are decoded, which a processor does in 0.1 s to
/// 0.2 s. Where key frames are farther apart than this, the others are decoded in parts, unseen.
const MOST: usize = 50;

/// The frames since the last key frame, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct HeldFrames {
    frames: Vec<gst::Buffer>,
    /// Whether the frame before them went to the decoder.
    follow_on: bool,
}

impl HeldFrames {
    /// A key frame goes to the decoder: nothing that came before it is referred to any more.
    pub(crate) fn begin_anew(&mut self) {
        self.frames.clear();
        self.follow_on = true;
    }

    /// Keeps a frame that others refer to, before it reaches `pad`'s peer.
    pub(crate) fn hold(&mut self, frame: &gst::Buffer, pad: &gst::Pad, thinning: &Thinning) {
        if !self.follow_on {
            return;
        }
        self.frames.push(frame.clone());
        if self.frames.len() >= MOST {
            self.decode(pad, thinning);
        }
    }

    /// Sends what is held through `pad` to the decoder, and notes that its pictures are not to be shown. To be called by the pad's own
    /// thread.
    pub(crate) fn decode(&mut self, pad: &gst::Pad, thinning: &Thinning) {
        let Some(next) = pad.peer() else { return };
        if let Some(last) = self.frames.iter().filter_map(|frame| frame.pts()).max() {
            thinning.show_after(last);
        }
        for frame in self.frames.drain(..) {
            // Why it doesn't go on is told when the next frame is sent.
            if next.chain(frame).is_err() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use gatehouse_core::{Demand, Frame, FrameSink};
    use gstreamer_app as gst_app;

    use super::*;
    use crate::decoder::Codec;
    use crate::source::Wanted;
    use crate::thinning::thin;

    /// Demands something else of each frame, by its number.
    struct ByNumber(AtomicU64, fn(u64) -> Demand);

    impl FrameSink for ByNumber {
        fn deliver(&self, _: Frame) {}

        fn demand(&self) -> Demand {
            self.1(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    /// The numbers of the frames that come out, and what they show. There is a key frame every so many.
    fn decoded(key_every: u32, demand: fn(u64) -> Demand) -> Vec<(u64, Vec<u8>)> {
        crate::init().unwrap();
        let text = format!(
            "videotestsrc num-buffers=150 pattern=ball ! video/x-raw,width=160,height=120,framerate=25/1 \
             ! x264enc key-int-max={key_every} bframes=0 tune=zerolatency option-string=scenecut=0 ! h264parse name=parser \
             ! video/x-h264,stream-format=byte-stream,alignment=au ! avdec_h264 max-threads=1 ! appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink: gst_app::AppSink = pipeline.by_name("sink").and_downcast().unwrap();
        let frames = Arc::new(ByNumber(AtomicU64::new(0), demand));
        let wanted = Wanted::AsDemanded(Duration::from_millis(40));
        let thinning = Arc::new(Thinning::default());
        thin(&pipeline.by_name("parser").unwrap(), Codec::H264, wanted, frames, Arc::clone(&thinning)).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut seen = Vec::new();
        let mut first = None;
        while let Ok(sample) = sink.pull_sample() {
            let buffer = sample.buffer().unwrap();
            let at = buffer.pts().unwrap();
            let since = at - *first.get_or_insert(at);
            if !thinning.shows(Some(at)) {
                continue;
            }
            seen.push(((since.seconds_f64() * 25.0).round() as u64, buffer.map_readable().unwrap().to_vec()));
        }
        pipeline.set_state(gst::State::Null).unwrap();
        seen
    }

    #[test]
    fn what_is_wanted_after_a_rest_shows_what_it_would_have_shown_without_one() {
        let demand = |number| match number {
            30..40 | 90..95 => Demand::Usual,
            120.. => Demand::All,
            _ => Demand::KeyFrames,
        };
        // The second has its next key frame only when the held frames have been decoded in parts.
        for (key_every, keys) in [(25, vec![0, 25, 50, 75, 100]), (200, vec![0])] {
            let whole = decoded(key_every, |_| Demand::All);
            assert_eq!(whole.len(), 150);
            let some = decoded(key_every, demand);
            let mut numbers: Vec<u64> =
                keys.into_iter().chain((0..150).filter(|n| demand(*n) != Demand::KeyFrames)).collect();
            numbers.sort_unstable();
            assert_eq!(some.iter().map(|(number, _)| *number).collect::<Vec<_>>(), numbers);
            assert!(some.iter().all(|(number, picture)| *picture == whole[*number as usize].1), "other pictures");
        }
    }
}
