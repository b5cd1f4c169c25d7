//! Parts of a picture that are looked at again, larger, and how what was found in them is joined with what the whole showed.

use gatehouse_picture::{Rect, Size, YuvPicture};

use crate::nanodet::Person;

/// People of less height in the tensor are looked for in tiles. COCO, which the detectors were trained on, calls objects of less than
/// 32² pixels small (Lin et al., 2014), and a person of 50 pixels has about that area.
pub const SMALL_PX: f32 = 50.0;
/// Boxes of different looks that overlap by more than this are of one person.
const SAME_IOU: f32 = 0.5;
/// So is one that lies in another by more than this part of itself: the head and shoulders of somebody near, say.
const INSIDE: f32 = 0.75;
/// Unless it is lower than this part of the other's height: then it is somebody far behind.
const LEAST_PART: f32 = 0.3;
/// A box that ends so near a tile's inner edge is of somebody whom the edge cuts, in pixels of the tensor.
const CUT_PX: f32 = 3.0;

/// A part of a picture to be looked at larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Where it begins, in pixels of the picture; even.
    pub left_px: usize,
    /// The same from the top.
    pub top_px: usize,
    /// Even sides, in pixels of the picture.
    pub size: Size,
    /// How large it is looked at: its longer side in the tensor, in pixels.
    pub longer_side_px: usize,
}

impl Tile {
    /// Its pixels. None unless it lies in the picture, at even places.
    pub(crate) fn of<'a>(&self, picture: &YuvPicture<'a>) -> Option<YuvPicture<'a>> {
        picture.part(self.left_px, self.top_px, self.size)
    }

    /// Pixels of the tensor for one of the picture.
    fn scale(&self) -> f32 {
        self.longer_side_px as f32 / self.size.width.max(self.size.height) as f32
    }

    /// Whether somebody with this box, in pixels of the tile, may go on beyond an edge of it that isn't one of the picture.
    fn cuts(&self, in_tile: &Rect, frame: Size) -> bool {
        let near = CUT_PX / self.scale();
        let (right, bottom) = (self.size.width as f32, self.size.height as f32);
        (self.left_px > 0 && in_tile.x < near)
            || (self.top_px > 0 && in_tile.y < near)
            || (self.left_px + self.size.width < frame.width && in_tile.right() > right - near)
            || (self.top_px + self.size.height < frame.height && in_tile.bottom() > bottom - near)
    }
}

/// Who comes first where two looks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// Large enough in the whole: no tile knows better.
    Large,
    /// In a tile.
    Tiled,
    /// Small in the whole.
    Small,
}

/// Somebody in one look.
#[derive(Debug)]
pub(crate) struct Seen {
    precedence: Precedence,
    /// Which tile; none for the whole.
    look: Option<usize>,
    /// Who comes first of those with the same score.
    order: usize,
    person: Person,
}

/// Joins what the whole picture showed, whose longer side had `longer_side_px` in the tensor, with what each tile did, in pixels of that
/// tile. Everybody is there once: whom a tile's edge cuts is in its neighbour or, if too large for any, in the whole. Best first.
/// `seen` is for working in.
pub(crate) fn join<'t>(
    whole: &mut Vec<Person>,
    longer_side_px: usize,
    tiles: impl Iterator<Item = (&'t Tile, &'t [Person])>,
    frame: Size,
    seen: &mut Vec<Seen>,
) {
    let scale = longer_side_px as f32 / frame.width.max(frame.height) as f32;
    seen.clear();
    for person in whole.drain(..) {
        let large = person.box_in_frame.height * scale >= SMALL_PX;
        let precedence = if large { Precedence::Large } else { Precedence::Small };
        seen.push(Seen { precedence, look: None, order: seen.len(), person });
    }
    for (number, (tile, people)) in tiles.enumerate() {
        for person in people.iter().filter(|person| !tile.cuts(&person.box_in_frame, frame)) {
            let mut person = *person;
            person.box_in_frame.x += tile.left_px as f32;
            person.box_in_frame.y += tile.top_px as f32;
            seen.push(Seen { precedence: Precedence::Tiled, look: Some(number), order: seen.len(), person });
        }
    }
    let better =
        |one: &Seen, other: &Seen| other.person.score.total_cmp(&one.person.score).then(one.order.cmp(&other.order));
    seen.sort_unstable_by(|one, other| one.precedence.cmp(&other.precedence).then(better(one, other)));
    let mut kept = 0;
    for next in 0..seen.len() {
        // Two boxes of one look have been told apart already.
        let Seen { look, person, .. } = &seen[next];
        let twice = |known: &Seen| known.look != *look && same(&known.person.box_in_frame, &person.box_in_frame);
        if !seen[..kept].iter().any(twice) {
            seen[next].order = kept;
            seen.swap(kept, next);
            kept += 1;
        }
    }
    seen.truncate(kept);
    seen.sort_unstable_by(better);
    whole.extend(seen.drain(..).map(|seen| seen.person));
}

