//! Keys that both kinds of camera have.

use std::time::Duration;

use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_picture::NormalisedPolygon;

use crate::kind::{TITLE, milliseconds};
use crate::models::names_one_twice;
use crate::reader::{Draft, TableReader};
use crate::secret::SecretRef;
use crate::table;

table! {
    /// What every camera has: its name and its stream.
    pub struct CameraSettings = "[[gate]] and [[crowd]]", check check_camera {
        /// What people call the camera, in any language. The console shows it in place of the `id`.
        name: Option<String> = TITLE, optional "the console shows the `id`", example "East gate", change Live;
        /// Where the video comes from. An address with a user or password is rejected: use `login`.
        /// For a camera that takes them in its path or query, write `{user}` and `{password}` in
        /// their place: they are filled in from `login` when the request is sent.
        source: Source, required, example "rtsp://192.0.2.10:554/main", change CameraRestart;
        /// The camera's login for an `rtsp://` source: a secret of the form `user:password`.
        login: Option<SecretRef>, optional "the camera needs no login", example "env:GATE_1_LOGIN",
            change CameraRestart;
        /// How an RTSP camera sends its video. `udp` loses packets on a busy network.
        transport: Transport, default "tcp", example "udp", change CameraRestart;
        /// The jitter buffer: how long video is held back to put late packets in order. Raise it
        /// where late packets damage the picture.
        latency as "latency_ms": Duration = milliseconds(0..=5000), default 100, example 300,
            change CameraRestart;
        /// What decodes an RTSP camera's stream: the first of the list that is installed and can.
        /// The log names it when the camera goes live, and says why an earlier one failed.
        /// `software` is libavcodec, on the CPU. `vaapi` is the graphics hardware of Intel and AMD,
        /// `nvdec` NVIDIA's; neither has been tested on such hardware yet.
        decoders: Vec<Decoder>, default ["software"], example ["nvdec", "vaapi", "software"],
            change CameraRestart;
        /// Parts of the picture that nobody may see, such as windows of homes. They are black from
        /// the decoder on, for the models and in every picture shown.
        privacy: Vec<NormalisedPolygon>, default [],
            example [[[0.0, 0.0], [0.3, 0.0], [0.3, 0.2], [0.0, 0.2]]], change Live;
    }
}

/// Checks the value of `key`, an address of a camera without a login.
pub(crate) fn check_placeholders(table: &TableReader<'_, '_>, key: &str, source: &Source) {
    if matches!(source, Source::Rtsp(url) if url.needs_login()) {
        let message = format!("`{key}` has a place for the user or password, and the camera has no `login`");
        let help = "put `user:password` into an environment variable or its own file: `login = \"env:NAME\"` or \
                    `login = \"file:PATH\"`";
        table.reject(&[key], message, Some(help));
    }
}

fn check_camera(table: &TableReader<'_, '_>, camera: &Draft<CameraSettings>) {
    if let (Some(source), Some(Some(_))) = (&camera.source, &camera.login)
        && !matches!(source, Source::Rtsp(_))
    {
        table.reject(&["login"], "`login` needs an `rtsp://` source", None);
    }
    if let (Some(source), Some(None)) = (&camera.source, &camera.login) {
        check_placeholders(table, "source", source);
    }
    let Some(decoders) = &camera.decoders else { return };
    if decoders.is_empty() {
        table.reject(&["decoders"], "`decoders` must name at least one: nothing would decode the stream", None);
    } else if names_one_twice(decoders) {
        table.reject(&["decoders"], "`decoders` names one twice", None);
    }
}
