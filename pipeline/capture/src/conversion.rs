//! Brings pictures into the form that models read: progressive, 4:2:0, 8 bits a sample.
//!
//! Most cameras send this form, and their pictures are not touched. Others cost a pass over each
//! picture that is looked at: those of 10 bits, 4:2:2, 4:4:4 or without colour, and interlaced ones.

use gatehouse_picture::deinterlace;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::layout::PictureLayout;
use crate::mapped::MapError;

/// How the pictures of one layout are converted.
pub(crate) struct Conversion {
    from: gst_video::VideoInfo,
    /// Of the converted pictures.
    layout: PictureLayout,
    /// `None` if the format is right already.
    format: Option<FormatConversion>,
}

struct FormatConversion {
    converter: gst_video::VideoConverter,
    pool: gst::BufferPool,
}

impl Drop for FormatConversion {
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
        let is_right = matches!(from.format(), gst_video::VideoFormat::I420 | gst_video::VideoFormat::Nv12);
        if is_right {
            return Ok(Self { from, layout: layout.clone(), format: None });
        }
        let failed = |_| MapError::Format(from.format().to_string());
        // The same colorimetry, so that samples are rounded and not converted; pictures of RGB get
        // the one that the layout says.
        let colorimetry = if from.is_rgb() { layout.colorimetry() } else { from.colorimetry() };
        let to = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, from.width(), from.height())
            .colorimetry(&colorimetry)
            .interlace_mode(from.interlace_mode())
            .fps(from.fps())
            .build()
            .map_err(failed)?;
        let mut config = gst_video::VideoConverterConfig::new();
        config.set_dither_method(gst_video::VideoDitherMethod::None);
        let converter = gst_video::VideoConverter::new(&from, &to, Some(config)).map_err(failed)?;
        let pool = pool(&to).map_err(failed)?;
        let layout = PictureLayout { info: to, colour: layout.colour };
        Ok(Self { from, layout, format: Some(FormatConversion { converter, pool }) })
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
            Some(format) => format.apply(buffer, &self.from, &self.layout.info)?,
            None => buffer,
        };
        if is_interlaced { self.remove_combs(buffer) } else { Ok(buffer) }
    }

    /// Where the decoder still needs the picture to predict the next one, it is copied first.
    fn remove_combs(&self, mut buffer: gst::Buffer) -> Result<gst::Buffer, MapError> {
        buffer.make_mut();
        let mut frame =
            gst_video::VideoFrame::from_buffer_writable(buffer, &self.layout.info).map_err(|_| MapError::Map)?;
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

impl FormatConversion {
    fn apply(
        &self,
        buffer: gst::Buffer,
        from: &gst_video::VideoInfo,
        to: &gst_video::VideoInfo,
    ) -> Result<gst::Buffer, MapError> {
        let target = self.pool.acquire_buffer(None).map_err(|_| MapError::Map)?;
        let source = gst_video::VideoFrame::from_buffer_readable(buffer, from).map_err(|_| MapError::Map)?;
        let mut target = gst_video::VideoFrame::from_buffer_writable(target, to).map_err(|_| MapError::Map)?;
        self.converter.frame(&source, &mut target);
        Ok(target.into_buffer())
    }
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
