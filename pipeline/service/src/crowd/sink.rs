//! A crowd camera's due frames on the decoder's thread.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_batching::Lane;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::{Delivery, Frame, FrameSink};

use super::counting::CountJob;
use super::pipeline::{CrowdPipeline, Scene};
use crate::publish::Outbound;
use crate::report::PictureMonitor;
use crate::view::NodeView;

/// Takes a crowd camera's frames and offers them to its lane.
pub(super) struct CrowdSink {
    pub(super) pipeline: Arc<CrowdPipeline>,
    pub(super) lane: Lane<CountJob>,
    pub(super) pictures: PictureMonitor,
    pub(super) outbound: Outbound,
    pub(super) view: Arc<NodeView>,
}

/// A frame's scene, compared with earlier ones.
struct SceneCheck {
    is_moved: bool,
    /// True if nothing has changed since the last counted frame.
    is_unchanged: bool,
}

impl CrowdSink {
    fn check_scene(&self, frame: &Frame, verdict: PictureVerdict) -> SceneCheck {
        let (was_moved, is_moved, is_due, learnt) = {
            let mut scene = self.pipeline.scene.lock();
            let Scene { thumbnail, change, view } = &mut *scene;
            let was_moved = view.moved();
            // A dark or frozen picture does not show where the camera points, and each is reported.
            if verdict != PictureVerdict::Sound {
                return SceneCheck { is_moved: was_moved, is_unchanged: false };
            }
            let arrival = frame.times.arrival;
            thumbnail.update(&frame.picture());
            let learnt = view.judge(thumbnail, arrival).cloned();
            let is_due = change.as_mut().is_none_or(|change| change.is_due(thumbnail, arrival));
            (was_moved, view.moved(), is_due, learnt)
        };
        self.log_moved(was_moved, is_moved);
        let is_unchanged = !is_due && learnt.is_none() && was_moved == is_moved;
        if let Some(view) = learnt {
            *self.pipeline.learnt.lock() = Some(view);
        }
        SceneCheck { is_moved, is_unchanged }
    }

    fn log_moved(&self, was_moved: bool, is_moved: bool) {
        let camera = &self.pipeline.camera;
        match (was_moved, is_moved) {
            (false, true) => tracing::error!(
                %camera,
                "the camera no longer shows the view on which its zones were drawn, and they are not counted: turn it back, or \
                 draw the zones anew and let the node learn the new view (`gatehouse camera view`)"
            ),
            (true, false) => {
                tracing::info!(%camera, "the camera shows the view on which its zones were drawn again; they are counted");
            }
            _ => {}
        }
    }

    /// Repeats the last counts for an unchanged frame; false if it must be counted. A preview needs
    /// every frame, and while an earlier frame is in flight the last counts are not of this scene.
    fn repeat_counts(&self, frame: &Frame) -> bool {
        let pipeline = &self.pipeline;
        if pipeline.has_picture_in_flight() || self.view.preview_wanted(&pipeline.camera) {
            return false;
        }
        let events = pipeline.state.lock().crowd.unchanged(frame.times.capture, frame.times.arrival);
        let Some(mut events) = events else { return false };
        events.density.damaged = frame.is_damaged;
        self.outbound.crowd(events);
        true
    }
}

impl FrameSink for CrowdSink {
    fn deliver(&self, frame: Frame) -> Delivery {
        let verdict = self.pictures.judge(&frame);
        let SceneCheck { is_moved, is_unchanged } = self.check_scene(&frame, verdict);
        if is_unchanged && self.repeat_counts(&frame) {
            return Delivery::Unchanged;
        }
        let number = self.pipeline.next_number();
        let pipeline = Arc::clone(&self.pipeline);
        self.lane.offer(CountJob { pipeline, frame, verdict, is_moved, number }).into()
    }

    fn shortest_wait(&self) -> Option<Duration> {
        self.lane.shortest_wait()
    }
}
