//! One crowd camera's state: its zones with their levels, and its grid.

use gatehouse_core::event::{DensityEvent, Level, MapEvent, SelfAssessment, ZoneDensity};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::CaptureTime;
use gatehouse_core::{CameraId, ZoneId};
use gatehouse_models::Person;
use gatehouse_picture::{NormalisedPolygon, Point, Rect, Size};

use crate::grid::DensityGrid;
use crate::level::Thresholds;

/// Above this count the whole-frame detector misses people: on 30 rendered crowds with 371 people on average it was 360 off,
/// and below about 40 it was the best of the models measured.
const MOST_PEOPLE: usize = 40;
/// People whose median box is lower than this, in pixels of the picture that the detector sees, are at the limit of what it
/// finds.
const LEAST_HEIGHT_PX: f32 = 26.0;

/// Score from which on the detector is to be asked for people, far below what counts as one. Those who don't count are hidden in
/// previews, where a bush that is pixelated harms nobody and a person who isn't does; and they say whether there may be a crowd.
pub const LEAST_SCORE: f32 = 0.15;
/// So many detections from [`LEAST_SCORE`] on, and so many for each that counts, are a crowd that the detector can't take apart:
/// it finds next to nobody there. Measured at 416, 768 and 1024 pixels: 85 to 363, 12 and more for each, on 27 rendered crowds
/// of 129 to 697 people; 16 to 35, at most 8 for each, on frames of a plaza with 3 to 8 people.
const CROWD_OF_FAINT: usize = 60;
const FAINT_FOR_EACH: usize = 8;

/// A zone of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name.
    pub id: ZoneId,
    /// Where it is.
    pub polygon: NormalisedPolygon,
    /// Ground area in square metres, where it is known.
    pub area_m2: Option<f64>,
    /// When it is how full, where that is set.
    pub thresholds: Option<Thresholds>,
}

/// What the operator set for a crowd camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdOptions {
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Cells of the grid in a row.
    pub map_columns: u16,
    /// Rows of the grid.
    pub map_rows: u16,
    /// Longer side of the picture that the detector sees, in pixels.
    pub detail_px: usize,
    /// Score from which on a detection counts as a person.
    pub min_score: f32,
}

/// One crowd camera.
#[derive(Debug)]
pub struct Crowd {
    camera: CameraId,
    model: String,
    options: CrowdOptions,
    levels: Vec<Level>,
    grid: DensityGrid,
}

impl Crowd {
    /// A crowd camera that has counted nothing yet. `model` names the model that counts, with its version.
    pub fn new(camera: CameraId, model: String, options: CrowdOptions) -> Self {
        let levels = vec![Level::Low; options.zones.len()];
        let grid = DensityGrid::new(options.map_columns.into(), options.map_rows.into());
        Self { camera, model, options, levels, grid }
    }

