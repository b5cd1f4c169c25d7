//! A short-term tracker of people, so that counts don't flicker and stays can be measured.
//!
//! It uses place and size, never appearance. A track lives for seconds within one camera and is
//! never published or stored. As in ByteTrack (Zhang et al., 2022), a detection of low score can
//! continue a track, because a half-hidden person is still there, but can't start one.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_people::Person;
use gatehouse_picture::{Point, Rect, Size};

/// Longest time between pictures for tracking.
pub const MOST_APART: Duration = Duration::from_millis(1500);
/// Time that a confirmed track counts without a detection.
const COASTS: Duration = Duration::from_millis(700);
/// Time without a detection after which a track ends.
const FORGOTTEN: Duration = Duration::from_secs(3);
/// Least score of a detection that continues a confirmed track.
const FAINT: f32 = 0.25;
/// Longest continuation by low scores after a detection that counted.
///
/// Without a limit, a track would stay at a lamp post that resembles a person. On 31 frames of
/// vtest.avi the mean absolute error is 0.3 up to 2 s, 0.7 at 3 s, 1.9 without a limit.
const FAINTLY: Duration = Duration::from_millis(1200);
/// Intersection over union above which two boxes may be one person.
const SAME: f32 = 0.3;
/// Greatest distance from the prediction, in heights of the person: 1.4 m/s is 0.8 a second.
const REACH: f32 = 0.45;
const REACH_A_SECOND: f32 = 0.5;
/// Weight of the last step in the predicted speed.
const NEW_SPEED: f32 = 0.5;

/// A person of one camera for a few seconds.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    /// Number within one tracker; never used again.
    pub(crate) number: u64,
    pub(crate) box_in_frame: Rect,
    /// Feet in the previous picture, if they were detected.
    pub(crate) foot_before: Option<Point>,
    seen: Monotonic,
    /// Last detection that counted.
    sure: Monotonic,
    /// Pixels per second.
    speed: (f32, f32),
    confirmed: bool,
    /// True if undetected with another person at its predicted place: most likely the same one.
    covered: bool,
}

fn overlap(a: &Person, b: &Person) -> bool {
    a.box_in_frame.iou(&b.box_in_frame) > SAME
}

impl Track {
    fn expected(&self, now: Monotonic) -> Rect {
        let seconds = now.since(self.seen).min(MOST_APART).as_secs_f32();
        let Rect { x, y, .. } = self.box_in_frame;
        Rect { x: x + self.speed.0 * seconds, y: y + self.speed.1 * seconds, ..self.box_in_frame }
    }

    // Cost of an association, 0 best; none if impossible.
    fn misfit(&self, person: &Rect, now: Monotonic) -> Option<f32> {
        let expected = self.expected(now);
        let height = self.box_in_frame.height.max(1.0);
        let away = expected.centre().distance(person.centre()) / height;
        let size = (person.height.max(1.0) / height).ln().abs();
        let reach = REACH + REACH_A_SECOND * now.since(self.seen).as_secs_f32();
        (away <= reach && size <= 0.7).then_some(away + 0.5 * size)
    }

