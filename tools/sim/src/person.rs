//! A person in front of a gate camera, live or as a picture.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{error::ClipError, source::Source};

/// The face in pixels of a photo or video: `[x, y, width, height]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct FaceBox(pub f64, pub f64, pub f64, pub f64);

/// The source of a person's pictures, in any format that GStreamer decodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    Photo(PathBuf),
    /// A looped video, such as a talking face.
    Video(PathBuf),
}

/// A live person, or an attack that shows a picture of them (a presentation attack instrument of
/// ISO/IEC 30107-1).
///
/// All are drawn from the same photo or video. The live person is cut out of a photo: they
/// move and grow in front of the gate, but are flat. The attacks have only the traits described
/// here, so they do not measure how well real attacks are detected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presentation {
    /// A live person: cut out of a photo with a face box. In a video, or a photo without a face
    /// box, the surroundings of the face fill the frame.
    #[default]
    Live,
    /// A printed photo, held in front of the gate: pale, with a white margin and an edge, tilted,
    /// unsteady. Of a video, the first picture is printed.
    Print,
    /// The photo or video on a tablet: a dark frame, moiré, a rolling band of brightness, and the
    /// reflection of a lamp.
    Replay,
    /// As [`Presentation::Replay`], with light and dark exchanged, as phones in dark mode show the
    /// QR code of a pass.
    DarkMode,
}

/// A person who walks up to the camera.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenPerson")]
pub struct Person {
    /// The photo or video.
    pub media: Media,
    /// The face; the whole picture by default.
    pub face_box: Option<FaceBox>,
    /// A live person, or a picture of them.
    pub presentation: Presentation,
}

/// The form in the config: `{ photo = "a.png" }` or `{ video = "b.mp4", face_box = [10, 20, 100,
/// 130] }`, either with `presentation = "print"`, "replay" or "dark-mode".
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
    /// A person from a photo that shows only the face.
    pub fn photo(path: impl Into<PathBuf>) -> Self {
        Self { media: Media::Photo(path.into()), face_box: None, presentation: Presentation::Live }
    }

    /// A person from a video that shows only the face.
    pub fn video(path: impl Into<PathBuf>) -> Self {
        Self { media: Media::Video(path.into()), ..Self::photo("") }
    }

    /// Sets the face box, in pixels of the photo or video.
    #[must_use]
    pub fn with_face(self, face_box: FaceBox) -> Self {
        Self { face_box: Some(face_box), ..self }
    }

    /// Sets the presentation.
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

    /// All properties except the file's path.
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
