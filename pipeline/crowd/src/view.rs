//! Detects a camera that was moved, by the edges of its scene.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Thumbnail;
use glam::{Affine2, Vec2};
use serde::{Deserialize, Serialize};

const COLUMNS: usize = Thumbnail::COLUMNS;
const ROWS: usize = Thumbnail::ROWS;
const CELLS: usize = Thumbnail::CELLS;

/// Edges of a scene: brightness differences along both axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceView {
    columns: usize,
    rows: usize,
    /// Differences from left to right, cell by cell.
    across: Vec<i16>,
    /// Differences from top to bottom.
    down: Vec<i16>,
}

/// Least difference of an edge.
const EDGE: f32 = 6.0;
/// Least share of cells with edges in a reference; fog or a covered lens has fewer.
const FEWEST_EDGES: f32 = 0.03;
/// Least similarity of a moved scene (mean cosine of its edges), and its least gain over the place
/// where the scene should be.
///
/// Measured in place: 0.85 and more in 80 s of a fixed camera; 0.1 to 0.5 if turned by up to 20° or
/// zoomed by 0.7 to 1.5, and 0.56 and more when moved back. Other scenes: at most 0.17.
const ALIKE: f32 = 0.5;
const BETTER: f32 = 0.2;
/// Search of moves: shifts by up to a tenth of the picture, turns about the axis, zooms, or both. A
/// step moves the picture's corners by about a cell.
const REACH: isize = 6;
const TURNS: isize = 7;
const TURN: f32 = 3.0;
const ZOOMS: isize = 8;
const ZOOM: f32 = 1.065;
/// Greatest shift of the middle, in cells, of a turn or zoom.
const WANDERS: isize = 2;
/// Edges for the search; all visible ones must then confirm it, and at least this share be visible.
const SEARCHED: usize = 150;
const LEAST_SEEN: f32 = 0.2;
/// Share of similar parts in place below which the camera was moved. Measured: 10 % under a crowd
/// over nine tenths of the picture, 23 % at night under noise, 0 % for other scenes.
const FEWEST_PARTS: f32 = 0.05;
const PART_ALIKE: f32 = 0.6;
/// Time that a move must hold: a truck in front of the lens leaves again.
const HELD: Duration = Duration::from_secs(20);
/// Time between checks.
const EVERY: Duration = Duration::from_secs(2);
/// Pictures of a learnt reference; their median has no walking people.
const LEARNT_FROM: usize = 30;

impl ReferenceView {
    fn of(means: &[f32; CELLS]) -> Self {
        let difference = |a: usize, b: usize| (means[a] - means[b]).clamp(-512.0, 512.0) as i16;
        let (mut across, mut down) = (vec![0; CELLS], vec![0; CELLS]);
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let at = row * COLUMNS + column;
                if (1..COLUMNS - 1).contains(&column) {
                    across[at] = difference(at + 1, at - 1);
                }
                if (1..ROWS - 1).contains(&row) {
                    down[at] = difference(at + COLUMNS, at - COLUMNS);
                }
            }
        }
        Self { columns: COLUMNS, rows: ROWS, across, down }
    }

    /// True if it is valid, when it comes from a file.
    pub fn is_sound(&self) -> bool {
        let cells = self.columns == COLUMNS && self.rows == ROWS;
        cells && self.across.len() == CELLS && self.down.len() == CELLS
    }

    fn edge(&self, at: usize) -> Vec2 {
        Vec2::new(f32::from(self.across[at]), f32::from(self.down[at]))
    }

    /// Direction of each cell's edge, if it is stronger than `least`.
    fn directions(&self, least: f32) -> impl Iterator<Item = Option<Vec2>> {
        (0..CELLS).map(move |at| Some(self.edge(at)).filter(|edge| edge.length() > least)?.try_normalize())
    }

    fn has_edges(&self) -> bool {
        self.directions(EDGE).flatten().count() as f32 >= FEWEST_EDGES * CELLS as f32
    }

    fn is_elsewhere(&self, other: &Self) -> bool {
        let edges: Vec<_> =
            self.directions(EDGE).enumerate().filter_map(|(at, edge)| Some((place(at), edge?))).collect();
        let seen: Vec<_> = other.directions(EDGE / 2.0).map(Option::unwrap_or_default).collect();
        let in_place = alike(&edges, &seen, &Move::NONE);
        if in_place + BETTER > 1.0 {
            return false;
        }
        let some: Vec<_> = edges.iter().step_by(edges.len().div_ceil(SEARCHED).max(1)).copied().collect();
        let how_alike = |moved: Move| (alike(&some, &seen, &moved), moved);
        let best = Move::all().map(how_alike).max_by(|a, b| a.0.total_cmp(&b.0));
        let moved = best.map_or(0.0, |(_, moved)| alike(&edges, &seen, &moved));
        (moved >= ALIKE && moved >= in_place + BETTER) || self.parts_in_place(&seen) < FEWEST_PARTS
    }

    fn parts_in_place(&self, seen: &[Vec2]) -> f32 {
        const PART: (usize, usize) = (6, 8);
        let mut parts = [(0.0, 0usize); (ROWS / PART.0) * (COLUMNS / PART.1)];
        for (at, edge) in self.directions(EDGE).enumerate() {
            if let Some(edge) = edge {
                let (cosines, edges) = &mut parts[at / COLUMNS / PART.0 * (COLUMNS / PART.1) + at % COLUMNS / PART.1];
                (*cosines, *edges) = (*cosines + edge.dot(seen[at]), *edges + 1);
            }
        }
        let judged = || parts.iter().filter(|(_, edges)| edges * 4 >= PART.0 * PART.1);
        let alike = judged().filter(|(cosines, edges)| *cosines > PART_ALIKE * *edges as f32).count();
        alike as f32 / judged().count().max(1) as f32
    }
}

