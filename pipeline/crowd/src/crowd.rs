//! One crowd camera: from what a model saw in a picture to the camera's events.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::event::{DensityEvent, LevelEvent, LineFlow, MapEvent, SelfAssessment, ZoneDensity};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{CaptureTime, Monotonic, WallTime};
use gatehouse_core::{CameraId, LineId};
use gatehouse_people::{Counting, DensityMap, HandOver, PeopleReader, PeopleReading, Person};
use gatehouse_picture::{NormalisedPolygon, Point, Rect, Size};

use crate::empty::EmptyScene;
use crate::flow::{Crossing, Way};
use crate::grid::DensityGrid;
use crate::ground::{GroundCalibration, GroundPlane};
use crate::join::{Counted, Joiner, Tally, head_of, tenth};
use crate::tracker::{MOST_APART, Track, Tracker};
use crate::zone::{Zone, ZoneState, change};

/// Score from which on the detector is to be asked for people, far below what counts as one. Those who don't count are hidden in
/// previews, where a bush that is pixelated harms nobody and a person who isn't does; they may go on as those who were made out
/// before; and they say whether there may be a crowd.
pub const LEAST_SCORE: f32 = 0.15;
/// How fast a density follows the pictures.
const SETTLES: Duration = Duration::from_secs(2);

/// What the operator set for a crowd camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdOptions {
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Parts of the picture in which nobody is counted: screens, posters, mirrors, and what is black for privacy.
    pub excluded: Vec<NormalisedPolygon>,
    /// Lines across which people are counted.
    pub lines: Vec<(LineId, Crossing)>,
    /// How it looks at the ground, where that is known.
    pub ground: Option<GroundCalibration>,
    /// Cells of the grid in a row.
    pub map_columns: u16,
    /// Rows of the grid.
    pub map_rows: u16,
    /// Longer side of the picture as the model sees it that finds people, in pixels.
    pub detail_px: usize,
    /// Score from which on a detection counts as a person.
    pub min_score: f32,
    /// Whether pictures follow each other, as a camera's do. One that stands by itself is counted by itself.
    pub follows: bool,
}

impl CrowdOptions {
    /// Whether somebody counts whose head is there, normalised.
    fn counts_at(&self, head: Point) -> bool {
        !self.excluded.iter().any(|part| part.contains(head))
    }

    /// Whether somebody counts with this box, in pixels of the picture.
    fn counts(&self, box_in_frame: &Rect, frame: Size) -> bool {
        self.counts_at(normalised(head_of(box_in_frame), frame))
    }
}

/// What counts.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdModel {
    /// Name and version of each model.
    pub name: String,
    /// What was measured of it.
    pub counting: Option<Counting>,
}

impl CrowdModel {
    /// That which reads a camera's pictures.
    pub fn of(reader: &PeopleReader) -> Self {
        Self { name: reader.name(), counting: reader.counting() }
    }

    fn hand_over(&self) -> Option<&HandOver> {
        self.counting.as_ref()?.hand_over.as_ref()
    }
}

/// What a model saw in a picture, and what else is known of it.
#[derive(Debug, Clone, Copy)]
pub struct CrowdPicture<'a> {
    /// What the model saw, people from [`LEAST_SCORE`] on.
    pub reading: &'a PeopleReading,
    /// The picture's size.
    pub frame: Size,
    /// When it was captured.
    pub capture_time: CaptureTime,
    /// When it arrived.
    pub arrival: Monotonic,
    /// Whether it is black or stands still.
    pub verdict: PictureVerdict,
    /// Whether the camera looks elsewhere than where its zones were drawn.
    pub moved: bool,
}

/// A crowd camera's events of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdEvents {
    /// Counts.
    pub density: DensityEvent,
    /// Where they are.
    pub map: MapEvent,
    /// Zones whose level has changed.
    pub levels: Vec<LevelEvent>,
}

