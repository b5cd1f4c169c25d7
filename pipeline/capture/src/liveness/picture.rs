//! Detects a camera whose picture no longer changes, with or without an on-screen clock.
//!
//! An encoder skips the blocks of a still scene, so its pictures may be equal for a whole group of
//! pictures. A live sensor's noise shows all the same: now and then a block is coded, and no two
//! key frames are equal. A clock that is drawn into a frozen picture changes one small region at
//! whole seconds, and between these the picture stands still. `docs/design/capture.md` has the
//! rules and the streams that they were measured on.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::health::Frozen;
use gatehouse_core::time::Monotonic;
use gatehouse_picture::YuvPicture;
use gatehouse_picture::cells::{CELLS, COLUMNS, Cells, checksums};

/// The least time of equal pictures that are called frozen, and of equal key frames after the
/// first.
const MIN_FROZEN: Duration = Duration::from_secs(5);
const EQUAL_KEY_FRAMES: u32 = 2;
/// The least time that only a clock has changed, or key frames of one size; and that nothing has
/// changed where there are no key frames. Two key-frame intervals, if these are longer.
const MIN_WATCHED: Duration = Duration::from_secs(24);
const MIN_WATCHED_WITHOUT_KEY_FRAMES: Duration = Duration::from_secs(60);
/// The bit rate's control may change a frozen picture's key frames, but not their sizes: by 0.2 %
/// in the measured stream. A still scene's noise changes them by 1 %.
const SIZES_WITHIN: f64 = 0.005;
const KEY_FRAMES_OF_ONE_SIZE: u32 = 4;
/// Behind a key frame the encoder refines the picture: in at most this many pictures, or half of
/// the group.
const REFINED_IN: u32 = 20;
/// A clock is recognised by its last ticks. Its region takes part in most of them, and is at most
/// so large.
const TICKS: usize = 8;
const TICKS_OF_REGION: usize = 6;
const CLOCK_CELLS: usize = 36;
const CLOCK_ROWS: usize = 3;
/// Ticks are whole seconds apart, within this or a little more than the time between pictures; the
/// encoder refines their picture for as long as `REFINED_TICK`; and this many pictures between them
/// are unchanged.
const STEP_WITHIN: f64 = 0.06;
const PICTURES_WITHIN: f64 = 1.1;
/// With fewer pictures each would be in step.
const MAX_PICTURE_GAP: f64 = 0.34;
const REFINED_TICK: f64 = 0.45;
const UNCHANGED_BETWEEN: u32 = 2;

/// Which cells of a picture changed.
type Changed = [bool; CELLS];

/// What the stream says of a decoded picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureFacts {
    /// True for a picture that refers to no other: of a source without access units, each.
    pub(crate) is_key: bool,
    /// Its encoded size in bytes; 0 if unknown.
    pub(crate) bytes: usize,
    pub(crate) at: Monotonic,
}

/// The pictures of one connection.
#[derive(Debug)]
pub(crate) struct PictureWatch {
    last: Option<(Cells, Monotonic)>,
    /// The last key frame.
    key: Option<(Cells, Monotonic)>,
    key_gap: Duration,
    /// Pictures since the last key frame, and between the two before.
    since_key: u32,
    group: u32,
    /// When last something changed that isn't a clock, between key frames; and from one key frame
    /// to the next.
    changed: Monotonic,
    key_changed: Monotonic,
    /// Key frames in a row that were like the one before.
    equal: u32,
    /// Key frames since the last change, with the least and the greatest size.
    keys: u32,
    sizes: (usize, usize),
    ticks: Ticks,
}

impl Default for PictureWatch {
    fn default() -> Self {
        let start = Monotonic::from_start(Duration::ZERO);
        Self {
            last: None,
            key: None,
            key_gap: Duration::ZERO,
            since_key: 0,
            group: u32::MAX,
            changed: start,
            key_changed: start,
            equal: 0,
            keys: 0,
            sizes: (usize::MAX, 0),
            ticks: Ticks::default(),
        }
    }
}