/// Whether two looks' boxes are of one person.
fn same(one: &Rect, other: &Rect) -> bool {
    let part = one.height.min(other.height) / one.height.max(other.height);
    let inside = one.overlap(other) > INSIDE * one.area().min(other.area());
    (inside && part >= LEAST_PART) || one.iou(other) > SAME_IOU
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 1920, height: 1080 };
    /// The whole picture at 768 pixels.
    const SIDE: usize = 768;

    fn person(x: f32, y: f32, height: f32, score: f32) -> Person {
        Person { box_in_frame: Rect { x, y, width: height * 0.4, height }, score }
    }

    /// Two tiles side by side over the top of the picture, which overlap by 120 pixels.
    fn tiles() -> [Tile; 2] {
        let size = Size { width: 1020, height: 400 };
        [0, 900].map(|left_px| Tile { left_px, top_px: 100, size, longer_side_px: 1020 })
    }

    /// What a look shows of people: those who are high enough in its tensor, cut off at its edges.
    fn look(people: &[Person], tile: &Tile) -> Vec<Person> {
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

    fn joined(people: &[Person]) -> Vec<Person> {
        let whole = Tile { left_px: 0, top_px: 0, size: FRAME, longer_side_px: SIDE };
        let mut all = look(people, &whole);
        let tiles = tiles();
        let in_tiles = tiles.map(|tile| look(people, &tile));
        join(&mut all, SIDE, tiles.iter().zip(in_tiles.iter().map(Vec::as_slice)), FRAME, &mut Vec::new());
        all
    }

    #[test]
    fn somebody_cut_by_a_tiles_edge_is_one_person() {
        // In the overlap, on its left edge, on its right edge; and one too large for it, whom the whole shows.
        for x in [940.0, 890.0, 1000.0] {
            assert_eq!(joined(&[person(x, 200.0, 60.0, 0.7)]).len(), 1, "at {x}");
        }
        let near = person(850.0, 300.0, 500.0, 0.8);
        assert_eq!(joined(&[near]), [near]);
    }

    #[test]
    fn head_and_shoulders_of_somebody_near_are_not_another() {
        let near = person(300.0, 250.0, 400.0, 0.8);
        let shoulders = Person { box_in_frame: Rect { x: 320.0, y: 160.0, width: 120.0, height: 200.0 }, score: 0.9 };
        let mut all = vec![near];
        let [tile, _] = tiles();
        join(&mut all, SIDE, std::iter::once((&tile, [shoulders].as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all, [near]);
    }

    #[test]
    fn somebody_far_behind_somebody_near_is_another() {
        let near = person(300.0, 250.0, 400.0, 0.8);
        let far = Person { box_in_frame: Rect { x: 340.0, y: 180.0, width: 24.0, height: 60.0 }, score: 0.7 };
        let mut all = vec![near];
        let [tile, _] = tiles();
        join(&mut all, SIDE, std::iter::once((&tile, [far].as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all.len(), 2, "{all:?}");
    }

    #[test]
    fn a_tile_knows_better_of_those_who_are_small() {
        // The whole took three for one.
        let blur = Person { box_in_frame: Rect { x: 200.0, y: 200.0, width: 90.0, height: 80.0 }, score: 0.6 };
        let three = [0.0, 30.0, 60.0].map(|x| person(200.0 + x, 140.0, 62.0, 0.55));
        let mut all = vec![blur];
        let [tile, _] = tiles();
        let in_tile =
            three.map(|p| Person { box_in_frame: Rect { y: p.box_in_frame.y - 40.0, ..p.box_in_frame }, ..p });
        join(&mut all, SIDE, std::iter::once((&tile, in_tile.as_slice())), FRAME, &mut Vec::new());
        assert_eq!(all.len(), 3, "{all:?}");
    }

    proptest! {
        /// Whoever any look shows whole is there once, however people stand, as long as they don't hide each other.
        #[test]
        fn everybody_is_there_once(places in proptest::collection::btree_set((0usize..38, 0usize..4), 0..60)) {
            let people: Vec<Person> = places.iter().map(|(column, row)| {
                // Farther up they are smaller; 50 pixels apart, so that no two overlap.
                let height = 50.0 + 20.0 * *row as f32;
                person(*column as f32 * 50.0 + 2.0, 110.0 + *row as f32 * 100.0, height, 0.5 + 0.01 * *row as f32)
            }).collect();
            let all = joined(&people);
            prop_assert_eq!(all.len(), people.len());
            for person in &people {
                let found = all.iter().any(|other| other.box_in_frame.iou(&person.box_in_frame) > 0.999);
                prop_assert!(found, "{:?} is missing", person);
            }
        }
    }
}
