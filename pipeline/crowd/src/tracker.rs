//! A short-term tracker: who in this picture was in the last one, so that counts don't flicker and a stay has a length.
//!
//! By place and size alone, without appearance; a track lives for seconds, within one camera, and is never published or kept.
//! As in ByteTrack (Zhang et al., 2022), somebody who was made out surely may go on as somebody made out faintly, since a person
//! half hidden is still there; but nobody begins so.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_people::Person;
use gatehouse_picture::{Point, Rect, Size};

/// Pictures farther apart than this say nothing about who is who.
pub const MOST_APART: Duration = Duration::from_millis(1500);
/// A track that was confirmed counts so long without being seen.
const COASTS: Duration = Duration::from_millis(700);
/// One that has not been seen for so long is gone.
const FORGOTTEN: Duration = Duration::from_secs(3);
/// Score from which on somebody goes on who was confirmed before.
const FAINT: f32 = 0.25;
/// For so long after it was made out surely. Longer, and whoever walked past a lamp post that looks a little like a person would
/// stand there for ever: on 31 frames of vtest.avi the mean absolute error is 0.3 up to 2 s, 0.7 at 3 s, 1.9 without an end.
const FAINTLY: Duration = Duration::from_millis(1200);
/// Two boxes that overlap by more (intersection over union) may be of one person.
const SAME: f32 = 0.3;
/// How far somebody may be from where they are expected, in heights of theirs: 1.4 m/s is 0.8 heights a second.
const REACH: f32 = 0.45;
const REACH_A_SECOND: f32 = 0.5;
/// How much of the last step goes into the expected speed.
const NEW_SPEED: f32 = 0.5;

/// One person of one camera for a few seconds.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    /// Tells tracks of one tracker apart; says nothing of who it is and is never the same for the next.
    pub(crate) number: u64,
    pub(crate) box_in_frame: Rect,
    /// Where the feet were before, if they were seen.
    pub(crate) foot_before: Option<Point>,
    seen: Monotonic,
    /// When it was last made out surely.
    sure: Monotonic,
    /// Pixels a second.
    speed: (f32, f32),
    confirmed: bool,
    /// Not seen, and where it is expected somebody else is: most likely the same person.
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

    // How well a person fits, 0 best; none if not at all.
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

/// The tracks of one camera.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    frame: Option<Size>,
    looked: Option<Monotonic>,
    next: u64,
    /// Reused by every picture: misfit, track, person.
    pairs: Vec<(f32, usize, usize)>,
    taken: Vec<bool>,
    /// And the tracks that nobody was seen of yet.
    missing: Vec<usize>,
}

impl Tracker {
    /// Takes note of the people of a picture of size `frame` that arrived `now`; they are all those from a low score on, and
    /// `min_score` is the one from which somebody counts. `false` where there is no picture to compare with, just before this
    /// one: then nothing can be said yet.
    pub fn look(&mut self, people: &[Person], min_score: f32, frame: Size, now: Monotonic) -> bool {
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
        // Those who count choose first, best fit first; then those who were confirmed may go on faintly.
        let missing = &mut self.missing;
        missing.clear();
        missing.extend(0..self.tracks.len());
        let is_sure = |person: &Person| person.score >= min_score;
        // Who overlaps somebody sure is a part of somebody who is there anyway.
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
        // Who was seen once and not again was nobody.
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

    /// Whether the last picture left nothing open: nobody was seen for the first time, and nobody was missed.
    pub(crate) fn is_settled(&self) -> bool {
        self.tracks.iter().all(|track| track.confirmed && Some(track.seen) == self.looked)
    }

    /// Nothing has changed since the last picture, which left nothing open: who was there is still there.
    pub(crate) fn hold(&mut self, now: Monotonic) {
        self.looked = self.looked.map(|_| now);
        for track in &mut self.tracks {
            (track.seen, track.speed, track.foot_before) = (now, (0.0, 0.0), None);
        }
    }

    /// Those who count: confirmed, and seen just now, or a moment ago and not likely to have left the picture.
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
    fn who_is_seen_twice_counts_and_who_is_seen_once_never() {
        let mut tracker = Tracker::default();
        assert!(!tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(0)), "there is nothing to compare with");
        assert!(tracker.look(&[person(10.0, 0.9), person(300.0, 0.9)], 0.5, FRAME, at(500)));
        assert_eq!(numbers(&tracker, at(500)), [1]);
        tracker.look(&[person(20.0, 0.9)], 0.5, FRAME, at(1000));
        tracker.look(&[person(30.0, 0.9), person(300.0, 0.9)], 0.5, FRAME, at(1500));
        assert_eq!(numbers(&tracker, at(1500)), [1], "twice, but not one after the other");
    }

