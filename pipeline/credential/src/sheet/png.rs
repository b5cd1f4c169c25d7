//! A code as PNG: one bit a pixel.

use ::png::{BitDepth, ColorType, Encoder, EncodingError};

use super::{Modules, QUIET, SheetError};

pub(super) fn write(modules: &Modules, module_px: u32) -> Result<Vec<u8>, SheetError> {
    let scale = module_px as usize;
    let side = modules.side() * scale;
    let mut pixels = Vec::with_capacity(side * side.div_ceil(8));
    for y in 0..side {
        // One means white; what lies beyond the last pixel of a row is not looked at.
        pixels.extend((0..side.div_ceil(8)).map(|byte| {
            (8 * byte..8 * byte + 8).fold(0u8, |bits, x| {
                let dark = (x / scale).checked_sub(QUIET).zip((y / scale).checked_sub(QUIET));
                bits << 1 | u8::from(!dark.is_some_and(|(x, y)| modules.is_dark(x, y)))
            })
        }));
    }
    let side_px = u32::try_from(side).unwrap_or(u32::MAX);
    encode(side_px, &pixels).map_err(|_| SheetError::Png { side_px })
}

fn encode(side_px: u32, pixels: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side_px, side_px);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
