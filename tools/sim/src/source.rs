//! Decodes photos and videos to I420 pictures.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use gstreamer_video::{self as gst_video, prelude::*};

use crate::{encode::Running, error::ClipError, picture::Picture};

pub(crate) enum Source {
    Photo(Picture),
    /// A video in a loop, at this rate whatever its own rate is.
    Video {
        path: PathBuf,
        fps: u32,
        decoder: Decoder,
    },
}

impl Source {
    pub(crate) fn photo(path: &Path) -> Result<Self, ClipError> {
        let decoder = Decoder::open(path, None)?;
        decoder.next()?.map(Self::Photo).ok_or_else(|| decoder.empty())
    }

    pub(crate) fn video(path: &Path, fps: u32) -> Result<Self, ClipError> {
        Ok(Self::Video { path: path.to_owned(), fps, decoder: Decoder::open(path, Some(fps))? })
    }

    /// The next picture. A photo gives the same picture each time.
    pub(crate) fn next(&mut self) -> Result<Cow<'_, Picture>, ClipError> {
        match self {
            Self::Photo(picture) => Ok(Cow::Borrowed(picture)),
            Self::Video { path, fps, decoder } => {
                if let Some(picture) = decoder.next()? {
                    return Ok(Cow::Owned(picture));
                }
                *decoder = Decoder::open(path, Some(*fps))?;
                decoder.next()?.map(Cow::Owned).ok_or_else(|| decoder.empty())
            }
        }
    }
}

pub(crate) struct Decoder {
    pipeline: Running,
    sink: gst_app::AppSink,
}

impl Decoder {
    fn open(path: &Path, fps: Option<u32>) -> Result<Self, ClipError> {
        let what = format!("picture file {}", path.display());
        let (to_rate, rate) = match fps {
            Some(fps) => ("! videorate ", format!(",framerate={fps}/1")),
            None => ("", String::new()),
        };
        let pipeline = Running::launch(
            &what,
            &format!(
                "filesrc name=source ! decodebin ! videoconvert ! videoscale {to_rate}\
                 ! video/x-raw,format=I420,pixel-aspect-ratio=1/1,colorimetry=bt709{rate} \
                 ! appsink name=sink sync=false max-buffers=2"
            ),
        )?;
        pipeline.element("source")?.set_property("location", path);
        let sink = pipeline.app_sink("sink")?;
        pipeline.play()?;
        Ok(Self { pipeline, sink })
    }

    fn empty(&self) -> ClipError {
        ClipError::Empty { what: self.pipeline.what.clone() }
    }

    fn next(&self) -> Result<Option<Picture>, ClipError> {
        let Some(sample) = self.pipeline.pull(&self.sink)? else { return Ok(None) };
        let unreadable = |reason: &str| self.pipeline.failed("appsink", reason);
        let caps = sample.caps().ok_or_else(|| unreadable("a picture without caps"))?;
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| unreadable(&error.to_string()))?;
        let buffer = sample.buffer().ok_or_else(|| unreadable("a sample without a buffer"))?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)
            .map_err(|error| unreadable(&error.to_string()))?;
        let mut picture = Picture::plain(info.width() as usize, info.height() as usize, [0; 3]);
        for (index, plane) in (0_u32..).zip(&mut picture.planes) {
            let bytes = frame.plane_data(index).map_err(|error| unreadable(&error.to_string()))?;
            let stride = frame.plane_stride()[index as usize] as usize;
            for (to, from) in plane.bytes.chunks_exact_mut(plane.width).zip(bytes.chunks(stride)) {
                to.copy_from_slice(&from[..plane.width]);
            }
        }
        Ok(Some(picture))
    }
}

/// Copies a picture into a new buffer with the strides of `info`.
pub(crate) fn to_buffer(picture: &Picture, info: &gst_video::VideoInfo) -> Result<gst::Buffer, gst::glib::BoolError> {
    let mut buffer = gst::Buffer::with_size(info.size())?;
    {
        let unique = buffer.make_mut();
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(unique, info)?;
        for (index, plane) in (0_u32..).zip(&picture.planes) {
            let stride = frame.plane_stride()[index as usize] as usize;
            let rows = frame.plane_data_mut(index)?.chunks_mut(stride);
            for (to, from) in rows.zip(plane.bytes.chunks_exact(plane.width)) {
                to[..plane.width].copy_from_slice(from);
            }
        }
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A photo of a flat colour, made by GStreamer itself.
    fn write(path: &Path, (width, height): (usize, usize), encoder: &str, pictures: u32) {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc pattern=white num-buffers={pictures} ! video/x-raw,width={width},height={height},framerate=10/1 \
             ! videoconvert ! {encoder} ! filesink name=sink"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        pipeline.by_name("sink").unwrap().set_property("location", path);
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let end = bus
            .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Eos, gst::MessageType::Error])
            .expect("the file is written in time");
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    }

    #[test]
    fn a_photo_is_decoded_to_limited_range() {
        let folder = tempfile::tempdir().unwrap();
        // A JPEG's white is 255.
        let jpeg = "video/x-raw,format=RGB ! videoconvert ! video/x-raw,format=I420,colorimetry=1:4:0:0 \
                    ! jpegenc snapshot=true";
        // A size whose rows are padded in memory. jpegenc fills its last block from the padding.
        for (name, size, encoder) in [("a.png", (50, 30), "pngenc snapshot=true"), ("b.jpg", (48, 32), jpeg)] {
            let path = folder.path().join(name);
            write(&path, size, encoder, 1);
            let mut source = Source::photo(&path).unwrap();
            let picture = source.next().unwrap().into_owned();
            assert_eq!((picture.width(), picture.height()), size, "{name}");
            let y = picture.planes[0].bytes[0];
            assert!(y.abs_diff(235) < 3, "{name}: {y}");
            assert!(
                picture.planes.iter().all(|plane| plane.bytes.iter().all(|byte| byte.abs_diff(plane.bytes[0]) < 3))
            );
            assert_eq!(*source.next().unwrap(), picture);
        }
    }

    #[test]
    fn a_video_starts_again_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.avi");
        write(&path, (50, 30), "jpegenc ! avimux", 4);
        let mut source = Source::video(&path, 10).unwrap();
        for _ in 0..10 {
            assert_eq!(source.next().unwrap().width(), 50);
        }
    }
}
