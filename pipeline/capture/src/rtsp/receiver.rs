//! The way of a packet from the network to the depayloader: one source, in order, with its
//! presentation time and the camera's wall time.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::describe::{CLOCK_RATE, Track};
use super::header::{Header, begins_picture, renumber, without_padding};
use super::reorder::{Gap, Reorder};
use super::rtcp::{Reception, Report, is_rtcp, reports};
use super::source::{Source, Verdict};
use super::timeline::{CameraClock, Timeline};
use super::units::Units;
use crate::codec::Codec;
use crate::decode_plan::{PacketDecision, RtpPacket, mend};
use crate::shared_plan::SharedPlan;

/// Larger gaps between sequence numbers tell the depayloader nothing more.
const MAX_GAP: u16 = 100;

/// Packets since the last report to the counters.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    received: u64,
    lost: u64,
}

/// Receives the packets of one track.
pub(crate) struct Receiver {
    codec: Codec,
    source: Source,
    reorder: Reorder,
    patience: Duration,
    units: Units,
    timeline: Timeline,
    clock: CameraClock,
    reception: Reception,
    /// The sequence number of the last packet that went on.
    number: u16,
    counts: Counts,
    plan: Arc<SharedPlan>,
    pad: gst::Pad,
    /// Marks a buffer's wall time as one since 1900.
    ntp: gst::Caps,
    own_ssrc: u32,
    /// A sender report that came before its source's first packet.
    early_report: Option<(u32, u64, u32)>,
}

impl Receiver {
    /// `pad` leads to the depayloader. `patience`: how long to wait for a missing packet.
    pub(crate) fn new(
        track: &Track,
        named_ssrc: Option<u32>,
        patience: Duration,
        plan: &Arc<SharedPlan>,
        pad: &gst::Pad,
    ) -> Self {
        Self {
            codec: track.codec,
            source: Source::new(track.payload_type, named_ssrc),
            reorder: Reorder::new(patience),
            patience,
            units: Units::default(),
            timeline: Timeline::default(),
            clock: CameraClock::default(),
            reception: Reception::default(),
            number: 0,
            counts: Counts::default(),
            plan: Arc::clone(plan),
            pad: pad.clone(),
            ntp: gst::Caps::new_empty_simple("timestamp/x-ntp"),
            own_ssrc: rand::random(),
            early_report: None,
        }
    }

    /// Takes the bytes of one packet of the track's channel.
    ///
    /// # Errors
    /// If the pipeline takes no more.
    pub(crate) fn on_packet(&mut self, bytes: &mut [u8], now: Monotonic) -> Result<(), gst::FlowError> {
        let Some(header) = Header::parse(bytes) else {
            // A camera may send RTCP on the same channel (RFC 5761).
            if bytes.get(1).is_some_and(|kind| is_rtcp(*kind)) {
                self.on_reports(bytes, now);
            }
            return Ok(());
        };
        match self.source.on_packet(&header, bytes, now) {
            Verdict::Foreign => Ok(()),
            Verdict::Ours => {
                if self.reception.ssrc() != Some(header.ssrc) {
                    self.begin_source(header.ssrc, now);
                }
                self.in_any_order(&header, bytes, now)
            }
            Verdict::NewSource(packets) => {
                self.reorder = Reorder::anew(self.patience);
                self.begin_source(header.ssrc, now);
                for mut packet in packets {
                    let Some(header) = Header::parse(&packet) else { continue };
                    self.in_any_order(&header, &mut packet, now)?;
                }
                Ok(())
            }
        }
    }

    fn begin_source(&mut self, ssrc: u32, now: Monotonic) {
        self.clock.reset();
        self.reception = Reception::of(ssrc);
        if let Some((_, ntp, rtp)) = self.early_report.take_if(|(of, ..)| *of == ssrc) {
            self.clock.on_report(ntp, rtp);
            self.reception.on_sender_report(ntp, now);
        }
    }

    fn in_any_order(&mut self, header: &Header, bytes: &mut [u8], now: Monotonic) -> Result<(), gst::FlowError> {
        if self.reorder.is_next(header.sequence_number, bytes, now) {
            let gap = self.reorder.gap_of_next();
            self.in_order(header, bytes, gap, now)?;
        }
        self.release(now)
    }

