//! Derives the rules of a gate from its configuration: threshold, margin, liveness, deadlines.

use std::time::Duration;

use gatehouse_config::{self as config, Site};
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_faces::LivenessModel;
use gatehouse_faces::calibration::{Calibration, Prediction, Target};
use gatehouse_gate::{MatchRule, Policy};
use gatehouse_runtime::Manifest;
use serde_json::{Value, json};

use crate::NodeError;

/// The first frames of somebody who walks up are the worst: nobody is referred for those alone.
const REFER_NOT_BEFORE: Duration = Duration::from_millis(1500);
/// An older picture does not show who stands there now.
const MAX_FRAME_AGE: Duration = Duration::from_secs(3);

/// A site's calibration of its embedder: from the site's file, or else from the manifest.
///
/// # Errors
/// If the file can't be read, or was measured with another model.
pub fn calibration(site: &Site, embedder: &Manifest) -> Result<Option<Calibration>, NodeError> {
    let Some(path) = &site.models.calibration else { return Ok(Calibration::of(embedder)?) };
    let calibration = Calibration::read(path)?;
    calibration
        .check_model(&embedder.name, &embedder.version)
        .map_err(|source| NodeError::Calibration { path: path.clone(), source })?;
    Ok(Some(calibration))
}

/// The threshold that meets a target, with the error rates that it predicts.
///
/// # Errors
/// If there is no calibration, or it can't support the target.
pub fn threshold_for_target(
    site: &Site,
    gate: &config::GateCamera,
    target: &config::MatchTarget,
    embedder: &Manifest,
) -> Result<Prediction, NodeError> {
    let gate = gate.id.clone();
    let Some(calibration) = calibration(site, embedder)? else {
        return Err(NodeError::NoCalibration { gate, model: embedder.name.clone() });
    };
    let target = Target { strangers_let_in: target.strangers_let_in.as_f64(), enrolled: target.enrolled };
    calibration.threshold_for(target).map_err(|source| NodeError::Target { gate, source })
}

/// The threshold and the margin by which this gate matches a face.
///
/// # Errors
/// If no threshold is set and the manifest states none, or a target can't be met.
pub fn match_rule(site: &Site, gate: &config::GateCamera, embedder: &Manifest) -> Result<MatchRule, NodeError> {
    let threshold = match (&gate.match_target, gate.match_threshold) {
        (Some(target), _) => {
            let prediction = threshold_for_target(site, gate, target, embedder)?;
            tracing::info!(gate = %gate.id, "threshold {}: {prediction}", prediction.threshold);
            prediction.threshold
        }
        (None, Some(threshold)) => threshold,
        (None, None) => embedder
            .threshold
            .as_ref()
            .map(|t| t.value)
            .ok_or_else(|| NodeError::NoThreshold { gate: gate.id.clone(), model: embedder.name.clone() })?,
    };
    Ok(MatchRule { threshold, margin: gate.match_margin })
}

/// The rules by which faces are admitted, as the audit log keeps them.
pub(super) fn audited_rules(gate: &config::GateCamera, rule: &MatchRule, policy: &Policy) -> Value {
    // Finer than an operator sets them. More digits would only show how they are stored.
    let rounded = |score: f32| (f64::from(score) * 1e6).round() / 1e6;
    json!({
        "threshold": rounded(rule.threshold),
        "margin": rounded(rule.margin),
        "frames_to_agree": policy.needed_frames(),
        "frames_to_judge": policy.window(),
        "liveness": policy.liveness.to_string(),
        "liveness_threshold": rounded(policy.live_threshold),
        "check_background": checks_background(gate),
    })
}

/// The rules of a gate. `liveness`: the model, where any gate checks liveness.
///
/// # Errors
/// If the gate checks liveness and no threshold is known.
pub(super) fn policy(
    gate: &config::GateCamera,
    rule: &MatchRule,
    liveness: Option<&LivenessModel>,
) -> Result<Policy, NodeError> {
    let stated = liveness.and_then(|model| model.manifest().threshold.as_ref()).map(|t| t.value);
    let live_threshold = match (gate.liveness, gate.liveness_threshold.or(stated)) {
        (LivenessPolicy::Off, _) => 0.0,
        (_, Some(threshold)) => threshold,
        (_, None) => return Err(NodeError::NoLivenessThreshold { gate: gate.id.clone() }),
    };
    Ok(Policy {
        min_eye_distance_px: gate.min_eye_distance_px,
        frames_to_agree: gate.frames_to_agree,
        frames_to_judge: gate.frames_to_judge,
        liveness: gate.liveness,
        live_threshold,
        card_threshold: rule.threshold,
        refer_not_before: REFER_NOT_BEFORE,
        deadline: gate.deadline,
        max_frame_age: MAX_FRAME_AGE,
        cool_down: gate.cool_down,
        grant: gate.grant,
    })
}

/// True if a live face must show the gate's background around it.
pub(super) fn checks_background(gate: &config::GateCamera) -> bool {
    gate.check_background && gate.liveness != LivenessPolicy::Off
}
