//! Decides which RTP packets of a camera go on to RTP's session, where only key frames are decoded.
//!
//! A stream whose packets don't show where key frames begin and end is left as it is.

use super::rtp::{Content, RtpPacket};

/// A frame goes on at least this often, in ticks of 90 kHz (RFC 6184, section 5.1; RFC 7798,
/// section 4.1). After 25 s without a packet RTP's session considers the camera gone.
const MAX_SILENCE: i32 = 5 * 90_000;

/// The decision about one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketDecision {
    /// It goes on under this sequence number.
    Forward(u16),
    /// It is dropped.
    Drop {
        /// True for the first packet of an access unit.
        begins_unit: bool,
    },
}

/// Drops the packets of one connection between key frames and renumbers the others, so that none
/// seems lost. Packets must come in order, as over TCP.
#[derive(Debug, Default)]
pub(crate) struct PacketFilter {
    last: Option<RtpPacket>,
    /// The timestamp of the last key frame.
    key_frame: Option<u32>,
    /// The timestamp of the last parameter sets.
    parameters: Option<u32>,
    /// True while packets between key frames are dropped.
    is_dropping: bool,
    /// The new sequence number of the last forwarded packet, and its timestamp.
    forwarded: Option<(u16, u32)>,
    /// By how much a packet's new sequence number is lower than its own.
    offset: u16,
    /// True if a packet was dropped since the last forwarded one.
    has_dropped: bool,
    /// The timestamp of the last dropped access unit.
    dropped_unit: Option<u32>,
    /// True once a key frame was not where this filter expects it. Every packet goes on from then
    /// on.
    is_unusual: bool,
}

