//! Tiles: parts of a picture that a detector sees again, larger, and how detections are merged.

use gatehouse_picture::{Rect, Size, YuvPicture};

use crate::nanodet::Person;

/// Height in the tensor below which people are small, in pixels: tiles show them larger. COCO, on
/// which the detectors were trained, calls objects below 32² pixels small (Lin et al., 2014). A
/// person of 50 pixels has about that area.
pub const SMALL_PX: f32 = 50.0;
/// Intersection over union above which boxes of two views are one person.
const SAME_IOU: f32 = 0.5;
/// Share of the smaller box inside the larger above which they are one person: head and shoulders
/// of a near person, for example.
const INSIDE: f32 = 0.75;
/// Ratio of heights below which a box inside another is a person far behind.
const LEAST_HEIGHT_RATIO: f32 = 0.3;
/// Distance to a tile's inner edge, in pixels of the tensor, within which the edge cuts a box.
const CUT_PX: f32 = 3.0;

/// A part of a picture that the detector sees larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Left edge in pixels of the picture; even.
    pub left_px: usize,
    /// Upper edge in pixels of the picture; even.
    pub top_px: usize,
    /// Size in pixels of the picture; even sides.
    pub size: Size,
    /// Longer side in the tensor, in pixels.
    pub longer_side_px: usize,
}

impl Tile {
    /// Its part of a picture. None if it isn't inside the picture or at odd pixels.
    pub(crate) fn cut<'a>(&self, picture: &YuvPicture<'a>) -> Option<YuvPicture<'a>> {
        picture.part(self.left_px, self.top_px, self.size)
    }

    /// Pixels of the tensor per pixel of the picture.
    fn scale(&self) -> f32 {
        self.longer_side_px as f32 / self.size.width.max(self.size.height) as f32
    }

    /// True if an inner edge of the tile may cut the person with this box, in pixels of the tile.
    fn cuts(&self, in_tile: &Rect, frame: Size) -> bool {
        let near = CUT_PX / self.scale();
        let (right, bottom) = (self.size.width as f32, self.size.height as f32);
        (self.left_px > 0 && in_tile.x < near)
            || (self.top_px > 0 && in_tile.y < near)
            || (self.left_px + self.size.width < frame.width && in_tile.right() > right - near)
            || (self.top_px + self.size.height < frame.height && in_tile.bottom() > bottom - near)
    }
}

/// Which view counts where two views differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// A large person in the whole picture.
    Large,
    /// A person in a tile.
    Tiled,
    /// A small person in the whole picture.
    Small,
}

#[derive(Debug)]
pub(crate) struct Candidate {
    precedence: Precedence,
    /// Number of the tile; none for the whole picture.
    tile: Option<usize>,
    /// Breaks ties of equal scores.
    order: usize,
    person: Person,
}

/// Merges tiles' detections, in pixels of each tile, into those of the whole picture, best first.
///
/// `longer_side_px` is the whole picture's in the tensor. Each person is there once: one whom a
/// tile's edge cuts is in the neighbouring tile or, if too large for tiles, in the whole picture.
/// `candidates` is working memory.
pub(crate) fn merge<'t>(
    whole: &mut Vec<Person>,
    longer_side_px: usize,
    tiles: impl Iterator<Item = (&'t Tile, &'t [Person])>,
    frame: Size,
    candidates: &mut Vec<Candidate>,
) {
    let scale = longer_side_px as f32 / frame.width.max(frame.height) as f32;
    candidates.clear();
    for person in whole.drain(..) {
        let large = person.box_in_frame.height * scale >= SMALL_PX;
        let precedence = if large { Precedence::Large } else { Precedence::Small };
        candidates.push(Candidate { precedence, tile: None, order: candidates.len(), person });
    }
    for (number, (tile, people)) in tiles.enumerate() {
        for person in people.iter().filter(|person| !tile.cuts(&person.box_in_frame, frame)) {
            let mut person = *person;
            person.box_in_frame.x += tile.left_px as f32;
            person.box_in_frame.y += tile.top_px as f32;
            let order = candidates.len();
            candidates.push(Candidate { precedence: Precedence::Tiled, tile: Some(number), order, person });
        }
    }
    let better = |one: &Candidate, other: &Candidate| {
        other.person.score.total_cmp(&one.person.score).then(one.order.cmp(&other.order))
    };
    candidates.sort_unstable_by(|one, other| one.precedence.cmp(&other.precedence).then(better(one, other)));
    let mut kept = 0;
    for next in 0..candidates.len() {
        // Non-maximum suppression has separated the boxes of one view already.
        let Candidate { tile, person, .. } = &candidates[next];
        let is_same =
            |known: &Candidate| known.tile != *tile && is_one_person(&known.person.box_in_frame, &person.box_in_frame);
        if !candidates[..kept].iter().any(is_same) {
            candidates[next].order = kept;
            candidates.swap(kept, next);
            kept += 1;
        }
    }
    candidates.truncate(kept);
    candidates.sort_unstable_by(better);
    whole.extend(candidates.drain(..).map(|candidate| candidate.person));
}

