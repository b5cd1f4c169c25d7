//! Runs pictures of any size through one model in batches; detectors and density models share it.

use gatehouse_core::provider::Provider;
use gatehouse_picture::{Size, YuvPicture};

use crate::error::ModelError;
use crate::manifest::Manifest;
use crate::placement::{Fit, Placement};
use crate::prepare::Preparation;
use crate::session::{Model, Outputs};

/// A model whose input is a whole picture. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct PictureModel {
    model: Model,
    preparation: Preparation,
    /// Of the last pictures.
    placements: Vec<Placement>,
    /// Indices of the pictures in the current batch.
    batch: Vec<usize>,
}

/// Outputs of one batch.
#[derive(Debug)]
pub struct BatchOutputs<'b> {
    /// Output tensors, batch first.
    pub outputs: Outputs<'b>,
    /// Size of the input tensors in pixels.
    pub size: Size,
    /// Indices of the pictures in the batch, in the order of the tensors.
    pub pictures: &'b [usize],
    /// Placements of all pictures, by their index.
    pub placements: &'b [Placement],
}

impl PictureModel {
    /// Wraps an opened model.
    ///
    /// # Errors
    /// If the model has several inputs, or its default size isn't a multiple of `cell_px`.
    pub fn new(model: Model, fit: Fit, cell_px: usize) -> Result<Self, ModelError> {
        let input = model.input()?;
        let Size { width, height } = input.size();
        if !width.is_multiple_of(cell_px) || !height.is_multiple_of(cell_px) {
            let message = format!("runs at {}, expected sides that are multiples of {cell_px}", input.size());
            return Err(model.unsuitable(message));
        }
        let preparation = Preparation::new(input, fit);
        Ok(Self { model, preparation, placements: Vec::new(), batch: Vec::new() })
    }

    /// Runs pictures through the model and calls `decode` with the outputs of each batch.
    ///
    /// Each picture comes with the size of its longer side in the tensor, in pixels; none for the
    /// model's default size. Pictures whose tensors have the same size share a batch.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails, or as `decode`.
    pub fn run_batches<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, Option<usize>)> + Clone,
        mut decode: impl FnMut(&BatchOutputs<'_>) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let Self { model, preparation, placements, batch } = self;
        placements.clear();
        placements
            .extend(pictures.clone().map(|(picture, longer_side)| preparation.place(picture.size(), longer_side)));
        for first in 0..placements.len() {
            if !preparation.batch_from(first, placements, batch) {
                continue;
            }
            let size = preparation.tensor_size(&placements[first]);
            let mut tensors = model.batch([batch.len(), 3, size.height, size.width])?;
            let placed = pictures.clone().zip(&*placements).enumerate().filter(|(number, _)| batch.contains(number));
            for ((_, ((picture, _), placement)), tensor) in placed.zip(tensors.outer_iter_mut()) {
                preparation.fill(&picture, placement, tensor)?;
            }
            decode(&BatchOutputs { outputs: model.run()?, size, pictures: batch, placements })?;
        }
        Ok(())
    }

    /// Placements of the last pictures.
    pub fn placements(&self) -> &[Placement] {
        &self.placements
    }

    /// The manifest that it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// The execution provider that runs it.
    pub fn provider(&self) -> Provider {
        self.model.provider()
    }

    /// Runs one batch of empty 16:9 pictures, for the caller to time. `longer_side` as in
    /// [`Self::run_batches`].
    ///
    /// # Errors
    /// If the batch is too large for the model or the inference fails.
    pub fn benchmark(&mut self, pictures: usize, longer_side: Option<usize>) -> Result<(), ModelError> {
        let Size { width, height } = self.preparation.tensor_size(&self.preparation.place(Size::COMMON, longer_side));
        self.model.run_empty([pictures, 3, height, width])
    }
}

/// Keeps the memory of results that a smaller batch doesn't need, for the next larger one.
#[derive(Debug)]
pub struct ResultPool<T>(Vec<T>);

impl<T> Default for ResultPool<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> ResultPool<T> {
    /// Brings `results` to one for each picture. Surplus results go to the pool.
    pub fn resize(&mut self, results: &mut Vec<T>, pictures: usize) {
        self.0.extend(results.drain(pictures.min(results.len())..));
        results.resize_with(pictures, || self.0.pop().unwrap_or_default());
    }
}