/// One crowd camera.
#[derive(Debug)]
pub struct Crowd {
    camera: CameraId,
    model: Arc<CrowdModel>,
    options: CrowdOptions,
    zones: Vec<ZoneState>,
    flows: Vec<LineFlow>,
    /// Of the last picture.
    frame: Option<Size>,
    ground: Option<GroundPlane>,
    /// What the model takes for people where nobody is, and what is left of a picture without that.
    empty: Option<EmptyScene>,
    cleared: PeopleReading,
    tracker: Tracker,
    /// The last picture followed on none, or too long after one.
    alone: bool,
    /// The density over the last pictures, how unsure the detector was of them, and when both were brought up to date.
    density: DensityMap,
    unsure: f32,
    settled: Option<Monotonic>,
    joiner: Joiner,
    grid: DensityGrid,
    /// What was said of the last picture, and when that was captured.
    last: Option<(SelfAssessment, WallTime)>,
    /// Of the last picture, normalised.
    standing: Vec<Standing>,
    /// Reused by every picture: who counts, and the number and place of each track that does.
    people: Vec<Rect>,
    present: Vec<(u64, Point)>,
}

/// A place at which people counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// The middle of the head, or of the part of the density, normalised.
    pub at: Point,
    /// How many people it stands for.
    pub people: f32,
    /// Whether it is somebody who was made out.
    pub made_out: bool,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    head: Head,
    /// Where they stand on the ground, normalised.
    at: Point,
}

impl Crowd {
    /// A crowd camera that has counted nothing yet.
    pub fn new(camera: CameraId, model: CrowdModel, options: CrowdOptions) -> Self {
        Self {
            camera,
            model: Arc::new(model),
            zones: options.zones.iter().map(ZoneState::new).collect(),
            flows: Vec::new(),
            frame: None,
            ground: None,
            empty: None,
            cleared: PeopleReading::default(),
            tracker: Tracker::default(),
            alone: false,
            density: DensityMap::default(),
            unsure: 0.0,
            settled: None,
            joiner: Joiner::default(),
            grid: DensityGrid::new(options.map_columns.into(), options.map_rows.into()),
            last: None,
            standing: Vec::new(),
            people: Vec::new(),
            present: Vec::new(),
            options,
        }
    }

    /// Leaves out what the model takes for people in the camera's empty scene.
    pub fn know_empty_scene(&mut self, empty: EmptyScene) {
        self.empty = Some(empty);
    }

    /// Counts the people of one picture. Nothing for the first one after a pause, where pictures follow each other: nobody counts
    /// who was seen but once. Where they come too slowly to follow each other, be it by the camera's rate or because a node can't
    /// keep up, each is counted by itself.
    pub fn count(&mut self, picture: &CrowdPicture<'_>) -> Option<CrowdEvents> {
        match self.empty.take() {
            None => self.count_reading(picture),
            Some(empty) => {
                let mut cleared = std::mem::take(&mut self.cleared);
                cleared.people.clone_from(&picture.reading.people);
                cleared.density.clone_from(&picture.reading.density);
                empty.clear(&mut cleared, picture.frame);
                let events = self.count_reading(&CrowdPicture { reading: &cleared, ..*picture });
                (self.empty, self.cleared) = (Some(empty), cleared);
                events
            }
        }
    }

