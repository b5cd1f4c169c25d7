//! A camera's clock, as its sender reports state it: ahead, behind, drifting or without sense.

use serde::Deserialize;

/// Bytes of a sender report up to its NTP time, and of that time (RFC 3550, section 6.4.1).
const NTP_AT: std::ops::Range<usize> = 8..16;
const SENDER_REPORT: u8 = 200;

/// A camera's clock. In the config: `{ offset_seconds = 2 }`, `{ drift_ppm = 500 }` or
/// `{ garbage = true }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraClock {
    /// Seconds that it is ahead of this machine's clock; negative if it is behind.
    pub offset_seconds: f64,
    /// Seconds that it gains in a million seconds, from the start of the stream on.
    pub drift_ppm: f64,
    /// Each report states another time, from 1900 to 2036.
    pub garbage: bool,
}

impl CameraClock {
    /// True if it shows this machine's time.
    pub(crate) fn is_right(&self) -> bool {
        *self == Self::default()
    }

    /// Changes the time in a packet that starts with a sender report. `running_s`: seconds since
    /// the start of the stream.
    pub(crate) fn change(&self, packet: &mut [u8], running_s: f64) {
        if packet.get(1) != Some(&SENDER_REPORT) {
            return;
        }
        let Some(field) = packet.get_mut(NTP_AT) else { return };
        let Ok(bytes) = <[u8; 8]>::try_from(&*field) else { return };
        // 32 bits of seconds since 1900, and 32 bits of fractions.
        let ntp = u64::from_be_bytes(bytes);
        let shown = if self.garbage {
            ntp.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        } else {
            let ahead = self.offset_seconds + running_s * self.drift_ppm / 1e6;
            ntp.wrapping_add_signed((ahead * 4_294_967_296.0) as i64)
        };
        field.copy_from_slice(&shown.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(clock: CameraClock, running_s: f64) -> i64 {
        let mut packet = [0x80, SENDER_REPORT, 0, 6, 0, 0, 0, 1, 0xEA, 0, 0, 0, 0, 0, 0, 0, 9, 9];
        let ntp = |packet: &[u8]| i64::from_be_bytes(packet[NTP_AT].try_into().expect("8 bytes"));
        let before = ntp(&packet);
        clock.change(&mut packet, running_s);
        assert_eq!(packet[16..], [9, 9]);
        (ntp(&packet).wrapping_sub(before)) >> 32
    }

    #[test]
    fn a_report_shows_the_cameras_own_time() {
        let clock = CameraClock { offset_seconds: -7200.0, ..CameraClock::default() };
        assert_eq!(changed(clock, 0.0), -7200);
        let drifting = CameraClock { drift_ppm: 500.0, ..CameraClock::default() };
        assert_eq!(changed(drifting, 10_000.0), 5);
        assert!(changed(CameraClock { garbage: true, ..CameraClock::default() }, 0.0) != 0);
        let mut other = [0x80, 201, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        clock.change(&mut other, 0.0);
        assert_eq!(other[8..], [5, 6, 7, 8, 9, 10, 11, 12], "a receiver report");
        clock.change(&mut [0x80, SENDER_REPORT], 0.0);
    }
}
