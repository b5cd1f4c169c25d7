//! A decoded frame on its way from capture to the models.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_picture::{Size, YuvPicture};

use crate::id::CameraId;
use crate::time::FrameTimes;

/// Keeps a decoded picture's memory mapped. The capture crate's implementation holds the decoder's own buffer, so a
/// frame is handed on without a copy. Once the last user has dropped it, the buffer goes back to its pool, at the latest when the
/// camera's next frame comes.
pub trait PictureBuffer: Send + Sync {
    /// The picture's planes.
    fn picture(&self) -> YuvPicture<'_>;
}

/// One decoded frame of one camera.
pub struct Frame {
    /// Which camera.
    pub camera: CameraId,
    /// Frames decoded by this camera since the node started, this one included; gaps are frames dropped on purpose.
    pub number: u64,
    /// Its three times.
    pub times: FrameTimes,
    /// Its pixels. Shared, because a preview may want the picture that a model is still looking at.
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
    /// Says which frame it is; pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("camera", &self.camera)
            .field("number", &self.number)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Which frames of a stream are wanted at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// Key frames will do: nothing goes on.
    KeyFrames,
    /// As many as the stream's options say.
    #[default]
    Usual,
    /// Each.
    All,
}

/// Where a camera's frames go. Called on the decoder's thread: it must not block.
pub trait FrameSink: Send + Sync {
    /// Takes a frame, or drops it by a policy of its own.
    fn deliver(&self, frame: Frame);

    /// Which frames it wants just now. Asked for each frame on the thread that reads the stream, before it is decoded: it must not block.
    fn demand(&self) -> Demand {
        Demand::Usual
    }

    /// Whether nobody would look at a frame that came now, since it isn't due, or since the camera's next, `next` later, would overtake
    /// it before anybody could: then it isn't decoded. Asked for each frame on which no other rests, on the thread that reads the stream:
    /// it must not block. A frame that is due and of which this is said is lost, and the sink counts it.
    fn declines(&self, next: Duration) -> bool {
        let _ = next;
        false
    }
}
