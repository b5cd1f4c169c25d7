//! The evaluation of a folder of marked pictures, from pictures to the report.

use std::path::Path;
use std::time::Duration;

use gatehouse_core::event::SelfAssessment;
use gatehouse_crowd::CrowdReader;
use gatehouse_runtime::{PhotoLimits, Registry, SessionOptions, read_photo};

use super::boxes::{BoxErrors, BoxTally, ScoreTally};
use super::count::Counter;
use super::examples::Examples;
use super::marks::{self, Marked, Marks};
use super::report::{CountErrors, CountedPicture, CrowdDataset, CrowdReport, band};
use super::sequence::{self, Counted, count_frames, count_video};
use crate::acquire::manifest;
use crate::error::EvalError;
use crate::workers::{Progress, spread};

/// Options of the evaluation.
#[derive(Debug, Clone)]
pub struct CrowdEvalOptions {
    /// Name of the data set in reports.
    pub dataset: String,
    /// The person detector, by its name in the catalogue.
    pub detector: String,
    /// A separate density model; without it, the detector's density.
    pub density: Option<String>,
    /// Longer side of the density model's picture, in pixels.
    pub density_px: usize,
    /// Longer side of the detector's picture, in pixels: `detail_px` of a crowd camera.
    pub detail_px: usize,
    /// The most parts that are detected again, enlarged: `tiles` of a crowd camera.
    pub tiles: usize,
    /// Lowest score that counts: `min_score` of a crowd camera.
    pub min_score: f32,
    /// Analysed frames per second of a sequence: `analyse_fps` of a crowd camera.
    pub analyse_fps: f64,
    /// True if people are tracked through a sequence. Otherwise each frame is counted separately.
    pub follow: bool,
    /// Threads.
    pub threads: usize,
}

/// Evaluates a folder of marked pictures: `points.json`, ShanghaiTech's `ground_truth/GT_*.mat`, or
/// MOTChallenge's `gt/gt.txt` with `img1/`. Videos, and frames with a known rate, are counted in
/// sequence, as a crowd camera does.
///
/// # Errors
/// If the marks can't be read or name a missing picture, a video can't be decoded, or a model can't
/// be opened or fails. The report counts unreadable pictures.
pub fn evaluate_crowd(
    folder: &Path,
    options: &CrowdEvalOptions,
    registry: &Registry,
    progress: Progress<'_>,
) -> Result<CrowdReport, EvalError> {
    let marks = marks::read(folder)?;
    let names = std::iter::once(&options.detector).chain(&options.density);
    let models = names.map(|name| Ok(manifest(registry, name)?.into())).collect::<Result<_, EvalError>>()?;
    let load = |threads: usize| -> Result<CrowdReader, EvalError> {
        let session = SessionOptions { intra_threads: threads };
        Ok(CrowdReader::load(registry, &options.detector, options.density.as_deref(), &session)?)
    };
    let examples = Examples::default();
    let is_sequence = !matches!(marks, Marks::Pictures(_));
    let counted = match &marks {
        Marks::Pictures(marked) => count_pictures(marked, options, || load(1), &examples, progress)?,
        Marks::Frames { frames, per_second } => {
            count_frames(frames, *per_second, &mut load(options.threads)?, options, &examples, progress)?
        }
        Marks::Video { video, frames, all } => {
            count_video(video, (frames, *all), &mut load(options.threads)?, options, &examples, progress)?
        }
    };
    let sequence = is_sequence.then(|| sequence::facts(&counted, options));
    let Counted { pictures, unreadable } = counted;
    let errors = CountErrors::of(pictures.iter()).ok_or_else(|| {
        let expected = if is_sequence { "marked frames" } else { "JPEG or PNG pictures" };
        let reason = format!("expected {expected}, found {unreadable} that can't be read, and no other");
        EvalError::data_set(folder, reason)
    })?;
    let by = |key: &dyn Fn(&CountedPicture) -> String| {
        let keys: std::collections::BTreeSet<String> = pictures.iter().map(key).collect();
        let errors = |wanted: &String| CountErrors::of(pictures.iter().filter(|picture| key(picture) == *wanted));
        keys.into_iter().filter_map(|key| errors(&key).map(|errors| (key, errors))).collect()
    };
    let boxes: Option<(Vec<BoxTally>, Vec<ScoreTally>)> = pictures.iter().map(|picture| picture.boxes).collect();
    let (boxes, scores) = boxes.unzip();
    let note = match &sequence {
        None => "Each picture is counted by itself; a camera's counts rest on several.",
        Some(facts) if facts.followed => {
            "Frames are counted as a crowd camera counts them: people are followed from one to the next."
        }
        Some(_) => "Each frame is counted by itself; a camera's counts rest on several.",
    };
    Ok(CrowdReport {
        dataset: CrowdDataset {
            name: options.dataset.clone(),
            marked: pictures.iter().map(|picture| picture.marked).sum(),
            unreadable,
        },
        models,
        detail_px: options.detail_px,
        min_score: options.min_score,
        sequence,
        boxes: boxes.map(|boxes| BoxErrors::of(boxes.into_iter().sum())),
        scores: scores.map(|scores| scores.into_iter().sum::<ScoreTally>().bands()).unwrap_or_default(),
        bands: by(&|picture| band(picture.marked)),
        by_self_assessment: by(&|picture| said(picture.self_assessment).to_owned()),
        notes: vec![note.to_owned()],
        errors,
        pictures,
        examples: examples.into_vec(),
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

fn count_pictures(
    marked: &[Marked],
    options: &CrowdEvalOptions,
    load: impl Fn() -> Result<CrowdReader, EvalError> + Sync,
    examples: &Examples,
    progress: Progress<'_>,
) -> Result<Counted, EvalError> {
    let count = |reader: &mut CrowdReader, number: usize, Marked { picture, truth }: &Marked| {
        let photo = match read_photo(picture, &PhotoLimits::default()) {
            Ok(photo) => photo,
            Err(error) => {
                tracing::warn!("{}: {error}", picture.display());
                return Ok(None);
            }
        };
        let name = picture.file_name().unwrap_or_default().to_string_lossy();
        let mut counter = Counter::new(reader, options, examples, false);
        counter.count(photo.as_video(), Duration::ZERO, Some(truth), (number, &name))
    };
    let counted = spread(marked, options.threads, progress, load, |reader, start, batch| {
        (start..).zip(batch).map(|(number, marked)| count(reader, number, marked)).collect()
    })?;
    let pictures: Vec<_> = counted.into_iter().flatten().collect();
    Ok(Counted { unreadable: marked.len() - pictures.len(), pictures })
}
