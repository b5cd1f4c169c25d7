//! Decodes JPEG files.
//!
//! A memory-safe decoder reads every file first. libjpeg then decodes it once more, because scores
//! of faces depend on its exact pixels. libjpeg fills what is missing or damaged with grey and only
//! warns, so each of its warnings refuses the file.

use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{catch_unwind, resume_unwind};
use std::{io, ptr};

use gatehouse_picture::Size;
use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, msg_parm_union};
use zeroize::Zeroizing;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::decode::{Decoded, upright};
use super::orientation::Orientation;
use super::{PhotoError, PhotoLimits};

pub(super) fn decode(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    let most = usize::from(u16::MAX);
    // Strict: a truncated file is an error, not a picture with a grey part.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(most).set_max_height(most);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|_| PhotoError::UnknownFormat)?;
    let (width, height) = decoder.dimensions().ok_or(PhotoError::UnknownFormat)?;
    let size = limits.check(Size { width, height })?;
    if decoder.info().is_some_and(|info| info.components == 4) {
        let advice = "save it as JPEG in RGB with the program that shows it";
        return Err(PhotoError::OtherFormat { format: "JPEG in a printer's colours (CMYK)", advice });
    }
    let orientation = decoder.exif().map_or(Orientation::UPRIGHT, |exif| Orientation::read(exif));
    drop(Zeroizing::new(decoder.decode().map_err(|error| PhotoError::Undecodable(error.to_string()))?));
    let pixels = decode_by_libjpeg(file).map_err(|error| PhotoError::Undecodable(error.to_string()))?;
    upright(size, orientation, |index| pixels.get(index).copied())
}

thread_local! {
    /// Warnings of libjpeg about the file that this thread decodes.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Decodes a checked JPEG as stored, to blue, green and red bytes.
///
/// zune-jpeg's own pixels differ: they moved the liveness score of a photo of the golden results by
/// 0.09, and the cosine of two photos by 0.003.
fn decode_by_libjpeg(file: &[u8]) -> io::Result<Zeroizing<Vec<[u8; 3]>>> {
    WARNINGS.set(0);
    let decode = || {
        let decoder = Decompress::with_err(error_handlers()).from_mem(file)?;
        let mut decoder = decoder.to_colorspace(ColorSpace::JCS_EXT_BGR)?;
        let mut pixels = Zeroizing::new(vec![[0; 3]; decoder.width() * decoder.height()]);
        decoder.read_scanlines_into(&mut pixels)?;
        decoder.finish()?;
        Ok(pixels)
    };
    // The library unwinds where a file is broken.
    let pixels = catch_unwind(decode).unwrap_or_else(|_| Err(io::Error::other("libjpeg can't read it")))?;
    match WARNINGS.get() {
        0 => Ok(pixels),
        _ => Err(io::Error::other("a part of its data is missing or wrong")),
    }
}

/// libjpeg's callbacks for errors and warnings.
fn error_handlers() -> jpeg_error_mgr {
    jpeg_error_mgr {
        error_exit: Some(unwind),
        emit_message: Some(count_warning),
        output_message: None,
        format_message: None,
        reset_error_mgr: Some(ignore),
        msg_code: 0,
        msg_parm: msg_parm_union::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

extern "C-unwind" fn unwind(_: &mut jpeg_common_struct) {
    resume_unwind(Box::new(()));
}

/// Negative levels are warnings of damaged data; the others trace the file's structure.
extern "C-unwind" fn count_warning(_: &mut jpeg_common_struct, level: c_int) {
    if level < 0 {
        WARNINGS.set(WARNINGS.get().saturating_add(1));
    }
}

extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}