impl PictureWatch {
    /// Judges the next picture, in the order of presentation. `None` while nothing says that it is
    /// frozen.
    pub(crate) fn judge(&mut self, picture: &YuvPicture<'_>, facts: PictureFacts) -> Option<Frozen> {
        self.on_cells(checksums(picture), facts)
    }

    fn on_cells(&mut self, cells: Cells, facts: PictureFacts) -> Option<Frozen> {
        let Some((last, last_at)) = self.last.replace((cells, facts.at)) else {
            (self.changed, self.key_changed) = (facts.at, facts.at);
            self.key = facts.is_key.then_some((cells, facts.at));
            return None;
        };
        if facts.is_key {
            self.on_key_frame(&cells, facts);
        } else {
            self.since_key = self.since_key.saturating_add(1);
            if self.since_key > REFINED_IN.min(self.group / 2) {
                self.on_settled(&last, &cells, facts.at.since(last_at), facts.at);
            }
        }
        self.verdict(facts.at)
    }

    fn on_key_frame(&mut self, cells: &Cells, PictureFacts { bytes, at, .. }: PictureFacts) {
        self.group = std::mem::take(&mut self.since_key);
        if let Some((key, key_at)) = self.key.replace((*cells, at)) {
            self.key_gap = at.since(key_at);
            self.keys += 1;
            self.sizes = (self.sizes.0.min(bytes), self.sizes.1.max(bytes));
            if key == *cells {
                self.equal += 1;
                return;
            }
            self.equal = 0;
            // Without pictures between them, key frames are all that is known.
            let is_all = self.group == 0;
            if is_all {
                (self.changed, self.ticks) = (at, Ticks::default());
            }
            if is_all || !self.sizes_are_equal() {
                (self.key_changed, self.keys, self.sizes) = (at, 0, (bytes, bytes));
            }
        }
    }

    fn sizes_are_equal(&self) -> bool {
        let (least, greatest) = self.sizes;
        least > 0 && (greatest - least) as f64 <= SIZES_WITHIN * greatest as f64
    }

    /// A picture behind those in which the encoder refines a key frame.
    fn on_settled(&mut self, last: &Cells, cells: &Cells, gap: Duration, at: Monotonic) {
        let mut changed = [false; CELLS];
        changed.iter_mut().zip(last.iter().zip(cells)).for_each(|(changed, (a, b))| *changed = a != b);
        if !changed.contains(&true) {
            self.ticks.on_unchanged();
        } else if !self.ticks.on_change(changed, gap, at) {
            (self.changed, self.key_changed) = (at, at);
            (self.equal, self.keys, self.sizes) = (0, 0, (usize::MAX, 0));
        }
    }

    fn verdict(&self, at: Monotonic) -> Option<Frozen> {
        let since_change = at.since(self.changed);
        let watched = MIN_WATCHED.max(2 * self.key_gap);
        if self.equal >= EQUAL_KEY_FRAMES && since_change >= MIN_FROZEN {
            return Some(Frozen::EqualKeyFrames { lasts: since_change });
        }
        if let Some(since) = self.ticks.clock_since() {
            return (at.since(since) >= watched).then(|| Frozen::OnlyClock { lasts: at.since(since) });
        }
        if !self.ticks.is_empty() {
            return None;
        }
        let is_same_size = self.keys >= KEY_FRAMES_OF_ONE_SIZE && self.group > 0 && self.sizes_are_equal();
        let still = since_change.min(at.since(self.key_changed));
        if is_same_size && still >= watched {
            return Some(Frozen::EqualKeyFrames { lasts: still });
        }
        let lasts = since_change;
        (self.key.is_none() && lasts >= MIN_WATCHED_WITHOUT_KEY_FRAMES).then_some(Frozen::EqualKeyFrames { lasts })
    }
}

