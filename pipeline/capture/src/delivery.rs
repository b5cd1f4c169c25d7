//! The appsink's callback: maps decoded pictures and hands them to the consumer.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use gatehouse_core::frame::PictureBuffer;
use gatehouse_core::time::{CaptureTime, Clock, FrameTimes, Monotonic, StreamTime};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::decode_plan::PictureDecision;
use crate::failure::Failure;
use crate::liveness::{PictureFacts, PictureWatch};
use crate::mapped::{MapError, MappedPictures, camera_time};
use crate::note::Note;
use crate::options::StreamOptions;
use crate::privacy::PrivacyMask;
use crate::shared_plan::SharedPlan;

/// Runs on the decoder's thread, once for each decoded picture.
pub(crate) struct Delivery {
    camera: CameraId,
    latency: Duration,
    clock: Arc<dyn Clock>,
    frames: Arc<dyn FrameSink>,
    plan: Arc<SharedPlan>,
    notes: Sender<Note>,
    /// The last caps, parsed. A stream may change them at any frame.
    info: Option<(gst::Caps, gst_video::VideoInfo)>,
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
            latency: options.latency,
            clock: Arc::clone(clock),
            frames: Arc::clone(frames),
            plan: Arc::clone(plan),
            notes,
            info: None,
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
        if self.info.as_ref().is_none_or(|(known, _)| *known != caps) {
            let info = gst_video::VideoInfo::from_caps(&caps).map_err(|_| gst::FlowError::NotNegotiated)?;
            // The camera's thread may have ended.
            let _ = self.notes.send(Note::Caps { width: info.width(), height: info.height() });
            self.info = Some((caps, info));
        }
        let Some((_, info)) = &self.info else { return Err(gst::FlowError::NotNegotiated) };

        let running = sample.segment().and_then(|s| {
            let segment = s.downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(buffer.pts())
        });
        // A decoder gives pictures late, in the order of their presentation. The arrivals of its
        // units are not in that order.
        let arrived = shown.unit.map_or(now, |unit| unit.arrival);
        let arrival = arrived.max(self.last_arrival.unwrap_or(arrived));
        self.last_arrival = Some(arrival);
        let waited = now.since(arrived);
        let capture = CaptureTime::choose(camera_time(&buffer), self.clock.wall() - waited, self.latency);
        let stream = StreamTime(running.map_or(Duration::ZERO, Duration::from));
        let unreadable = |problem: MapError| {
            let _ = self.notes.send(Note::Failed(Failure::Lost(format!("a frame can't be read: {problem}"))));
            gst::FlowError::Error
        };
        let buffer = self.privacy.black_out(buffer, info).map_err(unreadable)?;
        let buffer = self.pictures.map(buffer, info).map_err(unreadable)?;
        let times = FrameTimes { stream, arrival, capture };
        let facts = PictureFacts {
            is_key: shown.is_key,
            bytes: shown.unit.map_or(0, |unit| unit.bytes),
            at: presentation_time.map_or(now, Monotonic::from_start),
        };
        let frozen = self.watch.judge(&buffer.picture(), facts);
        let frame = Frame { camera: self.camera.clone(), number, times, frozen, buffer };
        let is_analysed = decision == PictureDecision::Analyse || self.frames.is_urgent(&frame);
        let delivery = is_analysed.then(|| self.frames.deliver(frame));
        self.plan.record(delivery, now);
        // Most frames are dropped at once.
        self.pictures.release();
        Ok(gst::FlowSuccess::Ok)
    }
}
