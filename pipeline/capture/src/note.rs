//! What a pipeline's threads tell their camera's thread.

use gatehouse_core::stream::{Decoder, Transport};

use crate::failure::Failure;

/// A message from the pipeline's threads.
pub(crate) enum Note {
    Failed(Failure),
    /// The decoder can't go on.
    DecoderFailed(Decoder, Failure),
    /// The camera's packets flow, over this transport.
    Playing(Transport),
    Caps {
        width: u32,
        height: u32,
    },
}
