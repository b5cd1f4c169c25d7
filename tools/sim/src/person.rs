//! Who comes before a gate camera, and whether in the flesh or as a picture of them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{error::ClipError, source::Source};

/// Pixels of a photo or video that hold the face: `[x, y, width, height]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct FaceBox(pub f64, pub f64, pub f64, pub f64);

/// What a person is drawn from. Any format that GStreamer decodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// A still photo.
    Photo(PathBuf),
    /// A video, such as a talking face; starts again when it ends.
    Video(PathBuf),
}

/// What comes before the camera: the person, or an attack that shows a picture of them (ISO/IEC 30107-1 calls the
/// thing that is shown a presentation attack instrument).
///
/// All three are drawn from the same photo or video, so none is the real thing. A live person here is cut out of a photo:
/// they move and grow before the gate, but are as flat as paper. The attacks have what cameras see of such attacks, and only
/// what is described here; how well real ones are told is not measured by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presentation {
    /// The person in the flesh: cut out of their photo, if it says where the face is. Of a video, and of a photo that says
    /// nothing, what is around the face fills the frame.
    #[default]
    Live,
    /// A printed photo, held before the gate: pale, with a white margin and an edge, slanted, unsteady in the hand.
    /// A video is printed as its first picture.
    Print,
    /// The photo or video on a tablet: a dark rim, a screen whose pixels beat with the camera's (moiré), a band of
    /// brightness that rolls over it, and the reflection of a lamp.
    Replay,
}

/// Somebody who walks up to the camera.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenPerson")]
pub struct Person {
    /// What is shown.
    pub media: Media,
    /// Where the face is; the whole picture by default.
    pub face_box: Option<FaceBox>,
    /// Whether it is the person or a picture of them.
    pub presentation: Presentation,
}

/// As written in the config: `{ photo = "a.png" }` or `{ video = "b.mp4", face_box = [10, 20, 100, 130] }`, either with
/// `presentation = "print"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerson {
    photo: Option<PathBuf>,
    video: Option<PathBuf>,
    face_box: Option<FaceBox>,
    #[serde(default)]
    presentation: Presentation,
}

impl TryFrom<WrittenPerson> for Person {
    type Error = String;

    fn try_from(WrittenPerson { photo, video, face_box, presentation }: WrittenPerson) -> Result<Self, String> {
        if let Some(FaceBox(x, y, width, height)) = face_box
            && !(x >= 0.0 && y >= 0.0 && width > 0.0 && height > 0.0)
        {
            return Err(format!("face_box is [x, y, width, height] in pixels, got [{x}, {y}, {width}, {height}]"));
        }
        let media = match (photo, video) {
            (Some(path), None) => Media::Photo(path),
            (None, Some(path)) => Media::Video(path),
            _ => return Err("a person has exactly one of photo, video".to_owned()),
        };
        Ok(Self { media, face_box, presentation })
    }
}

impl Person {
    /// A person shown by a photo of nothing but the face.
    pub fn photo(path: impl Into<PathBuf>) -> Self {
        Self { media: Media::Photo(path.into()), face_box: None, presentation: Presentation::Live }
    }

    /// A person shown by a video of nothing but the face.
    pub fn video(path: impl Into<PathBuf>) -> Self {
        Self { media: Media::Video(path.into()), ..Self::photo("") }
    }

    /// The same with the face at these pixels.
    #[must_use]
    pub fn with_face(self, face_box: FaceBox) -> Self {
        Self { face_box: Some(face_box), ..self }
    }

    /// The same in the flesh, on paper or on a screen.
    #[must_use]
    pub fn presented(self, presentation: Presentation) -> Self {
        Self { presentation, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.media {
            Media::Photo(path) | Media::Video(path) => path,
        }
    }

    pub(crate) fn path_mut(&mut self) -> &mut PathBuf {
        match &mut self.media {
            Media::Photo(path) | Media::Video(path) => path,
        }
    }

    /// Everything except where the file lies.
    pub(crate) fn fingerprint(&self) -> String {
        let is_video = matches!(self.media, Media::Video(_));
        format!("{is_video} {:?} {:?}", self.face_box, self.presentation)
    }

    pub(crate) fn open(&self, fps: u32) -> Result<Source, ClipError> {
        match &self.media {
            Media::Photo(path) => Source::photo(path),
            Media::Video(path) => Source::video(path, fps),
        }
    }
}
