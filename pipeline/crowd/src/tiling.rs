//! Plans a camera's tiles: parts in which people are too small for the whole picture.
//!
//! The ground calibration gives the apparent height of people, or detections teach it: on flat
//! ground it grows linearly from the horizon down. Tiles cover the rows in which people are small
//! but visible, in bands that enlarge more the farther away they are. Neighbours overlap, so that a
//! person whom one cuts is whole in the next.

use std::sync::Arc;

use gatehouse_core::ground::GroundCalibration;
use gatehouse_people::{Person, SMALL_PX, Tile};
use gatehouse_picture::{Point, Size};

use crate::ground::GroundPlane;

/// Rows of the picture for which heights are computed.
const ROWS: usize = 128;
/// Least height of a detectable person in the camera's own pixels, at any enlargement.
const LEAST_IN_FRAME_PX: f32 = SMALL_PX / 2.0;
/// Least enlargement that is worth the cost of a tile.
const LEAST_GAIN: f32 = 1.25;
/// Overlap of neighbours in heights of the band's highest person: a person's width and a margin.
const OVERLAP: f32 = 0.6;
/// Margins above heads and below feet, in heights of a person.
const ABOVE: f32 = 0.15;
const BELOW: f32 = 0.1;

/// The tiles of one camera.
#[derive(Debug)]
pub struct Tiling {
    most: usize,
    detail_px: usize,
    ground: Option<GroundCalibration>,
    heights: Heights,
    /// Pictures since the tiles were planned.
    since: u32,
    laid: Option<(Size, Arc<[Tile]>)>,
}

impl Tiling {
    /// Plans at most `most` tiles. `detail_px` is the longer side of the whole picture in the
    /// tensor. Without a ground calibration there are no tiles until enough people were detected.
    pub fn new(most: usize, detail_px: usize, ground: Option<GroundCalibration>) -> Self {
        Self { most, detail_px, ground, heights: Heights::default(), since: 0, laid: None }
    }

    /// Tiles for pictures of this size.
    pub fn tiles(&mut self, frame: Size) -> Arc<[Tile]> {
        if let Some((size, tiles)) = &self.laid
            && *size == frame
        {
            return Arc::clone(tiles);
        }
        let tiles: Arc<[Tile]> = self.plan(frame).into();
        self.laid = Some((frame, Arc::clone(&tiles)));
        tiles
    }

    /// Learns apparent heights from detections, if there is no ground calibration.
    pub fn learn(&mut self, people: &[Person], frame: Size) {
        /// Pictures after which tiles are planned again, in case the camera was turned.
        const ANEW: u32 = 64;
        if self.most == 0 || self.ground.is_some() {
            return;
        }
        let knew = self.heights.line().is_some();
        self.heights.add(people, frame);
        self.since += 1;
        if self.since >= ANEW || (!knew && self.heights.line().is_some()) {
            (self.since, self.laid) = (0, None);
        }
    }

    fn plan(&self, frame: Size) -> Vec<Tile> {
        let (detail_px, most) = (self.detail_px, self.most);
        match &self.ground {
            Some(calibration) => {
                // One that fits no camera was refused when the node started.
                let plane = GroundPlane::new(calibration, frame).ok();
                plan(|y| plane.as_ref()?.person_height(Point { x: 0.5, y }), frame, detail_px, most)
            }
            None => {
                let line = self.heights.line();
                plan(|y| line.map(|(at_top, slope)| at_top + slope * y), frame, detail_px, most)
            }
        }
    }
}

/// Least-squares line of people's heights over feet, in picture heights; older pictures weigh less.
#[derive(Debug, Default)]
struct Heights {
    people: f64,
    feet: f64,
    heights: f64,
    feet_squared: f64,
    products: f64,
    heights_squared: f64,
}