    /// Lets go packets that have waited long enough for a missing one.
    ///
    /// # Errors
    /// If the pipeline takes no more.
    pub(crate) fn release(&mut self, now: Monotonic) -> Result<(), gst::FlowError> {
        while let Some((mut bytes, gap)) = self.reorder.take_ready(now) {
            if let Some(header) = Header::parse(&bytes) {
                self.in_order(&header, &mut bytes, gap, now)?;
            }
        }
        Ok(())
    }

    fn in_order(&mut self, header: &Header, bytes: &mut [u8], gap: Gap, now: Monotonic) -> Result<(), gst::FlowError> {
        let lost = if let Gap::Lost(lost) = gap { lost } else { 0 };
        self.counts.received += 1;
        self.counts.lost += u64::from(lost);
        let arrival = now.since(Monotonic::from_start(Duration::ZERO)).as_micros() * u128::from(CLOCK_RATE) / 1_000_000;
        self.reception.on_packet(header.sequence_number, lost, header.timestamp, arrival as u32);
        self.clock.on_packet(header.timestamp);

        let bytes = without_padding(bytes, header);
        let Some(mut packet) = RtpPacket::parse(self.codec, bytes) else { return Ok(()) };
        // The depayloader sees the gaps of this sequence, and none where another one begins.
        self.number = self.number.wrapping_add(lost.min(MAX_GAP)).wrapping_add(1);
        packet.sequence_number = self.number;
        let (role, decision) = self.plan.on_packet(&packet, now);
        packet.marker = role.ends_unit;
        let time = self.timeline.time_of(header.timestamp, packet.marker, now);
        let begins = || begins_picture(self.codec, &bytes[header.payload.clone()]);
        let mark = |time| self.plan.mark_damaged(time);
        self.units.on_packet(&packet, gap, begins, (time, now), mark);

        let PacketDecision::Forward(number) = decision else { return Ok(()) };
        mend(self.codec, bytes, role);
        renumber(bytes, number);
        self.push(bytes, time, header.timestamp)
    }

    fn push(&self, bytes: &[u8], time: Duration, timestamp: u32) -> Result<(), gst::FlowError> {
        let mut buffer = gst::Buffer::with_size(bytes.len()).map_err(|_| gst::FlowError::Error)?;
        if let Some(buffer) = buffer.get_mut() {
            let _ = buffer.copy_from_slice(0, bytes);
            buffer.set_pts(clock_time(time));
            if let Some(wall) = self.clock.wall_at(timestamp) {
                gst::ReferenceTimestampMeta::add(buffer, &self.ntp, clock_time(wall), gst::ClockTime::NONE);
            }
        }
        self.pad.push(buffer).map(drop)
    }

    /// Takes the bytes of an RTCP packet.
    pub(crate) fn on_reports(&mut self, bytes: &[u8], now: Monotonic) {
        for report in reports(bytes) {
            self.plan.on_report(now);
            match report {
                Report::Sender { ssrc, ntp, rtp } if self.reception.ssrc() == Some(ssrc) => {
                    self.clock.on_report(ntp, rtp);
                    self.reception.on_sender_report(ntp, now);
                }
                Report::Sender { ssrc, ntp, rtp } => self.early_report = Some((ssrc, ntp, rtp)),
                Report::Goodbye { ssrc } => self.source.on_goodbye(ssrc),
            }
        }
    }

    /// This receiver's own report.
    pub(crate) fn report(&mut self, now: Monotonic) -> Vec<u8> {
        self.reception.report(self.own_ssrc, now)
    }

    /// True once a packet of the track has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.source.ssrc().is_some()
    }

    /// How long packets still wait for a missing one.
    pub(crate) fn wait(&self, now: Monotonic) -> Option<Duration> {
        self.reorder.wait(now)
    }

    /// Adds what was received since the last call to the camera's counters.
    pub(crate) fn count(&mut self) {
        let Counts { received, lost } = std::mem::take(&mut self.counts);
        if received > 0 {
            self.plan.fates().count_packets(received, lost);
        }
    }
}

fn clock_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1))
}
