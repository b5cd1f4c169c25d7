//! Follows faces from frame to frame within one camera, by overlap of their boxes and by nothing else.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Rect;

/// A track whose face hasn't been seen for this long is forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(2);
/// Overlap (IoU) at which a box continues a track. At 10 frames a second a face that walks up moves little in between.
const SAME_FACE_AT: f32 = 0.3;
/// Below this overlap the box has jumped: by a third of its width, or by 1.4 in size, from one analysed frame to the next.
const SMOOTH_AT: f32 = 0.5;
/// A face that was out of sight for this long may have made way for another at the same place.
const OUT_OF_SIGHT: Duration = Duration::from_secs(1);

/// Names a track within one camera; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrackId(pub u64);

/// How a box of a frame goes on from what was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// A new track.
    New,
    /// The same face, as far as boxes can tell.
    Smooth,
    /// Near enough to be followed, and too far off to be sure that it is still the same face.
    Jumped,
}

/// Which track a box of a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The track.
    pub track: TrackId,
    /// How the box goes on from the track's last one.
    pub continuity: Continuity,
}

/// One followed face, and what its user keeps with it.
#[derive(Debug)]
pub struct Track<T> {
    /// Its name.
    pub id: TrackId,
    /// Where it was last seen, in frame pixels.
    pub box_in_frame: Rect,
    /// When it was last seen.
    pub seen: Monotonic,
    /// The user's own state.
    pub state: T,
}

/// The faces that one camera follows.
#[derive(Debug)]
pub struct Tracks<T> {
    tracks: Vec<Track<T>>,
    next: u64,
    /// Reused by every frame: overlap, box, track; the box's sighting; whether the track is taken.
    pairs: Vec<(f32, usize, usize)>,
    sighted: Vec<Option<Sighting>>,
    taken: Vec<bool>,
}

impl<T> Default for Tracks<T> {
    fn default() -> Self {
        Self { tracks: Vec::new(), next: 0, pairs: Vec::new(), sighted: Vec::new(), taken: Vec::new() }
    }
}

impl<T> Tracks<T> {
    /// Continues or starts a track for each box of one frame, and forgets old ones. `sightings` become those of the boxes.
    ///
    /// The best-overlapping pair is joined first, so that of two people close together each keeps their own track.
    pub fn update(
        &mut self,
        boxes_in_frame: impl Iterator<Item = Rect> + Clone,
        now: Monotonic,
        start: impl Fn() -> T,
        sightings: &mut Vec<Sighting>,
    ) {
        self.tracks.retain(|t| now.since(t.seen) < FORGOTTEN_AFTER);
        self.pairs.clear();
        self.sighted.clear();
        for (b, candidate) in boxes_in_frame.clone().enumerate() {
            self.sighted.push(None);
            for (t, track) in self.tracks.iter().enumerate() {
                let overlap = candidate.iou(&track.box_in_frame);
                if overlap >= SAME_FACE_AT {
                    self.pairs.push((overlap, b, t));
                }
            }
        }
        self.pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        self.taken.clear();
        self.taken.resize(self.tracks.len(), false);
        for &(overlap, b, t) in &self.pairs {
            if self.sighted[b].is_none() && !self.taken[t] {
                self.taken[t] = true;
                let track = &mut self.tracks[t];
                let smooth = overlap >= SMOOTH_AT && now.since(track.seen) < OUT_OF_SIGHT;
                let continuity = if smooth { Continuity::Smooth } else { Continuity::Jumped };
                self.sighted[b] = Some(Sighting { track: track.id, continuity });
                track.seen = now;
            }
        }
        sightings.clear();
        for (b, box_in_frame) in boxes_in_frame.enumerate() {
            let sighting = self.sighted[b].unwrap_or_else(|| self.add(box_in_frame, now, start()));
            if let Some(track) = self.get_mut(sighting.track) {
                track.box_in_frame = box_in_frame;
            }
            sightings.push(sighting);
        }
    }

    fn add(&mut self, box_in_frame: Rect, seen: Monotonic, state: T) -> Sighting {
        let id = TrackId(self.next);
        self.next += 1;
        self.tracks.push(Track { id, box_in_frame, seen, state });
        Sighting { track: id, continuity: Continuity::New }
    }

    /// Forgets the tracks of which `keep` says no.
    pub fn retain(&mut self, keep: impl FnMut(&Track<T>) -> bool) {
        self.tracks.retain(keep);
    }

    /// A track that is still followed.
    pub fn get(&self, id: TrackId) -> Option<&Track<T>> {
        self.tracks.iter().find(|t| t.id == id)
    }

    /// A track that is still followed.
    pub fn get_mut(&mut self, id: TrackId) -> Option<&mut Track<T>> {
        self.tracks.iter_mut().find(|t| t.id == id)
    }

    /// All that are followed, in the order of their making.
    pub fn iter(&self) -> impl Iterator<Item = &Track<T>> {
        self.tracks.iter()
    }

    /// All that are followed, in the order of their making.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Track<T>> {
        self.tracks.iter_mut()
    }

    /// How many faces are followed.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether no face is followed.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(tracks: &mut Tracks<()>, boxes_in_frame: &[Rect], now: Monotonic) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        tracks.update(boxes_in_frame.iter().copied(), now, || (), &mut sightings);
        sightings
    }

    fn face(x: f32) -> Rect {
        Rect { x, y: 100.0, width: 100.0, height: 120.0 }
    }

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn two_faces_side_by_side_keep_their_tracks_while_they_move() {
        let mut tracks = Tracks::<()>::default();
        let first = update(&mut tracks, &[face(0.0), face(150.0)], at(0));
        assert!(first.iter().all(|s| s.continuity == Continuity::New));
        // Listed the other way round, and each a little further.
        let second = update(&mut tracks, &[face(160.0), face(10.0)], at(100));
        assert_eq!(second.iter().map(|s| s.track).collect::<Vec<_>>(), [first[1].track, first[0].track]);
        assert!(second.iter().all(|s| s.continuity == Continuity::Smooth));
    }

    #[test]
    fn a_face_that_is_gone_is_forgotten() {
        let mut tracks = Tracks::<()>::default();
        let first = update(&mut tracks, &[face(0.0)], at(0));
        update(&mut tracks, &[], at(1_999));
        assert_eq!(tracks.len(), 1);
        update(&mut tracks, &[], at(2_000));
        assert!(tracks.is_empty());
        let again = update(&mut tracks, &[face(0.0)], at(2_100));
        assert_ne!(first, again, "a name is never used again");
    }

    #[test]
    fn a_box_that_leaps_grows_or_comes_back_late_has_jumped() {
        let next = |moved: Rect, after_ms: u64| {
            let mut tracks = Tracks::<()>::default();
            update(&mut tracks, &[face(0.0)], at(0));
            update(&mut tracks, &[moved], at(after_ms))[0].continuity
        };
        assert_eq!(next(face(20.0), 100), Continuity::Smooth);
        assert_eq!(next(face(45.0), 100), Continuity::Jumped);
        assert_eq!(next(face(80.0), 100), Continuity::New);
        let grown = Rect { x: -25.0, y: 70.0, width: 150.0, height: 180.0 };
        assert_eq!(next(grown, 100), Continuity::Jumped);
        assert_eq!(next(face(0.0), 999), Continuity::Smooth);
        assert_eq!(next(face(0.0), 1000), Continuity::Jumped);
    }
}
