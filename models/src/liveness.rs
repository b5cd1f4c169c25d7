//! fr_liveness, which tells a live face from one on paper or on a screen.
//!
//! It is of the family of *Silent-Face-Anti-Spoofing* (Minivision, 2020): a small network that looks at a face **and its
//! surroundings**, 2.7 times as wide and high as the face. What gives an attack away there is mostly the edge of the
//! paper or of the screen, so that a face whose surroundings don't fit into the frame is judged by less.

use gatehouse_picture::{Rect, Size, YuvPicture};

use crate::error::ModelError;
use crate::manifest::{ColourOrder, Manifest, Task};
use crate::prepare::{Normalisation, Shrinker, write_planar};
use crate::provider::Provider;
use crate::registry::Registry;
use crate::session::{Model, SessionOptions};

/// Sides of what the model is shown, over those of the face's box.
const SURROUNDINGS: f64 = 2.7;
/// Of the model's three classes; the others are attacks.
const LIVE_CLASS: usize = 0;
const CLASSES: usize = 3;

/// The part of a frame that shows a face and its surroundings: the face's box 2.7 times as wide and high, made smaller
/// until it fits, and then moved inside the frame. So it keeps the shape of the box, and the face may lie off its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surroundings {
    left_px: usize,
    top_px: usize,
    size: Size,
    share: f32,
}

impl Surroundings {
    /// Those of a face; its box may reach beyond the frame. None if the box is empty, not finite or wholly outside.
    pub fn of(face_in_frame: &Rect, frame: Size) -> Option<Self> {
        let Rect { x, y, width, height } = *face_in_frame;
        let inside = x < frame.width as f32 && y < frame.height as f32 && x + width > 0.0 && y + height > 0.0;
        if !(width > 0.0 && height > 0.0 && inside && [x, y, width, height].into_iter().all(f32::is_finite)) {
            return None;
        }
        let most = |frame: usize, face: f32| (frame as f64 - 1.0) / f64::from(face);
        let scale = SURROUNDINGS.min(most(frame.width, width)).min(most(frame.height, height));
        let (left_px, width) = along(x, width, scale, frame.width);
        let (top_px, height) = along(y, height, scale, frame.height);
        Some(Self { left_px, top_px, size: Size { width, height }, share: (scale / SURROUNDINGS) as f32 })
    }

    /// How much of the width and height that the model was trained with fits into the frame: 1 is all. It falls below 1
    /// as soon as the face is higher than 1/2.7 (37 %) of the frame, and attacks are then seen less surely.
    pub fn share(&self) -> f32 {
        self.share
    }

    /// Where they lie.
    pub fn in_frame(&self) -> Rect {
        Rect {
            x: self.left_px as f32,
            y: self.top_px as f32,
            width: self.size.width as f32,
            height: self.size.height as f32,
        }
    }

    fn cut<'a>(&self, picture: &YuvPicture<'a>) -> Option<YuvPicture<'a>> {
        picture.part(self.left_px, self.top_px, self.size)
    }
}

// First pixel and length along one axis, both even as 4:2:0 needs; the original's are a pixel longer at most.
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
    shrinker: Shrinker,
}

impl LivenessModel {
    /// Opens and warms up the named model.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or has not one output.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::FaceLiveness, options)?;
        let input = model.input()?;
        let output = match model.manifest().outputs.as_slice() {
            [output] => output.name.clone(),
            outputs => return Err(model.unsuitable(format!("{} outputs, expected 1", outputs.len()))),
        };
        let (size, order, normalisation) = (input.size(), input.colour, Normalisation::from(input));
        Ok(Self { model, output, size, order, normalisation, shrinker: Shrinker::default() })
    }

    /// The probability that each face is live, 0 to 1; `results[i]` belongs to `faces[i]`, a picture and the face's box
    /// in it. One inference for the whole batch. The pixels are overwritten in its own buffers afterwards.
    ///
    /// # Errors
    /// If a box is no box in its picture, the inference fails or a result is not finite; `results` are empty then.
    pub fn score(&mut self, faces: &[(&YuvPicture<'_>, Rect)], results: &mut Vec<f32>) -> Result<(), ModelError> {
        results.clear();
        if faces.is_empty() {
            return Ok(());
        }
        let scored = self.fill(faces).and_then(|()| self.infer(faces.len(), results));
        self.model.clear();
        self.shrinker.clear();
        if scored.is_err() {
            results.clear();
        }
        scored
    }

    fn fill(&mut self, faces: &[(&YuvPicture<'_>, Rect)]) -> Result<(), ModelError> {
        let mut places = self.model.batch([faces.len(), 3, self.size.height, self.size.width])?;
        for ((picture, face), place) in faces.iter().zip(places.outer_iter_mut()) {
            let part = Surroundings::of(face, picture.size()).and_then(|surroundings| surroundings.cut(picture));
            let Rect { x, y, width, height } = *face;
            let part = part.ok_or(ModelError::FaceBox { x, y, width, height, frame: picture.size() })?;
            let packed = self.shrinker.shrink(&part, self.size, self.order)?;
            write_planar(packed, self.normalisation, place);
        }
        Ok(())
    }

    fn infer(&mut self, faces: usize, results: &mut Vec<f32>) -> Result<(), ModelError> {
        let outputs = self.model.run()?;
        let classes = outputs.array(&self.output, [faces, CLASSES])?;
        for (index, logits) in classes.outer_iter().enumerate() {
            let live = softmax(logits.iter().copied(), LIVE_CLASS);
            results.push(live.ok_or_else(|| ModelError::BadLiveness { model: outputs.model().to_owned(), index })?);
        }
        Ok(())
    }

    /// The manifest it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// What runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }
}

/// The share of one class; none unless all are finite.
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
