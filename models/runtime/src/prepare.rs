//! Turns pictures into tensors: resizes the planes, then converts the small picture to BGR or RGB.
//!
//! Of a photo, the full-colour pixels are resized. Resizing is OpenCV's `INTER_LINEAR`, as in the
//! Python references that the models were tested with. It aliases, and the models have seen that.
//! Colours are converted as the stream's colour space says, after the resizing.

use gatehouse_picture::{PixelFormat, Plane, Size, YuvPicture};
use ndarray::{ArrayView3, ArrayViewMut3};
use opencv::core::Mat;
use opencv::imgproc;

use crate::colour::{Conversion, Planes};
use crate::error::ModelError;
use crate::manifest::{ColourOrder, Input};
use crate::placement::{Fit, Placement};
use crate::planes::{Bgr, Pair, to_i32, with_matrix};

/// Resizes pictures and converts them to BGR or RGB. Its buffers only grow.
#[derive(Debug, Default)]
pub struct Resizer {
    yuv: Vec<u8>,
    packed: Vec<u8>,
    scratch: Vec<u8>,
    conversion: Conversion,
}

impl Resizer {
    /// The picture at `size` (even sides), as rows × columns × 3 bytes.
    ///
    /// # Errors
    /// If OpenCV refuses the planes.
    pub fn resize(
        &mut self,
        picture: &YuvPicture<'_>,
        size: Size,
        order: ColourOrder,
    ) -> Result<ArrayView3<'_, u8>, ModelError> {
        let pixels = size.width * size.height;
        grow(&mut self.packed, pixels * 3);
        let packed = &mut self.packed[..pixels * 3];
        if let Some(bgr) = picture.bgr() {
            resize_pixels(&bgr, size, packed, &mut self.scratch).map_err(ModelError::opencv("shrinking a photo"))?;
            if order == ColourOrder::Rgb {
                packed.as_chunks_mut::<3>().0.iter_mut().for_each(|[first, _, third]| std::mem::swap(first, third));
            }
        } else {
            grow(&mut self.yuv, pixels * 3 / 2);
            let yuv = &mut self.yuv[..pixels * 3 / 2];
            resize_planes(picture, size, yuv, &mut self.scratch).map_err(ModelError::opencv("shrinking a picture"))?;
            let planes = Planes { yuv, format: picture.format(), size, colour: picture.colour() };
            planes
                .to_packed(order, packed, &mut self.conversion)
                .map_err(ModelError::opencv("converting a picture"))?;
        }
        ArrayView3::from_shape((size.height, size.width, 3), packed)
            .map_err(|error| ModelError::OpenCv { step: "converting a picture", message: error.to_string() })
    }

    /// Overwrites the buffers of the last picture with zeros.
    pub fn clear(&mut self) {
        [&mut self.yuv, &mut self.packed, &mut self.scratch].into_iter().for_each(|buffer| buffer.fill(0));
        self.conversion.clear();
    }
}

fn grow(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
}

// `yuv` has the planes one after the other, as OpenCV's 4:2:0 conversions want them.
fn resize_planes(picture: &YuvPicture<'_>, size: Size, yuv: &mut [u8], scratch: &mut Vec<u8>) -> opencv::Result<()> {
    let (rows, columns) = (to_i32(size.height)?, to_i32(size.width)?);
    let (luma, chroma) = yuv.split_at_mut(size.width * size.height);
    let mut target = Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, luma)?;
    with_matrix::<u8, _>(&picture.luma(), scratch, |source| resize(source, &mut target, rows, columns))?;
    let (rows, columns) = (rows / 2, columns / 2);
    match picture.format() {
        PixelFormat::I420 => {
            let plane_bytes = chroma.len() / 2;
            for (plane, part) in picture.chroma().iter().zip(chroma.chunks_exact_mut(plane_bytes)) {
                let mut target = Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, part)?;
                with_matrix::<u8, _>(plane, scratch, |source| resize(source, &mut target, rows, columns))?;
            }
        }
        PixelFormat::Nv12 => {
            for plane in picture.chroma() {
                let mut target = Mat::new_rows_cols_with_bytes_mut::<Pair>(rows, columns, chroma)?;
                with_matrix::<Pair, _>(plane, scratch, |source| resize(source, &mut target, rows, columns))?;
            }
        }
    }
    Ok(())
}

fn resize_pixels(bgr: &Plane<'_>, size: Size, packed: &mut [u8], scratch: &mut Vec<u8>) -> opencv::Result<()> {
    let (rows, columns) = (to_i32(size.height)?, to_i32(size.width)?);
    let mut target = Mat::new_rows_cols_with_bytes_mut::<Bgr>(rows, columns, packed)?;
    with_matrix::<Bgr, _>(bgr, scratch, |source| resize(source, &mut target, rows, columns))
}

