//! What is known of a scene by its [`Thumbnail`]s: a picture that hasn't changed is told from one that has, and a camera that was
//! moved from one that wasn't.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::Thumbnail;
use serde::{Deserialize, Serialize};

const COLUMNS: usize = Thumbnail::COLUMNS;
const ROWS: usize = Thumbnail::ROWS;
const CELLS: usize = Thumbnail::CELLS;
/// A picture is counted at least so often, changed or not: what changes slowly, like the light, adds up.
const AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Tells whether a picture has changed since the last one that was counted.
#[derive(Debug, Default)]
pub struct ChangeCheck {
    counted: Thumbnail,
    at: Option<Monotonic>,
}

impl ChangeCheck {
    /// Whether this picture is to be counted. If so, it is the one that the next ones are compared with.
    pub fn is_due(&mut self, new: &Thumbnail, now: Monotonic) -> bool {
        let recent = self.at.is_some_and(|at| now.since(at) < AT_LEAST_EVERY);
        let due = !recent || new.differs(&self.counted);
        if due {
            self.counted.copy_from(new);
            self.at = Some(now);
        }
        due
    }
}

/// The edges of a scene, by which it is known again: brightness differences along both axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceView {
    columns: usize,
    rows: usize,
    /// From left to right, cell by cell.
    across: Vec<i16>,
    /// From top to bottom.
    down: Vec<i16>,
}

/// Differences smaller than this are no edge.
const EDGE: f32 = 6.0;
/// A scene of fewer edges, as a part of its cells, can't be known again: fog, or a lens that is covered.
const FEWEST_EDGES: f32 = 0.03;
/// How far a camera that was moved is looked for, in cells: a tenth of the picture each way.
const REACH: isize = 6;
/// How alike the edges are, as the mean cosine between them, when a shifted scene is the same; and by how much it must be better
/// than the scene where it should be. A fixed camera over pedestrians had 0.88 and more over 80 seconds; moved by 2 % of its
/// picture's width 0.58 in place and 0.87 shifted back.
const ALIKE: f32 = 0.6;
const BETTER: f32 = 0.2;
/// Parts of the picture that are alike where they should be: below this share, the camera looks elsewhere. A crowd over nine
/// tenths of a picture left 10 %, other scenes had none, the same scene at night under noise 23 %.
const FEWEST_PARTS: f32 = 0.05;
/// A truck in front of the lens goes away again.
const HELD: Duration = Duration::from_secs(20);
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A scene is learnt from so many pictures, so that people who walk through it are not in it.
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

    /// Whether it is one, when it comes from a file.
    pub fn is_sound(&self) -> bool {
        let cells = self.columns == COLUMNS && self.rows == ROWS;
        cells && self.across.len() == CELLS && self.down.len() == CELLS
    }

    fn edge(&self, at: usize) -> (f32, f32, f32) {
        let (across, down) = (f32::from(self.across[at]), f32::from(self.down[at]));
        (across, down, across.hypot(down))
    }

    /// Whether there is enough in it to be known again.
    fn has_edges(&self) -> bool {
        let edges = (0..CELLS).filter(|at| self.edge(*at).2 > EDGE).count();
        edges as f32 >= FEWEST_EDGES * CELLS as f32
    }

    /// Mean cosine between the edges of both within some cells of this one, the other shifted; and how many edges there are.
    fn alike(
        &self,
        other: &Self,
        cells: (std::ops::Range<usize>, std::ops::Range<usize>),
        shift: (isize, isize),
    ) -> (f32, usize) {
        let (mut sum, mut edges) = (0.0, 0);
        for row in cells.0 {
            for column in cells.1.clone() {
                let (x, y, strength) = self.edge(row * COLUMNS + column);
                if strength <= EDGE {
                    continue;
                }
                let (Some(column), Some(row)) = (column.checked_add_signed(shift.0), row.checked_add_signed(shift.1))
                else {
                    continue;
                };
                if column >= COLUMNS || row >= ROWS {
                    continue;
                }
                edges += 1;
                let (u, v, other_strength) = other.edge(row * COLUMNS + column);
                if other_strength > EDGE / 2.0 {
                    sum += (x * u + y * v) / (strength * other_strength);
                }
            }
        }
        (sum / edges.max(1) as f32, edges)
    }

    fn alike_all(&self, other: &Self, shift: (isize, isize)) -> f32 {
        self.alike(other, (0..ROWS, 0..COLUMNS), shift).0
    }

    /// The share of parts that are alike where they should be.
    fn parts_in_place(&self, other: &Self) -> f32 {
        const PART: (usize, usize) = (6, 8);
        let (mut parts, mut alike) = (0, 0);
        for top in (0..ROWS).step_by(PART.0) {
            for left in (0..COLUMNS).step_by(PART.1) {
                let (cosine, edges) = self.alike(other, (top..top + PART.0, left..left + PART.1), (0, 0));
                if edges * 4 >= PART.0 * PART.1 {
                    parts += 1;
                    alike += usize::from(cosine > ALIKE);
                }
            }
        }
        alike as f32 / parts.max(1) as f32
    }

    fn is_elsewhere(&self, other: &Self) -> bool {
        let in_place = self.alike_all(other, (0, 0));
        if in_place >= ALIKE + BETTER {
            return false;
        }
        let shifts = (-REACH..=REACH).flat_map(|x| (-REACH..=REACH).map(move |y| (x, y)));
        let best = shifts.map(|shift| self.alike_all(other, shift)).fold(in_place, f32::max);
        (best >= ALIKE && best >= in_place + BETTER) || self.parts_in_place(other) < FEWEST_PARTS
    }
}

