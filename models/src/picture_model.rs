//! What detectors and density models have in common: pictures of any sizes go through one model in batches.

use gatehouse_picture::{Size, YuvPicture};

use crate::error::ModelError;
use crate::manifest::Manifest;
use crate::placement::{Fit, Placement};
use crate::prepare::Preparation;
use crate::provider::Provider;
use crate::session::{Model, Outputs};

/// A model that looks at whole pictures.
#[derive(Debug)]
pub(crate) struct PictureModel {
    model: Model,
    preparation: Preparation,
    /// Where the last pictures were placed.
    places: Vec<Placement>,
    batch: Vec<usize>,
}

/// What a model made of one batch.
pub(crate) struct Look<'l> {
    pub(crate) outputs: Outputs<'l>,
    /// Of the tensors.
    pub(crate) size: Size,
    /// Which pictures are in the batch.
    pub(crate) pictures: &'l [usize],
    /// Of all pictures.
    pub(crate) places: &'l [Placement],
}

impl PictureModel {
    /// Refuses a model whose own size isn't a multiple of `cell_px`.
    pub(crate) fn new(model: Model, fit: Fit, cell_px: usize) -> Result<Self, ModelError> {
        let input = model.input()?;
        let Size { width, height } = input.size();
        if !width.is_multiple_of(cell_px) || !height.is_multiple_of(cell_px) {
            let message = format!("runs at {}, expected sides that are multiples of {cell_px}", input.size());
            return Err(model.unsuitable(message));
        }
        let preparation = Preparation::new(input, fit);
        Ok(Self { model, preparation, places: Vec::new(), batch: Vec::new() })
    }

    /// Hands what the model makes of each batch to `take`. Beside each picture stands the number of pixels that its longer side
    /// is brought to; none for the model's own size.
    pub(crate) fn look<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, Option<usize>)> + Clone,
        mut take: impl FnMut(&Look<'_>) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let Self { model, preparation, places, batch } = self;
        places.clear();
        places.extend(pictures.clone().map(|(picture, longer_side)| preparation.place(picture.size(), longer_side)));
        for first in 0..places.len() {
            if !preparation.batch_from(first, places, batch) {
                continue;
            }
            let size = preparation.tensor_size(&places[first]);
            let mut tensors = model.batch([batch.len(), 3, size.height, size.width])?;
            let placed = pictures.clone().zip(&*places).enumerate().filter(|(number, _)| batch.contains(number));
            for ((_, ((picture, _), place)), tensor) in placed.zip(tensors.outer_iter_mut()) {
                preparation.fill(&picture, place, tensor)?;
            }
            take(&Look { outputs: model.run()?, size, pictures: batch, places })?;
        }
        Ok(())
    }

    /// Where the last pictures were placed.
    pub(crate) fn places(&self) -> &[Placement] {
        &self.places
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    pub(crate) fn provider(&self) -> Provider {
        self.model.provider()
    }

    /// Runs so many empty pictures of a camera at once, with the longer side as in [`Self::look`].
    pub(crate) fn rehearse(&mut self, pictures: usize, longer_side: Option<usize>) -> Result<(), ModelError> {
        let Size { width, height } = self.preparation.tensor_size(&self.preparation.place(Size::COMMON, longer_side));
        self.model.rehearse([pictures, 3, height, width])
    }
}

/// Results by picture, as many as there are pictures. Those of a larger batch are set aside with their memory, and taken again.
#[derive(Debug)]
pub(crate) struct Spare<T>(Vec<T>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Spare<T> {
    pub(crate) fn resize(&mut self, results: &mut Vec<T>, pictures: usize) {
        self.0.extend(results.drain(pictures.min(results.len())..));
        results.resize_with(pictures, || self.0.pop().unwrap_or_default());
    }
}
