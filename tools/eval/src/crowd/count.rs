//! Counts people in pictures as a crowd camera does.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{CaptureTime, ClockSource, Monotonic, WallTime};
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::{Crowd, CrowdModel, CrowdOptions, CrowdPicture, CrowdReader, Head, LEAST_SCORE};
use gatehouse_people::{PeopleReading, PeopleScene};
use gatehouse_picture::{Rect, YuvPicture};

use super::boxes::{BoxTally, ScoreTally};
use super::evaluate::CrowdEvalOptions;
use super::examples::Examples;
use super::marks::Truth;
use super::report::{CountedPicture, game};
use crate::error::EvalError;

/// One crowd camera without zones.
pub(super) struct Counter<'a> {
    reader: &'a mut CrowdReader,
    options: &'a CrowdEvalOptions,
    examples: &'a Examples,
    crowd: Crowd,
    tiling: Tiling,
    follows: bool,
    readings: Vec<PeopleReading>,
}

impl<'a> Counter<'a> {
    /// `follows` is true for the frames of a sequence.
    pub(super) fn new(
        reader: &'a mut CrowdReader,
        options: &'a CrowdEvalOptions,
        examples: &'a Examples,
        follows: bool,
    ) -> Self {
        let camera = CrowdOptions {
            zones: Vec::new(),
            excluded: Vec::new(),
            lines: Vec::new(),
            ground: None,
            map_columns: 1,
            map_rows: 1,
            detail_px: options.detail_px,
            min_score: options.min_score,
            follows,
        };
        let crowd = Crowd::new(CameraId::new("picture"), CrowdModel::of(reader), camera);
        let tiling = Tiling::new(options.tiles, options.detail_px, None);
        Self { reader, options, examples, crowd, tiling, follows, readings: Vec::new() }
    }

    /// `None` if there is no count yet.
    pub(super) fn count(
        &mut self,
        picture: YuvPicture<'_>,
        at: Duration,
        truth: Option<&Truth>,
        (number, name): (usize, &str),
    ) -> Result<Option<CountedPicture>, EvalError> {
        if self.options.tiles > 0 && !self.follows {
            // There is no earlier picture: the tiles follow from a first pass over this one.
            self.read(picture)?;
        }
        let reading = self.read(picture)?;
        let (frame, arrival) = (picture.size(), Monotonic::from_start(at));
        let nanos = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
        let capture_time = CaptureTime {
            at: WallTime::from_unix_nanos(nanos),
            source: ClockSource::Arrival,
            error_ms: 0,
            clock_offset_ms: None,
        };
        let verdict = PictureVerdict::of(&picture, false);
        let events =
            self.crowd.count(&CrowdPicture { reading: &reading, frame, capture_time, arrival, verdict, moved: false });
        let Some((events, truth)) = events.zip(truth) else { return Ok(None) };
        let share = |[x, y]: &[f64; 2]| [x / frame.width as f64, y / frame.height as f64];
        let heads: Vec<_> = truth.heads.iter().map(share).collect();
        let seen: Vec<Head> = self.crowd.heads().collect();
        let boxes = truth.boxes.as_ref().map(|marked| {
            let detections = self.crowd.detections().filter(|person| person.share >= 0.5);
            let found: Vec<Rect> = detections.map(|person| person.box_in_frame).collect();
            (BoxTally::of(&found, marked), ScoreTally::of(&reading.people, marked))
        });
        let counted = CountedPicture {
            name: name.to_owned(),
            at,
            marked: heads.len(),
            counted: events.density.count,
            share_by_density: events.density.share_by_density,
            interval: events.density.interval.map(|interval| [interval.low, interval.high]),
            game: game(seen.iter().map(place), &heads),
            boxes,
            self_assessment: events.density.self_assessment,
        };
        self.examples.offer(number, &counted, &picture, &heads, &seen);
        Ok(Some(counted))
    }

    fn read(&mut self, picture: YuvPicture<'_>) -> Result<PeopleReading, EvalError> {
        let CrowdEvalOptions { detail_px, density_px, .. } = *self.options;
        let tiles = self.tiling.tiles(picture.size());
        let scene = PeopleScene { picture, longer_side_px: detail_px, density_side_px: density_px, tiles: &tiles };
        self.readings.clear();
        self.reader.read(std::iter::once(scene), LEAST_SCORE, &mut self.readings)?;
        let reading = self.readings.pop().unwrap_or_default();
        self.tiling.learn(&reading.people, picture.size());
        Ok(reading)
    }
}

fn place(head: &Head) -> ([f64; 2], f64) {
    ([f64::from(head.at.x), f64::from(head.at.y)], f64::from(head.people))
}