/// Tells whether a camera still looks at what its zones were drawn on.
#[derive(Debug)]
pub struct ViewCheck {
    reference: Option<ReferenceView>,
    learning: Vec<Thumbnail>,
    looked: Option<Monotonic>,
    elsewhere_since: Option<Monotonic>,
    moved: bool,
    /// Once it was seen to look where its zones were drawn, something that hides that is most likely a lorry. Before, nothing
    /// speaks for the zones.
    was_in_place: bool,
}

impl ViewCheck {
    /// With the reference view; without one, it is learnt from the first minute.
    pub fn new(reference: Option<ReferenceView>) -> Self {
        let (learning, looked, elsewhere_since) = (Vec::new(), None, None);
        Self { reference, learning, looked, elsewhere_since, moved: false, was_in_place: false }
    }

    /// Whether the camera was moved, as far as was judged.
    pub fn moved(&self) -> bool {
        self.moved
    }

    /// Judges by the picture of `now` whether the camera was moved. Gives the reference view when it was just learnt.
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
    use gatehouse_picture::{Size, YuvPicture};

    use super::*;

    const SIZE: Size = Size { width: 640, height: 360 };

    struct Scene(Vec<u8>);

    impl Scene {
        /// Boxes of many sizes at places of their own, seen by a camera that was shifted by so many pixels.
        fn street(shift: (isize, isize)) -> Self {
            Self::boxes(1, shift)
        }

        fn boxes(seed: usize, shift: (isize, isize)) -> Self {
            let mut luma = vec![90u8; SIZE.width * SIZE.height];
            let mut random = seed.wrapping_mul(2_654_435_761);
            let mut next = |below: usize| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            for _ in 0..60 {
                let (left, top) = (next(SIZE.width) as isize + shift.0, next(SIZE.height) as isize + shift.1);
                let (width, height, value) = (20 + next(80) as isize, 20 + next(60) as isize, next(200) as u8 + 20);
                for y in top.max(0)..(top + height).min(SIZE.height as isize) {
                    for x in left.max(0)..(left + width).min(SIZE.width as isize) {
                        luma[y as usize * SIZE.width + x as usize] = value;
                    }
                }
            }
            Self(luma)
        }

        fn with(mut self, noise: usize, seed: usize) -> Self {
            for (i, value) in self.0.iter_mut().enumerate() {
                let random = (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                *value = value.saturating_add((random % (noise + 1)) as u8);
            }
            self
        }

        fn someone(mut self, left: usize, top: usize) -> Self {
            for y in top..top + 30 {
                self.0[y * SIZE.width + left..y * SIZE.width + left + 10].fill(10);
            }
            self
        }

        fn look<T>(&self, look: impl FnOnce(&YuvPicture<'_>) -> T) -> T {
            let chroma = vec![128u8; SIZE.width * SIZE.height / 4];
            let strides = [SIZE.width, SIZE.width / 2, SIZE.width / 2];
            look(&YuvPicture::i420(SIZE, [&self.0, &chroma, &chroma], strides).expect("planes fit"))
        }
    }

    fn at(s: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(s))
    }