impl Heights {
    fn add(&mut self, people: &[Person], frame: Size) {
        /// The last 35 pictures have half of the weight.
        const KEPT: f64 = 0.98;
        /// Least score of a detection to learn from.
        const LEAST_SCORE: f32 = 0.4;
        let Self { people: count, feet, heights, feet_squared, products, heights_squared } = self;
        for sum in [&mut *count, feet, heights, feet_squared, products, heights_squared] {
            *sum *= KEPT;
        }
        let tall = frame.height as f32;
        // People cut by the picture's edge are higher than their boxes.
        let whole = |person: &&Person| {
            let b = person.box_in_frame;
            person.score >= LEAST_SCORE && b.y > 0.01 * tall && b.bottom() < 0.99 * tall
        };
        for person in people.iter().filter(whole) {
            let foot = f64::from(person.box_in_frame.bottom() / tall);
            let height = f64::from(person.box_in_frame.height / tall);
            *count += 1.0;
            *feet += foot;
            *heights += height;
            *feet_squared += foot * foot;
            *products += foot * height;
            *heights_squared += height * height;
        }
    }

    /// Height at the picture's top (often negative) and its slope to the bottom. None if too few
    /// people were detected, at too few places, or if their heights don't fit flat ground.
    fn line(&self) -> Option<(f32, f32)> {
        const ENOUGH: f64 = 8.0;
        /// Least deviation of the feet, in heights of the picture.
        const LEAST_SPREAD: f64 = 0.05;
        /// Least share of the heights' variance that the line explains.
        const LEAST_EXPLAINED: f64 = 0.5;
        if self.people < ENOUGH {
            return None;
        }
        let mean = |sum: f64| sum / self.people;
        let (foot, height) = (mean(self.feet), mean(self.heights));
        let feet_vary = mean(self.feet_squared) - foot * foot;
        let heights_vary = mean(self.heights_squared) - height * height;
        let together = mean(self.products) - foot * height;
        let slope = together / feet_vary;
        let explained = together * together / (feet_vary * heights_vary);
        let is_ground = feet_vary > LEAST_SPREAD * LEAST_SPREAD && slope > 0.0 && explained >= LEAST_EXPLAINED;
        is_ground.then_some(((height - slope * foot) as f32, slope as f32))
    }
}

/// Plans at most `most` tiles for the rows at which people are small. `height_at` gives the height
/// of a person with feet at a row, both in heights of the picture. No tile has more tensor pixels
/// than the whole picture; if that takes too many tiles, the farthest people are not covered.
fn plan(height_at: impl Fn(f32) -> Option<f32>, frame: Size, detail_px: usize, most: usize) -> Vec<Tile> {
    let scale = detail_px as f32 / frame.width.max(frame.height) as f32;
    let rows = (0..ROWS).filter_map(|row| {
        let foot = (row as f32 + 0.5) / ROWS as f32;
        let height = height_at(foot)? * frame.height as f32;
        let gains = height >= LEAST_IN_FRAME_PX && enlarged(height) >= LEAST_GAIN * scale;
        gains.then_some(Row { foot: foot * frame.height as f32, height })
    });
    let rows: Vec<Row> = rows.collect();
    let layouts = (0..rows.len()).map(|farthest| bands(&rows[farthest..], frame, scale));
    let mut fitting = layouts.filter(|bands| bands.iter().map(|band| band.count).sum::<usize>() <= most);
    fitting.next().unwrap_or_default().iter().flat_map(|band| band.tiles(frame)).collect()
}

/// Tensor pixels per picture pixel at which people of this height are large enough; at most 1.
fn enlarged(height: f32) -> f32 {
    (SMALL_PX / height).min(1.0)
}

/// A row of feet and the height of people there, in pixels of the picture.
#[derive(Debug, Clone, Copy)]
struct Row {
    foot: f32,
    height: f32,
}

/// A row of tiles with the same enlargement, in pixels of the picture.
#[derive(Debug, Clone, Copy)]
struct Band {
    top: f32,
    bottom: f32,
    /// Pixels of the tensor per pixel of the picture.
    scale: f32,
    overlap: f32,
    count: usize,
}

