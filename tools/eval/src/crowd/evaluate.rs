//! The evaluation of a folder of marked pictures, from pictures to the report.

use std::path::{Path, PathBuf};

use gatehouse_core::CameraId;
use gatehouse_core::event::SelfAssessment;
use gatehouse_core::picture_check::PictureCheck;
use gatehouse_core::time::{CaptureTime, ClockSource, Monotonic, WallTime};
use gatehouse_crowd::{Crowd, CrowdModel, CrowdOptions, CrowdPicture, LEAST_SCORE};
use gatehouse_models::{PeopleScene, PersonDetector, PhotoLimits, Registry, SessionOptions, read_photo};

use super::marks::{self, Marked};
use super::report::{CountErrors, CountedPicture, CrowdDataset, CrowdReport, band, game};
use crate::acquire::manifest;
use crate::error::EvalError;
use crate::workers::{Progress, spread};

/// What to evaluate, and how.
#[derive(Debug, Clone)]
pub struct CrowdEvalOptions {
    /// What the data set is called in reports.
    pub dataset: String,
    /// The person detector, by its name in the catalogue.
    pub detector: String,
    /// Longer side of the pictures as the detector sees them, in pixels: `detail_px` of a crowd camera.
    pub detail_px: usize,
    /// Score from which on a detection counts: `min_score` of a crowd camera.
    pub min_score: f32,
    /// Threads.
    pub threads: usize,
}

/// Evaluates a folder of pictures with marked people: `points.json`, ShanghaiTech's `ground_truth/GT_*.mat`, or
/// MOTChallenge's `gt/gt.txt` with `img1/`.
///
/// # Errors
/// If the points can't be read or name a picture that isn't there, or a model can't be opened or fails. Pictures that can't be
/// read are counted in the report.
pub fn evaluate_crowd(
    folder: &Path,
    options: &CrowdEvalOptions,
    registry: &Registry,
    progress: Progress<'_>,
) -> Result<CrowdReport, EvalError> {
    let marked = marks::read(folder)?;
    let detector = manifest(registry, &options.detector)?;
    let paths: Vec<PathBuf> = marked.iter().map(|marked| marked.picture.clone()).collect();
    let load = || Ok(PersonDetector::load(registry, &options.detector, &SessionOptions::default())?);
    let counted = spread(&paths, options.threads, progress, load, |detector, start, batch| {
        marked[start..start + batch.len()].iter().map(|marked| count(detector, marked, options)).collect()
    })?;
    let pictures: Vec<CountedPicture> = counted.into_iter().flatten().collect();
    let errors = CountErrors::of(pictures.iter()).ok_or_else(|| EvalError::Layout {
        path: folder.to_owned(),
        expected: "expected JPEG or PNG pictures",
        found: format!("{} that can't be read", paths.len()),
    })?;
    let by = |key: &dyn Fn(&CountedPicture) -> String| {
        let keys: std::collections::BTreeSet<String> = pictures.iter().map(key).collect();
        let errors = |wanted: &String| CountErrors::of(pictures.iter().filter(|picture| key(picture) == *wanted));
        keys.into_iter().filter_map(|key| errors(&key).map(|errors| (key, errors))).collect()
    };
    Ok(CrowdReport {
        dataset: CrowdDataset {
            name: options.dataset.clone(),
            marked: pictures.iter().map(|picture| picture.marked).sum(),
            unreadable: paths.len() - pictures.len(),
        },
        models: vec![detector.into()],
        detail_px: options.detail_px,
        min_score: options.min_score,
        bands: by(&|picture| band(picture.marked)),
        by_self_assessment: by(&|picture| said(picture.self_assessment).to_owned()),
        notes: vec!["Each picture is counted by itself; a camera's counts rest on several.".to_owned()],
        errors,
        pictures,
    })
}

fn said(of_itself: SelfAssessment) -> &'static str {
    match of_itself {
        SelfAssessment::InRange => "in_range",
        SelfAssessment::OutOfRange => "out_of_range",
        SelfAssessment::NoPicture => "no_picture",
        SelfAssessment::Moved => "moved",
    }
}

/// Counts one picture as a crowd camera does; none if it can't be read.
fn count(
    detector: &mut PersonDetector,
    marked: &Marked,
    options: &CrowdEvalOptions,
) -> Result<Option<CountedPicture>, EvalError> {
    let photo = match read_photo(&marked.picture, &PhotoLimits::default()) {
        Ok(photo) => photo,
        Err(error) => {
            tracing::warn!("{}: {error}", marked.picture.display());
            return Ok(None);
        }
    };
    let picture = photo.as_picture();
    let mut readings = Vec::new();
    detector.detect(&[PeopleScene { picture, longer_side_px: options.detail_px }], LEAST_SCORE, &mut readings)?;
    let reading = readings.pop().unwrap_or_default();
    let frame = picture.size();
    let arrival = Monotonic::from_start(std::time::Duration::ZERO);
    let verdict = PictureCheck::default().judge(&picture, arrival);
    let capture_time = CaptureTime { at: WallTime::from_unix_nanos(0), source: ClockSource::Arrival, error_ms: 0 };
    let manifest = detector.manifest();
    let model = CrowdModel { name: manifest.name.clone(), counting: manifest.counting.clone() };
    let mut crowd = Crowd::new(CameraId::new("picture"), model, crowd_options(options));
    let picture = CrowdPicture { reading: &reading, frame, capture_time, arrival, verdict, moved: false };
    let Some(events) = crowd.count(&picture) else {
        unreachable!("pictures that don't follow each other are counted one by one")
    };
    let counted: Vec<_> =
        crowd.heads().map(|(head, people)| ([f64::from(head.x), f64::from(head.y)], f64::from(people))).collect();
    let share = |[x, y]: &[f64; 2]| [x / frame.width as f64, y / frame.height as f64];
    let heads: Vec<_> = marked.heads.iter().map(share).collect();
    Ok(Some(CountedPicture {
        marked: heads.len(),
        counted: events.density.count,
        interval: events.density.interval.map(|interval| [interval.low, interval.high]),
        game: game(&counted, &heads),
        self_assessment: events.density.self_assessment,
    }))
}

fn crowd_options(options: &CrowdEvalOptions) -> CrowdOptions {
    CrowdOptions {
        zones: Vec::new(),
        excluded: Vec::new(),
        lines: Vec::new(),
        ground: None,
        map_columns: 1,
        map_rows: 1,
        detail_px: options.detail_px,
        min_score: options.min_score,
        follows: false,
    }
}
