//! One gate camera's state: its tracks, their judgements, and who was admitted a moment ago.

use std::time::Duration;

use gatehouse_core::event::{Decision, EntryLatency, Method, Reason};
use gatehouse_core::time::{CaptureTime, FrameTimes, Monotonic, WallTime};
use gatehouse_models::Face;
use gatehouse_picture::{Point, Rect};

use crate::decision::{Agreement, Judgement, Verdict};
use crate::gallery::PersonKey;
use crate::track::{TrackId, Tracks};

/// What the operator set for a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateOptions {
    /// Faces whose eyes are closer together than this are not looked at: their owners aren't at the gate yet.
    pub min_eye_distance_px: f32,
    /// How many frames must agree.
    pub agreement: Agreement,
    /// A person who was admitted isn't admitted again for this long.
    pub cool_down: Duration,
    /// How long a grant may be used.
    pub grant: Duration,
}

/// A face to be embedded: which track it belongs to, and where its landmarks are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// The track.
    pub track: TrackId,
    /// The five landmarks, in frame pixels.
    pub landmarks_in_frame: [Point; 5],
}

/// When a probe's stages ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTimes {
    /// The frame's own times.
    pub frame: FrameTimes,
    /// Wall time here when the frame arrived.
    pub arrived: WallTime,
    /// When its faces were detected.
    pub detected: Monotonic,
    /// When the face was embedded.
    pub embedded: Monotonic,
    /// When it was matched.
    pub matched: Monotonic,
}

/// An entry that has no sequence number yet. Says nothing of who it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryDraft {
    /// Let through, or sent to a person.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// What was presented.
    pub method: Method,
    /// When the frame that settled it was captured.
    pub capture_time: CaptureTime,
    /// Where the time went.
    pub latency_ms: EntryLatency,
    /// Until when the grant may be used.
    pub expires_at: Option<WallTime>,
}

/// One gate camera.
#[derive(Debug)]
pub struct Gate {
    options: GateOptions,
    tracks: Tracks<Judgement>,
    admitted: Vec<(PersonKey, Monotonic)>,
}

impl Gate {
    /// A gate that has seen nobody yet.
    pub fn new(options: GateOptions) -> Self {
        Self { options, tracks: Tracks::default(), admitted: Vec::new() }
    }

    /// Takes the faces of one frame and says which of them to embed.
    pub fn see(&mut self, faces: &[Face], now: Monotonic) -> Vec<Probe> {
        let near: Vec<&Face> =
            faces.iter().filter(|f| f.eye_distance_px() >= self.options.min_eye_distance_px).collect();
        let boxes: Vec<Rect> = near.iter().map(|f| f.box_in_frame).collect();
        let tracks = self.tracks.update(&boxes, now, Judgement::default);
        tracks
            .into_iter()
            .zip(near)
            .filter(|(id, _)| self.tracks.get_mut(*id).is_some_and(|t| !t.state.is_decided()))
            .map(|(track, face)| Probe { track, landmarks_in_frame: face.landmarks_in_frame })
            .collect()
    }

    /// Takes what matching said of a probe, and returns an entry when that settles its track.
    pub fn judge(&mut self, track: TrackId, matched: Option<PersonKey>, times: &ProbeTimes) -> Option<EntryDraft> {
        let now = times.matched;
        // The track may have been forgotten while its face was being embedded.
        let judgement = &mut self.tracks.get_mut(track)?.state;
        let verdict = judgement.observe(matched, now, self.options.agreement)?;
        self.admitted.retain(|(_, at)| now.since(*at) < self.options.cool_down);
        let capture_time = times.frame.capture;
        let (decision, reason, expires_at) = match verdict {
            Verdict::Admit(person) if self.admitted.iter().any(|(p, _)| *p == person) => return None,
            Verdict::Admit(person) => {
                self.admitted.push((person, now));
                (Decision::Admit, Reason::Matched, Some(capture_time.at + self.options.grant))
            }
            Verdict::Refer(reason) => (Decision::Refer, reason, None),
        };
        let latency_ms = latency(times);
        Some(EntryDraft { decision, reason, method: Method::Face, capture_time, latency_ms, expires_at })
    }
}

