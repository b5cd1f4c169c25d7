//! Follows faces from frame to frame within one camera, by overlap of their boxes and by nothing else.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Rect;

/// A track whose face hasn't been seen for this long is forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(2);
/// Overlap (IoU) at which a box continues a track. At 10 frames a second a face that walks up moves little in between.
const SAME_FACE_AT: f32 = 0.3;

/// Names a track within one camera; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrackId(pub u64);

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
}

impl<T> Default for Tracks<T> {
    fn default() -> Self {
        Self { tracks: Vec::new(), next: 0 }
    }
}

impl<T> Tracks<T> {
    /// Continues or starts a track for each box of one frame, and forgets old ones. Returns the track of each box.
    ///
    /// The best-overlapping pair is joined first, so that of two people close together each keeps their own track.
    pub fn update(&mut self, boxes_in_frame: &[Rect], now: Monotonic, start: impl Fn() -> T) -> Vec<TrackId> {
        self.tracks.retain(|t| now.since(t.seen) < FORGOTTEN_AFTER);
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (b, candidate) in boxes_in_frame.iter().enumerate() {
            for (t, track) in self.tracks.iter().enumerate() {
                let overlap = candidate.iou(&track.box_in_frame);
                if overlap >= SAME_FACE_AT {
                    pairs.push((overlap, b, t));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut ids: Vec<Option<TrackId>> = vec![None; boxes_in_frame.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, b, t) in pairs {
            if ids[b].is_none() && !taken[t] {
                taken[t] = true;
                ids[b] = Some(self.tracks[t].id);
                self.tracks[t].box_in_frame = boxes_in_frame[b];
                self.tracks[t].seen = now;
            }
        }
        ids.into_iter()
            .zip(boxes_in_frame)
            .map(|(id, box_in_frame)| id.unwrap_or_else(|| self.add(*box_in_frame, now, start())))
            .collect()
    }

    fn add(&mut self, box_in_frame: Rect, seen: Monotonic, state: T) -> TrackId {
        let id = TrackId(self.next);
        self.next += 1;
        self.tracks.push(Track { id, box_in_frame, seen, state });
        id
    }

    /// A track that is still followed.
    pub fn get_mut(&mut self, id: TrackId) -> Option<&mut Track<T>> {
        self.tracks.iter_mut().find(|t| t.id == id)
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

    fn face(x: f32) -> Rect {
        Rect { x, y: 100.0, width: 100.0, height: 120.0 }
    }

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn two_faces_side_by_side_keep_their_tracks_while_they_move() {
        let mut tracks = Tracks::<()>::default();
        let first = tracks.update(&[face(0.0), face(150.0)], at(0), || ());
        // Listed the other way round, and each a little further.
        let second = tracks.update(&[face(160.0), face(10.0)], at(100), || ());
        assert_eq!(second, [first[1], first[0]]);
    }

    #[test]
    fn a_face_that_is_gone_is_forgotten() {
        let mut tracks = Tracks::<()>::default();
        let first = tracks.update(&[face(0.0)], at(0), || ());
        tracks.update(&[], at(1_999), || ());
        assert_eq!(tracks.len(), 1);
        tracks.update(&[], at(2_000), || ());
        assert!(tracks.is_empty());
        let again = tracks.update(&[face(0.0)], at(2_100), || ());
        assert_ne!(first, again, "a name is never used again");
    }
}