fn is_one_person(one: &Rect, other: &Rect) -> bool {
    let height_ratio = one.height.min(other.height) / one.height.max(other.height);
    let inside = one.overlap(other) > INSIDE * one.area().min(other.area());
    (inside && height_ratio >= LEAST_HEIGHT_RATIO) || one.iou(other) > SAME_IOU
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 1920, height: 1080 };
    /// Longer side of the whole picture in the tensor.
    const SIDE: usize = 768;

    fn person(x: f32, y: f32, height: f32, score: f32) -> Person {
        Person { box_in_frame: Rect { x, y, width: height * 0.4, height }, score }
    }

    /// Two tiles side by side over the top of the picture, which overlap by 120 pixels.
    fn tiles() -> [Tile; 2] {
        let size = Size { width: 1020, height: 400 };
        [0, 900].map(|left_px| Tile { left_px, top_px: 100, size, longer_side_px: 1020 })
    }

    /// The detections of a view: people who are high enough in its tensor, cut at its edges.
    fn view(people: &[Person], tile: &Tile) -> Vec<Person> {
        let (left, top) = (tile.left_px as f32, tile.top_px as f32);
        let shown = people.iter().filter_map(|person| {
            let b = person.box_in_frame;
            let moved = Rect { x: b.x - left, y: b.y - top, ..b };
            let cut = moved.clamped(tile.size);
            let enough = cut.area() > 0.3 * b.area() && b.height * tile.scale() >= SMALL_PX * 0.8;
            enough.then_some(Person { box_in_frame: cut, ..*person })
        });
        shown.collect()
    }

    fn merged(people: &[Person]) -> Vec<Person> {
        let whole = Tile { left_px: 0, top_px: 0, size: FRAME, longer_side_px: SIDE };
        let mut all = view(people, &whole);
        let tiles = tiles();
        let in_tiles = tiles.map(|tile| view(people, &tile));
        merge(&mut all, SIDE, tiles.iter().zip(in_tiles.iter().map(Vec::as_slice)), FRAME, &mut Vec::new());
        all
    }

    #[test]
    fn a_person_cut_by_a_tiles_edge_counts_once() {
        // In the overlap, on its left edge, on its right edge; and one too large for tiles.
        for x in [940.0, 890.0, 1000.0] {
            assert_eq!(merged(&[person(x, 200.0, 60.0, 0.7)]).len(), 1, "at {x}");
        }
        let near = person(850.0, 300.0, 500.0, 0.8);
        assert_eq!(merged(&[near]), [near]);
    }

    #[test]
    fn head_and_shoulders_are_no_second_person() {
        let near = person(300.0, 250.0, 400.0, 0.8);
        let shoulders = Person { box_in_frame: Rect { x: 320.0, y: 160.0, width: 120.0, height: 200.0 }, score: 0.9 };
        let mut all = vec![near];
        let [tile, _] = tiles();
        merge(&mut all, SIDE, std::iter::once((&tile, [shoulders].as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all, [near]);
    }

    #[test]
    fn a_person_far_behind_a_near_one_is_another() {
        let near = person(300.0, 250.0, 400.0, 0.8);
        let far = Person { box_in_frame: Rect { x: 340.0, y: 180.0, width: 24.0, height: 60.0 }, score: 0.7 };
        let mut all = vec![near];
        let [tile, _] = tiles();
        merge(&mut all, SIDE, std::iter::once((&tile, [far].as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all.len(), 2, "{all:?}");
    }

    #[test]
    fn tiles_replace_small_detections_of_the_whole() {
        // The whole picture shows three people as one.
        let blur = Person { box_in_frame: Rect { x: 200.0, y: 200.0, width: 90.0, height: 80.0 }, score: 0.6 };
        let three = [0.0, 30.0, 60.0].map(|x| person(200.0 + x, 140.0, 62.0, 0.55));
        let mut all = vec![blur];
        let [tile, _] = tiles();
        let in_tile =
            three.map(|p| Person { box_in_frame: Rect { y: p.box_in_frame.y - 40.0, ..p.box_in_frame }, ..p });
        merge(&mut all, SIDE, std::iter::once((&tile, in_tile.as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all.len(), 3, "{all:?}");
    }

    proptest! {
        /// Each person whom any view shows whole is there once, if people don't overlap.
        #[test]
        fn each_person_is_there_once(places in proptest::collection::btree_set((0usize..38, 0usize..4), 0..60)) {
            let people: Vec<Person> = places.iter().map(|(column, row)| {
                // Farther up they are smaller; 50 pixels apart, so that no two overlap.
                let height = 50.0 + 20.0 * *row as f32;
                person(*column as f32 * 50.0 + 2.0, 110.0 + *row as f32 * 100.0, height, 0.5 + 0.01 * *row as f32)
            }).collect();
            let all = merged(&people);
            prop_assert_eq!(all.len(), people.len());
            for person in &people {
                let found = all.iter().any(|other| other.box_in_frame.iou(&person.box_in_frame) > 0.999);
                prop_assert!(found, "{:?} is missing", person);
            }
        }
    }
}