fn latency(times: &ProbeTimes) -> EntryLatency {
    // A tenth of a millisecond is finer than anything that is measured here.
    let millis = |d: Duration| (d.as_secs_f64() * 10_000.0).round() / 10.0;
    let capture_to_arrival = if times.frame.capture.at < times.arrived {
        millis(times.arrived.distance(times.frame.capture.at))
    } else {
        0.0
    };
    EntryLatency {
        capture_to_arrival,
        detect: millis(times.detected.since(times.frame.arrival)),
        embed: millis(times.embedded.since(times.detected)),
        decide: millis(times.matched.since(times.embedded)),
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::{ClockSource, StreamTime};

    use super::*;

    const OPTIONS: GateOptions = GateOptions {
        min_eye_distance_px: 40.0,
        agreement: Agreement { frames_to_agree: 2, frames_to_judge: 3 },
        cool_down: Duration::from_secs(10),
        grant: Duration::from_secs(5),
    };
    const ANN: PersonKey = PersonKey(7);

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    fn face(x: f32, eye_distance: f32) -> Face {
        let p = |dx: f32, dy: f32| Point { x: x + dx, y: 100.0 + dy };
        Face {
            box_in_frame: Rect { x, y: 60.0, width: eye_distance * 2.5, height: eye_distance * 3.0 },
            score: 0.9,
            landmarks_in_frame: [p(0.0, 0.0), p(eye_distance, 0.0), p(20.0, 30.0), p(5.0, 60.0), p(35.0, 60.0)],
        }
    }

    fn times(ms: u64) -> ProbeTimes {
        let wall = WallTime::from_unix_nanos(1_790_000_000_000_000_000) + Duration::from_millis(ms);
        let capture = CaptureTime { at: wall - Duration::from_millis(30), source: ClockSource::Rtcp, error_ms: 100 };
        let frame = FrameTimes { stream: StreamTime(Duration::from_millis(ms)), arrival: at(ms), capture };
        ProbeTimes { frame, arrived: wall, detected: at(ms + 9), embedded: at(ms + 40), matched: at(ms + 41) }
    }

    /// Shows one face at these times, each frame matching `who`; returns the entries.
    fn walk_up(gate: &mut Gate, at_ms: impl Iterator<Item = u64>, who: Option<PersonKey>) -> Vec<EntryDraft> {
        at_ms
            .filter_map(|ms| {
                let probes = gate.see(&[face(300.0, 60.0)], at(ms));
                probes.first().and_then(|probe| gate.judge(probe.track, who, &times(ms)))
            })
            .collect()
    }

    #[test]
    fn an_enrolled_person_is_admitted_once_and_again_only_after_the_cool_down() {
        let mut gate = Gate::new(OPTIONS);
        let first = walk_up(&mut gate, (0..2000).step_by(100), Some(ANN));
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].decision, first[0].reason), (Decision::Admit, Reason::Matched));
        let grant = first[0].expires_at.expect("an admit expires");
        assert_eq!(grant, first[0].capture_time.at + OPTIONS.grant);
        assert_eq!(
            first[0].latency_ms,
            EntryLatency { capture_to_arrival: 30.0, detect: 9.0, embed: 31.0, decide: 1.0 }
        );

        let soon = walk_up(&mut gate, (5000..7000).step_by(100), Some(ANN));
        assert_eq!(soon, [], "a new track of somebody admitted a moment ago says nothing");
        let later = walk_up(&mut gate, (20_000..22_000).step_by(100), Some(ANN));
        assert_eq!(later.len(), 1);
    }

    #[test]
    fn a_stranger_is_referred_without_a_grant() {
        let mut gate = Gate::new(OPTIONS);
        let entries = walk_up(&mut gate, (0..4000).step_by(100), None);
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].decision, entries[0].reason), (Decision::Refer, Reason::NoMatch));
        assert_eq!(entries[0].expires_at, None);
    }

    #[test]
    fn who_is_far_away_is_not_looked_at() {
        let mut gate = Gate::new(OPTIONS);
        assert_eq!(gate.see(&[face(0.0, 39.0)], at(0)), []);
        assert_eq!(gate.see(&[face(0.0, 39.0), face(400.0, 41.0)], at(100)).len(), 1);
    }

    #[test]
    fn a_verdict_for_a_forgotten_track_is_dropped() {
        let mut gate = Gate::new(OPTIONS);
        let probe = gate.see(&[face(0.0, 60.0)], at(0))[0];
        gate.see(&[], at(3000));
        assert_eq!(gate.judge(probe.track, Some(ANN), &times(3000)), None);
    }
}
