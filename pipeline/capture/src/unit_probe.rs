//! Carries out the decode plan where access units leave the parser.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::FrameSink;
use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use crate::codec::Codec;
use crate::decode_plan::{AccessUnit, Consumer, DecodeReason, HeldDecision, UnitDecision, Wanted, kind_of};
use crate::shared_plan::SharedPlan;

/// The units that wait undecoded.
#[derive(Default)]
struct Held {
    units: Vec<gst::Buffer>,
    /// True if the first one is a key frame that was decoded and shown before.
    has_shown_key_frame: bool,
}

/// Asks the plan about each access unit that leaves `parser`, whose output is a byte stream of
/// whole access units.
///
/// # Errors
/// If the element has no output.
pub(crate) fn install(
    parser: &gst::Element,
    codec: Codec,
    wanted: Wanted,
    frames: Arc<dyn FrameSink>,
    clock: Arc<dyn Clock>,
    plan: Arc<SharedPlan>,
) -> Result<(), String> {
    let pad = parser.static_pad("src").ok_or("the parser has no output")?;
    let held = Mutex::new(Held::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let Ok(bytes) = buffer.map_readable() else { return gst::PadProbeReturn::Ok };
        // Parameter sets and SEI by themselves are no access unit.
        let Some(kind) = kind_of(codec, &bytes) else { return gst::PadProbeReturn::Ok };
        drop(bytes);
        let presentation_time = buffer.pts().map(Duration::from);
        let unit = AccessUnit { kind, presentation_time, arrival: clock.monotonic(), bytes: buffer.size() };
        let consumer = match wanted {
            Wanted::OneIn(_) if kind.is_key() => {
                Consumer { shortest_wait: frames.shortest_wait(), ..Consumer::default() }
            }
            Wanted::AsDemanded(_) => Consumer { demand: frames.demand(), ..Consumer::default() },
            Wanted::All | Wanted::OneIn(_) => Consumer::default(),
        };
        let decision = plan.on_unit(&unit, &consumer);
        tracing::trace!(?unit, ?decision);
        let mut held = held.lock();
        plan.record_held(decision.held, held.units.len() - usize::from(held.has_shown_key_frame));
        match decision.held {
            HeldDecision::Keep => {}
            HeldDecision::Discard(_) => *held = Held::default(),
            HeldDecision::Decode => {
                send(pad, &mut held.units);
                held.has_shown_key_frame = false;
            }
        }
        match decision.unit {
            UnitDecision::Decode(reason) => {
                if reason == DecodeReason::CatchUp {
                    plan.record_held(HeldDecision::Decode, 1);
                }
                gst::PadProbeReturn::Ok
            }
            UnitDecision::DecodeAlone(_) => {
                decode_alone(pad, buffer, &plan, &mut held);
                gst::PadProbeReturn::Drop
            }
            UnitDecision::Hold => {
                held.units.push(buffer.clone());
                gst::PadProbeReturn::Drop
            }
            UnitDecision::Drop(_) => gst::PadProbeReturn::Drop,
        }
    });
    Ok(())
}

/// Sends a key frame to the decoder. A decoder of a stream with B-frames would give its picture
/// only with later units: it is drained, and then refers to the key frame no more.
fn decode_alone(pad: &gst::Pad, buffer: &gst::BufferRef, plan: &SharedPlan, held: &mut Held) {
    let Some(decoder) = pad.peer() else { return };
    let at = buffer.pts().map(Duration::from);
    // The next unit reports why the decoder takes nothing.
    if decoder.chain(buffer.to_owned()).is_err() || !plan.state().plan.awaits_picture(at) {
        return;
    }
    // Makes each of GStreamer's video decoders give all pictures that it has.
    decoder.send_event(gst::event::SegmentDone::new(gst::ClockTime::NONE));
    if plan.state().plan.record_drained(at) {
        held.units.push(buffer.to_owned());
        held.has_shown_key_frame = true;
    }
}

