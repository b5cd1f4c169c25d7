//! The `[[gate]]` tables of a site file.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::Direction;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::stream::Source;

use crate::camera::{CameraSettings, check_placeholders};
use crate::kind::{integer, number, seconds, whole_seconds};
use crate::rate::OneIn;
use crate::reader::{Draft, TableReader};
use crate::table;

table! {
    /// A camera at a gate: it recognises people who have enrolled, and no one else. It always reads
    /// QR passes and cards as well: a face is never the only way in, so no key turns that off.
    pub struct GateCamera = "[[gate]]", check check_gate {
        /// The camera's name on the bus, unique among all cameras of the site.
        id: CameraId, required, example "east-1", change CameraRestart;
        /// What every camera has: its name and its stream.
        common: CameraSettings, flattened;
        /// How many frames per second are analysed while nobody near is being recognised. During a
        /// recognition the node analyses every frame that it can keep up with.
        analyse_fps: f64 = number(0.1..=60.0).unit("frames per second"), default 10.0, example 5.0,
            change Live;
        /// Whether the gate leads into the site or out of it. If exits have cameras too, the site
        /// counts who is inside.
        direction: Direction, default "in", example "out", change Live;
        /// The error rate for which the threshold is computed, from the model's calibration table.
        /// A target for which the table has too little data is rejected, with what it could
        /// support. Not together with `match_threshold`.
        match_target: Option<MatchTarget>, optional "`match_threshold` decides",
            example { strangers_let_in = "1 in 10000", enrolled = 8000 }, change Live;
        /// The least similarity (cosine of two embeddings) that counts as the same person. Higher:
        /// fewer people are let in as someone else, and more are sent to the staffed lane. Prefer a
        /// `match_target`; give only one of the two.
        match_threshold: Option<f32> = number(0.0..=1.0),
            optional "the threshold in the face embedder's manifest", example 0.363, change Live;
        /// How much more similar a face must be to the best person than to the second best. With a
        /// smaller difference the gate can't tell the two apart (siblings, twins) and says `refer`.
        /// 0 turns the check off.
        match_margin: f32 = number(0.0..=0.5), default 0.05, example 0.1, change Live;
        /// The least distance between the eyes of a face in the camera's picture. Smaller faces are
        /// ignored.
        min_eye_distance_px: f32 = integer(8..=1000).unit("pixels"), default 40, example 60, change Live;
        /// How many frames must show the same enrolled person before the gate says `admit`. At most
        /// `frames_to_judge`.
        frames_to_agree: usize = integer(1..=60).unit("frames"), default 2, example 3, change Live;
        /// After how many frames without agreement the gate says `refer`.
        frames_to_judge: usize = integer(1..=60).unit("frames"), default 5, example 8, change Live;
        /// How long a person at the gate is observed. After this time the gate says `refer`, with
        /// the reason.
        deadline as "deadline_s": Duration = seconds(1.0..=60.0), default 5.0, example 8.0, change Live;
        /// How long the gate makes no second decision about the same person.
        cool_down as "cool_down_s": Duration = whole_seconds(0..=3600), default 10, example 30,
            change Live;
        /// How long an `admit` is valid. A gate controller must not open on an older one.
        grant as "grant_s": Duration = whole_seconds(1..=60), default 5, example 8, change Live;
        /// How long this gate does not accept the same QR pass again, so that it can't be handed
        /// back over the fence. A card, which admits only its owner, is accepted again after
        /// `cool_down_s`.
        pass_again as "pass_again_s": Duration = whole_seconds(0..=3600), default 60, example 300,
            change Live;
        /// What the gate does with a face that is not judged live, such as a photo or a screen held
        /// up to the camera. `"required"`: the person is referred to staff. `"second-factor"`: the
        /// person must show a QR pass as well. `"off"`: nothing is checked, and a photo of an
        /// enrolled person may be let in; let a guard watch such a gate.
        liveness: LivenessPolicy, required, example "required", change ProcessRestart;
        /// The least score of the liveness model that counts as a live face. Higher: fewer photos
        /// pass, and more people are held up. Not with `liveness = "off"`.
        liveness_threshold: Option<f32> = number(0.0..=1.0),
            optional "the threshold in the liveness model's manifest", example 0.7, change Live;
        /// Whether a face counts as live only if the camera also sees the gate's own background
        /// beside or above it. A screen or a print held close hides the background. Set it to
        /// `false` for a camera that turns, or whose view never rests. No effect with `liveness =
        /// "off"`.
        check_background: bool, default true, example false, change Live;
        /// Whether an empty gate is analysed only once per second after 3 seconds without a change
        /// in the picture. The first frame with a change is analysed at once.
        skip_unchanged: bool, default true, example false, change Live;
        /// The same camera's smaller stream (sub-stream), with the same view and login. While
        /// nothing moves in it, only key frames of `source` are decoded, which costs a fraction.
        /// The first frame with a change switches `source` back to full decoding. Faces and codes
        /// are searched for in `source` only. For cameras with a key frame every 2 seconds or more
        /// often. Not with `skip_unchanged = false`.
        sub_source: Option<Source>, optional "`source` is always decoded in full",
            example "rtsp://192.0.2.10/sub", change CameraRestart;
    }
}

