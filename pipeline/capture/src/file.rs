//! A video file, frame by frame and as fast as it can be read, for evaluation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::frame::PictureBuffer;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::CaptureError;
use crate::conversion::Conversion;
use crate::failure::without_addresses;
use crate::layout::PictureLayout;
use crate::mapped::MappedPicture;
use crate::pipeline::{add_file, picture_caps};

/// Frames that are decoded ahead of the reader.
const AHEAD: u32 = 2;

/// A frame of a video file.
pub struct FileFrame {
    /// Its time in the file.
    pub at: Duration,
    /// I420 or NV12.
    pub picture: Box<dyn PictureBuffer>,
}

/// An open video file. Gives every frame once, in presentation order; an error ends it.
pub struct VideoFile {
    path: PathBuf,
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    /// The last caps, and how their pictures are converted.
    conversion: Option<(gst::Caps, Conversion)>,
    failed: bool,
}

impl VideoFile {
    /// Begins to read. Call [`init`](crate::init) first.
    ///
    /// # Errors
    /// If an element isn't installed. A problem of the file is returned in place of its first
    /// frame.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let error = |reason: String| CaptureError::File { path: path.to_owned(), reason };
        let pipeline = gst::Pipeline::new();
        let sink = gst_app::AppSink::builder().caps(&picture_caps()).max_buffers(AHEAD).sync(false).build();
        let built = pipeline.add(&sink).and_then(|()| add_file(&pipeline, &sink, path));
        built.map_err(|e| error(e.message.to_string()))?;
        let file = Self { path: path.to_owned(), pipeline, sink, conversion: None, failed: false };
        // A failure to start is on the bus, and returned in place of the first frame.
        let _ = file.pipeline.set_state(gst::State::Playing);
        Ok(file)
    }

    fn error(&self, reason: impl Into<String>) -> CaptureError {
        CaptureError::File { path: self.path.clone(), reason: reason.into() }
    }

    fn pipeline_error(&self) -> Option<CaptureError> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let missing = error.error().matches(gst::ResourceError::NotFound);
        Some(self.error(if missing {
            "there is no such file".to_owned()
        } else {
            without_addresses(error.error().message())
        }))
    }

    fn frame(&mut self, sample: &gst::Sample) -> Result<FileFrame, CaptureError> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else {
            return Err(self.error("a frame without a picture"));
        };
        let at = buffer.pts().map_or(Duration::ZERO, Duration::from);
        if self.conversion.as_ref().is_none_or(|(known, _)| **known != *caps) {
            let layout = PictureLayout::of(caps).map_err(|error| self.error(error.message.to_string()))?;
            let conversion = Conversion::of(&layout).map_err(|error| self.error(error.to_string()))?;
            self.conversion = Some((caps.to_owned(), conversion));
        }
        let Some((_, conversion)) = &self.conversion else { return Err(self.error("a frame without a picture")) };
        let mapped = conversion.apply(buffer).and_then(|buffer| MappedPicture::new(buffer, conversion.layout()));
        let picture = mapped.map_err(|error| self.error(error.to_string()))?;
        Ok(FileFrame { at, picture: Box::new(picture) })
    }
}

impl Iterator for VideoFile {
    type Item = Result<FileFrame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = loop {
            // An error doesn't end the wait for a frame, so the bus is polled in between.
            if let Some(sample) = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
                break Some(self.frame(&sample));
            }
            if let Some(error) = self.pipeline_error() {
                break Some(Err(error));
            }
            if self.sink.is_eos() {
                break None;
            }
        };
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

impl Drop for VideoFile {
    fn drop(&mut self) {
        // A change to Null can't fail.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_error(path: &Path) -> String {
        crate::init().expect("GStreamer starts");
        let mut file = VideoFile::open(path).expect("the elements are there");
        let Some(Err(error)) = file.next() else { panic!("no frame can come") };
        assert!(file.next().is_none(), "an error ends it");
        error.to_string().replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn a_file_that_is_no_video_is_named_in_the_error() {
        assert_eq!(first_error(Path::new("/nowhere/walk.mp4")), "FILE: there is no such file");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.mp4");
        std::fs::write(&path, "no video, only words").expect("written");
        let error = first_error(&path);
        assert!(error.starts_with("FILE: ") && error.len() > 10, "{error}");
    }
}
