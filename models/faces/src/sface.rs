//! SFace, a face embedder (Zhong et al.: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust
//! Face Recognition", 2021).

use gatehouse_runtime::{
    ColourOrder, Manifest, Model, ModelError, Normalisation, Outputs, Provider, Registry, SessionOptions, Task,
};
use ndarray::Axis;

use crate::align::{ALIGNED_SIDE, AlignedFace};
use crate::embedding::Embedding;
use crate::error::FaceError;

/// Turns aligned faces into embeddings. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct FaceEmbedder {
    model: Model,
    output: String,
    order: ColourOrder,
    normalisation: Normalisation,
}

impl FaceEmbedder {
    /// Opens the named model and warms it up.
    ///
    /// # Errors
    /// If it is unknown, for another task, or not the file of its manifest. Also if its input isn't
    /// 112 × 112 pixels, or it has several outputs.
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
        let (order, normalisation) = (input.colour, Normalisation::from(input));
        Ok(Self { model, output, order, normalisation })
    }

    /// Embeds faces in one inference; overwrites its pixel buffers. `results[i]` is of `faces[i]`.
    ///
    /// # Errors
    /// If the inference fails or an embedding is not finite. `results` is empty then.
    pub fn embed(&mut self, faces: &[AlignedFace], results: &mut Vec<Embedding>) -> Result<(), FaceError> {
        results.truncate(faces.len());
        if faces.is_empty() {
            return Ok(());
        }
        let mut batch = self.model.batch([faces.len(), 3, ALIGNED_SIDE, ALIGNED_SIDE])?;
        for (face, mut place) in faces.iter().zip(batch.outer_iter_mut()) {
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
        self.model.clear();
        if embedded.is_err() {
            results.clear();
        }
        embedded
    }

    fn infer(&mut self, faces: usize, results: &mut Vec<Embedding>) -> Result<(), FaceError> {
        let mut outputs = self.model.run()?;
        let read = read(&outputs, &self.output, faces, results);
        outputs.clear();
        read
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// The execution provider that runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }

    /// Runs one batch of empty faces, for the caller to time.
    ///
    /// # Errors
    /// If the batch is too large for the model or the inference fails.
    pub fn benchmark(&mut self, faces: usize) -> Result<(), ModelError> {
        self.model.run_empty([faces, 3, ALIGNED_SIDE, ALIGNED_SIDE])
    }
}

// Overwrites the embeddings that `results` has, to save their memory.
fn read(outputs: &Outputs<'_>, output: &str, faces: usize, results: &mut Vec<Embedding>) -> Result<(), FaceError> {
    for (index, vector) in outputs.array(output, [faces, Embedding::DIMENSIONS])?.outer_iter().enumerate() {
        let values = vector.as_slice().unwrap_or_default();
        let read = match results.get_mut(index) {
            Some(embedding) => embedding.set(values),
            None => Embedding::from_slice(values).map(|embedding| results.push(embedding)),
        };
        read.map_err(|_| FaceError::BadEmbedding { model: outputs.model().to_owned(), index })?;
    }
    Ok(())
}
