//! Leaves out packets as they come whose frames nobody would decode, where a camera's key frames are enough.
//!
//! Of a camera that is looked at once in two seconds 49 of 50 frames only come to be thrown away. [`crate::thinning`] throws them away
//! whole, before the decoder; by then RTP's session has accounted for each of their packets, it has been queued, has woken a thread, and
//! was put together with others and parsed, which comes to more than decoding the fiftieth. A packet's first bytes say whether it is of a
//! key frame ([`crate::packet`]), so the others can go as soon as they are there. Those that stay are numbered anew, so that none seems to be
//! lost, neither to who decodes them nor in what the session tells the camera.
//!
//! Only where packets come in order, as they do over TCP, and only from one key frame to the next: what is let through can be decoded. But
//! for a frame in [`SILENCE`], which goes as far as [`crate::thinning`].

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::decoder::Codec;
use crate::packet::{Carries, Packet};
use crate::thinning::Thinning;

/// At least so often a frame is let through, in ticks of the packets' time, 90 kHz (RFC 6184, 5.1; RFC 7798, 4.1): after 25 s without a
/// packet RTP's session takes a camera for gone, and rtspsrc ends its stream.
const SILENCE: i32 = 5 * 90_000;

/// Thins the packets of `source`, an `rtspsrc`, as `thinning` permits, once it is known what they carry.
pub(crate) fn thin(source: &gst::Element, codec: &Arc<OnceLock<Codec>>, thinning: &Arc<Thinning>) {
    let (codec, thinning) = (Arc::clone(codec), Arc::clone(thinning));
    source.connect("new-manager", false, move |values| {
        let manager = values.get(1).and_then(|value| value.get::<gst::Element>().ok())?;
        thin_before(&manager, &codec, &thinning);
        None
    });
}

/// The same where packets enter `manager`, an `rtpbin`, to which nothing is linked yet.
fn thin_before(manager: &gst::Element, codec: &Arc<OnceLock<Codec>>, thinning: &Arc<Thinning>) {
    let (codec, thinning) = (Arc::clone(codec), Arc::clone(thinning));
    manager.connect_pad_added(move |_, pad| {
        if pad.name().starts_with("recv_rtp_sink_") {
            thin_at(pad, Arc::clone(&codec), Arc::clone(&thinning));
        }
    });
}

