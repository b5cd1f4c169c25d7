//! From a picture's file to a template, through the product's reader, models and protection.

use std::path::PathBuf;

use gatehouse_faces::{
    AlignedFace, Embedding, Face, FaceDetector, FaceEmbedder, FaceError, Template, TemplateProtection, align_face,
};
use gatehouse_picture::{Point, Size, YuvPicture};
use gatehouse_runtime::{Manifest, ModelError, Photo, PhotoLimits, Registry, SessionOptions, read_photo};

use crate::error::EvalError;
use crate::workers::{Progress, spread};

/// The choice among several faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The face that contains the picture's centre, as LFW defines the person of a picture; of
    /// several, the one with the highest score. If none contains it, the nearest.
    Centre,
    /// The largest face: the nearest person.
    Largest,
}

/// The reason why a picture or a person gave no template, as reports name it.
pub(crate) type Missed = &'static str;
/// The face has invalid landmarks, an invalid embedding or an invalid liveness score.
pub(crate) const UNUSABLE: Missed = "unusable";

/// The models, and how they are run.
#[derive(Debug, Clone)]
pub struct ModelChoice {
    /// Name of the face detector.
    pub detector: String,
    /// Name of the face embedder.
    pub embedder: String,
    /// Name of the liveness model.
    pub liveness: String,
    /// Number of threads; each has its own models.
    pub threads: usize,
    /// True if pictures are processed like camera frames: halved chroma, a frame's size.
    pub as_video: bool,
}

pub(crate) fn manifest<'r>(registry: &'r Registry, name: &str) -> Result<&'r Manifest, EvalError> {
    let known = || registry.catalogue().iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = registry.catalogue().get(name);
    Ok(found.ok_or_else(|| ModelError::Unknown { model: name.to_owned(), known: known() })?)
}

pub(crate) struct FaceFinder {
    detector: FaceDetector,
    min_score: f32,
    as_video: bool,
    faces: Vec<Vec<Face>>,
}

type PictureFace = Result<(Photo, Face), Missed>;

impl FaceFinder {
    pub(crate) fn load(registry: &Registry, models: &ModelChoice) -> Result<Self, EvalError> {
        let name = &models.detector;
        let detector = FaceDetector::load(registry, name, &SessionOptions::default())?;
        let threshold = detector.manifest().threshold.as_ref();
        let min_score = threshold.ok_or_else(|| EvalError::NoThreshold(name.clone()))?.value;
        Ok(Self { detector, min_score, as_video: models.as_video, faces: Vec::new() })
    }

    /// A photo in the form that the models see.
    pub(crate) fn picture<'p>(&self, photo: &'p Photo) -> YuvPicture<'p> {
        if self.as_video { photo.as_video() } else { photo.as_picture() }
    }

    pub(crate) fn find_faces(&mut self, paths: &[PathBuf], choice: Choice) -> Result<Vec<PictureFace>, EvalError> {
        let photos: Vec<_> = paths.iter().map(|path| read_photo(path, &PhotoLimits::default())).collect();
        let pictures: Vec<_> = photos.iter().flatten().map(|photo| self.picture(photo)).collect();
        if self.as_video {
            self.detector.detect(&pictures, self.min_score, &mut self.faces)?;
        } else {
            self.detector.detect_in_photos(&pictures, self.min_score, &mut self.faces)?;
        }
        drop(pictures);
        let mut found = self.faces.iter();
        Ok(photos
            .into_iter()
            .map(|photo| {
                let photo = photo.map_err(|error| {
                    // The message contains no path, because the file's name may be a person's.
                    tracing::debug!(%error, "a picture can't be read");
                    "unreadable"
                })?;
                let faces = found.next().map_or(&[][..], Vec::as_slice);
                let face = choose(faces, photo.as_picture().size(), choice).ok_or("no_face")?;
                Ok((photo, face))
            })
            .collect())
    }
}

fn choose(faces: &[Face], picture: Size, choice: Choice) -> Option<Face> {
    let centre = Point { x: picture.width as f32 / 2.0, y: picture.height as f32 / 2.0 };
    let holds_centre = |face: &Face| {
        let b = face.box_in_frame;
        (b.x..=b.right()).contains(&centre.x) && (b.y..=b.bottom()).contains(&centre.y)
    };
    let nearness = |face: &Face| -face.box_in_frame.centre().distance(centre);
    let best = |by: &dyn Fn(&Face) -> f32, of: &dyn Fn(&Face) -> bool| {
        faces.iter().filter(|face| of(face)).max_by(|a, b| by(a).total_cmp(&by(b))).copied()
    };
    match choice {
        Choice::Centre => best(&|face| face.score, &holds_centre).or_else(|| best(&nearness, &|_| true)),
        Choice::Largest => best(&|face| face.box_in_frame.area(), &|_| true),
    }
}

