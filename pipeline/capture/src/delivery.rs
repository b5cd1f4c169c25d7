//! The appsink's callback: maps decoded pictures and hands them to the consumer.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use gatehouse_core::frame::PictureBuffer;
use gatehouse_core::time::{Clock, FrameTimes, Monotonic, StreamTime};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gstreamer as gst;

use crate::camera_clock::ConnectionClock;
use crate::conversion::Conversion;
use crate::decode_plan::PictureDecision;
use crate::failure::Failure;
use crate::layout::PictureLayout;
use crate::liveness::{PictureFacts, PictureWatch};
use crate::mapped::{MapError, MappedPictures, camera_time};
use crate::note::Note;
use crate::options::StreamOptions;
use crate::privacy::PrivacyMask;
use crate::shared_plan::SharedPlan;

/// Runs on the decoder's thread, once for each decoded picture.
pub(crate) struct Delivery {
    camera: CameraId,
    camera_clock: ConnectionClock,
    clock: Arc<dyn Clock>,
    frames: Arc<dyn FrameSink>,
    plan: Arc<SharedPlan>,
    notes: Sender<Note>,
    with_damaged: bool,
    /// The last caps, and how their pictures are converted. A stream may change them at any frame.
    conversion: Option<(gst::Caps, Conversion)>,
    privacy: PrivacyMask,
    pictures: MappedPictures,
    /// The arrival of the last picture's access unit.
    last_arrival: Option<Monotonic>,
    watch: PictureWatch,
}

impl Delivery {
    pub(crate) fn new(
        options: &StreamOptions,
        clock: &Arc<dyn Clock>,
        frames: &Arc<dyn FrameSink>,
        plan: &Arc<SharedPlan>,
        notes: Sender<Note>,
    ) -> Self {
        Self {
            camera: options.camera.clone(),
            camera_clock: ConnectionClock::new(options.camera.clone(), options.latency),
            clock: Arc::clone(clock),
            frames: Arc::clone(frames),
            plan: Arc::clone(plan),
            notes,
            with_damaged: options.with_damaged,
            conversion: None,
            privacy: PrivacyMask::new(options.privacy.clone()),
            pictures: MappedPictures::default(),
            last_arrival: None,
            watch: PictureWatch::default(),
        }
    }

    pub(crate) fn on_sample(&mut self, sample: &gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        let now = self.clock.monotonic();
        let (buffer, caps) = (sample.buffer_owned(), sample.caps_owned());
        let (Some(buffer), Some(caps)) = (buffer, caps) else {
            return Err(gst::FlowError::Error);
        };
        let is_marked = buffer.flags().contains(gst::BufferFlags::CORRUPTED);
        let presentation_time = buffer.pts().map(Duration::from);
        let (shown, number) = self.plan.on_picture(presentation_time, now, is_marked);
        let decision = shown.decision;
        if matches!(decision, PictureDecision::Hidden | PictureDecision::Corrupted) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let is_damaged = self.plan.is_damaged(presentation_time);
        if is_damaged && !self.with_damaged {
            self.plan.drop_damaged();
            return Ok(gst::FlowSuccess::Ok);
        }
        if self.conversion.as_ref().is_none_or(|(known, _)| *known != caps) {
            let layout = PictureLayout::of(&caps).map_err(|_| gst::FlowError::NotNegotiated)?;
            // The camera's thread may have ended.
            let _ = self.notes.send(Note::Caps { width: layout.info.width(), height: layout.info.height() });
            let conversion = Conversion::of(&layout).map_err(|problem| unreadable(&self.notes, &problem))?;
            self.conversion = Some((caps, conversion));
        }
        let Some((_, conversion)) = &self.conversion else { return Err(gst::FlowError::NotNegotiated) };

        let running = sample.segment().and_then(|s| {
            let segment = s.downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(buffer.pts())
        });
        let stream = StreamTime(running.map_or(Duration::ZERO, Duration::from));
        // A decoder gives pictures late, in the order of their presentation. The arrivals of its
        // units are not in that order.
        let arrived = shown.unit.map_or(now, |unit| unit.arrival);
        let arrival = arrived.max(self.last_arrival.unwrap_or(arrived));
        self.last_arrival = Some(arrival);
        let (stated, arrived_at) = (camera_time(&buffer), self.clock.wall() - now.since(arrival));
        let capture = self.camera_clock.capture_time(stated, arrival, arrived_at, self.plan.camera_offset());
        let layout = conversion.layout();
        let converted = conversion.apply(buffer).and_then(|buffer| self.privacy.black_out(buffer, layout));
        let mapped = converted.and_then(|buffer| self.pictures.map(buffer, layout));
        let buffer = mapped.map_err(|problem| unreadable(&self.notes, &problem))?;
        let times = FrameTimes { stream, arrival, capture };
        let facts = PictureFacts {
            is_key: shown.is_key,
            bytes: shown.unit.map_or(0, |unit| unit.bytes),
            at: presentation_time.map_or(now, Monotonic::from_start),
        };
        let frozen = self.watch.judge(&buffer.picture(), facts);
        let frame = Frame { camera: self.camera.clone(), number, times, is_damaged, frozen, buffer };
        let is_analysed = decision == PictureDecision::Analyse || self.frames.is_urgent(&frame);
        let delivery = is_analysed.then(|| self.frames.deliver(frame));
        self.plan.record(delivery, now);
        // Most frames are dropped at once.
        self.pictures.release();
        Ok(gst::FlowSuccess::Ok)
    }
}

fn unreadable(notes: &Sender<Note>, problem: &MapError) -> gst::FlowError {
    let _ = notes.send(Note::Failed(Failure::Lost(format!("a frame can't be read: {problem}"))));
    gst::FlowError::Error
}
