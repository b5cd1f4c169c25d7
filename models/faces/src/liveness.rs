//! fr_liveness, a presentation-attack detector: tells a live face from one on paper or on a screen.
//!
//! Of the family of *Silent-Face-Anti-Spoofing* (Minivision, 2020). The small network sees a face
//! **and its surroundings**, 2.7 times as wide and high. It mostly detects the edge of the paper or
//! the screen, so it judges less surely when the surroundings don't fit into the frame.

use gatehouse_picture::{Rect, Size, YuvPicture};

use gatehouse_runtime::{
    ColourOrder, Manifest, Model, ModelError, Normalisation, Provider, Registry, Resizer, SessionOptions, Task,
    write_planar,
};

use crate::error::FaceError;

/// Side of the model's view divided by the side of the face's box.
const SURROUNDINGS: f64 = 2.7;
/// Index among the model's three classes; the others are attacks.
const LIVE_CLASS: usize = 0;
const CLASSES: usize = 3;

/// A face's box 2.7 times as wide and high, scaled down until it fits and then moved inside the
/// frame. It keeps the box's aspect, and the face may lie off its centre. If the face is higher
/// than 1/2.7 (37 %) of the frame, the model detects attacks less surely.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Surroundings {
    left_px: usize,
    top_px: usize,
    size: Size,
}

impl Surroundings {
    /// The face's box may reach beyond the frame. None if it is empty, not finite or outside.
    fn of(face_in_frame: &Rect, frame: Size) -> Option<Self> {
        let Rect { x, y, width, height } = *face_in_frame;
        let inside = x < frame.width as f32 && y < frame.height as f32 && x + width > 0.0 && y + height > 0.0;
        if !(width > 0.0 && height > 0.0 && inside && [x, y, width, height].into_iter().all(f32::is_finite)) {
            return None;
        }
        let most = |frame: usize, face: f32| (frame as f64 - 1.0) / f64::from(face);
        let scale = SURROUNDINGS.min(most(frame.width, width)).min(most(frame.height, height));
        let (left_px, width) = along(x, width, scale, frame.width);
        let (top_px, height) = along(y, height, scale, frame.height);
        Some(Self { left_px, top_px, size: Size { width, height } })
    }

    fn cut<'a>(&self, picture: &YuvPicture<'a>) -> Option<YuvPicture<'a>> {
        picture.part(self.left_px, self.top_px, self.size)
    }
}

// First pixel and length along one axis, even for 4:2:0; at most a pixel below the reference.
fn along(face_from: f32, face: f32, scale: f64, frame: usize) -> (usize, usize) {
    let length = f64::from(face) * scale;
    let from = f64::from(face_from) + (f64::from(face) - length) / 2.0;
    let from = from.clamp(0.0, (frame as f64 - 1.0 - length).max(0.0));
    let even = |pixels: f64| pixels as usize / 2 * 2;
    let length = even(length).clamp(2, frame);
    (even(from).min(frame - length), length)
}

/// Judges whether faces are live. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct LivenessModel {
    model: Model,
    output: String,
    size: Size,
    order: ColourOrder,
    normalisation: Normalisation,
    resizer: Resizer,
}

impl LivenessModel {
    /// Opens the named model and warms it up.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or has several outputs.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::FaceLiveness, options)?;
        let input = model.input()?;
        let output = match model.manifest().outputs.as_slice() {
            [output] => output.name.clone(),
            outputs => return Err(model.unsuitable(format!("{} outputs, expected 1", outputs.len()))),
        };
        let (size, order, normalisation) = (input.size(), input.colour, Normalisation::from(input));
        Ok(Self { model, output, size, order, normalisation, resizer: Resizer::default() })
    }

    /// Scores how likely each face is live, 0–1, in one inference; overwrites its pixel buffers.
    ///
    /// A face is a picture and the face's box in it; `results[i]` belongs to `faces[i]`.
    ///
    /// # Errors
    /// If a box is empty or outside its picture, the inference fails or a score is not finite.
    /// `results` is empty then.
    pub fn score(&mut self, faces: &[(&YuvPicture<'_>, Rect)], results: &mut Vec<f32>) -> Result<(), FaceError> {
        results.clear();
        if faces.is_empty() {
            return Ok(());
        }
        let scored = self.fill(faces).and_then(|()| self.infer(faces.len(), results));
        self.model.clear();
        self.resizer.clear();
        if scored.is_err() {
            results.clear();
        }
        scored
    }

    fn fill(&mut self, faces: &[(&YuvPicture<'_>, Rect)]) -> Result<(), FaceError> {
        let mut places = self.model.batch([faces.len(), 3, self.size.height, self.size.width])?;
        for ((picture, face), place) in faces.iter().zip(places.outer_iter_mut()) {
            let part = Surroundings::of(face, picture.size()).and_then(|surroundings| surroundings.cut(picture));
            let Rect { x, y, width, height } = *face;
            let part = part.ok_or(FaceError::FaceBox { x, y, width, height, frame: picture.size() })?;
            let packed = self.resizer.resize(&part, self.size, self.order)?;
            write_planar(packed, self.normalisation, place);
        }
        Ok(())
    }

    fn infer(&mut self, faces: usize, results: &mut Vec<f32>) -> Result<(), FaceError> {
        let outputs = self.model.run()?;
        let classes = outputs.array(&self.output, [faces, CLASSES])?;
        for (index, logits) in classes.outer_iter().enumerate() {
            let live = softmax(logits.iter().copied(), LIVE_CLASS);
            results.push(live.ok_or_else(|| FaceError::BadLiveness { model: outputs.model().to_owned(), index })?);
        }
        Ok(())
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// The execution provider that runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }
}

/// Probability of one class; none unless all logits are finite.
fn softmax(logits: impl Iterator<Item = f32> + Clone, class: usize) -> Option<f32> {
    if !logits.clone().all(f32::is_finite) {
        return None;
    }
    let most = logits.clone().fold(f32::MIN, f32::max);
    let total: f32 = logits.clone().map(|logit| (logit - most).exp()).sum();
    logits.clone().nth(class).map(|logit| (logit - most).exp() / total)
}

#[cfg(test)]
mod tests;