/// Place of a cell, from the picture's middle.
fn place(at: usize) -> Vec2 {
    Vec2::new((at % COLUMNS) as f32, (at / COLUMNS) as f32) - MIDDLE
}

const MIDDLE: Vec2 = Vec2::new((COLUMNS - 1) as f32 / 2.0, (ROWS - 1) as f32 / 2.0);

#[derive(Debug, Clone, Copy)]
struct Move {
    to: Affine2,
    zoom: f32,
}

impl Move {
    const NONE: Self = Self { to: Affine2::IDENTITY, zoom: 1.0 };

    fn all() -> impl Iterator<Item = Self> {
        let moves = (-TURNS..=TURNS).flat_map(|turn| (-ZOOMS..=ZOOMS).map(move |zoom| (turn, zoom)));
        moves.flat_map(|(turn, zoom)| {
            let (reach, step) = if (turn, zoom) == (0, 0) { (REACH, 1) } else { (WANDERS, WANDERS as usize) };
            let along = move || (-reach..=reach).step_by(step);
            along().flat_map(move |x| along().map(move |y| (x, y))).map(move |(x, y)| {
                let (angle, zoom) = ((turn as f32 * TURN).to_radians(), ZOOM.powi(zoom as i32));
                let shift = Vec2::new(x as f32, y as f32);
                Self { to: Affine2::from_scale_angle_translation(Vec2::splat(zoom), angle, shift), zoom }
            })
        })
    }
}

/// Mean cosine between edges and the seen ones after a move; 0 if too few stay visible.
fn alike(edges: &[(Vec2, Vec2)], seen: &[Vec2], moved: &Move) -> f32 {
    let (mut sum, mut within) = (0.0, 0usize);
    for (at, edge) in edges {
        let cell = moved.to.transform_point2(*at) + MIDDLE + Vec2::splat(0.5);
        if cell.x < 0.0 || cell.y < 0.0 || cell.x >= COLUMNS as f32 || cell.y >= ROWS as f32 {
            continue;
        }
        within += 1;
        sum += moved.to.transform_vector2(*edge).dot(seen[cell.y as usize * COLUMNS + cell.x as usize]);
    }
    let enough = within as f32 >= LEAST_SEEN * edges.len() as f32;
    if enough { sum / (moved.zoom * within.max(1) as f32) } else { 0.0 }
}

/// Checks that a camera still shows the scene that its zones were drawn on.
#[derive(Debug)]
pub struct ViewCheck {
    reference: Option<ReferenceView>,
    learning: Vec<Thumbnail>,
    looked: Option<Monotonic>,
    elsewhere_since: Option<Monotonic>,
    moved: bool,
    /// True once the scene was seen in place: a later change is most likely a truck in the way.
    was_in_place: bool,
}

impl ViewCheck {
    /// Starts with a reference view; without one, it learns it in the first minute.
    pub fn new(reference: Option<ReferenceView>) -> Self {
        let (learning, looked, elsewhere_since) = (Vec::new(), None, None);
        Self { reference, learning, looked, elsewhere_since, moved: false, was_in_place: false }
    }

    /// True if the camera was moved, by the last check.
    pub fn moved(&self) -> bool {
        self.moved
    }

    /// Checks the picture of `now`. Returns the reference view if it was just learnt.
    pub fn judge(&mut self, picture: &Thumbnail, now: Monotonic) -> Option<&ReferenceView> {
        if self.looked.is_some_and(|at| now.since(at) < EVERY) {
            return None;
        }
        self.looked = Some(now);
        let Some(reference) = &self.reference else {
            self.learning.push(picture.clone());
            if self.learning.len() < LEARNT_FROM {
                return None;
            }
            let learnt = ReferenceView::of(&medians(&self.learning));
            self.learning.clear();
            if learnt.has_edges() {
                (self.reference, self.was_in_place) = (Some(learnt), true);
            }
            return self.reference.as_ref();
        };
        if !reference.is_elsewhere(&ReferenceView::of(picture.means())) {
            (self.elsewhere_since, self.moved, self.was_in_place) = (None, false, true);
        } else {
            let since = *self.elsewhere_since.get_or_insert(now);
            self.moved |= !self.was_in_place || now.since(since) >= HELD;
        }
        None
    }
}