table! {
    /// The error rate for which a gate's threshold is computed (FPIR of an open-set identification,
    /// ISO/IEC 19795-1).
    pub struct MatchTarget = "`match_target`" {
        /// The largest share of strangers at the gate who may be taken for an enrolled person.
        strangers_let_in: OneIn, required, example "1 in 10000", change Live;
        /// The number of enrolled people at which that must hold. The more people are enrolled, the
        /// likelier a stranger resembles one of them: give the largest number that you expect.
        enrolled: u64 = integer(1..=10_000_000).unit("people"), required, example 8000, change Live;
    }
}

fn check_gate(table: &TableReader<'_, '_>, gate: &Draft<GateCamera>) {
    if let (Some(Some(sub)), Some(common)) = (&gate.sub_source, &gate.common) {
        check_sub_source(table, sub, &common.source, gate.skip_unchanged);
        if common.login.is_none() {
            check_placeholders(table, "sub_source", sub);
        }
    }
    if let (Some(Some(_)), Some(Some(_))) = (&gate.match_target, gate.match_threshold) {
        let message = "`match_threshold` and `match_target` can't be given together: one is computed from the other";
        let help = Some("keep `match_target` and remove `match_threshold`");
        table.reject(&["match_threshold"], message, help);
    }
    if let (Some(LivenessPolicy::Off), Some(Some(_))) = (gate.liveness, gate.liveness_threshold) {
        let message = "`liveness_threshold` has no effect with `liveness = \"off\"`: nothing is checked";
        table.reject(&["liveness_threshold"], message, None);
    }
    if let (Some(to_agree), Some(to_judge)) = (gate.frames_to_agree, gate.frames_to_judge)
        && to_agree > to_judge
    {
        let message =
            format!("`frames_to_agree` must not be greater than `frames_to_judge`, found {to_agree} and {to_judge}");
        table.reject(&["frames_to_agree", "frames_to_judge"], message, None);
    }
}

fn check_sub_source(table: &TableReader<'_, '_>, sub: &Source, main: &Source, skip_unchanged: Option<bool>) {
    let is_rtsp = |source: &Source| matches!(source, Source::Rtsp(_));
    let (message, help) = if !is_rtsp(sub) || !is_rtsp(main) {
        ("`sub_source` is for two `rtsp://` streams of one camera", None)
    } else if sub == main {
        let help = "give the address of the camera's smaller stream, or remove `sub_source`";
        ("`sub_source` is the same stream as `source`: it would be decoded twice", Some(help))
    } else if skip_unchanged == Some(false) {
        ("`sub_source` has no effect with `skip_unchanged = false`: the whole stream is analysed anyway", None)
    } else {
        return;
    };
    table.reject(&["sub_source"], message, help);
}