    /// Counts the people of one frame, of whom the detector is to find all from [`LEAST_SCORE`] on.
    pub fn count(
        &mut self,
        people: &[Person],
        frame: Size,
        capture_time: CaptureTime,
        picture: PictureVerdict,
    ) -> (DensityEvent, MapEvent) {
        let boxes: Vec<Rect> =
            people.iter().filter(|p| p.score >= self.options.min_score).map(|p| p.box_in_frame).collect();
        let feet: Vec<Point> = boxes.iter().map(|b| normalised(b.foot(), frame)).collect();
        let zones = self
            .options
            .zones
            .iter()
            .zip(&mut self.levels)
            .map(|(zone, level)| {
                let count = number(feet.iter().filter(|foot| zone.polygon.contains(**foot)).count());
                *level = zone.thresholds.map_or(Level::Low, |t| t.next(*level, count));
                ZoneDensity {
                    zone: zone.id.clone(),
                    count,
                    people_per_m2: zone.area_m2.map(|area| (f64::from(count) / area * 1000.0).round() / 1000.0),
                    level: zone.thresholds.map(|_| *level),
                }
            })
            .collect();
        let density = DensityEvent {
            camera: self.camera.clone(),
            capture_time,
            count: number(boxes.len()),
            zones,
            model: self.model.clone(),
            self_assessment: assess(&boxes, people.len(), frame, self.options.detail_px, picture),
        };
        self.grid.fill(feet);
        let quantised = self.grid.quantised();
        let map = MapEvent {
            camera: self.camera.clone(),
            capture_time,
            columns: self.options.map_columns,
            rows: self.options.map_rows,
            people_per_step: quantised.people_per_step,
            cells: quantised.cells,
        };
        (density, map)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A point of the frame in 0–1, kept just inside: feet at the picture's lower edge stand in the zone that ends there.
fn normalised(point: Point, frame: Size) -> Point {
    const JUST_INSIDE: f32 = 1.0 - 1e-4;
    Point {
        x: (point.x / frame.width as f32).clamp(0.0, JUST_INSIDE),
        y: (point.y / frame.height as f32).clamp(0.0, JUST_INSIDE),
    }
}

/// `faint`: detections, those that don't count among them.
fn assess(boxes: &[Rect], faint: usize, frame: Size, detail_px: usize, picture: PictureVerdict) -> SelfAssessment {
    if picture != PictureVerdict::Sound {
        return SelfAssessment::NoPicture;
    }
    let scale = detail_px as f32 / frame.width.max(frame.height) as f32;
    let mut heights: Vec<f32> = boxes.iter().map(|b| b.height * scale).collect();
    heights.sort_by(f32::total_cmp);
    let too_small = heights.get(heights.len() / 2).is_some_and(|median| *median < LEAST_HEIGHT_PX);
    let crowd = faint >= CROWD_OF_FAINT && faint >= FAINT_FOR_EACH * boxes.len();
    if boxes.len() > MOST_PEOPLE || too_small || crowd { SelfAssessment::OutOfRange } else { SelfAssessment::InRange }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::{ClockSource, WallTime};

    use super::*;

    const FRAME: Size = Size { width: 1000, height: 500 };
    const WHEN: CaptureTime =
        CaptureTime { at: WallTime::from_unix_nanos(0), source: ClockSource::Arrival, error_ms: 600 };

    fn person(foot_x: f32, foot_y: f32, height: f32, score: f32) -> Person {
        let box_in_frame = Rect { x: foot_x - 20.0, y: foot_y - height, width: 40.0, height };
        Person { box_in_frame, score }
    }

    fn crowd() -> Crowd {
        let corner = |x, y| Point { x, y };
        let left = vec![corner(0.0, 0.0), corner(0.5, 0.0), corner(0.5, 1.0), corner(0.0, 1.0)];
        let zone = |id: &str, polygon, area_m2, thresholds| Zone { id: ZoneId::new(id), polygon, area_m2, thresholds };
        let zones = vec![
            zone("left", NormalisedPolygon::new(left).expect("a rectangle"), Some(50.0), None),
            zone("all", NormalisedPolygon::whole(), None, Some(Thresholds { medium: 2, high: 3, critical: 4 })),
        ];
        let options = CrowdOptions { zones, map_columns: 8, map_rows: 4, detail_px: 500, min_score: 0.5 };
        Crowd::new(CameraId::new("plaza"), "nanodet".into(), options)
    }

    #[test]
    fn people_count_in_the_zones_where_their_feet_are() {
        let people =
            [person(100.0, 400.0, 120.0, 0.9), person(700.0, 500.0, 120.0, 0.6), person(200.0, 300.0, 90.0, 0.4)];
        let (density, map) = crowd().count(&people, FRAME, WHEN, PictureVerdict::Sound);
        assert_eq!(density.count, 2, "the doubtful third is left out");
        let counts: Vec<_> =
            density.zones.iter().map(|z| (z.zone.as_str(), z.count, z.people_per_m2, z.level)).collect();
        assert_eq!(counts, [("left", 1, Some(0.02), None), ("all", 2, None, Some(Level::Medium))]);
        let sum: f32 = map.cells.iter().map(|c| f32::from(*c) * map.people_per_step).sum();
        assert!((sum - 2.0).abs() < 0.05, "{sum}");
        assert_eq!(density.self_assessment, SelfAssessment::InRange);
    }

    #[test]
    fn a_count_that_cannot_be_trusted_says_so() {
        let assess = |people: &[Person], verdict| crowd().count(people, FRAME, WHEN, verdict).0.self_assessment;
        assert_eq!(assess(&[], PictureVerdict::Dark), SelfAssessment::NoPicture);
        assert_eq!(assess(&[], PictureVerdict::Frozen), SelfAssessment::NoPicture);
        assert_eq!(assess(&[], PictureVerdict::Sound), SelfAssessment::InRange);
        let many = vec![person(100.0, 400.0, 120.0, 0.9); 41];
        assert_eq!(assess(&many, PictureVerdict::Sound), SelfAssessment::OutOfRange);
        let small = vec![person(100.0, 400.0, 51.0, 0.9); 5];
        assert_eq!(assess(&small, PictureVerdict::Sound), SelfAssessment::OutOfRange);
        // A crowd in which the detector is hardly sure of anybody, and a plaza with people seen well.
        let with_faint = |sure: usize, faint: usize| {
            [vec![person(100.0, 400.0, 120.0, 0.9); sure], vec![person(300.0, 300.0, 60.0, 0.2); faint]].concat()
        };
        assert_eq!(assess(&with_faint(3, 57), PictureVerdict::Sound), SelfAssessment::OutOfRange);
        assert_eq!(assess(&with_faint(0, 60), PictureVerdict::Sound), SelfAssessment::OutOfRange);
        assert_eq!(assess(&with_faint(3, 56), PictureVerdict::Sound), SelfAssessment::InRange);
        assert_eq!(assess(&with_faint(20, 139), PictureVerdict::Sound), SelfAssessment::InRange);
    }
}
