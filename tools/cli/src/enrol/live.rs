//! Enrolment before a gate's own camera: the best few of some seconds' frames, of a face that is a live one.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gatehouse_capture::{Camera, Cameras};
use gatehouse_core::health::{StatusSink, StreamStatus};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_core::{CameraId, Frame, FrameSink};
use gatehouse_gate::enrol::{Candidate, EnrolError, LiveEnrolment, LiveRules, Portrait};
use gatehouse_service::stream;

use super::desk::Desk;
use super::input;
use crate::exit::{self, Exit, Failure};

/// Pictures to take.
const KEEP: usize = 5;
/// Fewer than that are refused.
const AT_LEAST: usize = 3;
/// Two pictures of one expression are worth little more than one.
const APART: Duration = Duration::from_millis(400);
/// How long the camera may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Hands the newest frame over, and drops what the desk is too slow for.
struct Newest(Sender<Frame>);

impl FrameSink for Newest {
    fn deliver(&self, frame: Frame) {
        // The desk looks at one frame while the next is decoded; one that comes in between is dropped.
        let _ = self.0.try_send(frame);
    }
}

impl StatusSink for Newest {
    fn status(&self, camera: &CameraId, status: StreamStatus) {
        tracing::info!(%camera, "{status:?}");
    }
}

/// Takes pictures until there are enough, or the time is over.
pub(super) fn portraits(desk: &mut Desk<'_>, gate: &str, within: Duration) -> Result<Vec<Portrait>, Failure> {
    let Some(settings) = desk.site.gates.iter().find(|g| g.id == gate) else {
        let gates: Vec<&str> = desk.site.gates.iter().map(|g| g.id.as_str()).collect();
        let known = if gates.is_empty() { "it has none".to_owned() } else { format!("it has {}", gates.join(", ")) };
        return Err(Failure::say(Exit::Input, format!("--camera {gate}: the site has no gate of that name; {known}")));
    };
    let id = CameraId::new(gate);
    let options = stream(&id, &settings.stream).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let (mut liveness, stated) = desk.liveness()?;
    let live_threshold = Some(settings.liveness_threshold.unwrap_or(stated));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (sender, frames) = bounded(1);
    let sink = Arc::new(Newest(sender));
    let mut cameras = Cameras::default();
    cameras.push(Camera::start(options, Arc::clone(&clock), sink.clone(), sink)?);
    eprintln!("gatehouse: look straight into the camera of {gate}, about an arm's length away, and hold still");
    let rules = LiveRules { keep: KEEP, at_least: AT_LEAST, apart: APART, live_threshold };
    let taken = take(desk, &mut liveness, &frames, LiveEnrolment::new(rules), clock.as_ref(), within);
    for problem in cameras.stop(clock.as_ref(), STOP_WITHIN) {
        tracing::warn!("{problem}");
    }
    Ok(taken?.into_iter().map(|candidate| candidate.portrait).collect())
}

fn take(
    desk: &mut Desk<'_>,
    liveness: &mut gatehouse_models::LivenessModel,
    frames: &Receiver<Frame>,
    mut enrolment: LiveEnrolment,
    clock: &dyn Clock,
    within: Duration,
) -> Result<Vec<Candidate>, Failure> {
    let until = clock.monotonic() + within;
    let (mut seen, mut last_problem, mut scores) = (0, None, Vec::new());
    while !enrolment.is_complete() {
        let left = until.since(clock.monotonic());
        let Ok(frame) = frames.recv_timeout(left) else { break };
        seen += 1;
        let picture = frame.picture();
        match desk.portrait(&picture) {
            Ok(portrait) => {
                liveness.score(&[(&picture, portrait.face.box_in_frame)], &mut scores)?;
                enrolment.offer(Candidate { portrait, live: scores.first().copied(), at: frame.times.arrival });
            }
            Err(EnrolError::Unsuitable(problems)) => {
                let problem = problems.to_string();
                if last_problem.as_ref() != Some(&problem) {
                    eprintln!("gatehouse: {problem}");
                    last_problem = Some(problem);
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
    if seen == 0 {
        return Err(Failure::say(Exit::Failed, "the camera sent no picture; the log above says why"));
    }
    enrolment.finish().map_err(|e| match last_problem {
        Some(problem) if matches!(e, EnrolError::TooFew { .. }) => input(anyhow::anyhow!("{e}. The last: {problem}")),
        _ => input(e),
    })
}
