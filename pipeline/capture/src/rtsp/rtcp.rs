//! Reads a camera's RTCP packets and writes receiver reports (RFC 3550, section 6).

use std::time::Duration;

use gatehouse_core::time::Monotonic;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// The second bytes of RTCP packets (RFC 5761, section 4).
pub(crate) fn is_rtcp(second_byte: u8) -> bool {
    (192..=223).contains(&second_byte)
}

/// What a camera reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// An RTP time and the wall time that it has, as a 32.32 fixed-point number of seconds since
    /// 1900.
    Sender { ssrc: u32, ntp: u64, rtp: u32 },
    /// This source ends.
    Goodbye { ssrc: u32 },
}

/// The reports of a compound packet. A part that can't be read ends it.
pub(crate) fn reports(mut bytes: &[u8]) -> impl Iterator<Item = Report> {
    let word = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    std::iter::from_fn(move || {
        loop {
            let &[flags, kind, l1, l0, ..] = bytes else { return None };
            let (part, rest) = bytes.split_at_checked(4 * (1 + usize::from(u16::from_be_bytes([l1, l0]))))?;
            if flags >> 6 != 2 {
                return None;
            }
            bytes = rest;
            let ssrc = word(part, 4);
            match (kind, ssrc) {
                (SENDER_REPORT, Some(ssrc)) => {
                    let (Some(high), Some(low), Some(rtp)) = (word(part, 8), word(part, 12), word(part, 16)) else {
                        return None;
                    };
                    return Some(Report::Sender { ssrc, ntp: u64::from(high) << 32 | u64::from(low), rtp });
                }
                (GOODBYE, Some(ssrc)) if flags & 31 > 0 => return Some(Report::Goodbye { ssrc }),
                _ => {}
            }
        }
    })
}

/// What this receiver reports about the camera's packets (RFC 3550, section 6.4.1).
#[derive(Debug, Default)]
pub(crate) struct Reception {
    /// The camera's SSRC, once a packet has come.
    ssrc: Option<u32>,
    /// The highest sequence number, extended by the times that it has wrapped.
    highest: u32,
    received: u32,
    lost: u32,
    /// Received and lost packets at the last report.
    reported: (u32, u32),
    /// Sixteen times the jitter, in ticks (RFC 3550, appendix A.8).
    jitter: u32,
    transit: Option<u32>,
    /// The middle of the last sender report's NTP time, and when it came.
    last_sender_report: Option<(u32, Monotonic)>,
}

impl Reception {
    pub(crate) fn of(ssrc: u32) -> Self {
        Self { ssrc: Some(ssrc), ..Self::default() }
    }

    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Counts a packet and those lost before it. `arrival` in ticks of the RTP clock.
    pub(crate) fn on_packet(&mut self, number: u16, lost: u16, timestamp: u32, arrival: u32) {
        self.received = self.received.wrapping_add(1);
        self.lost = self.lost.saturating_add(u32::from(lost));
        let ahead = number.wrapping_sub(self.highest as u16);
        if self.received == 1 {
            self.highest = u32::from(number);
        } else if ahead < 0x8000 {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        }
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs().min(1 << 24);
            self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    pub(crate) fn on_sender_report(&mut self, ntp: u64, now: Monotonic) {
        self.last_sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// A compound packet: a receiver report and a description with a random name.
    pub(crate) fn report(&mut self, own_ssrc: u32, now: Monotonic) -> Vec<u8> {
        let received = self.received.wrapping_sub(self.reported.0);
        let lost = self.lost.saturating_sub(self.reported.1);
        self.reported = (self.received, self.lost);
        let share = (u64::from(lost) << 8).checked_div(u64::from(received) + u64::from(lost)).unwrap_or(0).min(255);
        let (middle, delay) = self.last_sender_report.map_or((0, 0), |(middle, at)| {
            let delay: Duration = now.since(at);
            (middle, u32::try_from(delay.as_nanos() * 65_536 / 1_000_000_000).unwrap_or(u32::MAX))
        });
        let mut words = Vec::new();
        let header = |count: u32, kind: u8, length: u32| 2 << 30 | count << 24 | u32::from(kind) << 16 | length;
        if let Some(ssrc) = self.ssrc {
            let total = self.lost.min(0x7f_ffff);
            words.extend([header(1, RECEIVER_REPORT, 7), own_ssrc, ssrc, (share as u32) << 24 | total]);
            words.extend([self.highest, self.jitter >> 4, middle, delay]);
        } else {
            words.extend([header(0, RECEIVER_REPORT, 1), own_ssrc]);
        }
        // CNAME (1), of eight bytes, and the end of the list.
        let name = format!("{own_ssrc:08x}");
        let mut item = vec![1, 8];
        item.extend(name.as_bytes());
        item.extend([0, 0]);
        words.extend([header(1, DESCRIPTION, 4), own_ssrc]);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
        bytes.extend(item);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sender_reports_and_goodbyes_are_read() {
        let words =
            [0x80c8_0006u32, 7, 0xe000_0000, 0x8000_0000, 90_000, 1, 2, 0x81ca_0002, 7, 0x0101_7800, 0x81cb_0001, 7];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let expected =
            [Report::Sender { ssrc: 7, ntp: 0xe000_0000_8000_0000, rtp: 90_000 }, Report::Goodbye { ssrc: 7 }];
        assert_eq!(reports(&bytes).collect::<Vec<_>>(), expected);
        assert_eq!(reports(&bytes[..20]).count(), 0, "cut off");
    }

    #[test]
    fn receiver_reports_state_losses_and_jitter() {
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        let mut reception = Reception::of(7);
        for (n, number) in (0u32..).zip([65_534u16, 65_535, 1, 2]) {
            reception.on_packet(number, u16::from(number == 1), n * 3600, n * 3600 + n % 2 * 160);
        }
        reception.on_sender_report(0x1122_3344_5566_7788, at(10));
        let report = reception.report(9, at(12));
        let word = |at: usize| u32::from_be_bytes(*report[4 * at..].first_chunk().unwrap());
        assert_eq!((word(0), word(1), word(2)), (0x81c9_0007, 9, 7));
        assert_eq!(word(3), (51 << 24) | 1, "one of five");
        assert_eq!(word(4), 65_538);
        assert!((1..=30).contains(&word(5)), "{}", word(5));
        assert_eq!((word(6), word(7)), (0x3344_5566, 2 << 16));
        assert_eq!(report.len(), 4 * (8 + 5));
        let next = reception.report(9, at(12));
        assert_eq!(u32::from_be_bytes(*next[12..].first_chunk().unwrap()), 1, "none since");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            reports(&bytes).for_each(drop);
        }
    }
}
