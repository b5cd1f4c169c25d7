//! Portraits from a gate's camera: the best frames of a few seconds, of a live face.

use std::ops::ControlFlow;
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_gate::enrol::{Candidate, EnrolError, LiveEnrolment, LiveRules, Portrait};
use gatehouse_service::stream;
use gatehouse_terminal::{Exit, Failure};

use super::desk::Desk;
use crate::camera::frames;
use crate::failure;

const KEEP: usize = 5;
/// Pictures that are needed at least.
const MIN_PICTURES: usize = 3;
/// Least time between two pictures, so that they show different expressions.
const APART: Duration = Duration::from_millis(400);

/// Takes pictures until there are enough or `within` has passed.
pub(super) fn portraits(desk: &mut Desk<'_>, gate: &str, within: Duration) -> Result<Vec<Portrait>, Failure> {
    let Some(settings) = desk.site.gates.iter().find(|g| g.id.as_str() == gate) else {
        let gates: Vec<&str> = desk.site.gates.iter().map(|g| g.id.as_str()).collect();
        let known = if gates.is_empty() { "it has none".to_owned() } else { format!("it has {}", gates.join(", ")) };
        return Err(Failure::message(
            Exit::Input,
            format!("--camera {gate}: the site has no gate of that name; {known}"),
        ));
    };
    let id = CameraId::new(gate);
    let options = stream(&id, &settings.common).map_err(failure::node)?;
    let (mut liveness, stated) = desk.liveness()?;
    let live_threshold = Some(settings.liveness_threshold.unwrap_or(stated));
    eprintln!("gatehouse: look straight into the camera of {gate}, about an arm's length away, and hold still");
    let rules = LiveRules { keep: KEEP, at_least: MIN_PICTURES, apart: APART, live_threshold };
    let (mut enrolment, mut last_problem, mut scores) = (LiveEnrolment::new(rules), None, Vec::new());
    frames::for_each_frame(options, within, |frame| {
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
        Ok(if enrolment.is_complete() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let taken = enrolment.finish().map_err(|e| match last_problem {
        Some(problem) if matches!(e, EnrolError::TooFew { .. }) => {
            Failure::input(anyhow::anyhow!("{e}. The last problem: {problem}"))
        }
        _ => Failure::input(e),
    })?;
    Ok(taken.into_iter().map(|candidate| candidate.portrait).collect())
}
