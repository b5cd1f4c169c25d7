//! Enrolment before a gate's own camera: the best few of some seconds' frames, of a face that is a live one.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_gate::enrol::{Candidate, EnrolError, LiveEnrolment, LiveRules, Portrait};
use gatehouse_service::stream;

use super::desk::Desk;
use super::input;
use crate::camera::{self, Enough};
use crate::exit::{self, Exit, Failure};

/// Pictures to take.
const KEEP: usize = 5;
/// Fewer than that are refused.
const AT_LEAST: usize = 3;
/// Two pictures of one expression are worth little more than one.
const APART: Duration = Duration::from_millis(400);

/// Takes pictures until there are enough, or the time is over.
pub(super) fn portraits(desk: &mut Desk<'_>, gate: &str, within: Duration) -> Result<Vec<Portrait>, Failure> {
    let Some(settings) = desk.site.gates.iter().find(|g| g.id.as_str() == gate) else {
        let gates: Vec<&str> = desk.site.gates.iter().map(|g| g.id.as_str()).collect();
        let known = if gates.is_empty() { "it has none".to_owned() } else { format!("it has {}", gates.join(", ")) };
        return Err(Failure::say(Exit::Input, format!("--camera {gate}: the site has no gate of that name; {known}")));
    };
    let id = CameraId::new(gate);
    let options = stream(&id, &settings.stream).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let (mut liveness, stated) = desk.liveness()?;
    let live_threshold = Some(settings.liveness_threshold.unwrap_or(stated));
    eprintln!("gatehouse: look straight into the camera of {gate}, about an arm's length away, and hold still");
    let rules = LiveRules { keep: KEEP, at_least: AT_LEAST, apart: APART, live_threshold };
    let (mut enrolment, mut last_problem, mut scores) = (LiveEnrolment::new(rules), None, Vec::new());
    camera::watch(options, within, |frame| {
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
        Ok(if enrolment.is_complete() { Enough::Yes } else { Enough::No })
    })?;
    let taken = enrolment.finish().map_err(|e| match last_problem {
        Some(problem) if matches!(e, EnrolError::TooFew { .. }) => input(anyhow::anyhow!("{e}. The last: {problem}")),
        _ => input(e),
    })?;
    Ok(taken.into_iter().map(|candidate| candidate.portrait).collect())
}
