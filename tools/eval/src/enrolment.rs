//! Enrolment of a person's pictures by the rules of the enrolling desk.

use std::path::{Path, PathBuf};

use gatehouse_faces::{Embedding, FaceDetector, FaceEmbedder, Template, TemplateProtection};
use gatehouse_gate::enrol::{EnrolError, Problems, examine, fuse};
use gatehouse_gate::quality::{Limits, Problem};
use gatehouse_runtime::{PhotoLimits, Registry, SessionOptions, read_photo};

use crate::acquire::{Missed, ModelChoice};
use crate::error::EvalError;
use crate::workers::{Progress, spread};

pub(crate) fn examine_all(
    pictures: &[PathBuf],
    registry: &Registry,
    models: &ModelChoice,
    progress: Progress<'_>,
) -> Result<Vec<Result<Embedding, Missed>>, EvalError> {
    let load = || {
        let options = SessionOptions::default();
        let detector = FaceDetector::load(registry, &models.detector, &options)?;
        Ok((detector, FaceEmbedder::load(registry, &models.embedder, &options)?))
    };
    spread(pictures, models.threads, progress, load, |(detector, embedder), _, batch| {
        batch.iter().map(|path| answer(embedding(path, detector, embedder))).collect()
    })
}

/// One template from a person's accepted pictures; if all are refused, the first one's error.
pub(crate) fn enrol(
    pictures: &[&Result<Embedding, Missed>],
    protection: &TemplateProtection,
    same_person: f32,
) -> Result<Result<Template, Missed>, EvalError> {
    let embeddings: Vec<Embedding> =
        pictures.iter().copied().filter_map(|picture| picture.as_ref().ok().cloned()).collect();
    match pictures.iter().copied().find_map(|picture| picture.as_ref().err().copied()) {
        Some(refused) if embeddings.is_empty() => Ok(Err(refused)),
        _ => answer(fuse(&embeddings, protection, same_person)),
    }
}

fn embedding(path: &Path, detector: &mut FaceDetector, embedder: &mut FaceEmbedder) -> Result<Embedding, EnrolError> {
    // An unreadable picture has no face.
    let unsuitable = || EnrolError::Unsuitable(Problems(Vec::new()));
    let photo = read_photo(path, &PhotoLimits::default()).map_err(|_| unsuitable())?;
    let portrait = examine(detector, &photo.as_picture(), &Limits::ENROLMENT)?;
    let mut embeddings = Vec::with_capacity(1);
    embedder.embed(&[portrait.aligned], &mut embeddings)?;
    embeddings.pop().ok_or_else(unsuitable)
}

/// A refusal is a result; a failure of a model is an error.
fn answer<T>(result: Result<T, EnrolError>) -> Result<Result<T, Missed>, EvalError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(EnrolError::Unsuitable(Problems(problems))) => Ok(Err(problems.first().map_or("unreadable", name))),
        Err(EnrolError::TooFew { .. }) => Ok(Err("too_few_pictures")),
        Err(EnrolError::NotTheSame { .. }) => Ok(Err("not_the_same_person")),
        Err(EnrolError::AlreadyEnrolled) => Ok(Err("already_enrolled")),
        Err(EnrolError::NotLive | EnrolError::LivenessUnknown) => Ok(Err("not_live")),
        Err(EnrolError::Model(error)) => Err(error.into()),
    }
}

fn name(problem: &Problem) -> Missed {
    match problem {
        Problem::NoFace => "no_face",
        Problem::SeveralFaces { .. } => "several_faces",
        Problem::TooSmall { .. } => "too_small",
        Problem::CutOff => "cut_off",
        Problem::TurnedAside { .. } => "turned_aside",
        Problem::LooksUp { .. } => "looks_up",
        Problem::LooksDown { .. } => "looks_down",
        Problem::TooDark => "too_dark",
        Problem::TooBright => "too_bright",
        Problem::HarshLight => "harsh_light",
        Problem::Flat => "flat",
        Problem::Blurred => "blurred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Result<Embedding, Missed> {
        let mut values = [0.0; 128];
        (values[1], values[0]) = degrees.to_radians().sin_cos();
        Ok(Embedding::from_slice(&values).expect("a direction"))
    }

    #[test]
    fn a_refused_picture_leaves_the_others() {
        let protection = TemplateProtection::new(&[1; 32]);
        let enrol =
            |pictures: &[&Result<Embedding, Missed>]| enrol(pictures, &protection, 0.4).expect("no model failed");
        let direct = protection.protect(at(0.0).as_ref().expect("a direction"));
        let score = enrol(&[&Err("blurred"), &at(0.0)]).expect("one is left").cosine(&direct);
        assert!(score > 0.9999, "{score}");
        assert_eq!(enrol(&[&Err("blurred"), &Err("no_face")]).err(), Some("blurred"));
        assert_eq!(enrol(&[&at(0.0), &at(90.0)]).err(), Some("not_the_same_person"));
        assert_eq!(enrol(&[]).err(), Some("too_few_pictures"));
    }

    #[test]
    fn a_failing_model_is_no_refusal() {
        let failed = gatehouse_faces::FaceError::Landmarks;
        assert!(answer::<()>(Err(EnrolError::Model(failed))).is_err());
        assert_eq!(
            answer::<()>(Err(EnrolError::Unsuitable(Problems(vec![Problem::Flat])))).expect("an answer"),
            Err("flat")
        );
    }
}