/// Changes of a picture that come in step with a clock.
#[derive(Debug, Default)]
struct Ticks {
    last: VecDeque<(Monotonic, Changed)>,
    /// When the first of them came.
    since: Option<Monotonic>,
    /// Unchanged pictures since the last one.
    unchanged: u32,
}

impl Ticks {
    fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    fn on_unchanged(&mut self) {
        self.unchanged = self.unchanged.saturating_add(1);
    }

    /// A picture changed. False if that isn't in step with the changes before: it may be the first
    /// tick of a clock, and it is a sign of life.
    fn on_change(&mut self, changed: Changed, picture_gap: Duration, at: Monotonic) -> bool {
        let picture_gap = picture_gap.as_secs_f64();
        let within = STEP_WITHIN.max(PICTURES_WITHIN * picture_gap);
        let gap = self.last.back().map(|(last, _)| at.since(*last).as_secs_f64());
        let unchanged = std::mem::take(&mut self.unchanged);
        let is_in_step = match gap {
            Some(gap) if unchanged == 0 && gap < REFINED_TICK => return true,
            Some(gap) => {
                let is_clear = unchanged >= UNCHANGED_BETWEEN && picture_gap <= MAX_PICTURE_GAP;
                is_clear && gap > 0.5 && (gap - gap.round()).abs() <= within
            }
            None => false,
        };
        if !is_in_step {
            self.last.clear();
            self.since = Some(at);
        }
        if self.last.len() == TICKS {
            self.last.pop_front();
        }
        self.last.push_back((at, changed));
        is_in_step
    }

    /// Since when a clock has ticked, if the last changes are its ticks.
    fn clock_since(&self) -> Option<Monotonic> {
        if self.last.len() < TICKS {
            return None;
        }
        let is_region =
            |cell: &usize| self.last.iter().filter(|(_, changed)| changed[*cell]).count() >= TICKS_OF_REGION;
        let mut region = (0..CELLS).filter(is_region);
        let first = region.next()?;
        let (count, last) = region.fold((1, first), |(count, _), cell| (count + 1, cell));
        let is_small = count <= CLOCK_CELLS && last / COLUMNS < first / COLUMNS + CLOCK_ROWS;
        self.since.filter(|_| is_small)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What changes in a camera's pictures.
    #[derive(Debug, Clone, Copy)]
    struct Scene {
        fps: f64,
        group: u32,
        /// True if nothing reaches the sensor any more.
        is_dead: bool,
        has_clock: bool,
        /// Pictures between key frames in which noise has a block coded: one in this number; 0 for
        /// none.
        coded_every: u32,
        /// Key frames differ though the source doesn't: the bit rate's control, or a clock at the
        /// top from which prediction drags changes over the picture.
        key_frames_vary: bool,
    }

    /// The moments at which the verdict changed, in seconds.
    fn verdicts(scene: Scene, seconds: f64) -> Vec<(f64, Option<Frozen>)> {
        let mut watch = PictureWatch::default();
        let mut verdicts: Vec<(f64, Option<Frozen>)> = Vec::new();
        let mut base = [7u64; CELLS];
        let mut now = base;
        for number in 0..(seconds * scene.fps) as u32 {
            let at = f64::from(number) / scene.fps;
            let is_key = number % scene.group == 0;
            let second = at as u64;
            if is_key {
                if !scene.is_dead || scene.key_frames_vary {
                    base.iter_mut().for_each(|cell| *cell = cell.wrapping_mul(3));
                }
                now = base;
            } else if !scene.is_dead
                && scene.coded_every > 0
                && random(number).is_multiple_of(u64::from(scene.coded_every))
            {
                now[number as usize * 7 % CELLS] += 1;
            }
            if scene.has_clock {
                now[33] = 1000 + second % 10;
                now[32] = 1000 + second / 10;
            }
            // A dead sensor's key frames have one size; the clock's digits change it.
            let noise = if scene.is_dead && !scene.has_clock { number % 3 } else { number * 37 % 500 };
            let facts = PictureFacts { is_key, bytes: 20_000 + noise as usize, at: moment(at) };
            let verdict = watch.on_cells(now, facts);
            let kind = |verdict: &Option<Frozen>| verdict.as_ref().map(std::mem::discriminant);
            if verdicts.last().is_none_or(|(_, last)| kind(last) != kind(&verdict)) {
                verdicts.push((at, verdict));
            }
        }
        verdicts
    }

    /// SplitMix64.
    fn random(number: u32) -> u64 {
        let mixed = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 31
    }

    fn moment(seconds: f64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs_f64(seconds))
    }