/// Splits rows, farthest first, into the fewest bands. `scale` is the whole picture's.
fn bands(rows: &[Row], frame: Size, scale: f32) -> Vec<Band> {
    let (width, tall) = (frame.width as f32, frame.height as f32);
    let mut bands = Vec::new();
    let mut rest = rows;
    while let [farthest, ..] = rest {
        let enlarged = enlarged(farthest.height);
        let side = |of_whole: f32| of_whole * scale / enlarged;
        let (mut top, mut bottom, mut highest, mut taken) = (farthest.foot, farthest.foot, farthest.height, 0);
        for row in rest {
            let above = top.min(row.foot - (1.0 + ABOVE) * row.height).max(0.0);
            // People with feet between this row and the next are whole in this band.
            let below = bottom.max(row.foot + tall / ROWS as f32 + BELOW * row.height).min(tall);
            if taken > 0 && below - above > side(tall) {
                break;
            }
            (top, bottom, highest, taken) = (above, below, highest.max(row.height), taken + 1);
        }
        // At least half of each tile doesn't overlap.
        let overlap = (OVERLAP * highest).min(side(width) / 2.0);
        let count = ((width - overlap) / (side(width) - overlap)).ceil().max(1.0) as usize;
        bands.push(Band { top, bottom, scale: enlarged, overlap, count });
        rest = &rest[taken..];
    }
    bands
}

impl Band {
    fn tiles(self, frame: Size) -> impl Iterator<Item = Tile> {
        let even = |value: f32| (value / 2.0) as usize * 2;
        let across = (frame.width as f32 + (self.count - 1) as f32 * self.overlap) / self.count as f32;
        let top_px = even(self.top);
        let height = even(self.bottom - top_px as f32 + 1.0).clamp(2, (frame.height - top_px) / 2 * 2);
        (0..self.count).map(move |number| {
            let left_px = even(number as f32 * (across - self.overlap));
            let width = even(across + 2.0).clamp(2, (frame.width - left_px) / 2 * 2);
            let longer_side_px = (width.max(height) as f32 * self.scale).round() as usize;
            Tile { left_px, top_px, size: Size { width, height }, longer_side_px }
        })
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::Rect;
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 3840, height: 2160 };
    const MOUNTED: GroundCalibration =
        GroundCalibration::Mounting { height_m: 8.0, tilt_deg: 20.0, field_of_view_deg: 70.0 };

    /// A person with feet there, as high as the calibration says.
    fn person(x: f32, y: f32) -> Person {
        let plane = GroundPlane::new(&MOUNTED, FRAME).expect("a camera");
        let height = plane.person_height(Point { x, y }).expect("ground") * FRAME.height as f32;
        let (x, bottom) = (x * FRAME.width as f32, y * FRAME.height as f32);
        let box_in_frame = Rect { x: x - 0.2 * height, y: bottom - height, width: 0.4 * height, height };
        Person { box_in_frame, score: 0.7 }
    }

    #[test]
    fn known_tiles_allocate_nothing() {
        let mut tiling = Tiling::new(8, 768, Some(MOUNTED));
        assert!(!tiling.tiles(FRAME).is_empty());
        let people = [person(0.5, 0.5)];
        let again = || {
            tiling.learn(&people, FRAME);
            drop(tiling.tiles(FRAME));
        };
        assert_eq!(allocation_counter::measure(again).count_total, 0);
    }

    /// Scale of each tile.
    fn scales(tiles: &[Tile]) -> Vec<f32> {
        tiles.iter().map(|tile| tile.longer_side_px as f32 / tile.size.width.max(tile.size.height) as f32).collect()
    }

    #[test]
    fn tiles_enlarge_the_far_part_of_a_wide_picture() {
        let tiles = |most| Tiling::new(most, 768, Some(MOUNTED)).tiles(FRAME);
        let (few, many) = (tiles(3), tiles(16));
        assert!((1..=3).contains(&few.len()) && (6..=16).contains(&many.len()), "{few:?} {many:?}");
        let (of_few, of_many) = (scales(&few), scales(&many));
        let all_enlarge = |scales: &[f32]| scales.iter().all(|scale| (0.2..=1.01).contains(scale));
        assert!(all_enlarge(&of_few) && all_enlarge(&of_many), "{of_few:?} {of_many:?}");
        assert!(of_many.is_sorted_by(|far, near| *far >= near - 0.01), "the farther, the larger: {of_many:?}");
        assert!(of_many[0] > of_few[0], "more tiles reach farther: {of_many:?} {of_few:?}");
    }