    #[test]
    fn who_is_hidden_for_a_moment_still_counts_and_is_the_same() {
        let mut tracker = Tracker::default();
        for step in 0..3 {
            tracker.look(&[person(20.0 * step as f32, 0.9)], 0.5, FRAME, at(500 * step));
        }
        tracker.look(&[], 0.5, FRAME, at(1500));
        assert_eq!(numbers(&tracker, at(1500)), [1]);
        tracker.look(&[person(80.0, 0.3)], 0.5, FRAME, at(2000));
        assert_eq!(numbers(&tracker, at(2000)), [1], "faint, and where it is expected");
        for step in 5..12 {
            tracker.look(&[], 0.5, FRAME, at(500 * step));
        }
        assert_eq!(numbers(&tracker, at(5500)), [0; 0]);
        tracker.look(&[person(160.0, 0.3)], 0.5, FRAME, at(6000));
        tracker.look(&[person(160.0, 0.3)], 0.5, FRAME, at(6500));
        assert_eq!(numbers(&tracker, at(6500)), [0; 0], "nobody begins faintly");
    }

    #[test]
    fn nobody_stays_behind_at_what_looks_a_little_like_a_person() {
        let (mut tracker, lamp) = (Tracker::default(), person(300.0, 0.4));
        for step in 0..4 {
            tracker.look(&[person(180.0 + 40.0 * step as f32, 0.9), lamp], 0.5, FRAME, at(500 * step));
        }
        let counts: Vec<usize> = (4..10)
            .map(|step| {
                tracker.look(&[lamp], 0.5, FRAME, at(500 * step));
                numbers(&tracker, at(500 * step)).len()
            })
            .collect();
        assert_eq!(counts, [1, 1, 1, 0, 0, 0], "half hidden for a moment, and then gone");
    }

    #[test]
    fn two_who_pass_each_other_stay_who_they_are() {
        let mut tracker = Tracker::default();
        let walk = |ms: u64| [person(0.2 * ms as f32, 0.9), person(400.0 - 0.2 * ms as f32, 0.8)];
        for step in 0..20 {
            tracker.look(&walk(100 * step), 0.5, FRAME, at(100 * step));
        }
        let ends: Vec<_> = tracker.present(at(1900)).map(|track| (track.number, track.box_in_frame.x)).collect();
        assert_eq!(ends, [(1, 380.0), (2, 20.0)]);
    }

    #[test]
    fn who_walks_out_of_the_picture_is_gone_at_once() {
        let mut tracker = Tracker::default();
        for step in 0..4 {
            tracker.look(&[person(500.0 + 50.0 * step as f32, 0.9)], 0.5, FRAME, at(500 * step));
        }
        tracker.look(&[], 0.5, FRAME, at(2000));
        assert_eq!(numbers(&tracker, at(2000)), [0; 0]);
    }

    #[test]
    fn a_picture_that_leaves_something_open_is_not_settled() {
        let mut tracker = Tracker::default();
        tracker.look(&[], 0.5, FRAME, at(0));
        assert!(tracker.is_settled(), "nobody is there");
        tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(500));
        assert!(!tracker.is_settled(), "who was seen once may be nobody");
        tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(1000));
        assert!(tracker.is_settled());
        tracker.hold(at(20_000));
        assert!(tracker.is_settled() && numbers(&tracker, at(20_000)) == [1]);
        tracker.look(&[], 0.5, FRAME, at(20_500));
        assert!(!tracker.is_settled(), "who was missed may be gone");
        for step in 0..7 {
            tracker.look(&[], 0.5, FRAME, at(21_000 + 500 * step));
        }
        assert!(tracker.is_settled() && numbers(&tracker, at(24_000)) == [0; 0]);
    }

    #[test]
    fn a_long_pause_begins_anew() {
        let mut tracker = Tracker::default();
        tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(0));
        tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(500));
        assert!(!tracker.look(&[person(0.0, 0.9)], 0.5, FRAME, at(2100)));
        assert_eq!(numbers(&tracker, at(2100)), [0; 0]);
    }

    proptest! {
        /// Nobody is in two tracks, and no more are present than were seen within the time that a track coasts.
        #[test]
        fn each_person_has_one_track(
            pictures in proptest::collection::vec(proptest::collection::vec((0f32..600.0, 0.1f32..1.0), 0..12), 1..20),
        ) {
            let mut tracker = Tracker::default();
            for (i, picture) in pictures.iter().enumerate() {
                let people: Vec<_> = picture.iter().map(|(x, score)| person(*x, *score)).collect();
                let now = at(500 * i as u64);
                tracker.look(&people, 0.5, FRAME, now);
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