    const LIVE: Scene =
        Scene { fps: 10.0, group: 20, is_dead: false, has_clock: false, coded_every: 0, key_frames_vary: true };

    #[test]
    fn a_still_scene_behind_a_skipping_encoder_is_live() {
        for group in [1, 2, 10, 250, 1000] {
            assert_eq!(verdicts(Scene { group, ..LIVE }, 150.0).len(), 1, "a key frame every {group}");
        }
    }

    #[test]
    fn equal_key_frames_are_frozen() {
        let dead = Scene { is_dead: true, key_frames_vary: false, ..LIVE };
        for (group, expected) in [(1, 5.0), (10, 5.0), (20, 5.0), (50, 10.0), (250, 50.0)] {
            let verdicts = verdicts(Scene { group, ..dead }, 120.0);
            let [(_, None), (at, Some(Frozen::EqualKeyFrames { .. }))] = verdicts[..] else { panic!("{verdicts:?}") };
            assert!((expected..expected + 0.2).contains(&at), "a key frame every {group}: {at}");
        }
        let controlled = verdicts(Scene { key_frames_vary: true, ..dead }, 60.0);
        let [(_, None), (at, Some(Frozen::EqualKeyFrames { .. }))] = controlled[..] else { panic!("{controlled:?}") };
        assert!((24.0..26.0).contains(&at), "key frames of one size: {at}");
    }

    #[test]
    fn a_running_clock_alone_is_no_life() {
        for (group, expected) in [(20, 25.0), (50, 25.0), (250, 51.0)] {
            let scene = Scene { is_dead: true, has_clock: true, fps: 25.0, group: group * 5 / 2, ..LIVE };
            let verdicts = verdicts(scene, 120.0);
            let [(_, None), (at, Some(Frozen::OnlyClock { .. }))] = verdicts[..] else { panic!("{verdicts:?}") };
            assert!((expected - 0.1..expected + 2.0).contains(&at), "a key frame every {group}: {at}");
        }
    }

    #[test]
    fn a_frozen_picture_thaws_at_the_first_change() {
        let mut watch = PictureWatch::default();
        let cells = [7; CELLS];
        let mut at = 0.0;
        let mut show = |watch: &mut PictureWatch, cells: Cells| {
            at += 1.0;
            watch.on_cells(cells, PictureFacts { is_key: true, bytes: 9000, at: moment(at) })
        };
        assert!((0..9).map(|_| show(&mut watch, cells)).last().flatten().is_some());
        let mut changed = cells;
        changed[99] += 1;
        assert_eq!(show(&mut watch, changed), None);
    }

    proptest! {
        /// A still scene of a live sensor, with or without a clock, is live: noise has a block
        /// coded now and then.
        #[test]
        fn no_live_sensor_is_called_frozen(
            fps in 1.0..60.0, group in 1u32..800, has_clock in any::<bool>(), coded_in_s in 0.05..0.8,
        ) {
            let coded_every = ((coded_in_s * fps) as u32).max(1);
            let scene = Scene { fps, group, has_clock, coded_every, ..LIVE };
            let verdicts = verdicts(scene, 90.0);
            prop_assert!(verdicts.len() == 1, "{:?}", verdicts);
        }
    }
}