fn resize(
    source: &impl opencv::core::ToInputArray,
    target: &mut impl opencv::core::ToOutputArray,
    rows: i32,
    columns: i32,
) -> opencv::Result<()> {
    imgproc::resize(source, target, opencv::core::Size::new(columns, rows), 0.0, 0.0, imgproc::INTER_LINEAR)
}

/// Normalisation of each channel of a pixel: `(value − mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Subtracted from each channel (0–255).
    pub mean: [f32; 3],
    /// Divisor of each channel, above 0.
    pub std: [f32; 3],
}

impl From<&Input> for Normalisation {
    fn from(input: &Input) -> Self {
        Self { mean: input.mean, std: input.std }
    }
}

/// Writes rows × columns × 3 bytes into the top left of a 3 × rows × columns tensor. The rest of
/// the tensor becomes black.
///
/// # Panics
/// If either is not contiguous, or the tensor is smaller than the picture.
pub fn write_planar(packed: ArrayView3<'_, u8>, with: Normalisation, tensor: ArrayViewMut3<'_, f32>) {
    let ((rows, columns, _), (_, height, width)) = (packed.dim(), tensor.dim());
    let (Some(packed), Some(tensor)) = (packed.to_slice(), tensor.into_slice()) else {
        unreachable!("both are made contiguous");
    };
    let (pixels, _) = packed.as_chunks::<3>();
    let factor = with.std.map(|std| 1.0 / std);
    let value = |pixel: &[u8; 3], channel: usize| (f32::from(pixel[channel]) - with.mean[channel]) * factor[channel];
    let (first, rest) = tensor.split_at_mut(height * width);
    let (second, third) = rest.split_at_mut(height * width);
    // Slices, not array iterators: this loop over every pixel must be fast in the dev profile too.
    for (row, pixels) in pixels.chunks_exact(columns).enumerate() {
        let start = row * width;
        let filled = start..start + columns;
        let places = first[filled.clone()].iter_mut().zip(&mut second[filled.clone()]).zip(&mut third[filled]);
        for (pixel, ((a, b), c)) in pixels.iter().zip(places) {
            (*a, *b, *c) = (value(pixel, 0), value(pixel, 1), value(pixel, 2));
        }
    }
    for (channel, plane) in [first, second, third].into_iter().enumerate() {
        let black = value(&[0; 3], channel);
        plane[rows * width..].fill(black);
        if columns < width {
            plane[..rows * width].chunks_exact_mut(width).for_each(|row| row[columns..].fill(black));
        }
    }
}

/// Resizes pictures for one model.
#[derive(Debug)]
pub(crate) struct Preparation {
    /// The model's default size.
    size: Size,
    /// For a model of any size: the tensor's sides are multiples of this and fit the picture.
    /// None for a model of fixed size.
    step: Option<usize>,
    order: ColourOrder,
    normalisation: Normalisation,
    fit: Fit,
    resizer: Resizer,
}

impl Preparation {
    pub(crate) fn new(input: &Input, fit: Fit) -> Self {
        Self {
            size: input.size(),
            step: input.multiple_of.filter(|_| input.is_of_any_size()),
            order: input.colour,
            normalisation: input.into(),
            fit,
            resizer: Resizer::default(),
        }
    }

    /// Places a picture within the model's default size. If the model runs at any size, a
    /// `longer_side` in pixels replaces that size.
    pub(crate) fn place(&self, picture: Size, longer_side: Option<usize>) -> Placement {
        let most = longer_side.filter(|_| self.step.is_some()).map_or(self.size, |px| Size { width: px, height: px });
        Placement::new(picture, most, self.fit)
    }

    /// The smallest tensor that holds the picture, since inference costs by the pixel. It doesn't
    /// depend on the rest of the batch, so batching changes no result.
    pub(crate) fn tensor_size(&self, place: &Placement) -> Size {
        let Some(step) = self.step else { return self.size };
        let Size { width, height } = place.in_tensor();
        Size { width: width.next_multiple_of(step), height: height.next_multiple_of(step) }
    }

    /// Puts into `batch` the pictures from `first` on whose tensors have the size of its own.
    /// False if an earlier picture has that size, so that `first` was in its batch.
    pub(crate) fn batch_from(&self, first: usize, places: &[Placement], batch: &mut Vec<usize>) -> bool {
        let size = self.tensor_size(&places[first]);
        let alike = |number: &usize| self.tensor_size(&places[*number]) == size;
        batch.clear();
        batch.extend((first..places.len()).filter(alike));
        !(0..first).any(|number| alike(&number))
    }

    /// Writes a picture into a tensor.
    pub(crate) fn fill(
        &mut self,
        picture: &YuvPicture<'_>,
        place: &Placement,
        tensor: ArrayViewMut3<'_, f32>,
    ) -> Result<(), ModelError> {
        let packed = self.resizer.resize(picture, place.in_tensor(), self.order)?;
        write_planar(packed, self.normalisation, tensor);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
