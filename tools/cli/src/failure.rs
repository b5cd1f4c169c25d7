//! The exit codes of errors.

use gatehouse_service::NodeError;
use gatehouse_terminal::{Exit, Failure};

/// An error that keeps a node from starting, with its exit code.
pub(crate) fn node(error: NodeError) -> Failure {
    use NodeError as E;
    let exit = match &error {
        E::Secret { .. }
        | E::Key(_)
        | E::Manifest(_)
        | E::NoThreshold { .. }
        | E::NoLivenessThreshold { .. }
        | E::Calibration { .. }
        | E::NoCalibration { .. }
        | E::Target { .. }
        | E::Ground { .. }
        | E::ZoneGround { .. } => Exit::Input,
        E::Model(_) => Exit::Setup,
        E::StoreFolder { .. } | E::Store(_) | E::Bus(_) | E::Capture(_) | E::Thread(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}