fn medians(of: &[Thumbnail]) -> Box<[f32; CELLS]> {
    let mut medians = Box::new([0f32; CELLS]);
    let mut values = Vec::with_capacity(of.len());
    for (at, median) in medians.iter_mut().enumerate() {
        values.clear();
        values.extend(of.iter().map(|thumbnail| thumbnail.means()[at]));
        values.sort_by(f32::total_cmp);
        *median = values[values.len() / 2];
    }
    medians
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::YuvPicture;

    use super::*;
    use crate::street::{SIZE, Street, at};

    fn learnt() -> ViewCheck {
        let mut check = ViewCheck::new(None);
        for i in 0..30 {
            // People walk through the scene.
            let scene = Street::shifted((0, 0)).with_noise(12, i).with_someone(20 * i, 150);
            let (moved, reference) = scene.with_picture(|picture| {
                let reference = check.judge(&Thumbnail::of(picture), at(2 * i as u64)).cloned();
                (check.moved(), reference)
            });
            assert!(!moved);
            assert_eq!(reference.is_some(), i == 29);
        }
        check
    }

    fn is_moved(check: &mut ViewCheck, picture: &YuvPicture<'_>, s: u64) -> bool {
        check.judge(&Thumbnail::of(picture), at(s));
        check.moved()
    }

    fn moved_within_a_minute(check: &mut ViewCheck, scene: impl Fn(usize) -> Street) -> Option<u64> {
        (0..30u64).map(|i| 2 * i).find(|s| scene(*s as usize).with_picture(|picture| is_moved(check, picture, 100 + s)))
    }

    #[test]
    fn night_and_crowds_are_no_move() {
        let mut check = learnt();
        assert_eq!(moved_within_a_minute(&mut check, |i| Street::shifted((0, 0)).with_noise(40, i)), None);
        let dark = |i: usize| Street(Street::shifted((0, 0)).with_noise(12, i).0.iter().map(|v| 16 + v / 3).collect());
        assert_eq!(moved_within_a_minute(&mut check, dark), None);
        let crowded = |i: usize| {
            let (street, crowd) = (Street::shifted((0, 0)).0, Street::boxes(i + 9, |x, y| (x, y)).0);
            Street([&street[..SIZE.width * 90], &crowd[SIZE.width * 90..]].concat())
        };
        assert_eq!(moved_within_a_minute(&mut check, crowded), None, "three quarters are a crowd");
    }

    #[test]
    fn a_shifted_camera_is_detected_until_it_is_put_back() {
        for scene in [Street::shifted as fn((isize, isize)) -> Street, |_| Street::boxes(77, |x, y| (x, y))] {
            let mut check = learnt();
            let since = moved_within_a_minute(&mut check, |i| scene((22, 12)).with_noise(12, i));
            assert_eq!(since, Some(20), "held for twenty seconds");
            let back = Street::shifted((0, 0)).with_picture(|picture| is_moved(&mut check, picture, 300));
            assert!(!back);
        }
    }

    #[test]
    fn a_turned_or_zoomed_camera_is_detected() {
        for (degrees, zoom) in [(4.0, 1.0), (-4.0, 1.0), (0.0, 1.08), (0.0, 0.92), (3.0, 1.05), (15.0, 1.0), (0.0, 1.5)]
        {
            let mut check = learnt();
            let since = moved_within_a_minute(&mut check, |i| Street::turned(degrees, zoom).with_noise(12, i));
            assert_eq!(since, Some(20), "{degrees}°, {zoom} times");
        }
        let mut check = learnt();
        let slightly = moved_within_a_minute(&mut check, |i| Street::turned(1.0, 1.01).with_noise(12, i));
        assert_eq!(slightly, None, "zones are still where they should be, within a hundredth of the picture");
    }

    #[test]
    fn a_move_before_the_start_is_detected_at_once() {
        let mut check = ViewCheck::new(learnt().reference);
        assert_eq!(moved_within_a_minute(&mut check, |i| Street::shifted((22, 12)).with_noise(12, i)), Some(0));
        let mut check = ViewCheck::new(learnt().reference);
        assert!(!Street::shifted((0, 0)).with_picture(|picture| is_moved(&mut check, picture, 10)));
        let since = moved_within_a_minute(&mut check, |i| Street::shifted((22, 12)).with_noise(12, i));
        assert_eq!(since, Some(20), "once it was seen in place, it takes its time");
    }

    #[test]
    fn a_scene_without_edges_is_no_reference() {
        let mut check = ViewCheck::new(None);
        let fog = Street(vec![120; SIZE.width * SIZE.height]);
        for i in 0..40 {
            assert!(fog.with_picture(|picture| check.judge(&Thumbnail::of(picture), at(2 * i)).is_none()));
        }
    }
}
