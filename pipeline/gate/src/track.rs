//! Tracks faces from frame to frame within one camera, by the overlap of their boxes only.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Rect;

/// A track whose face was not seen for this long is dropped.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2);
/// Least overlap (IoU) of a box with the track that it continues. At 10 frames a second a face that
/// walks up moves little between two frames.
const MIN_IOU: f32 = 0.3;
/// Least overlap (IoU) of a smooth movement. Below it the box has jumped by a third of its width,
/// or grown by 1.4, between two analysed frames.
const SMOOTH_IOU: f32 = 0.5;
/// After this time out of sight another face may stand at the same place.
const OUT_OF_SIGHT_AFTER: Duration = Duration::from_secs(1);

/// Identifies a track within one camera; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TrackId(u64);

/// How a box continues the earlier frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// A new track.
    New,
    /// The same face, judged by its box.
    Smooth,
    /// Close enough to be tracked, but it may be another face.
    Jumped,
}

/// The track that a box of a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) track: TrackId,
    /// How the box continues the track's last one.
    pub(crate) continuity: Continuity,
}

/// One tracked face, and the state that the user of the tracker keeps for it.
#[derive(Debug)]
pub(crate) struct Track<T> {
    pub(crate) id: TrackId,
    /// Where it was last seen, in frame pixels.
    pub(crate) box_in_frame: Rect,
    pub(crate) seen: Monotonic,
    pub(crate) state: T,
}

/// The faces that are tracked in one camera.
#[derive(Debug)]
pub(crate) struct Tracks<T> {
    tracks: Vec<Track<T>>,
    next: u64,
    /// Scratch: overlap, index of the box, index of the track.
    pairs: Vec<(f32, usize, usize)>,
    /// Scratch: the sighting of each box.
    assigned: Vec<Option<Sighting>>,
    /// Scratch: whether a track already has a box.
    is_assigned: Vec<bool>,
}

impl<T> Default for Tracks<T> {
    fn default() -> Self {
        Self { tracks: Vec::new(), next: 0, pairs: Vec::new(), assigned: Vec::new(), is_assigned: Vec::new() }
    }
}

impl<T> Tracks<T> {
    /// Continues or starts a track for each box of one frame, and drops old tracks. Writes one
    /// sighting per box, in the same order.
    ///
    /// Pairs are assigned by descending overlap, so two people close together keep their own
    /// tracks.
    pub(crate) fn update(
        &mut self,
        boxes_in_frame: impl Iterator<Item = Rect> + Clone,
        now: Monotonic,
        start: impl Fn() -> T,
        sightings: &mut Vec<Sighting>,
    ) {
        self.tracks.retain(|t| now.since(t.seen) < FORGOTTEN_AFTER);
        self.pairs.clear();
        self.assigned.clear();
        for (b, candidate) in boxes_in_frame.clone().enumerate() {
            self.assigned.push(None);
            for (t, track) in self.tracks.iter().enumerate() {
                let overlap = candidate.iou(&track.box_in_frame);
                if overlap >= MIN_IOU {
                    self.pairs.push((overlap, b, t));
                }
            }
        }
        self.pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        self.is_assigned.clear();
        self.is_assigned.resize(self.tracks.len(), false);
        for &(overlap, b, t) in &self.pairs {
            if self.assigned[b].is_none() && !self.is_assigned[t] {
                self.is_assigned[t] = true;
                let track = &mut self.tracks[t];
                let smooth = overlap >= SMOOTH_IOU && now.since(track.seen) < OUT_OF_SIGHT_AFTER;
                let continuity = if smooth { Continuity::Smooth } else { Continuity::Jumped };
                self.assigned[b] = Some(Sighting { track: track.id, continuity });
                track.seen = now;
            }
        }
        sightings.clear();
        for (b, box_in_frame) in boxes_in_frame.enumerate() {
            let sighting = self.assigned[b].unwrap_or_else(|| self.add(box_in_frame, now, start()));
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

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Track<T>) -> bool) {
        self.tracks.retain(keep);
    }

    /// The track, if it still exists.
    pub(crate) fn get(&self, id: TrackId) -> Option<&Track<T>> {
        self.tracks.iter().find(|t| t.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: TrackId) -> Option<&mut Track<T>> {
        self.tracks.iter_mut().find(|t| t.id == id)
    }

    /// All tracks, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Track<T>> {
        self.tracks.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Track<T>> {
        self.tracks.iter_mut()
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
    fn two_moving_faces_side_by_side_keep_their_tracks() {
        let mut tracks = Tracks::<()>::default();
        let first = update(&mut tracks, &[face(0.0), face(150.0)], at(0));
        assert!(first.iter().all(|s| s.continuity == Continuity::New));
        // Listed in reverse order, and each moved a little.
        let second = update(&mut tracks, &[face(160.0), face(10.0)], at(100));
        assert_eq!(second.iter().map(|s| s.track).collect::<Vec<_>>(), [first[1].track, first[0].track]);
        assert!(second.iter().all(|s| s.continuity == Continuity::Smooth));
    }

    #[test]
    fn the_track_of_a_lost_face_is_dropped() {
        let mut tracks = Tracks::<()>::default();
        let first = update(&mut tracks, &[face(0.0)], at(0));
        update(&mut tracks, &[], at(1_999));
        assert_eq!(tracks.tracks.len(), 1);
        update(&mut tracks, &[], at(2_000));
        assert!(tracks.tracks.is_empty());
        let again = update(&mut tracks, &[face(0.0)], at(2_100));
        assert_ne!(first, again, "an identifier is never reused");
    }

    #[test]
    fn a_box_that_leaps_grows_or_returns_late_has_jumped() {
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
