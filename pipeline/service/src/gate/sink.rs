//! A gate camera's frames on the decoder's thread.

use std::sync::Arc;

use gatehouse_batching::Lane;
use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Clock;
use gatehouse_core::{Delivery, Frame, FrameDemand, FrameSink};
use gatehouse_gate::MotionGate;
use parking_lot::Mutex;

use super::codes::CodeJob;
use super::detection::DetectJob;
use super::pipeline::GatePipeline;
use super::sub_stream_monitor::SubStreamMonitor;
use crate::report::PictureMonitor;

/// Takes a gate camera's frames and offers them to its lanes.
pub(super) struct GateSink {
    pub(super) pipeline: Arc<GatePipeline>,
    pub(super) detection: Lane<DetectJob>,
    pub(super) codes: Lane<CodeJob>,
    /// Selects the frames that are searched for a code.
    pub(super) code_rate: Mutex<RateLimit>,
    pub(super) pictures: PictureMonitor,
    /// `None` if every due frame is analysed.
    pub(super) motion_gate: Option<Mutex<MotionGate>>,
    /// The camera's sub-stream, if it has one.
    pub(super) sub_stream: Option<Arc<SubStreamMonitor>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl FrameSink for GateSink {
    fn deliver(&self, frame: Frame) -> Delivery {
        self.pictures.judge(&frame);
        let is_idle = self.pipeline.is_idle();
        let may_skip = self
            .motion_gate
            .as_ref()
            .is_some_and(|gate| gate.lock().may_skip(&frame.picture(), frame.times.arrival, is_idle));
        if may_skip {
            return Delivery::Unchanged;
        }
        let arrived = self.clock.wall();
        let pipeline = Arc::clone(&self.pipeline);
        if self.code_rate.lock().admits(frame.times.arrival) {
            self.codes.offer(CodeJob { pipeline: Arc::clone(&pipeline), frame: frame.clone(), arrived });
        }
        self.detection.offer(DetectJob { pipeline, frame, arrived }).into()
    }

    fn demand(&self) -> FrameDemand {
        let is_quiet = || self.sub_stream.as_ref().is_some_and(|sub_stream| sub_stream.is_quiet());
        if self.pipeline.is_deciding() {
            FrameDemand::All
        } else if is_quiet() && self.pipeline.is_idle() {
            FrameDemand::KeyFrames
        } else {
            FrameDemand::AtRate
        }
    }

    /// True while the gate decides about somebody, and for the first frame that shows motion.
    fn is_urgent(&self, frame: &Frame) -> bool {
        let detects_motion =
            |gate: &Mutex<MotionGate>| gate.lock().detects_motion(&frame.picture(), frame.times.arrival);
        self.pipeline.is_deciding() || self.motion_gate.as_ref().is_some_and(detects_motion)
    }
}