/// One thread's models for faces.
struct Recogniser {
    finder: FaceFinder,
    embedder: FaceEmbedder,
}

impl Recogniser {
    fn load(registry: &Registry, models: &ModelChoice) -> Result<Self, EvalError> {
        let finder = FaceFinder::load(registry, models)?;
        Ok(Self { finder, embedder: FaceEmbedder::load(registry, &models.embedder, &SessionOptions::default())? })
    }

    fn acquire(&mut self, paths: &[PathBuf], choice: Choice) -> Result<Vec<Result<Embedding, Missed>>, EvalError> {
        let found = self.finder.find_faces(paths, choice)?;
        let mut aligned = Vec::with_capacity(paths.len());
        let mut missed = Vec::with_capacity(paths.len());
        for seen in found {
            let face = seen.and_then(|(photo, face)| {
                align_face(&self.finder.picture(&photo), &face.landmarks_in_frame).map_err(|_| UNUSABLE)
            });
            missed.push(face.map(|face| aligned.push(face)));
        }
        let mut embeddings = self.embed(&aligned)?.into_iter();
        Ok(missed.into_iter().map(|one| one.and_then(|()| embeddings.next().flatten().ok_or(UNUSABLE))).collect())
    }

    /// One embedding per face; `None` where the embedder fails.
    fn embed(&mut self, faces: &[AlignedFace]) -> Result<Vec<Option<Embedding>>, EvalError> {
        let mut embeddings = Vec::new();
        match self.embedder.embed(faces, &mut embeddings) {
            Ok(()) => Ok(embeddings.into_iter().map(Some).collect()),
            // An invalid face fails its batch, so the batch is halved.
            Err(FaceError::BadEmbedding { .. }) if faces.len() > 1 => {
                let halves = faces.split_at(faces.len() / 2);
                Ok([self.embed(halves.0)?, self.embed(halves.1)?].concat())
            }
            Err(FaceError::BadEmbedding { .. }) => Ok(vec![None]),
            Err(error) => Err(error.into()),
        }
    }
}

/// A template of the chosen face in each picture, in the pictures' order.
pub(crate) fn acquire(
    pictures: &[PathBuf],
    choice: Choice,
    protection: &TemplateProtection,
    registry: &Registry,
    models: &ModelChoice,
    progress: Progress<'_>,
) -> Result<Vec<Result<Template, Missed>>, EvalError> {
    spread(
        pictures,
        models.threads,
        progress,
        || Recogniser::load(registry, models),
        |recogniser, _, batch| {
            let embedded = recogniser.acquire(batch, choice)?;
            Ok(embedded.into_iter().map(|one| one.map(|embedding| protection.protect(&embedding))).collect())
        },
    )
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::Rect;

    use super::*;

    fn face(x: f32, y: f32, side: f32, score: f32) -> Face {
        let box_in_frame = Rect { x, y, width: side, height: side };
        Face { box_in_frame, score, landmarks_in_frame: [Point { x, y }; 5] }
    }

    const PICTURE: Size = Size { width: 250, height: 250 };

    #[test]
    fn the_face_in_the_centre_is_chosen() {
        let (aside, centre, surer) =
            (face(0.0, 0.0, 110.0, 0.95), face(80.0, 80.0, 90.0, 0.8), face(70.0, 70.0, 70.0, 0.9));
        assert_eq!(choose(&[aside, centre], PICTURE, Choice::Centre), Some(centre));
        assert_eq!(choose(&[aside, centre, surer], PICTURE, Choice::Centre), Some(surer));
        let far = face(200.0, 200.0, 45.0, 0.99);
        assert_eq!(
            choose(&[far, aside], PICTURE, Choice::Centre),
            Some(aside),
            "the nearest, as none holds the centre"
        );
        assert_eq!(choose(&[], PICTURE, Choice::Centre), None);
    }

    #[test]
    fn who_stands_nearest_is_largest() {
        let (small, large) = (face(80.0, 80.0, 90.0, 0.99), face(0.0, 0.0, 110.0, 0.75));
        assert_eq!(choose(&[small, large], PICTURE, Choice::Largest), Some(large));
    }
}