impl PacketFilter {
    /// `key_frames_only`: other frames would not be decoded.
    pub(crate) fn on_packet(&mut self, packet: &RtpPacket, key_frames_only: bool) -> PacketDecision {
        let RtpPacket { sequence_number, timestamp, content, .. } = *packet;
        // Parameter sets before a delta frame would give the next key frame that frame's timestamp.
        // A key frame without a marker is only known to be complete when another packet follows.
        self.is_unusual |= content == Content::Unusual
            || (content == Content::Delta && self.parameters == Some(timestamp))
            || self
                .last
                .is_some_and(|last| last.timestamp != timestamp && last.content == Content::Key && !last.marker);
        let begins_key_frame =
            [Content::Key, Content::Parameters].contains(&content) && self.key_frame != Some(timestamp);
        if begins_key_frame || content == Content::Unusual {
            self.is_dropping = key_frames_only && !self.is_unusual;
        }
        match content {
            Content::Key => self.key_frame = Some(timestamp),
            Content::Parameters => (self.key_frame, self.parameters) = (Some(timestamp), Some(timestamp)),
            _ => {}
        }
        self.last = Some(*packet);
        // All packets of an access unit have one timestamp: it is forwarded whole or not at all. A
        // B-frame's timestamp lies before the last one's.
        let ends_silence = self
            .forwarded
            .is_none_or(|(_, at)| at == timestamp || timestamp.wrapping_sub(at).cast_signed() >= MAX_SILENCE);
        if self.is_dropping && !ends_silence && [Content::Delta, Content::Auxiliary].contains(&content) {
            self.has_dropped = true;
            // An SEI by itself is no access unit, whatever its marker says.
            let begins_unit = content == Content::Delta && self.dropped_unit.replace(timestamp) != Some(timestamp);
            return PacketDecision::Drop { begins_unit };
        }
        // Packets that were dropped here leave no gap; packets that were lost before still do.
        if std::mem::take(&mut self.has_dropped)
            && let Some((forwarded, _)) = self.forwarded
        {
            self.offset = sequence_number.wrapping_sub(forwarded.wrapping_add(1));
        }
        let sequence_number = sequence_number.wrapping_sub(self.offset);
        self.forwarded = Some((sequence_number, timestamp));
        PacketDecision::Forward(sequence_number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The packets of these frames, given by their contents. The last packet of each has the
    /// marker.
    fn stream(frames: impl IntoIterator<Item = Vec<Content>>) -> Vec<RtpPacket> {
        let mut packets = Vec::new();
        for (frame, contents) in (0..).zip(frames) {
            let last = contents.len() - 1;
            packets.extend((0..).zip(contents).map(|(i, content)| RtpPacket {
                sequence_number: 0,
                timestamp: 3600 * frame,
                marker: i == last,
                content,
                begins_picture: false,
            }));
        }
        (65_530..).zip(&mut packets).for_each(|(n, packet): (u32, _)| packet.sequence_number = n as u16);
        packets
    }

    fn frames(keys_every: usize, count: usize) -> Vec<Vec<Content>> {
        let key = vec![Content::Auxiliary, Content::Parameters, Content::Key, Content::Key];
        (0..count).map(|n| if n % keys_every == 0 { key.clone() } else { vec![Content::Delta; 2] }).collect()
    }

    /// The indices of forwarded packets that belong to a frame. `key_frames_only`: by index.
    fn forwarded(packets: &[RtpPacket], key_frames_only: impl Fn(usize) -> bool) -> Vec<usize> {
        let (mut filter, mut next) = (PacketFilter::default(), packets[0].sequence_number);
        let mut forwarded = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            if let PacketDecision::Forward(sequence_number) = filter.on_packet(packet, key_frames_only(i)) {
                assert_eq!(sequence_number, next, "none seems to be lost");
                next = next.wrapping_add(1);
                forwarded.push(i);
            }
        }
        forwarded.retain(|i| packets[*i].content != Content::Auxiliary);
        forwarded
    }

    /// The indices of the packets of some frames.
    fn of_frames(packets: &[RtpPacket], frames: std::ops::Range<u32>) -> impl Iterator<Item = usize> {
        let is_there = move |packet: &RtpPacket| {
            frames.contains(&(packet.timestamp / 3600)) && packet.content != Content::Auxiliary
        };
        packets.iter().enumerate().filter(move |(_, packet)| is_there(packet)).map(|(i, _)| i)
    }

    #[test]
    fn only_key_frames_go_on_while_they_are_enough() {
        let packets = stream(frames(5, 30));
        assert!(forwarded(&packets, |_| false).into_iter().eq(of_frames(&packets, 0..30)));
        let some = forwarded(&packets, |i| (7..22).contains(&(packets[i].timestamp / 3600)));
        let keys = (10..25).step_by(5).flat_map(|frame| of_frames(&packets, frame..frame + 1));
        let expected = of_frames(&packets, 0..10).chain(keys).chain(of_frames(&packets, 25..30));
        assert_eq!(some, expected.collect::<Vec<_>>());
    }

    #[test]
    fn with_rare_key_frames_a_frame_goes_on_every_5_s() {
        let packets = stream(frames(750, 1500));
        let expected = (0..1500).step_by(125).flat_map(|frame| of_frames(&packets, frame..frame + 1));
        assert_eq!(forwarded(&packets, |_| true), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_with_unclear_key_frames_is_left_as_it_is() {
        let all_from = |packets: &[RtpPacket], frame: u32| {
            let (kept, from) = (forwarded(packets, |_| true), of_frames(packets, frame..30).collect::<Vec<_>>());
            kept.ends_with(&from) && kept.len() < packets.len() / 2 + from.len()
        };
        let mut intra = frames(5, 30);
        intra[17] = vec![Content::Unusual];
        assert!(all_from(&stream(intra), 17));
        let mut described = frames(5, 30);
        described[17] = vec![Content::Parameters, Content::Delta];
        assert!(all_from(&stream(described), 20));
        let mut packets = stream(frames(5, 30));
        packets.iter_mut().filter(|packet| packet.timestamp == 15 * 3600).for_each(|packet| packet.marker = false);
        assert!(all_from(&packets, 20));
    }

    #[test]
    fn packets_that_the_camera_lost_stay_lost() {
        let mut packets = stream(frames(5, 15));
        // One of a key frame, and one that would have been dropped.
        for lost in [14, 20] {
            let behind = packets.iter_mut().skip(lost);
            behind.for_each(|packet| packet.sequence_number = packet.sequence_number.wrapping_add(1));
        }
        let mut filter = PacketFilter::default();
        let numbers: Vec<_> = packets
            .iter()
            .filter_map(|packet| match filter.on_packet(packet, true) {
                PacketDecision::Forward(number) => Some(number.wrapping_sub(65_530)),
                PacketDecision::Drop { .. } => None,
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn each_dropped_access_unit_is_reported_once() {
        let mut frames = frames(5, 10);
        // An SEI with the marker behind a frame's slices, and one by itself.
        frames[3].push(Content::Auxiliary);
        frames[7] = vec![Content::Auxiliary];
        let mut filter = PacketFilter::default();
        let begun = stream(frames)
            .iter()
            .filter(|packet| filter.on_packet(packet, true) == PacketDecision::Drop { begins_unit: true })
            .count();
        assert_eq!(begun, 7, "eight frames lie between key frames, and one of them is an SEI alone");
    }

    proptest! {
        /// Each frame goes on whole or not at all, and a frame between key frames only with all
        /// those before it.
        #[test]
        fn forwarded_packets_can_be_decoded(
            gaps in proptest::collection::vec(1usize..8, 1..20), alone in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let packets = stream(gaps.iter().flat_map(|gap| frames(*gap, *gap)));
            let kept = forwarded(&packets, |i| alone[i % alone.len()]);
            let mut whole = false;
            for frame in packets.chunk_by(|a, b| a.timestamp == b.timestamp) {
                let number = frame[0].timestamp / 3600;
                let of_frame: Vec<_> = of_frames(&packets, number..number + 1).collect();
                let there = of_frame.iter().filter(|i| kept.contains(i)).count();
                prop_assert!(there == 0 || there == of_frame.len());
                let is_key = frame[0].content == Content::Auxiliary;
                prop_assert!(!is_key || there > 0);
                whole = is_key || (whole && there > 0);
                prop_assert!(whole || there == 0);
            }
        }
    }
}
