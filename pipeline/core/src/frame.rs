//! A decoded frame on its way from capture to the models.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_picture::{Size, YuvPicture};

use crate::health::Frozen;
use crate::id::CameraId;
use crate::time::FrameTimes;

/// Keeps a decoded picture's memory mapped. The capture crate's implementation holds the decoder's
/// own buffer, so a frame is handed on without a copy. The buffer returns to its pool after the
/// last user has dropped it, at the latest when the camera's next frame comes.
pub trait PictureBuffer: Send + Sync {
    /// The picture's planes.
    fn picture(&self) -> YuvPicture<'_>;
}

/// One decoded frame of one camera. A clone shares its pixels.
#[derive(Clone)]
pub struct Frame {
    /// The camera.
    pub camera: CameraId,
    /// Frames decoded by this camera since the node started, this one included. Gaps are frames
    /// that were dropped on purpose.
    pub number: u64,
    /// Its three times.
    pub times: FrameTimes,
    /// True if packets of it, or of frames that it refers to, were lost on the way: parts of the
    /// picture are the decoder's guess.
    pub is_damaged: bool,
    /// Set if the camera's picture no longer changes.
    pub frozen: Option<Frozen>,
    /// Its pixels. Shared, because a preview may need the picture while a model still reads it.
    pub buffer: Arc<dyn PictureBuffer>,
}

impl Frame {
    /// The picture's planes, borrowed from the decoder's buffer.
    pub fn picture(&self) -> YuvPicture<'_> {
        self.buffer.picture()
    }

    /// Size in pixels.
    pub fn size(&self) -> Size {
        self.picture().size()
    }
}

impl fmt::Debug for Frame {
    /// Names the frame; pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("camera", &self.camera)
            .field("number", &self.number)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Which frames of a stream the consumer needs at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FrameDemand {
    /// Key frames are enough: nothing moves.
    KeyFrames,
    /// As many as the stream's options say.
    #[default]
    AtRate,
    /// Every frame.
    All,
}

/// What the consumer did with a frame on the decoder's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It waits for analysis.
    Queued,
    /// It waits for analysis, in place of an older frame that will not be analysed.
    Replaced,
    /// It needs no analysis: nothing has changed since the last analysed frame.
    Unchanged,
    /// It was analysed at once.
    Analysed,
    /// The consumer has stopped; the frame was dropped.
    Closed,
}

/// The consumer of a camera's frames. Every method is called on the stream's threads and must not
/// block.
pub trait FrameSink: Send + Sync {
    /// Takes a frame that is due, or that [`FrameSink::is_urgent`] asked for.
    fn deliver(&self, frame: Frame) -> Delivery;

    /// The frames that are needed now. Asked for each access unit, before it is decoded.
    fn demand(&self) -> FrameDemand {
        FrameDemand::AtRate
    }

    /// The shortest time that a frame offered now waits for its analysis; `None` if unknown. Asked
    /// for each key frame, before it is decoded.
    fn shortest_wait(&self) -> Option<Duration> {
        None
    }

    /// True if a decoded frame that isn't due by the rate must be analysed all the same.
    fn is_urgent(&self, frame: &Frame) -> bool {
        let _ = frame;
        false
    }
}