    fn count_reading(&mut self, picture: &CrowdPicture<'_>) -> Option<CrowdEvents> {
        let CrowdPicture { reading, frame, arrival: now, .. } = *picture;
        self.look_at_ground(frame);
        let follows = self.options.follows && self.tracker.look(&reading.people, self.options.min_score, frame, now);
        self.settle(reading, frame, now);
        let again = std::mem::replace(&mut self.alone, !follows);
        if self.options.follows && !follows && !again {
            // What was counted before the pause is not what is there now.
            self.last = None;
            return None;
        }
        let sound = picture.verdict == PictureVerdict::Sound;
        let mut people = std::mem::take(&mut self.people);
        people.clear();
        if sound && follows {
            people.extend(self.tracker.present(now).map(|track| track.box_in_frame));
        } else if sound {
            let counts = |person: &&Person| person.score >= self.options.min_score;
            people.extend(reading.people.iter().filter(counts).map(|person| person.box_in_frame));
        }
        self.stand(&people, frame, sound);
        let all = tally(self.standing.iter());
        let self_assessment = if !sound {
            SelfAssessment::NoPicture
        } else if picture.moved {
            SelfAssessment::Moved
        } else {
            self.assess(&all, &people, reading, frame)
        };
        self.people = people;
        self.last = Some((self_assessment, picture.capture_time.at));
        if sound && !picture.moved {
            self.flow(frame, now, picture.capture_time.at);
        }
        Some(self.tell(&all, self_assessment, picture.capture_time, now, None))
    }

    /// The picture has not changed since the last one that was counted: the same people, at another time. Nothing where that one
    /// gave nothing or left something open, such as whether somebody who was seen for the first time is anybody.
    pub fn unchanged(&mut self, capture_time: CaptureTime, arrival: Monotonic) -> Option<CrowdEvents> {
        let (self_assessment, since) = self.last.filter(|_| self.alone || self.tracker.is_settled())?;
        self.tracker.hold(arrival);
        self.settled = self.settled.map(|_| arrival);
        Some(self.tell(&tally(self.standing.iter()), self_assessment, capture_time, arrival, Some(since)))
    }

    fn tell(
        &mut self,
        all: &Tally,
        self_assessment: SelfAssessment,
        capture_time: CaptureTime,
        now: Monotonic,
        unchanged_since: Option<WallTime>,
    ) -> CrowdEvents {
        let model = Arc::clone(&self.model);
        let counting = model.counting.as_ref().filter(|_| self_assessment == SelfAssessment::InRange);
        let mut levels = Vec::new();
        let zones = match self_assessment {
            SelfAssessment::InRange | SelfAssessment::OutOfRange => {
                self.zones(counting, capture_time, now, &mut levels)
            }
            SelfAssessment::NoPicture | SelfAssessment::Moved => Vec::new(),
        };
        let density = DensityEvent {
            camera: self.camera.clone(),
            capture_time,
            count: tenth(all.people()),
            interval: counting.map(|counting| all.interval(counting)),
            coverage: counting.map(|counting| counting.coverage),
            share_by_density: if all.people() > 0.0 { tenth(all.by_density / all.people()) } else { 0.0 },
            zones,
            lines: self.flows.clone(),
            model: model.name.clone(),
            self_assessment,
            unchanged_since,
        };
        self.grid.fill(self.standing.iter().map(|standing| (standing.at, standing.head.people)));
        let quantised = self.grid.quantised();
        let map = MapEvent {
            camera: self.camera.clone(),
            capture_time,
            columns: self.options.map_columns,
            rows: self.options.map_rows,
            people_per_step: quantised.people_per_step,
            cells: quantised.cells,
        };
        CrowdEvents { density, map, levels }
    }

    /// Where those are who counted in the last picture.
    pub fn heads(&self) -> impl Iterator<Item = Head> {
        self.standing.iter().map(|standing| standing.head)
    }

    /// Those who were made out one by one in the last picture.
    pub fn made_out(&self) -> impl Iterator<Item = &Counted> {
        self.joiner.joined().one_by_one.iter()
    }

    // The aspect may change with a stream's size.
    fn look_at_ground(&mut self, frame: Size) {
        if self.frame.replace(frame) != Some(frame) {
            // What fits no camera was refused when the node started; of another aspect it may fit none.
            self.ground = self.options.ground.as_ref().and_then(|ground| GroundPlane::new(ground, frame).ok());
            for (zone, state) in self.options.zones.iter().zip(&mut self.zones) {
                state.measure(zone, &self.options.excluded, self.ground.as_ref());
            }
        }
    }

