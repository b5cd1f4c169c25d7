//! SFace, a face embedder (Zhong et al.: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
//! 2021).

use gatehouse_picture::Size;
use ndarray::Axis;

use crate::align::{ALIGNED_SIDE, AlignedFace};
use crate::embedding::Embedding;
use crate::error::ModelError;
use crate::manifest::{ColourOrder, Manifest, Task};
use crate::prepare::{Batch, Normalisation};
use crate::registry::Registry;
use crate::session::{Model, Provider, SessionOptions};

/// Turns aligned faces into embeddings. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct FaceEmbedder {
    model: Model,
    output: String,
    order: ColourOrder,
    normalisation: Normalisation,
    batch: Batch,
}

impl FaceEmbedder {
    /// Opens and warms up the named model.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or does not make one vector of 128 numbers of
    /// a face of 112 × 112 pixels.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::FaceEmbedding, options)?;
        let input = model.input()?;
        if (input.size().width, input.size().height) != (ALIGNED_SIDE, ALIGNED_SIDE) {
            return Err(model.unsuitable(format!("runs at {}, expected 112×112", input.size())));
        }
        let output = match model.manifest().outputs.as_slice() {
            [output] => output.name.clone(),
            outputs => return Err(model.unsuitable(format!("{} outputs, expected 1", outputs.len()))),
        };
        let (order, normalisation, batch) = (input.colour, Normalisation::from(input), Batch::default());
        Ok(Self { model, output, order, normalisation, batch })
    }

    /// Embeds faces; `results[i]` belongs to `faces[i]`; one inference for the whole batch. The pixels are overwritten
    /// in its own buffers afterwards.
    ///
    /// # Errors
    /// If the inference fails or an embedding is not finite; `results` are empty then.
    pub fn embed(&mut self, faces: &[AlignedFace], results: &mut Vec<Embedding>) -> Result<(), ModelError> {
        results.clear();
        if faces.is_empty() {
            return Ok(());
        }
        let size = Size { width: ALIGNED_SIDE, height: ALIGNED_SIDE };
        for (face, mut place) in faces.iter().zip(self.batch.places(faces.len(), size).outer_iter_mut()) {
            for (channel, mut plane) in place.outer_iter_mut().enumerate() {
                let source = match self.order {
                    ColourOrder::Rgb => channel,
                    ColourOrder::Bgr => 2 - channel,
                };
                let (mean, factor) = (self.normalisation.mean[channel], 1.0 / self.normalisation.std[channel]);
                plane.zip_mut_with(&face.rgb().index_axis(Axis(0), source), |place, value| {
                    *place = (f32::from(*value) - mean) * factor;
                });
            }
        }
        let embedded = self.infer(faces.len(), results);
        self.batch.clear();
        if embedded.is_err() {
            results.clear();
        }
        embedded
    }

    fn infer(&mut self, faces: usize, results: &mut Vec<Embedding>) -> Result<(), ModelError> {
        let model = self.model.manifest().name.clone();
        let outputs = self.model.run(self.batch.view())?;
        let vectors = outputs.array(&self.output, [faces, Embedding::DIMENSIONS])?;
        for (index, vector) in vectors.outer_iter().enumerate() {
            let embedding = vector.as_slice().and_then(|values| Embedding::from_slice(values).ok());
            results.push(embedding.ok_or_else(|| ModelError::BadEmbedding { model: model.clone(), index })?);
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
