//! The evaluation of a folder of presentations, from pictures to the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gatehouse_faces::{FaceError, LivenessModel};
use gatehouse_picture::{Rect, YuvPicture};
use gatehouse_runtime::{Registry, SessionOptions};

use super::report::{PadDataset, PadReport, Presentations};
use crate::acquire::{Choice, FaceFinder, Missed, ModelChoice, UNUSABLE, manifest};
use crate::dataset::Grouped;
use crate::error::EvalError;
use crate::workers::{Progress, spread};

/// The folder of live faces.
const BONAFIDE: &str = "bonafide";

/// Options of the evaluation.
#[derive(Debug, Clone)]
pub struct PadOptions {
    /// Name of the data set in reports.
    pub dataset: String,
    /// The models.
    pub models: ModelChoice,
}

struct Judge {
    finder: FaceFinder,
    liveness: LivenessModel,
}

impl Judge {
    fn judge(&mut self, paths: &[PathBuf]) -> Result<Vec<Result<f32, Missed>>, EvalError> {
        let found = self.finder.find_faces(paths, Choice::Largest)?;
        let mut answer = Vec::with_capacity(1);
        found
            .into_iter()
            .map(|seen| match seen {
                // One at a time, so that an unusable box does not fail the others.
                Ok((photo, face)) => {
                    let score = self.score(&self.finder.picture(&photo), face.box_in_frame, &mut answer)?;
                    Ok(score.ok_or(UNUSABLE))
                }
                Err(missed) => Ok(Err(missed)),
            })
            .collect()
    }

    fn score(&mut self, picture: &YuvPicture<'_>, face: Rect, answer: &mut Vec<f32>) -> Result<Option<f32>, EvalError> {
        match self.liveness.score(&[(picture, face)], answer) {
            Ok(()) => Ok(answer.first().copied()),
            Err(FaceError::FaceBox { .. } | FaceError::BadLiveness { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Evaluates a folder with `bonafide/` and a folder for each kind of attack.
///
/// # Errors
/// If the folder has another layout, or a model can't be opened or fails. The report counts faults
/// of single pictures as non-response.
pub fn evaluate_pad(
    folder: &Path,
    options: &PadOptions,
    registry: &Registry,
    progress: Progress<'_>,
) -> Result<PadReport, EvalError> {
    let grouped = Grouped::read(folder)?;
    let kinds: Vec<&str> = grouped.groups.iter().map(|group| group.name.as_str()).collect();
    let has_bonafide = kinds.contains(&BONAFIDE);
    if !has_bonafide || kinds.len() < 2 {
        let reason = format!(
            "expected `bonafide` and a folder for each kind of attack, with JPEG or PNG files in them, found {} \
             folder(s) with pictures, `bonafide` {}",
            kinds.len(),
            if has_bonafide { "among them" } else { "not among them" }
        );
        return Err(EvalError::data_set(folder, reason));
    }
    let name = &options.models.liveness;
    let detector = manifest(registry, &options.models.detector)?;
    let liveness = manifest(registry, name)?;
    let threshold = liveness.threshold.as_ref().ok_or_else(|| EvalError::NoThreshold(name.clone()))?.value;
    let paths: Vec<PathBuf> = grouped.groups.iter().flat_map(|group| group.pictures.iter().cloned()).collect();
    let load = || {
        let finder = FaceFinder::load(registry, &options.models)?;
        Ok(Judge { finder, liveness: LivenessModel::load(registry, name, &SessionOptions::default())? })
    };
    let answers = spread(&paths, options.models.threads, progress, load, |judge, _, batch| judge.judge(batch))?;
    let mut rest = answers.as_slice();
    let mut of_kind = BTreeMap::new();
    for group in &grouped.groups {
        let (own, others) = rest.split_at(group.pictures.len());
        rest = others;
        of_kind.insert(group.name.clone(), Presentations::new(own, group.name == BONAFIDE, threshold));
    }
    let bonafide = of_kind.remove(BONAFIDE).unwrap_or_else(|| unreachable!("its folder was found for above"));
    let dataset = PadDataset {
        name: options.dataset.clone(),
        attack_kinds: of_kind.len(),
        pictures: paths.len(),
        other_files: grouped.other_files,
    };
    let models = vec![detector.into(), liveness.into()];
    Ok(PadReport::new(dataset, models, threshold, bonafide, of_kind))
}