    // A density wavers from picture to picture, and so does the detector; their means over two seconds hardly do.
    fn settle(&mut self, reading: &PeopleReading, frame: Size, now: Monotonic) {
        let density = &reading.density;
        let alike = density.people().len() == self.density.people().len()
            && density.cell_in_frame() == self.density.cell_in_frame();
        let before = self.settled.replace(now);
        let unsure = self.model.hand_over().map_or(0.0, |hand_over| {
            let there = reading.people.iter().filter(|person| self.options.counts(&person.box_in_frame, frame));
            hand_over.unsure(there.map(|person| person.score), self.options.min_score)
        });
        match before.filter(|before| self.options.follows && alike && now.since(*before) <= MOST_APART) {
            None => {
                self.density.clone_from(density);
                self.unsure = unsure;
            }
            Some(before) => {
                let part = 1.0 - (-now.since(before).as_secs_f32() / SETTLES.as_secs_f32()).exp();
                let cells = self.density.people_mut().iter_mut().zip(density.people());
                cells.for_each(|(mean, new)| *mean += part * (new - *mean));
                self.unsure += part * (unsure - self.unsure);
            }
        }
    }

    // Where everybody stands who counts.
    fn stand(&mut self, people: &[Rect], frame: Size, sound: bool) {
        let hand_over = self.model.hand_over().filter(|_| sound).map(|rule| (rule, self.unsure));
        let people = people.iter().copied();
        let joined = self.joiner.join(people, &self.density, hand_over);
        let ground = self.ground.as_ref();
        let counted = |head: Point| self.options.counts_at(normalised(head, frame));
        self.standing.clear();
        let made_out = joined.one_by_one.iter().filter(|person| self.options.counts(&person.box_in_frame, frame));
        self.standing.extend(made_out.map(|person| Standing {
            head: Head { at: normalised(head_of(&person.box_in_frame), frame), people: person.share, made_out: true },
            at: normalised(person.box_in_frame.foot(), frame),
        }));
        let cells = joined.density.cells().filter(|(head, people)| *people > 0.0 && counted(*head));
        self.standing.extend(cells.map(|(head, people)| {
            let head = normalised(head, frame);
            let foot = ground.and_then(|plane| plane.foot_below_head(head)).map(just_inside);
            Standing { head: Head { at: head, people, made_out: false }, at: foot.unwrap_or(head) }
        }));
    }

    fn zones(
        &mut self,
        counting: Option<&Counting>,
        capture_time: CaptureTime,
        now: Monotonic,
        levels: &mut Vec<LevelEvent>,
    ) -> Vec<ZoneDensity> {
        self.present.clear();
        if let Some(frame) = self.frame {
            let counts = |track: &&Track| self.options.counts(&track.box_in_frame, frame);
            let present = self.tracker.present(now).filter(counts);
            self.present.extend(present.map(|track| (track.number, normalised(track.box_in_frame.foot(), frame))));
        }
        let mut zones = Vec::with_capacity(self.zones.len());
        for (zone, state) in self.options.zones.iter().zip(&mut self.zones) {
            let before = state.before();
            state.stay(zone, self.present.iter().copied(), now);
            let inside = tally(self.standing.iter().filter(|standing| zone.polygon.contains(standing.at)));
            let density = state.count(zone, &inside, counting, now);
            levels.extend(change(&self.camera, capture_time, before, &density));
            zones.push(density);
        }
        zones
    }

    fn flow(&mut self, frame: Size, now: Monotonic, since: WallTime) {
        if self.flows.is_empty() {
            let none = |(line, _): &(LineId, Crossing)| LineFlow { line: line.clone(), inwards: 0, outwards: 0, since };
            self.flows = self.options.lines.iter().map(none).collect();
        }
        for track in self.tracker.present(now) {
            let Some(before) = track.foot_before else { continue };
            if !self.options.counts(&track.box_in_frame, frame) {
                continue;
            }
            let (before, at) = (normalised(before, frame), normalised(track.box_in_frame.foot(), frame));
            for ((_, line), flow) in self.options.lines.iter().zip(&mut self.flows) {
                match line.crossed(before, at) {
                    Some(Way::In) => flow.inwards += 1,
                    Some(Way::Out) => flow.outwards += 1,
                    None => {}
                }
            }
        }
    }

