//! Models that measure a density and find nobody: CSRNet (Li, Zhang, Chen, 2018) and whatever else turns a picture into people
//! per cell.

use gatehouse_picture::YuvPicture;

use crate::density::DensityMap;
use crate::error::ModelError;
use crate::manifest::{Manifest, Task};
use crate::picture_model::{PictureModel, Spare};
use crate::placement::Fit;
use crate::registry::Registry;
use crate::session::SessionOptions;

const DENSITY: &str = "density";
/// Pixels of the tensor along a cell.
const CELL_PX: usize = 8;

/// Measures densities in batches of pictures. Owns its session and buffers; one per worker.
#[derive(Debug)]
pub struct DensityModel {
    model: PictureModel,
    not_finite: u64,
    spare: Spare<DensityMap>,
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
        Ok(Self { model: PictureModel::new(model, Fit::Scale, CELL_PX)?, not_finite: 0, spare: Spare::default() })
    }

    /// Measures each picture, whose longer side is brought to the number of pixels beside it. `maps[i]` belongs to `pictures[i]`.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails; `maps` are of no use then.
    pub fn measure<'p>(
        &mut self,
        pictures: impl Iterator<Item = (YuvPicture<'p>, usize)> + Clone,
        maps: &mut Vec<DensityMap>,
    ) -> Result<(), ModelError> {
        self.spare.resize(maps, pictures.clone().count());
        self.model.look(pictures.map(|(picture, longer_side)| (picture, Some(longer_side))), |look| {
            let cells = [look.pictures.len(), 1, look.size.height / CELL_PX, look.size.width / CELL_PX];
            for (cells, picture) in look.outputs.array(DENSITY, cells)?.outer_iter().zip(look.pictures) {
                let (map, place) = (&mut maps[*picture], &look.places[*picture]);
                map.reset(place.frame(), place, CELL_PX);
                self.not_finite += map.take(cells.index_axis_move(ndarray::Axis(0), 0));
            }
            Ok(())
        })
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
