//! Brings pictures into the form that models read: progressive, 4:2:0, 8 bits a sample.
//!
//! Most cameras send this form, and their pictures are not touched. Others cost a pass over each
//! picture that is looked at: those of 10 bits, 4:2:2, 4:4:4 or without colour, interlaced ones,
//! and those whose pixels are far from square.

use gatehouse_picture::deinterlace;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::layout::PictureLayout;
use crate::mapped::MapError;

/// Pixels up to this many times as wide as high, or as high as wide, count as square. Faces of SD
/// cameras (12:11) lose 0.02 of their likeness; see `docs/design/colour.md`.
const MOST_ASPECT: f64 = 1.25;

/// How the pictures of one layout are converted.
pub(crate) struct Conversion {
    from: gst_video::VideoInfo,
    /// To 8-bit 4:2:0. `None` if that is the format already.
    format: Option<Step>,
    /// To square pixels. `None` if they are square, or nearly.
    square: Option<Step>,
    /// Of pictures before the last step.
    planes: gst_video::VideoInfo,
    /// Of the converted pictures.
    layout: PictureLayout,
}

struct Step {
    converter: gst_video::VideoConverter,
    pool: gst::BufferPool,
    from: gst_video::VideoInfo,
    to: gst_video::VideoInfo,
}

impl Drop for Step {
    fn drop(&mut self) {
        // The pool's buffers are freed once the last picture in use is dropped.
        let _ = self.pool.set_active(false);
    }
}

impl Conversion {
    /// The conversion of pictures of this layout.
    ///
    /// # Errors
    /// If GStreamer can't convert the format.
    pub(crate) fn of(layout: &PictureLayout) -> Result<Self, MapError> {
        let from = layout.info.clone();
        let failed = |_| MapError::Format(from.format().to_string());
        // The same colorimetry, so that samples are rounded and not converted; pictures of RGB get
        // the one that the layout says.
        let colorimetry = if from.is_rgb() { layout.colorimetry() } else { from.colorimetry() };
        let i420 = |width, height| {
            gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
                .colorimetry(&colorimetry)
                .interlace_mode(from.interlace_mode())
                .fps(from.fps())
                .build()
        };
        let is_right = matches!(from.format(), gst_video::VideoFormat::I420 | gst_video::VideoFormat::Nv12);
        let (format, planes) = if is_right {
            (None, from.clone())
        } else {
            let to = i420(from.width(), from.height()).map_err(failed)?;
            (Some(Step::new(&from, &to).map_err(failed)?), to)
        };
        let (square, info) = match square_size(&from) {
            None => (None, planes.clone()),
            Some((width, height)) => {
                let to = i420(width, height).map_err(failed)?;
                (Some(Step::new(&planes, &to).map_err(failed)?), to)
            }
        };
        Ok(Self { from, format, square, planes, layout: PictureLayout { info, colour: layout.colour } })
    }

    /// The layout of converted pictures.
    pub(crate) fn layout(&self) -> &PictureLayout {
        &self.layout
    }

    /// Converts a picture. One that has the right form is returned untouched.
    ///
    /// # Errors
    /// If the buffer can't be mapped, or no memory is left.
    pub(crate) fn apply(&self, buffer: gst::Buffer) -> Result<gst::Buffer, MapError> {
        let is_interlaced = is_interlaced(&self.from, &buffer);
        let buffer = match &self.format {
            Some(step) => step.apply(buffer)?,
            None => buffer,
        };
        let buffer = if is_interlaced { self.remove_combs(buffer)? } else { buffer };
        match &self.square {
            Some(step) => step.apply(buffer),
            None => Ok(buffer),
        }
    }

    /// Where the decoder still needs the picture to predict the next one, it is copied first.
    fn remove_combs(&self, mut buffer: gst::Buffer) -> Result<gst::Buffer, MapError> {
        buffer.make_mut();
        let mut frame = gst_video::VideoFrame::from_buffer_writable(buffer, &self.planes).map_err(|_| MapError::Map)?;
        for plane in 0..frame.n_planes() {
            let component = plane as usize;
            let stride = usize::try_from(frame.plane_stride()[component]).unwrap_or(0);
            let (width, rows) = (frame.comp_width(plane) as usize, frame.comp_height(plane) as usize);
            let row_bytes = width * usize::try_from(frame.comp_pstride(plane)).unwrap_or(1);
            let data = frame.plane_data_mut(plane).map_err(|_| MapError::Map)?;
            deinterlace(data, stride, row_bytes.min(stride), rows);
        }
        Ok(frame.into_buffer())
    }
}

impl Step {
    fn new(from: &gst_video::VideoInfo, to: &gst_video::VideoInfo) -> Result<Self, gst::glib::BoolError> {
        let mut config = gst_video::VideoConverterConfig::new();
        config.set_dither_method(gst_video::VideoDitherMethod::None);
        config.set_resampler_method(gst_video::VideoResamplerMethod::Linear);
        let converter = gst_video::VideoConverter::new(from, to, Some(config))?;
        Ok(Self { converter, pool: pool(to)?, from: from.clone(), to: to.clone() })
    }

    fn apply(&self, buffer: gst::Buffer) -> Result<gst::Buffer, MapError> {
        let target = self.pool.acquire_buffer(None).map_err(|_| MapError::Map)?;
        let source = gst_video::VideoFrame::from_buffer_readable(buffer, &self.from).map_err(|_| MapError::Map)?;
        let mut target = gst_video::VideoFrame::from_buffer_writable(target, &self.to).map_err(|_| MapError::Map)?;
        self.converter.frame(&source, &mut target);
        Ok(target.into_buffer())
    }
}

/// The size at which a picture's pixels are square; the side that grows keeps the detail of the
/// other. `None` if they are square, or nearly, or the stream's ratio is not plausible.
fn square_size(info: &gst_video::VideoInfo) -> Option<(u32, u32)> {
    let aspect = f64::from(info.par().numer()) / f64::from(info.par().denom());
    let by = aspect.max(1.0 / aspect);
    // Ratios of video are below 4; wider ones are mistakes.
    if !(by > MOST_ASPECT && by < 4.0) {
        return None;
    }
    let grown = |side: u32| (f64::from(side) * by / 2.0).round() as u32 * 2;
    Some(if aspect > 1.0 { (grown(info.width()), info.height()) } else { (info.width(), grown(info.height())) })
}

fn pool(info: &gst_video::VideoInfo) -> Result<gst::BufferPool, gst::glib::BoolError> {
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&info.to_caps()?), u32::try_from(info.size()).unwrap_or(u32::MAX), 0, 0);
    pool.set_config(config)?;
    pool.set_active(true)?;
    Ok(pool.upcast())
}

/// True if the picture's rows come from two moments. In a stream of mixed pictures each buffer says
/// so; two fields one after the other in memory (`fields`, `alternate`) are not accepted by caps.
fn is_interlaced(info: &gst_video::VideoInfo, buffer: &gst::BufferRef) -> bool {
    match info.interlace_mode() {
        gst_video::VideoInterlaceMode::Interleaved => true,
        gst_video::VideoInterlaceMode::Mixed => buffer.video_flags().contains(gst_video::VideoBufferFlags::INTERLACED),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