    fn see(&mut self, person: Rect, surely: bool, now: Monotonic) {
        let seconds = now.since(self.seen).as_secs_f32();
        if seconds > 0.0 {
            let (from, to) = (self.box_in_frame.centre(), person.centre());
            let step = ((to.x - from.x) / seconds, (to.y - from.y) / seconds);
            let mix = |old: f32, new: f32| old + NEW_SPEED * (new - old);
            self.speed = (mix(self.speed.0, step.0), mix(self.speed.1, step.1));
        }
        if surely {
            self.sure = now;
        }
        self.foot_before = Some(self.box_in_frame.foot());
        (self.box_in_frame, self.seen, self.confirmed) = (person, now, true);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    tracks: Vec<Track>,
    frame: Option<Size>,
    looked: Option<Monotonic>,
    next: u64,
    /// Scratch: cost, track, person.
    pairs: Vec<(f32, usize, usize)>,
    taken: Vec<bool>,
    /// Scratch: tracks without a detection.
    missing: Vec<usize>,
}

impl Tracker {
    /// Updates the tracks by a picture's detections, of which those of `min_score` and more count.
    /// False if there is no recent picture to compare with.
    pub(crate) fn update(&mut self, people: &[Person], min_score: f32, frame: Size, now: Monotonic) -> bool {
        let soon = self.looked.is_some_and(|before| now.since(before) <= MOST_APART);
        let compares = soon && self.frame == Some(frame);
        self.frame = Some(frame);
        self.looked = Some(now);
        if !compares {
            self.tracks.clear();
        }
        for track in &mut self.tracks {
            track.foot_before = None;
        }
        self.taken.clear();
        self.taken.resize(people.len(), false);
        // Detections that count go first, by fit; then low scores may continue confirmed tracks.
        let missing = &mut self.missing;
        missing.clear();
        missing.extend(0..self.tracks.len());
        let is_sure = |person: &Person| person.score >= min_score;
        // A low score that overlaps a counting detection is a part of the same person.
        let is_faint = |person: &Person| {
            let covered = || people.iter().any(|other| is_sure(other) && overlap(other, person));
            person.score >= FAINT && !is_sure(person) && !covered()
        };
        let goes_on_faintly = |track: &Track| track.confirmed && now.since(track.sure) <= FAINTLY;
        for faintly in [false, true] {
            self.pairs.clear();
            for (person, found) in people.iter().enumerate() {
                if !(if faintly { is_faint(found) } else { is_sure(found) }) {
                    continue;
                }
                for track in missing.iter().copied().filter(|track| !faintly || goes_on_faintly(&self.tracks[*track])) {
                    if let Some(misfit) = self.tracks[track].misfit(&found.box_in_frame, now) {
                        self.pairs.push((misfit, track, person));
                    }
                }
            }
            self.pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            for (_, track, person) in &self.pairs {
                let Some(place) = missing.iter().position(|m| m == track) else { continue };
                if !self.taken[*person] {
                    self.taken[*person] = true;
                    missing.swap_remove(place);
                    self.tracks[*track].see(people[*person].box_in_frame, !faintly, now);
                }
            }
        }
        // A single detection is no person.
        let lasts = |track: &Track| {
            let unseen = now.since(track.seen);
            if track.confirmed { unseen <= FORGOTTEN } else { unseen.is_zero() }
        };
        self.tracks.retain(lasts);
        for track in 0..self.tracks.len() {
            let missed = &self.tracks[track];
            let expected = missed.expected(now);
            let mut seen = self.tracks.iter().filter(|other| other.seen == now);
            let covered = missed.seen != now && seen.any(|other| other.box_in_frame.iou(&expected) > SAME);
            self.tracks[track].covered = covered;
        }
        let new = people.iter().zip(&self.taken).filter(|(person, taken)| !**taken && person.score >= min_score);
        for (person, _) in new {
            self.next += 1;
            self.tracks.push(Track {
                number: self.next,
                box_in_frame: person.box_in_frame,
                foot_before: None,
                seen: now,
                sure: now,
                speed: (0.0, 0.0),
                confirmed: false,
                covered: false,
            });
        }
        compares
    }

    /// True if the last picture neither started nor missed a track.
    pub(crate) fn is_settled(&self) -> bool {
        self.tracks.iter().all(|track| track.confirmed && Some(track.seen) == self.looked)
    }

    /// Keeps the tracks for an unchanged picture, after a settled one.
    pub(crate) fn hold(&mut self, now: Monotonic) {
        self.looked = self.looked.map(|_| now);
        for track in &mut self.tracks {
            (track.seen, track.speed, track.foot_before) = (now, (0.0, 0.0), None);
        }
    }

    /// Confirmed tracks, detected just now or recently without having left the picture.
    pub(crate) fn present(&self, now: Monotonic) -> impl Iterator<Item = &Track> {
        let stays = move |track: &Track| {
            let Point { x, y } = track.expected(now).centre();
            let inside = |at: f32, side: usize| at >= 0.0 && at <= side as f32;
            self.frame.is_some_and(|frame| inside(x, frame.width) && inside(y, frame.height))
        };
        let counts = move |track: &&Track| {
            let unseen = now.since(track.seen);
            track.confirmed && (unseen.is_zero() || unseen <= COASTS && !track.covered && stays(track))
        };
        self.tracks.iter().filter(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 700, height: 400 };

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    fn person(x: f32, score: f32) -> Person {
        Person { box_in_frame: Rect { x, y: 100.0, width: 40.0, height: 100.0 }, score }
    }

    fn numbers(tracker: &Tracker, now: Monotonic) -> Vec<u64> {
        tracker.present(now).map(|track| track.number).collect()
    }

    #[test]
    fn a_person_must_be_detected_twice_to_count() {
        let mut tracker = Tracker::default();
        assert!(!tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(0)), "there is nothing to compare with");
        assert!(tracker.update(&[person(10.0, 0.9), person(300.0, 0.9)], 0.5, FRAME, at(500)));
        assert_eq!(numbers(&tracker, at(500)), [1]);
        tracker.update(&[person(20.0, 0.9)], 0.5, FRAME, at(1000));
        tracker.update(&[person(30.0, 0.9), person(300.0, 0.9)], 0.5, FRAME, at(1500));
        assert_eq!(numbers(&tracker, at(1500)), [1], "twice, but not one after the other");
    }

