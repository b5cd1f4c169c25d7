//! Models that measure a density and find nobody: CSRNet (Li, Zhang, Chen, 2018) and whatever else turns a picture into people
//! per cell.

use gatehouse_picture::YuvPicture;

use crate::density::DensityMap;
use crate::error::ModelError;
use crate::manifest::{Manifest, Task};
use crate::placement::Fit;
use crate::prepare::Preparation;
use crate::registry::Registry;
use crate::session::{Model, SessionOptions};

const DENSITY: &str = "density";
/// Pixels of the tensor along a cell.
const CELL_PX: usize = 8;

/// Measures densities in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct DensityModel {
    model: Model,
    preparation: Preparation,
    not_finite: u64,
}

impl DensityModel {
    /// Opens and warms up the named model.
    ///
    /// # Errors
    /// If it is unknown, for another task, not the file of its manifest, or has no output `density`, [batch, 1, height / 8,
    /// width / 8], people per cell.
    pub fn load(registry: &Registry, name: &str, options: &SessionOptions) -> Result<Self, ModelError> {
        let model = registry.load(name, Task::CrowdDensity, options)?;
        model.require_output(DENSITY)?;
        let input = model.input()?;
        if !input.size().width.is_multiple_of(CELL_PX) || !input.size().height.is_multiple_of(CELL_PX) {
            return Err(model.unsuitable(format!("runs at {}, expected sides that are multiples of 8", input.size())));
        }
        let preparation = Preparation::new(input, Fit::Scale);
        Ok(Self { model, preparation, not_finite: 0 })
    }

    /// Measures each picture, whose longer side is brought to the number of pixels beside it. `maps[i]` belongs to `pictures[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails; `maps` are of no use then.
    pub fn measure<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, usize)>,
        maps: &mut Vec<DensityMap>,
    ) -> Result<(), ModelError> {
        let placed: Vec<_> =
            pictures.map(|(picture, longer_side)| self.preparation.place(picture, Some(longer_side))).collect();
        maps.resize_with(placed.len(), DensityMap::default);
        for batch in self.preparation.batches(&placed) {
            let tensor = self.preparation.fill(&placed, &batch)?;
            let (_, _, height, width) = tensor.dim();
            let outputs = self.model.run(tensor)?;
            let cells = outputs.array(DENSITY, [batch.len(), 1, height / CELL_PX, width / CELL_PX])?;
            for (cells, number) in cells.outer_iter().zip(&batch) {
                let (map, placed) = (&mut maps[*number], &placed[*number]);
                map.reset(placed.picture.size(), &placed.place, CELL_PX);
                self.not_finite += map.take(cells.index_axis_move(ndarray::Axis(0), 0));
            }
        }
        Ok(())
    }

    /// The manifest it was opened by.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// How many cells had a number that is not finite, since it was loaded. More than 0 means a broken model.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}