/// Sends buffers through `pad` to the decoder, on the pad's own thread.
fn send(pad: &gst::Pad, buffers: &mut Vec<gst::Buffer>) {
    let Some(decoder) = pad.peer() else { return };
    for buffer in buffers.drain(..) {
        // The next unit reports why the decoder takes nothing.
        if decoder.chain(buffer).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use gatehouse_core::time::{Monotonic, Timer, WallTime};
    use gatehouse_core::{Delivery, Frame, FrameDemand};
    use gstreamer_app as gst_app;

    use super::*;
    use crate::decode_plan::PictureDecision;

    /// Has a demand for each unit, or a wait for each key frame, by the number of the question.
    struct Scripted {
        demand: fn(u64) -> FrameDemand,
        wait: fn(u64) -> Duration,
        asked: AtomicU64,
    }

    impl FrameSink for Scripted {
        fn deliver(&self, _: Frame) -> Delivery {
            Delivery::Closed
        }

        fn demand(&self) -> FrameDemand {
            (self.demand)(self.asked.fetch_add(1, Ordering::Relaxed))
        }

        fn shortest_wait(&self) -> Option<Duration> {
            Some((self.wait)(self.asked.fetch_add(1, Ordering::Relaxed)))
        }
    }

    fn demanding(demand: fn(u64) -> FrameDemand) -> Scripted {
        Scripted { demand, wait: |_| Duration::ZERO, asked: AtomicU64::new(0) }
    }

    fn waiting(wait: fn(u64) -> Duration) -> Scripted {
        Scripted { wait, ..demanding(|_| FrameDemand::AtRate) }
    }

    /// Each time is 40 ms after the one before: units come in real time, however fast they are
    /// made.
    #[derive(Default)]
    struct FrameClock(AtomicU64);

    impl Clock for FrameClock {
        fn monotonic(&self) -> Monotonic {
            Monotonic::from_start(Duration::from_millis(40 * self.0.fetch_add(1, Ordering::Relaxed)))
        }

        fn wall(&self) -> WallTime {
            WallTime::from_unix_nanos(0)
        }

        fn timer(&self, _: Monotonic) -> Timer {
            crossbeam_channel::never()
        }
    }

    /// The shown pictures of 25 a second: their numbers and pixels.
    fn decoded(key_every: u32, frames: u32, wanted: Wanted, sink: Scripted) -> (Vec<(u64, Vec<u8>)>, Arc<SharedPlan>) {
        crate::init().unwrap();
        let text = format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,width=160,height=120,framerate=25/1 \
             ! x264enc key-int-max={key_every} bframes=0 tune=zerolatency option-string=scenecut=0 ! h264parse name=parser \
             ! video/x-h264,stream-format=byte-stream,alignment=au ! avdec_h264 max-threads=1 ! appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let appsink: gst_app::AppSink = pipeline.by_name("sink").and_downcast().unwrap();
        let plan = Arc::new(SharedPlan::new(wanted, Arc::default()));
        let parser = pipeline.by_name("parser").unwrap();
        let clock = Arc::new(FrameClock::default());
        install(&parser, Codec::H264, wanted, Arc::new(sink), clock, Arc::clone(&plan)).unwrap();
        // On the decoder's thread, as capture does.
        let seen = Arc::new(Mutex::new((Vec::new(), None)));
        let (pictures, of) = (Arc::clone(&seen), Arc::clone(&plan));
        let on_sample = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let buffer = sample.buffer().unwrap();
            let at = Duration::from(buffer.pts().unwrap());
            let mut pictures = pictures.lock();
            let since = at - *pictures.1.get_or_insert(at);
            let shown = of.on_picture(Some(at), Monotonic::from_start(since), false).0;
            if shown.decision != PictureDecision::Hidden {
                let number = (since.as_secs_f64() * 25.0).round() as u64;
                pictures.0.push((number, buffer.map_readable().unwrap().to_vec()));
            }
            Ok(gst::FlowSuccess::Ok)
        };
        appsink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(on_sample).build());
        pipeline.set_state(gst::State::Playing).unwrap();
        let end = pipeline.bus().unwrap().timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
        assert_eq!(end.map(|message| message.type_()), Some(gst::MessageType::Eos));
        pipeline.set_state(gst::State::Null).unwrap();
        let seen = std::mem::take(&mut seen.lock().0);
        (seen, plan)
    }

    fn numbers(seen: &[(u64, Vec<u8>)]) -> Vec<u64> {
        seen.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn after_a_rest_pictures_are_what_they_would_have_been() {
        let demand = |number| match number {
            30..40 | 90..95 => FrameDemand::AtRate,
            120.. => FrameDemand::All,
            _ => FrameDemand::KeyFrames,
        };
        let wanted = Wanted::AsDemanded(Duration::from_millis(40));
        // In the second stream the held units are decoded in parts.
        for (key_every, keys) in [(25, vec![0, 25, 50, 75, 100]), (200, vec![0])] {
            let (whole, _) = decoded(key_every, 150, wanted, demanding(|_| FrameDemand::All));
            assert_eq!(whole.len(), 150);
            let (some, plan) = decoded(key_every, 150, wanted, demanding(demand));
            let mut expected: Vec<u64> =
                keys.into_iter().chain((0..150).filter(|n| demand(*n) != FrameDemand::KeyFrames)).collect();
            expected.sort_unstable();
            assert_eq!(numbers(&some), expected);
            assert!(some.iter().all(|(number, picture)| *picture == whole[*number as usize].1), "other pictures");
            let fates = plan.fates().snapshot();
            let dropped = fates.dropped.idle + fates.dropped.catch_up;
            assert_eq!((fates.received, fates.decoded + dropped), (150, 150), "{fates:?}");
        }
    }

    #[test]
    fn a_key_frame_that_would_be_superseded_is_not_decoded() {
        let long_wait_every_second = |asked: u64| Duration::from_secs(asked % 2 * 60);
        let wanted = Wanted::OneIn(Duration::from_secs(1));
        let (seen, plan) = decoded(25, 150, wanted, waiting(long_wait_every_second));
        assert_eq!(numbers(&seen), [0, 50, 100], "nothing is known of the first; 25, 75 and 125 are dropped");
        let fates = plan.fates().snapshot();
        assert_eq!((fates.dropped.would_be_superseded, fates.missed), (3, 3));
    }

    #[test]
    fn a_key_frame_that_others_refer_to_is_decoded() {
        let wanted = Wanted::OneIn(Duration::from_secs(1));
        let (seen, plan) = decoded(60, 300, wanted, waiting(|_| Duration::from_secs(60)));
        assert!(plan.fates().snapshot().dropped.would_be_superseded <= 3);
        let seen = numbers(&seen);
        assert_eq!(seen[seen.len() - 100..], (200..300).collect::<Vec<_>>()[..], "all is decoded");
    }
}
