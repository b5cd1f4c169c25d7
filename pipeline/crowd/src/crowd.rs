//! Turns the readings of one crowd camera's pictures into its events.

use std::sync::Arc;

use gatehouse_core::event::{DensityEvent, LevelEvent, LineFlow, MapEvent, SelfAssessment, ZoneDensity};
use gatehouse_core::ground::GroundCalibration;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{CaptureTime, Monotonic, WallTime};
use gatehouse_core::zone::Zone;
use gatehouse_core::{CameraId, LineId};
use gatehouse_people::{Counting, FusionRamp, PeopleReading, Person};
use gatehouse_picture::{NormalisedPolygon, Point, Rect, Size};

use crate::assessment::is_countable;
use crate::empty::EmptyScene;
use crate::flow::{Crossing, Way};
use crate::fusion::{Fusion, PeopleCount, WeightedDetection, detector_uncertainty, head_of, round_to_tenth};
use crate::grid::DensityGrid;
use crate::ground::GroundPlane;
use crate::reader::CrowdReader;
use crate::tracker::{Track, Tracker};
use crate::zone::{ZoneState, change};

/// Least score of the detections that a crowd camera needs, far below what counts as a person:
/// previews hide them too, tracks continue with them, and they hint at a dense crowd.
pub const LEAST_SCORE: f32 = 0.15;

/// Settings of a crowd camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdOptions {
    /// Zones.
    pub zones: Vec<Zone>,
    /// Parts of the picture in which nobody counts: screens, posters, mirrors, privacy zones.
    pub excluded: Vec<NormalisedPolygon>,
    /// Counting lines.
    pub lines: Vec<(LineId, Crossing)>,
    /// Ground calibration, if it is known.
    pub ground: Option<GroundCalibration>,
    /// Columns of the density grid.
    pub map_columns: u16,
    /// Rows of the density grid.
    pub map_rows: u16,
    /// Longer side of the picture in the person detector's tensor, in pixels.
    pub detail_px: usize,
    /// Least score of a detection that counts as a person, 0–1.
    pub min_score: f32,
    /// True if the pictures are a sequence, as of a camera. Otherwise each is counted by itself.
    pub follows: bool,
}

impl CrowdOptions {
    /// True if a person with a head at this normalised point counts.
    fn counts_at(&self, head: Point) -> bool {
        !self.excluded.iter().any(|part| part.contains(head))
    }

    /// True if a person with this box, in pixels of the picture, counts.
    fn counts(&self, box_in_frame: &Rect, frame: Size) -> bool {
        self.counts_at(normalised(head_of(box_in_frame), frame))
    }
}

/// The models that count.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdModel {
    /// Name and version of each model.
    pub name: String,
    /// Measured errors of the counts, if they are known.
    pub counting: Option<Counting>,
}

impl CrowdModel {
    /// The models of a reader.
    pub fn of(reader: &CrowdReader) -> Self {
        Self { name: reader.name(), counting: reader.counting() }
    }

    fn fusion_ramp(&self) -> Option<&FusionRamp> {
        self.counting.as_ref()?.fusion_ramp.as_ref()
    }
}

/// A picture's reading and circumstances.
#[derive(Debug, Clone, Copy)]
pub struct CrowdPicture<'a> {
    /// Output of the models, with people of [`LEAST_SCORE`] and more.
    pub reading: &'a PeopleReading,
    /// Size of the picture in pixels.
    pub frame: Size,
    /// Time of capture.
    pub capture_time: CaptureTime,
    /// Time of arrival.
    pub arrival: Monotonic,
    /// Whether it is sound, dark or frozen.
    pub verdict: PictureVerdict,
    /// True if the camera was moved since its zones were drawn.
    pub moved: bool,
}

/// A crowd camera's events of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdEvents {
    /// Counts.
    pub density: DensityEvent,
    /// Density grid.
    pub map: MapEvent,
    /// Changes of zones' levels.
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
    frame: Option<Size>,
    ground: Option<GroundPlane>,
    /// Phantoms of the empty scene, and the reading without them.
    empty: Option<EmptyScene>,
    cleared: PeopleReading,
    tracker: Tracker,
    /// True if the last picture was the first one or came after a pause.
    is_first: bool,
    fusion: Fusion,
    grid: DensityGrid,
    /// Assessment and capture time of the last counted picture.
    last: Option<(SelfAssessment, WallTime)>,
    standing: Vec<Standing>,
    /// Scratch: boxes of people, and number and foot of each present track.
    people: Vec<Rect>,
    present: Vec<(u64, Point)>,
}