fn thin_at(input: &gst::Pad, codec: Arc<OnceLock<Codec>>, thinning: Arc<Thinning>) {
    let packets = Mutex::new(Packets::default());
    input.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let (Some(codec), Some(buffer)) = (codec.get(), info.buffer_mut()) else { return gst::PadProbeReturn::Ok };
        let Ok(bytes) = buffer.map_readable() else { return gst::PadProbeReturn::Ok };
        let Some(packet) = Packet::of(*codec, &bytes) else { return gst::PadProbeReturn::Ok };
        drop(bytes);
        match packets.lock().unwrap_or_else(PoisonError::into_inner).heed(&packet, thinning.keeps_key_frames_alone()) {
            Heeded::Kept(number) if number != packet.number => {
                if let Ok(mut bytes) = buffer.make_mut().map_writable() {
                    bytes[2..4].copy_from_slice(&number.to_be_bytes());
                }
            }
            Heeded::Kept(_) => {}
            Heeded::LeftOut => {
                if packet.ends_frame {
                    thinning.note_arrival();
                }
                // Not `Drop`: before a sink pad GStreamer then gives back what Rust has given back already.
                return gst::PadProbeReturn::Handled;
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heeded {
    /// It goes on under this number.
    Kept(u16),
    LeftOut,
}

/// The packets of one stream, in the order in which they come.
#[derive(Debug, Default)]
struct Packets {
    last: Option<Packet>,
    /// The last key frame, as far as its packets tell, and the one that the last parameters came with.
    key_frame: Option<u32>,
    parameters: Option<u32>,
    /// Whether others than those of key frames are left out, from the last key frame on.
    leaving_out: bool,
    /// The number under which the last packet went on, its time, and by how much the number was less than its own.
    kept: Option<(u16, u32)>,
    less: u16,
    /// Whether any was left out since.
    has_left_out: bool,
    /// Something was seen by which a key frame isn't where this takes it to be: all are kept, as long as the connection lasts.
    unusual: bool,
}

impl Packets {
    /// `key_frames_alone`: others wouldn't be decoded.
    fn heed(&mut self, packet: &Packet, key_frames_alone: bool) -> Heeded {
        let Packet { number, time, carries, .. } = *packet;
        // Parameters before another frame would give the next key frame that one's time; and without its end a key frame is only known to
        // be whole when something follows.
        self.unusual |= carries == Carries::Unusual
            || (carries == Carries::Delta && self.parameters == Some(time))
            || self.last.is_some_and(|last| last.time != time && last.carries == Carries::Key && !last.ends_frame);
        let begins_key_frame = [Carries::Key, Carries::Parameters].contains(&carries) && self.key_frame != Some(time);
        if begins_key_frame || carries == Carries::Unusual {
            self.leaving_out = key_frames_alone && !self.unusual;
        }
        match carries {
            Carries::Key => self.key_frame = Some(time),
            Carries::Parameters => (self.key_frame, self.parameters) = (Some(time), Some(time)),
            _ => {}
        }
        self.last = Some(*packet);
        // Of a frame all packets have the same time: it is let through whole or not at all. A B-frame's lies before the last one's.
        let breaks_silence =
            self.kept.is_none_or(|(_, at)| at == time || time.wrapping_sub(at).cast_signed() >= SILENCE);
        if self.leaving_out && !breaks_silence && [Carries::Delta, Carries::Nothing].contains(&carries) {
            self.has_left_out = true;
            return Heeded::LeftOut;
        }
        // Whatever is missing since the last one that was kept isn't missed; what is missing else is.
        if std::mem::take(&mut self.has_left_out)
            && let Some((kept, _)) = self.kept
        {
            self.less = number.wrapping_sub(kept.wrapping_add(1));
        }
        let number = number.wrapping_sub(self.less);
        self.kept = Some((number, time));
        Heeded::Kept(number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use gatehouse_core::{Frame, FrameSink};
    use gstreamer_app as gst_app;
    use proptest::prelude::*;

    use super::*;
    use crate::source::Wanted;

    /// Each frame's packets: what they carry, all but the last of them without the mark of the last.
    fn stream(frames: impl IntoIterator<Item = Vec<Carries>>) -> Vec<Packet> {
        let mut packets = Vec::new();
        for (frame, carried) in (0..).zip(frames) {
            let last = carried.len() - 1;
            packets.extend((0..).zip(carried).map(|(i, carries)| Packet {
                number: 0,
                time: 3600 * frame,
                ends_frame: i == last,
                carries,
            }));
        }
        (65_530..).zip(&mut packets).for_each(|(n, packet): (u32, _)| packet.number = n as u16);
        packets
    }

    fn frames(keys_every: usize, count: usize) -> Vec<Vec<Carries>> {
        let key = vec![Carries::Nothing, Carries::Parameters, Carries::Key, Carries::Key];
        (0..count).map(|n| if n % keys_every == 0 { key.clone() } else { vec![Carries::Delta; 2] }).collect()
    }

    /// Which of the packets are kept that belong to a frame; `alone`: whether key frames alone are decoded, by the packet's place.
    fn kept(packets: &[Packet], alone: impl Fn(usize) -> bool) -> Vec<usize> {
        let (mut rule, mut next) = (Packets::default(), packets[0].number);
        let mut kept = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            if let Heeded::Kept(number) = rule.heed(packet, alone(i)) {
                assert_eq!(number, next, "none seems to be lost");
                next = next.wrapping_add(1);
                kept.push(i);
            }
        }
        kept.retain(|i| packets[*i].carries != Carries::Nothing);
        kept
    }

    /// Those packets of a range of frames.
    fn of_frames(packets: &[Packet], frames: std::ops::Range<u32>) -> impl Iterator<Item = usize> {
        let is_there =
            move |packet: &Packet| frames.contains(&(packet.time / 3600)) && packet.carries != Carries::Nothing;
        packets.iter().enumerate().filter(move |(_, packet)| is_there(packet)).map(|(i, _)| i)
    }

    #[test]
    fn key_frames_alone_are_kept_from_the_next_one_on_for_as_long_as_they_are_enough() {
        let packets = stream(frames(5, 30));
        assert!(kept(&packets, |_| false).into_iter().eq(of_frames(&packets, 0..30)));
        let some = kept(&packets, |i| (7..22).contains(&(packets[i].time / 3600)));
        let keys = (10..25).step_by(5).flat_map(|frame| of_frames(&packets, frame..frame + 1));
        let expected = of_frames(&packets, 0..10).chain(keys).chain(of_frames(&packets, 25..30));
        assert_eq!(some, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_camera_with_rare_key_frames_is_heard_of_every_five_seconds() {
        let packets = stream(frames(750, 1500));
        let expected = (0..1500).step_by(125).flat_map(|frame| of_frames(&packets, frame..frame + 1));
        assert_eq!(kept(&packets, |_| true), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_whose_key_frames_are_not_known_by_their_packets_is_left_as_it_is() {
        let all_from = |packets: &[Packet], frame: u32| {
            let (kept, from) = (kept(packets, |_| true), of_frames(packets, frame..30).collect::<Vec<_>>());
            kept.ends_with(&from) && kept.len() < packets.len() / 2 + from.len()
        };
        let mut intra = frames(5, 30);
        intra[17] = vec![Carries::Unusual];
        assert!(all_from(&stream(intra), 17));
        let mut described = frames(5, 30);
        described[17] = vec![Carries::Parameters, Carries::Delta];
        assert!(all_from(&stream(described), 20));
        let mut packets = stream(frames(5, 30));
        packets.iter_mut().filter(|packet| packet.time == 15 * 3600).for_each(|packet| packet.ends_frame = false);
        assert!(all_from(&packets, 20));
    }

    #[test]
    fn what_the_camera_itself_lost_stays_lost() {
        let mut packets = stream(frames(5, 15));
        // Of a key frame, and of what would have been left out.
        for lost in [14, 20] {
            packets.iter_mut().skip(lost).for_each(|packet| packet.number = packet.number.wrapping_add(1));
        }
        let mut rule = Packets::default();
        let numbers: Vec<_> = packets
            .iter()
            .filter_map(|packet| match rule.heed(packet, true) {
                Heeded::Kept(number) => Some(number.wrapping_sub(65_530)),
                Heeded::LeftOut => None,
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    }

    proptest! {
        /// Whatever is asked for when: each frame is kept whole or not at all, and a frame between key frames with all before it.
        #[test]
        fn what_is_kept_can_be_decoded(
            gaps in proptest::collection::vec(1usize..8, 1..20), alone in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let packets = stream(gaps.iter().flat_map(|gap| frames(*gap, *gap)));
            let kept = kept(&packets, |i| alone[i % alone.len()]);
            let mut whole = false;
            for frame in packets.chunk_by(|a, b| a.time == b.time) {
                let number = frame[0].time / 3600;
                let of_frame: Vec<_> = of_frames(&packets, number..number + 1).collect();
                let there = of_frame.iter().filter(|i| kept.contains(i)).count();
                prop_assert!(there == 0 || there == of_frame.len());
                let is_key = frame[0].carries == Carries::Nothing;
                prop_assert!(!is_key || there > 0);
                whole = is_key || (whole && there > 0);
                prop_assert!(whole || there == 0);
            }
        }
    }

    struct Nobody;

    impl FrameSink for Nobody {
        fn deliver(&self, _: Frame) {}
    }

    /// Through a real session and its jitter buffer: key frames come out at once, with their own times, and nothing is missed.
    #[test]
    fn nobody_behind_misses_what_is_left_out() {
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
            let caps = codec.byte_stream();
            let text = format!(
                "videotestsrc is-live=true num-buffers=300 pattern=snow ! video/x-raw,width=320,height=240,framerate=100/1 ! {encoder} \
                 ! {pay} name=pay config-interval=-1 mtu=600 rtpbin name=manager latency=50 manager. ! {depay} ! {parse} name=parser ! {caps} \
                 ! appsink name=sink sync=false"
            );
            let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
            let [manager, parser, pay] = ["manager", "parser", "pay"].map(|name| pipeline.by_name(name).unwrap());
            let (thinning, known) = (Arc::new(Thinning::default()), Arc::new(OnceLock::from(codec)));
            let wanted = Wanted::OneIn(Duration::from_millis(250));
            crate::thinning::thin(&parser, codec, wanted, Arc::new(Nobody), Arc::clone(&thinning)).unwrap();
            thin_before(&manager, &known, &thinning);
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
            assert_eq!(times.len(), 12, "{codec:?}: {times:?}");
            assert!(times.is_sorted() && (times[11] - times[0] - 2.75).abs() < 0.5, "{codec:?}: {times:?}");
            assert_eq!(jitter.get::<u64>("num-lost"), Ok(0), "{codec:?}");
            assert_eq!(thinning.arrived(), 300, "{codec:?}");
            let received = packets_received(&session);
            assert_eq!(jitter.get::<u64>("num-pushed"), Ok(received), "{codec:?}");
            assert!(2 * received < came.load(Ordering::Relaxed), "{codec:?}: {received} of {came:?} packets");
        }
    }

    /// Of the camera, as its session accounts for them.
    fn packets_received(session: &gst::StructureRef) -> u64 {
        let sources = session.get::<gst::glib::ValueArray>("source-stats").unwrap();
        let sources = sources.iter().map(|source| source.get::<gst::Structure>().unwrap());
        let camera = sources.into_iter().find(|source| source.get("internal") == Ok(false)).unwrap();
        camera.get("packets-received").unwrap()
    }
}
