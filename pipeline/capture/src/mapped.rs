//! A decoder's buffer, kept mapped while its planes are in use.

use std::sync::Arc;

use gatehouse_core::frame::PictureBuffer;
use gatehouse_core::time::WallTime;
use gatehouse_picture::{ColourSpace, PictureError, Size, YuvPicture};
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::layout::PictureLayout;

/// Seconds from 1900, the start of NTP, to 1970 (RFC 868).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// Why a buffer can't be used as a picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MapError {
    #[error("pixel format {0} can't be converted to 8-bit 4:2:0")]
    Format(String),
    #[error("the buffer can't be mapped for reading")]
    Map,
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// A mapped video frame of I420 or NV12; odd sides lose their last row or column. `None` once it is
/// released.
pub(crate) struct MappedPicture {
    frame: Option<gst_video::VideoFrame<gst_video::video_frame::Readable>>,
    colour: ColourSpace,
}

impl MappedPicture {
    pub(crate) fn new(buffer: gst::Buffer, layout: &PictureLayout) -> Result<Self, MapError> {
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, &layout.info).map_err(|_| MapError::Map)?;
        planes(&frame)?;
        Ok(Self { frame: Some(frame), colour: layout.colour })
    }
}

/// One camera's pictures. Memory is reused: there are as many as are in use at a time.
#[derive(Default)]
pub(crate) struct MappedPictures(Vec<Arc<MappedPicture>>);

impl MappedPictures {
    pub(crate) fn map(&mut self, buffer: gst::Buffer, layout: &PictureLayout) -> Result<Arc<MappedPicture>, MapError> {
        let picture = MappedPicture::new(buffer, layout)?;
        self.release();
        for known in &mut self.0 {
            if let Some(free) = Arc::get_mut(known) {
                *free = picture;
                return Ok(Arc::clone(known));
            }
        }
        let new = Arc::new(picture);
        self.0.push(Arc::clone(&new));
        Ok(new)
    }

    /// Returns unused buffers to the decoder.
    pub(crate) fn release(&mut self) {
        self.0.iter_mut().filter_map(Arc::get_mut).for_each(|unused| unused.frame = None);
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
    #[expect(
        clippy::expect_used,
        reason = "a picture in use is mapped, and its planes were checked when it was mapped"
    )]
    fn picture(&self) -> YuvPicture<'_> {
        let frame = self.frame.as_ref().expect("it is released only when unused");
        planes(frame).expect("the planes were checked when the buffer was mapped").with_colour(self.colour)
    }
}

/// The camera's own time of a buffer, if an RTCP sender report has given one.
pub(crate) fn camera_time(buffer: &gst::BufferRef) -> Option<WallTime> {
    buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| meta.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
        .and_then(|meta| unix_nanos(meta.timestamp().nseconds()))
        .map(WallTime::from_unix_nanos)
}

/// Nanoseconds since 1970, from nanoseconds since the start of an NTP era: times without the
/// highest bit of their 32-bit seconds are from 2036 on (RFC 4330, section 3).
fn unix_nanos(ntp_nanos: u64) -> Option<i64> {
    let era_s: u64 = if ntp_nanos / 1_000_000_000 < 1 << 31 { 1 << 32 } else { 0 };
    let unix = i128::from(ntp_nanos) + (i128::from(era_s) - i128::from(NTP_TO_UNIX_S)) * 1_000_000_000;
    i64::try_from(unix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers() -> (PictureLayout, [gst::Buffer; 3]) {
        gst::init().expect("GStreamer");
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 32, 16).build().expect("a size");
        let buffers = [(); 3].map(|()| gst::Buffer::with_size(info.size()).expect("memory"));
        (PictureLayout { info, colour: ColourSpace::BT601 }, buffers)
    }

    #[test]
    fn ntp_times_count_from_1968_to_2104() {
        let seconds = |ntp_s: u64| unix_nanos(ntp_s * 1_000_000_000).map(|nanos| nanos / 1_000_000_000);
        assert_eq!(seconds(NTP_TO_UNIX_S), Some(0), "a camera that was never set");
        assert_eq!(seconds(NTP_TO_UNIX_S - 3600), Some(-3600));
        assert_eq!(seconds(u64::from(u32::MAX)), Some(2_085_978_495));
        assert_eq!(seconds(0), Some(2_085_978_496), "2036");
    }

    #[test]
    fn a_new_picture_reuses_memory() {
        let (layout, [one, two, three]) = buffers();
        let mut pictures = MappedPictures::default();
        let mut next = |buffer: &gst::Buffer| pictures.map(buffer.clone(), &layout).expect("mapped");
        // One waits while the next one comes.
        let mut waits = next(&one);
        let mut three_come = || [&two, &three, &one].into_iter().for_each(|buffer| waits = next(buffer));
        three_come();
        assert_eq!(allocation_counter::measure(three_come).count_total, 0);
        assert_eq!(waits.picture().size(), Size { width: 32, height: 16 });
    }

    #[test]
    fn the_decoder_gets_an_unused_buffer_back() {
        let (layout, [mut one, two, _]) = buffers();
        let mut pictures = MappedPictures::default();
        let in_use = pictures.map(one.clone(), &layout).expect("mapped");
        pictures.release();
        assert!(one.get_mut().is_none(), "it is in use");
        drop(in_use);
        let other = pictures.map(two, &layout).expect("mapped");
        assert!(one.get_mut().is_some(), "the next one came");
        drop(other);
        assert_eq!(pictures.0.len(), 1);
    }
}