/// A place at which people were counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// Middle of the head or of the density cell, normalised.
    pub at: Point,
    /// Number of people that it stands for.
    pub people: f32,
    /// True for a detected person, false for a cell of the density.
    pub is_detection: bool,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    head: Head,
    /// Place on the ground, normalised.
    foot: Point,
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
            is_first: false,
            fusion: Fusion::default(),
            grid: DensityGrid::new(options.map_columns.into(), options.map_rows.into()),
            last: None,
            standing: Vec::new(),
            people: Vec::new(),
            present: Vec::new(),
            options,
        }
    }

    /// Excludes the phantoms of the camera's empty scene from now on.
    pub fn know_empty_scene(&mut self, empty: EmptyScene) {
        self.empty = Some(empty);
    }

    /// Counts the people of one picture.
    ///
    /// In a sequence, the first picture after a pause gives nothing, because a person must be
    /// detected twice to count. Pictures that come too slowly for tracking count each by itself.
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
        self.update_ground(frame);
        let follows = self.options.follows && self.tracker.update(&reading.people, self.options.min_score, frame, now);
        self.update_fusion(reading, frame, now);
        let again = std::mem::replace(&mut self.is_first, !follows);
        if self.options.follows && !follows && !again {
            // Counts from before the pause don't hold any more.
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
        self.place_people(&people, frame, sound);
        let all = count_of(self.standing.iter());
        let self_assessment = if !sound {
            SelfAssessment::NoPicture
        } else if picture.moved {
            SelfAssessment::Moved
        } else if is_countable(self.model.counting.as_ref(), &all, &people, reading, frame, self.options.detail_px) {
            SelfAssessment::InRange
        } else {
            SelfAssessment::OutOfRange
        };
        self.people = people;
        self.last = Some((self_assessment, picture.capture_time.at));
        if sound && !picture.moved {
            self.flow(frame, now, picture.capture_time.at);
        }
        Some(self.events(&all, self_assessment, picture.capture_time, now, None))
    }

    /// Repeats the last counts for an unchanged picture. Gives nothing if the last picture gave
    /// nothing or a track isn't settled: then the picture must be counted.
    pub fn unchanged(&mut self, capture_time: CaptureTime, arrival: Monotonic) -> Option<CrowdEvents> {
        let (self_assessment, since) = self.last.filter(|_| self.is_first || self.tracker.is_settled())?;
        self.tracker.hold(arrival);
        self.fusion.hold(arrival);
        Some(self.events(&count_of(self.standing.iter()), self_assessment, capture_time, arrival, Some(since)))
    }

    fn events(
        &mut self,
        all: &PeopleCount,
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
            count: round_to_tenth(all.people()),
            interval: counting.map(|counting| all.interval(counting)),
            coverage: counting.map(|counting| counting.coverage),
            share_by_density: round_to_tenth(all.share_by_density()),
            zones,
            lines: self.flows.clone(),
            model: model.name.clone(),
            self_assessment,
            unchanged_since,
            damaged: false,
        };
        self.grid.fill(self.standing.iter().map(|standing| (standing.foot, standing.head.people)));
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

    /// Places at which people were counted in the last picture.
    pub fn heads(&self) -> impl Iterator<Item = Head> {
        self.standing.iter().map(|standing| standing.head)
    }

    /// Detected people of the last picture.
    pub fn detections(&self) -> impl Iterator<Item = &WeightedDetection> {
        self.fusion.fused.detections.iter()
    }

    // The aspect may change with the size of the stream.
    fn update_ground(&mut self, frame: Size) {
        if self.frame.replace(frame) != Some(frame) {
            // The node refused impossible calibrations, but another aspect can make one impossible.
            self.ground = self.options.ground.as_ref().and_then(|ground| GroundPlane::new(ground, frame).ok());
            for (zone, state) in self.options.zones.iter().zip(&mut self.zones) {
                state.measure(zone, &self.options.excluded, self.ground.as_ref());
            }
        }
    }

    fn update_fusion(&mut self, reading: &PeopleReading, frame: Size, now: Monotonic) {
        let uncertainty = self.model.fusion_ramp().map_or(0.0, |ramp| {
            let there = reading.people.iter().filter(|person| self.options.counts(&person.box_in_frame, frame));
            detector_uncertainty(ramp, there.map(|person| person.score), self.options.min_score)
        });
        self.fusion.update(&reading.density, uncertainty, now, self.options.follows);
    }

    fn place_people(&mut self, people: &[Rect], frame: Size, sound: bool) {
        let ramp = self.model.fusion_ramp().filter(|_| sound);
        let fused = self.fusion.fuse(people.iter().copied(), ramp);
        let ground = self.ground.as_ref();
        self.standing.clear();
        let detections = fused.detections.iter().filter(|person| self.options.counts(&person.box_in_frame, frame));
        self.standing.extend(detections.map(|person| {
            let at = normalised(head_of(&person.box_in_frame), frame);
            Standing {
                head: Head { at, people: person.share, is_detection: true },
                foot: normalised(person.box_in_frame.foot(), frame),
            }
        }));
        let counts = |head: Point| self.options.counts_at(normalised(head, frame));
        let cells = fused.density.cells().filter(|(head, people)| *people > 0.0 && counts(*head));
        self.standing.extend(cells.map(|(head, people)| {
            let head = normalised(head, frame);
            let foot = ground.and_then(|plane| plane.foot_below_head(head)).map(just_inside);
            Standing { head: Head { at: head, people, is_detection: false }, foot: foot.unwrap_or(head) }
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
            state.update_stays(zone, self.present.iter().copied(), now);
            let inside = count_of(self.standing.iter().filter(|standing| zone.polygon.contains(standing.foot)));
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
}

fn count_of<'a>(standing: impl Iterator<Item = &'a Standing>) -> PeopleCount {
    standing.fold(PeopleCount::default(), |mut count, standing| {
        let source = if standing.head.is_detection { &mut count.detected } else { &mut count.by_density };
        *source += f64::from(standing.head.people);
        count
    })
}

fn normalised(in_frame: Point, frame: Size) -> Point {
    just_inside(Point { x: in_frame.x / frame.width as f32, y: in_frame.y / frame.height as f32 })
}

/// Keeps feet at the picture's lower edge in the zone that ends there.
fn just_inside(point: Point) -> Point {
    const JUST_INSIDE: f32 = 1.0 - 1e-4;
    Point { x: point.x.clamp(0.0, JUST_INSIDE), y: point.y.clamp(0.0, JUST_INSIDE) }
}

#[cfg(test)]
mod tests;
