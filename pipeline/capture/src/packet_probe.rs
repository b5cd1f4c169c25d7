//! Carries out the decode plan where packets enter RTP's session.
//!
//! Of a camera that is analysed once in 2 s, 49 of 50 frames are received only to be dropped.
//! Before the session a packet costs nothing more; behind it, it has been accounted for, queued,
//! joined and parsed. `docs/design/decode-plan.md` has the figures.

use std::sync::{Arc, OnceLock};

use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::codec::Codec;
use crate::decode_plan::PacketDecision;
use crate::depay_probe::parse;
use crate::shared_plan::SharedPlan;

/// What to do with packets that enter the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packets {
    /// They come in order, as over TCP: the plan may drop some.
    Decide,
    /// They may be out of order: the plan records them.
    Watch,
}

/// What is known to the probes of one stream.
#[derive(Clone)]
pub(crate) struct PacketProbe {
    /// Known once the camera's pad appears.
    pub(crate) codec: Arc<OnceLock<Codec>>,
    pub(crate) plan: Arc<SharedPlan>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) packets: Packets,
}

impl PacketProbe {
    /// Asks the plan about each packet of `source`, an `rtspsrc`, once the codec is known.
    pub(crate) fn install(self, source: &gst::Element) {
        source.connect("new-manager", false, move |values| {
            let manager = values.get(1).and_then(|value| value.get::<gst::Element>().ok())?;
            self.clone().install_before(&manager);
            None
        });
    }