    fn assess(&self, all: &Tally, people: &[Rect], reading: &PeopleReading, frame: Size) -> SelfAssessment {
        let in_range = match &self.model.counting {
            Some(counting) if counting.hand_over.is_some() && !reading.density.is_empty() => {
                all.people() <= counting.most_people && supported(all, reading.people.len())
            }
            _ => can_be_made_out(people, reading.people.len(), frame, self.options.detail_px),
        };
        if in_range { SelfAssessment::InRange } else { SelfAssessment::OutOfRange }
    }
}

fn tally<'a>(standing: impl Iterator<Item = &'a Standing>) -> Tally {
    standing.fold(Tally::default(), |mut tally, standing| {
        let way = if standing.head.made_out { &mut tally.one_by_one } else { &mut tally.by_density };
        *way += f64::from(standing.head.people);
        tally
    })
}

fn normalised(in_frame: Point, frame: Size) -> Point {
    just_inside(Point { x: in_frame.x / frame.width as f32, y: in_frame.y / frame.height as f32 })
}

/// Feet at the picture's lower edge stand in the zone that ends there.
fn just_inside(point: Point) -> Point {
    const JUST_INSIDE: f32 = 1.0 - 1e-4;
    Point { x: point.x.clamp(0.0, JUST_INSIDE), y: point.y.clamp(0.0, JUST_INSIDE) }
}

/// A density of more people than this must have somebody in it whom the detector at least suspects.
const CROWD: f64 = 3.0;
/// For each person of it, so many must be suspected: gravel, foliage and noise may look like heads, and like no person.
const SUSPECTED_EACH: f64 = 0.05;

/// Whether the detector has an inkling of the crowd that the density shows.
fn supported(all: &Tally, suspected: usize) -> bool {
    all.by_density < CROWD || suspected as f64 >= (SUSPECTED_EACH * all.by_density).max(1.0)
}

/// Above this count a detector alone misses people: on 30 rendered crowds with 371 people on average it was 360 off, and below
/// about 40 it was the best of the models measured.
const MOST_MADE_OUT: usize = 40;
/// People whose median box is lower than this, in pixels of the picture that the detector sees, are at the limit of what it
/// finds.
const LEAST_HEIGHT_PX: f32 = 26.0;
/// So many detections from [`LEAST_SCORE`] on, and so many for each that counts, are a crowd that the detector can't take apart:
/// it finds next to nobody there. Measured at 416, 768 and 1024 pixels: 85 to 363, 12 and more for each, on 27 rendered crowds
/// of 129 to 697 people; 16 to 35, at most 8 for each, on frames of a plaza with 3 to 8 people.
const CROWD_OF_FAINT: usize = 60;
const FAINT_FOR_EACH: usize = 8;

/// Whether a detector alone can count the scene. `faint`: detections, those that don't count among them.
fn can_be_made_out(people: &[Rect], faint: usize, frame: Size, detail_px: usize) -> bool {
    let scale = detail_px as f32 / frame.width.max(frame.height) as f32;
    let mut heights = [0.0; MOST_MADE_OUT];
    let Some(heights) = heights.get_mut(..people.len()) else { return false };
    heights.iter_mut().zip(people).for_each(|(height, person)| *height = person.height * scale);
    heights.sort_unstable_by(f32::total_cmp);
    let too_small = heights.get(heights.len() / 2).is_some_and(|median| *median < LEAST_HEIGHT_PX);
    let crowd = faint >= CROWD_OF_FAINT && faint >= FAINT_FOR_EACH * people.len();
    !too_small && !crowd
}

#[cfg(test)]
mod tests;