    #[test]
    fn noise_changes_nothing_and_one_person_does() {
        let mut check = ChangeCheck::default();
        let mut due = |scene: Scene, s: u64| scene.look(|picture| check.is_due(&Thumbnail::of(picture), at(s)));
        assert!(due(Scene::street((0, 0)).with(12, 1), 0), "the first");
        assert!(!due(Scene::street((0, 0)).with(12, 2), 1));
        assert!(due(Scene::street((0, 0)).with(12, 3).someone(300, 200), 2));
        assert!(!due(Scene::street((0, 0)).with(12, 4).someone(300, 200), 3));
        assert!(due(Scene::street((0, 0)).with(12, 5).someone(304, 200), 4), "a step of four pixels");
        assert!(!due(Scene::street((0, 0)).with(12, 6).someone(304, 200), 33));
        assert!(due(Scene::street((0, 0)).with(12, 7).someone(304, 200), 34), "now and then, in any case");
    }

    #[test]
    fn a_look_takes_no_memory_changed_or_not() {
        let (mut thumbnail, mut check) = (Thumbnail::default(), ChangeCheck::default());
        for due in [true, false] {
            Scene::street((0, 0)).look(|picture| {
                let look = || {
                    thumbnail.take(picture);
                    assert_eq!(check.is_due(&thumbnail, at(1)), due);
                };
                assert_eq!(allocation_counter::measure(look).count_total, 0);
            });
        }
    }

    fn learnt() -> ViewCheck {
        let mut check = ViewCheck::new(None);
        for i in 0..30 {
            // People walk through it.
            let scene = Scene::street((0, 0)).with(12, i).someone(20 * i, 150);
            let (moved, reference) = scene.look(|picture| {
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

    fn moved_within_a_minute(check: &mut ViewCheck, scene: impl Fn(usize) -> Scene) -> Option<u64> {
        (0..30u64).map(|i| 2 * i).find(|s| scene(*s as usize).look(|picture| is_moved(check, picture, 100 + s)))
    }

    #[test]
    fn a_camera_that_stays_was_not_moved_by_night_or_by_a_crowd() {
        let mut check = learnt();
        assert_eq!(moved_within_a_minute(&mut check, |i| Scene::street((0, 0)).with(40, i)), None);
        let dark = |i: usize| Scene(Scene::street((0, 0)).with(12, i).0.iter().map(|v| 16 + v / 3).collect());
        assert_eq!(moved_within_a_minute(&mut check, dark), None);
        let crowded = |i: usize| {
            let (street, crowd) = (Scene::street((0, 0)).0, Scene::boxes(i + 9, (0, 0)).0);
            Scene([&street[..SIZE.width * 90], &crowd[SIZE.width * 90..]].concat())
        };
        assert_eq!(moved_within_a_minute(&mut check, crowded), None, "three quarters are a crowd");
    }

    #[test]
    fn a_camera_that_was_pushed_or_turned_away_is_noticed_and_forgiven_when_it_is_put_back() {
        for scene in [Scene::street as fn((isize, isize)) -> Scene, |_| Scene::boxes(77, (0, 0))] {
            let mut check = learnt();
            let since = moved_within_a_minute(&mut check, |i| scene((22, 12)).with(12, i));
            assert_eq!(since, Some(20), "held for twenty seconds");
            let back = Scene::street((0, 0)).look(|picture| is_moved(&mut check, picture, 300));
            assert!(!back);
        }
    }

    #[test]
    fn a_camera_that_was_moved_while_nobody_looked_is_noticed_at_once() {
        let mut check = ViewCheck::new(learnt().reference);
        assert_eq!(moved_within_a_minute(&mut check, |i| Scene::street((22, 12)).with(12, i)), Some(0));
        let mut check = ViewCheck::new(learnt().reference);
        assert!(!Scene::street((0, 0)).look(|picture| is_moved(&mut check, picture, 10)));
        let since = moved_within_a_minute(&mut check, |i| Scene::street((22, 12)).with(12, i));
        assert_eq!(since, Some(20), "once it was seen in place, it takes its time");
    }

    #[test]
    fn a_scene_without_edges_is_never_a_reference() {
        let mut check = ViewCheck::new(None);
        let fog = Scene(vec![120; SIZE.width * SIZE.height]);
        for i in 0..40 {
            assert!(fog.look(|picture| check.judge(&Thumbnail::of(picture), at(2 * i)).is_none()));
        }
    }
}