    /// The same where packets enter `manager`, an `rtpbin` to which nothing is linked yet.
    fn install_before(self, manager: &gst::Element) {
        manager.connect_pad_added(move |_, pad| {
            let name = pad.name();
            if name.starts_with("recv_rtp_sink_") {
                self.clone().install_at(pad);
            } else if name.starts_with("recv_rtcp_sink_") {
                let Self { plan, clock, .. } = self.clone();
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                    plan.on_report(clock.monotonic());
                    gst::PadProbeReturn::Ok
                });
            }
        });
    }

    fn install_at(self, input: &gst::Pad) {
        input.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let (Some(codec), Some(buffer)) = (self.codec.get(), info.buffer_mut()) else {
                return gst::PadProbeReturn::Ok;
            };
            let Some(packet) = parse(*codec, buffer) else { return gst::PadProbeReturn::Ok };
            let arrival = self.clock.monotonic();
            if self.packets == Packets::Watch {
                self.plan.watch_packet(&packet, arrival);
                return gst::PadProbeReturn::Ok;
            }
            match self.plan.on_packet(&packet, arrival) {
                PacketDecision::Forward(number) if number != packet.sequence_number => {
                    if let Ok(mut bytes) = buffer.make_mut().map_writable() {
                        bytes[2..4].copy_from_slice(&number.to_be_bytes());
                    }
                    gst::PadProbeReturn::Ok
                }
                PacketDecision::Forward(_) => gst::PadProbeReturn::Ok,
                // Not `Drop`: before a sink pad GStreamer then frees what Rust has freed already.
                PacketDecision::Drop { .. } => gst::PadProbeReturn::Handled,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use gatehouse_core::time::SystemClock;
    use gatehouse_core::{Delivery, Fate, Frame, FrameSink};
    use gstreamer_app as gst_app;

    use super::*;
    use crate::decode_plan::Wanted;

    struct Nobody;

    impl FrameSink for Nobody {
        fn deliver(&self, _: Frame) -> Delivery {
            Delivery::Closed
        }
    }

    /// Through a real session and its jitter buffer: key frames come out at once, with their own
    /// times, and nothing seems lost.
    #[test]
    fn rtp_session_and_decoder_miss_nothing_that_is_dropped() {
        crate::init().unwrap();
        for (codec, encoder, pay) in [
            (Codec::H264, "x264enc key-int-max=25 bframes=0 tune=zerolatency option-string=scenecut=0", "rtph264pay"),
            (
                Codec::H265,
                "x265enc key-int-max=25 tune=zerolatency speed-preset=ultrafast log-level=none option-string=bframes=0:scenecut=0:open-gop=0",
                "rtph265pay",
            ),
        ] {
            let [depay, parse] = codec.elements();
            let caps = crate::decoder::byte_stream(codec);
            let text = format!(
                "videotestsrc is-live=true num-buffers=300 pattern=snow ! video/x-raw,width=320,height=240,framerate=100/1 ! {encoder} \
                 ! {pay} name=pay config-interval=-1 mtu=600 rtpbin name=manager latency=50 manager. ! {depay} name=depay ! {parse} name=parser ! {caps} \
                 ! appsink name=sink sync=false"
            );
            let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
            let [manager, depay, parser, pay] =
                ["manager", "depay", "parser", "pay"].map(|name| pipeline.by_name(name).unwrap());
            let wanted = Wanted::OneIn(Duration::from_millis(250));
            let plan = Arc::new(SharedPlan::new(wanted, Arc::default()));
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let nobody = Arc::new(Nobody);
            crate::unit_probe::install(&parser, codec, wanted, nobody, Arc::clone(&clock), Arc::clone(&plan)).unwrap();
            let codec_known = Arc::new(OnceLock::from(codec));
            let probe = PacketProbe {
                codec: codec_known,
                plan: Arc::clone(&plan),
                clock: Arc::clone(&clock),
                packets: Packets::Decide,
            };
            probe.install_before(&manager);
            crate::depay_probe::install(&depay, codec, &plan, Arc::clone(&clock)).unwrap();
            pay.link_pads(Some("src"), &manager, Some("recv_rtp_sink_0")).unwrap();
            let came = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&came);
            // A camera's packets come one by one.
            pay.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER_LIST, move |pad, info| {
                let list = info.buffer_list().unwrap();
                let next = pad.peer().unwrap();
                count.fetch_add(list.len() as u64, Ordering::Relaxed);
                assert!(list.iter_owned().all(|packet| next.chain(packet).is_ok()));
                gst::PadProbeReturn::Handled
            });
            let sink: gst_app::AppSink = pipeline.by_name("sink").and_downcast().unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            let mut times = Vec::new();
            while let Ok(sample) = sink.pull_sample() {
                times.extend(sample.buffer().unwrap().pts().map(gst::ClockTime::seconds_f64));
            }
            let stats = |factory: &str| {
                let mut elements = pipeline.iterate_recurse().into_iter().flatten();
                let element = elements.find(|element| element.factory().is_some_and(|of| of.name() == factory));
                element.unwrap().property::<gst::Structure>("stats")
            };
            let (jitter, session) = (stats("rtpjitterbuffer"), stats("rtpsession"));
            pipeline.set_state(gst::State::Null).unwrap();
            let fates = plan.fates().snapshot();
            let decoded = 12 - fates.dropped.not_due as usize;
            assert_eq!(times.len(), decoded, "{codec:?}: {times:?}");
            assert!(
                times.is_sorted() && (times[times.len() - 1] - times[0] - 2.75).abs() < 0.5,
                "{codec:?}: {times:?}"
            );
            assert_eq!(jitter.get::<u64>("num-lost"), Ok(0), "{codec:?}");
            assert_eq!(plan.fates().get(Fate::Received), 300, "{codec:?}");
            let received = packets_received(&session);
            assert_eq!(jitter.get::<u64>("num-pushed"), Ok(received), "{codec:?}");
            assert!(2 * received < came.load(Ordering::Relaxed), "{codec:?}: {received} of {came:?} packets");
        }
    }

    /// The camera's packets, as its session counts them.
    fn packets_received(session: &gst::StructureRef) -> u64 {
        let sources = session.get::<gst::glib::ValueArray>("source-stats").unwrap();
        let sources = sources.iter().map(|source| source.get::<gst::Structure>().unwrap());
        let camera = sources.into_iter().find(|source| source.get("internal") == Ok(false)).unwrap();
        camera.get("packets-received").unwrap()
    }
}
