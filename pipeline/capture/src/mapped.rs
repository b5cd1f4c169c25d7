//! A decoder's buffer, kept mapped for as long as anyone looks at its planes.

use gatehouse_core::frame::PictureBuffer;
use gatehouse_core::time::WallTime;
use gatehouse_picture::{PictureError, Size, YuvPicture};
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

/// Seconds from 1900, where NTP starts, to 1970 (RFC 868).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// Why a buffer can't be handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MapError {
    #[error("pixel format {0}, expected I420 or NV12")]
    Format(String),
    #[error("the buffer can't be mapped for reading")]
    Map,
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// A mapped video frame of I420 or NV12; odd sides lose their last row or column.
pub(crate) struct MappedPicture(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl MappedPicture {
    pub(crate) fn new(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> Result<Self, MapError> {
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info).map_err(|_| MapError::Map)?;
        planes(&frame)?;
        Ok(Self(frame))
    }
}

fn planes(frame: &gst_video::VideoFrame<gst_video::video_frame::Readable>) -> Result<YuvPicture<'_>, MapError> {
    let size = Size { width: frame.width() as usize & !1, height: frame.height() as usize & !1 };
    let data = frame.planes_data();
    let stride = |plane: usize| usize::try_from(frame.plane_stride()[plane]).unwrap_or(0);
    match frame.format() {
        gst_video::VideoFormat::I420 => {
            Ok(YuvPicture::i420(size, [data[0], data[1], data[2]], [stride(0), stride(1), stride(2)])?)
        }
        gst_video::VideoFormat::Nv12 => Ok(YuvPicture::nv12(size, [data[0], data[1]], [stride(0), stride(1)])?),
        other => Err(MapError::Format(other.to_string())),
    }
}

impl PictureBuffer for MappedPicture {
    #[expect(clippy::expect_used, reason = "the same planes were checked when the buffer was mapped")]
    fn picture(&self) -> YuvPicture<'_> {
        planes(&self.0).expect("the planes were checked when the buffer was mapped")
    }
}

/// The camera's own time of a buffer, where an RTCP sender report has given one.
pub(crate) fn camera_time(buffer: &gst::BufferRef) -> Option<WallTime> {
    buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| meta.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
        .and_then(|meta| meta.timestamp().nseconds().checked_sub(NTP_TO_UNIX_S * 1_000_000_000))
        .and_then(|nanos| i64::try_from(nanos).ok())
        .map(WallTime::from_unix_nanos)
}