    #[test]
    fn large_people_need_no_tile() {
        // A near door; and a camera with no more pixels than the tensor.
        let door = GroundCalibration::Mounting { height_m: 2.5, tilt_deg: 45.0, field_of_view_deg: 60.0 };
        assert!(Tiling::new(6, 768, Some(door)).tiles(FRAME).is_empty());
        assert!(Tiling::new(6, 768, Some(MOUNTED)).tiles(Size { width: 640, height: 360 }).is_empty());
        assert!(Tiling::new(0, 768, Some(MOUNTED)).tiles(FRAME).is_empty());
    }

    #[test]
    fn without_a_calibration_tiles_follow_detections() {
        let mut tiling = Tiling::new(6, 768, None);
        assert!(tiling.tiles(FRAME).is_empty());
        let people: Vec<Person> = (0..12).map(|i| person(0.08 * i as f32 + 0.05, 0.35 + 0.04 * i as f32)).collect();
        tiling.learn(&people[..4], FRAME);
        assert!(tiling.tiles(FRAME).is_empty(), "four say too little");
        tiling.learn(&people, FRAME);
        let (learnt, known) = (tiling.tiles(FRAME), Tiling::new(6, 768, Some(MOUNTED)).tiles(FRAME));
        let bottom = |tiles: &[Tile]| tiles.iter().map(|tile| tile.top_px + tile.size.height).max().unwrap_or_default();
        assert!(!learnt.is_empty() && bottom(&learnt).abs_diff(bottom(&known)) < 120, "{learnt:?} beside {known:?}");
        // People of one size everywhere don't stand on ground that recedes.
        let mut alike = Tiling::new(6, 768, None);
        let same = people.iter().map(|p| Person { box_in_frame: Rect { height: 150.0, ..p.box_in_frame }, ..*p });
        alike.learn(&same.collect::<Vec<_>>(), FRAME);
        assert!(alike.tiles(FRAME).is_empty());
    }

    proptest! {
        /// Each small, visible person is whole in a tile if there may be enough tiles. Tiles stay
        /// within the picture, their number and the whole picture's pixels in the tensor.
        #[test]
        fn each_small_person_is_whole_in_a_tile(
            height_m in 3f64..20.0, tilt_deg in 5f64..50.0, field_of_view_deg in 30f64..100.0,
            most in 1usize..16, detail_px in 256usize..1024, x in 0f32..1.0, y in 0f32..1.0,
        ) {
            let ground = GroundCalibration::Mounting { height_m, tilt_deg, field_of_view_deg };
            let few = Tiling::new(most, detail_px, Some(ground)).tiles(FRAME);
            let all = Tiling::new(usize::MAX, detail_px, Some(ground)).tiles(FRAME);
            prop_assert!(few.len() <= most);
            for tile in few.iter().chain(&*all) {
                let Tile { left_px, top_px, size, longer_side_px } = *tile;
                prop_assert!(left_px + size.width <= FRAME.width && top_px + size.height <= FRAME.height, "{:?}", tile);
                prop_assert!([left_px, top_px, size.width, size.height].iter().all(|v| v % 2 == 0), "{:?}", tile);
                prop_assert!(longer_side_px <= detail_px + 4, "{:?}", tile);
            }
            let plane = GroundPlane::new(&ground, FRAME).expect("a camera");
            // In the middle column, whose heights stand for all.
            let Some(height) = plane.person_height(Point { x: 0.5, y }) else { return Ok(()) };
            let (height, foot) = (height * FRAME.height as f32, y * FRAME.height as f32);
            let limit = SMALL_PX / LEAST_GAIN / (detail_px as f32 / FRAME.width as f32);
            // Heights may differ slightly between two rows.
            prop_assume!(height > LEAST_IN_FRAME_PX * 1.2 && height < limit / 1.2 && foot > height);
            let left = x * FRAME.width as f32;
            let right = left + 0.4 * height;
            prop_assume!(right < FRAME.width as f32);
            let whole = all.iter().any(|tile| {
                let (from_x, from_y) = (tile.left_px as f32, tile.top_px as f32);
                let (to_x, to_y) = (from_x + tile.size.width as f32, from_y + tile.size.height as f32);
                left >= from_x && right <= to_x && foot - height >= from_y && foot <= to_y
            });
            prop_assert!(whole, "{} {} at {}: {:?}", foot, height, left, all);
        }
    }
}