    #[test]
    fn a_briefly_hidden_person_keeps_their_track() {
        let mut tracker = Tracker::default();
        for step in 0..3 {
            tracker.update(&[person(20.0 * step as f32, 0.9)], 0.5, FRAME, at(500 * step));
        }
        tracker.update(&[], 0.5, FRAME, at(1500));
        assert_eq!(numbers(&tracker, at(1500)), [1]);
        tracker.update(&[person(80.0, 0.3)], 0.5, FRAME, at(2000));
        assert_eq!(numbers(&tracker, at(2000)), [1], "faint, and where it is expected");
        for step in 5..12 {
            tracker.update(&[], 0.5, FRAME, at(500 * step));
        }
        assert_eq!(numbers(&tracker, at(5500)), [0; 0]);
        tracker.update(&[person(160.0, 0.3)], 0.5, FRAME, at(6000));
        tracker.update(&[person(160.0, 0.3)], 0.5, FRAME, at(6500));
        assert_eq!(numbers(&tracker, at(6500)), [0; 0], "nobody begins faintly");
    }

    #[test]
    fn no_track_stays_at_a_lamp_post() {
        let (mut tracker, lamp) = (Tracker::default(), person(300.0, 0.4));
        for step in 0..4 {
            tracker.update(&[person(180.0 + 40.0 * step as f32, 0.9), lamp], 0.5, FRAME, at(500 * step));
        }
        let counts: Vec<usize> = (4..10)
            .map(|step| {
                tracker.update(&[lamp], 0.5, FRAME, at(500 * step));
                numbers(&tracker, at(500 * step)).len()
            })
            .collect();
        assert_eq!(counts, [1, 1, 1, 0, 0, 0], "half hidden for a moment, and then gone");
    }

    #[test]
    fn two_people_who_pass_keep_their_tracks() {
        let mut tracker = Tracker::default();
        let walk = |ms: u64| [person(0.2 * ms as f32, 0.9), person(400.0 - 0.2 * ms as f32, 0.8)];
        for step in 0..20 {
            tracker.update(&walk(100 * step), 0.5, FRAME, at(100 * step));
        }
        let ends: Vec<_> = tracker.present(at(1900)).map(|track| (track.number, track.box_in_frame.x)).collect();
        assert_eq!(ends, [(1, 380.0), (2, 20.0)]);
    }

    #[test]
    fn a_person_who_leaves_the_picture_is_gone_at_once() {
        let mut tracker = Tracker::default();
        for step in 0..4 {
            tracker.update(&[person(500.0 + 50.0 * step as f32, 0.9)], 0.5, FRAME, at(500 * step));
        }
        tracker.update(&[], 0.5, FRAME, at(2000));
        assert_eq!(numbers(&tracker, at(2000)), [0; 0]);
    }

    #[test]
    fn a_new_or_missed_track_is_not_settled() {
        let mut tracker = Tracker::default();
        tracker.update(&[], 0.5, FRAME, at(0));
        assert!(tracker.is_settled(), "nobody is there");
        tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(500));
        assert!(!tracker.is_settled(), "who was seen once may be nobody");
        tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(1000));
        assert!(tracker.is_settled());
        tracker.hold(at(20_000));
        assert!(tracker.is_settled() && numbers(&tracker, at(20_000)) == [1]);
        tracker.update(&[], 0.5, FRAME, at(20_500));
        assert!(!tracker.is_settled(), "who was missed may be gone");
        for step in 0..7 {
            tracker.update(&[], 0.5, FRAME, at(21_000 + 500 * step));
        }
        assert!(tracker.is_settled() && numbers(&tracker, at(24_000)) == [0; 0]);
    }

    #[test]
    fn a_long_pause_ends_all_tracks() {
        let mut tracker = Tracker::default();
        tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(0));
        tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(500));
        assert!(!tracker.update(&[person(0.0, 0.9)], 0.5, FRAME, at(2100)));
        assert_eq!(numbers(&tracker, at(2100)), [0; 0]);
    }

    proptest! {
        /// Nobody has two tracks, and no more people are present than were detected while a track
        /// coasts.
        #[test]
        fn each_person_has_one_track(
            pictures in proptest::collection::vec(proptest::collection::vec((0f32..600.0, 0.1f32..1.0), 0..12), 1..20),
        ) {
            let mut tracker = Tracker::default();
            for (i, picture) in pictures.iter().enumerate() {
                let people: Vec<_> = picture.iter().map(|(x, score)| person(*x, *score)).collect();
                let now = at(500 * i as u64);
                tracker.update(&people, 0.5, FRAME, now);
                let mut numbers = numbers(&tracker, now);
                let recent: usize = pictures[i.saturating_sub(2)..=i].iter().map(Vec::len).sum();
                prop_assert!(numbers.len() <= recent, "{} of {recent}", numbers.len());
                numbers.sort_unstable();
                numbers.dedup();
                prop_assert_eq!(numbers.len(), tracker.present(now).count());
            }
        }
    }
}
