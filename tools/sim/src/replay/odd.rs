//! Makes a picture's packets odd.

use super::packets::HEADER;
use crate::{Codec, Oddity};

/// Changes the SSRC and the timestamps of a second source.
const OTHER_SOURCE: u8 = 7;
const HOUR: u32 = 3600 * 90_000;
const MARKER: u8 = 0x80;

/// The oddities of one client's packets, and where they stand.
#[derive(Debug)]
pub(crate) struct Odd {
    oddities: Vec<Oddity>,
    codec: Codec,
    pictures: u32,
    other_sequence: u16,
    /// Of the generator that chooses lost packets.
    random: u32,
    /// What is added to sequence numbers.
    offset: u16,
}

impl Odd {
    pub(crate) fn new(oddities: &[Oddity], codec: Codec) -> Self {
        let offset = if oddities.contains(&Oddity::WrongRtpInfo) { 60_000 } else { 0 };
        Self { oddities: oddities.to_vec(), codec, pictures: 0, other_sequence: 0, random: 1, offset }
    }

    fn has(&self, oddity: &Oddity) -> bool {
        self.oddities.contains(oddity)
    }

    /// True after the number of pictures that `of` finds in an oddity.
    fn is_past(&self, of: impl Fn(&Oddity) -> Option<u32>) -> bool {
        self.oddities.iter().filter_map(of).any(|after| self.pictures >= after)
    }

    /// The packets of a picture as they are sent. Those given have an RTP header of 12 bytes.
    pub(crate) fn packets(&mut self, mut packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self.has(&Oddity::SeiMarker)
            && let Some(first) = packets.first()
        {
            let sei: &[u8] = match self.codec {
                Codec::H264 => &[6, 5, 16],
                Codec::H265 => &[0x4e, 1, 5, 16],
            };
            let mut packet = [&first[..HEADER], sei, b"an SEI of no use\x80"].concat();
            packet[1] |= MARKER;
            packets.insert(0, packet);
            self.offset = self.offset.wrapping_add(1);
            // The SEI has the number before the picture's.
            let number = number(&packets[0]).wrapping_sub(1);
            set_number(&mut packets[0], number);
        }
        let begins_anew = |oddity: &Oddity| if let Oddity::NewSequence(n) = oddity { Some(*n) } else { None };
        if self.oddities.iter().filter_map(begins_anew).any(|after| after == self.pictures) {
            self.offset = self.offset.wrapping_add(20_000);
        }
        let is_new = self.is_past(|oddity| if let Oddity::NewSource(n) = oddity { Some(*n) } else { None });
        let has_jumped = self.is_past(|oddity| if let Oddity::TimestampJump(n) = oddity { Some(*n) } else { None });
        self.pictures += 1;
        for packet in &mut packets {
            let shifted = number(packet).wrapping_add(self.offset);
            set_number(packet, shifted);
            if self.has(&Oddity::NoMarker) {
                packet[1] &= !MARKER;
            }
            if is_new {
                packet[8] ^= 0xff;
            }
            let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            let time = if self.has(&Oddity::StoppedTimestamps) { 0 } else { time };
            let time = if has_jumped { time.wrapping_add(HOUR) } else { time };
            packet[4..8].copy_from_slice(&time.to_be_bytes());
        }
        let mut others = Vec::new();
        if self.has(&Oddity::SecondSource) {
            for packet in &packets {
                let mut other = packet.clone();
                set_number(&mut other, self.other_sequence);
                self.other_sequence = self.other_sequence.wrapping_add(1);
                other[7] ^= OTHER_SOURCE;
                other[11] ^= OTHER_SOURCE;
                others.push(other);
            }
        }
        if self.has(&Oddity::Reordered) && packets.len() > 1 {
            packets.swap(0, 1);
        }
        let share = self.oddities.iter().find_map(|oddity| if let Oddity::Loss(n) = oddity { Some(*n) } else { None });
        let mut sent = Vec::new();
        for packet in packets {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if share.is_some_and(|share| (self.random >> 8) % 1000 < u32::from(share)) {
                continue;
            }
            if self.has(&Oddity::Twice) {
                sent.push(packet.clone());
            }
            sent.push(packet);
        }
        sent.extend(others);
        sent
    }

    /// What stands between the packets on the RTSP connection.
    pub(crate) fn between(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.has(&Oddity::Noise) {
            bytes.extend(b"\0\0\0noise\xff\xfe");
            bytes.extend(b"$\x06\0\x08a signal");
        }
        if self.has(&Oddity::Asks) {
            let number = self.pictures;
            bytes
                .extend(format!("ANNOUNCE rtsp://x/y RTSP/1.0\r\nCSeq: {number}\r\nContent-Length: 0\r\n\r\n").bytes());
        }
        bytes
    }
}

fn number(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

fn set_number(packet: &mut [u8], number: u16) {
    packet[2..4].copy_from_slice(&number.to_be_bytes());
}

/// Tracks that are offered before the stream.
pub(crate) const OTHER_TRACKS: &str = "m=audio 0 RTP/AVP 0\r\na=control:stream=8\r\n\
     m=video 0 RTP/AVP 26\r\na=control:stream=9\r\n";
