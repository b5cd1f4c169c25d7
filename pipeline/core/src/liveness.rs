//! What a gate asks of a face's liveness.

use strum::{Display, EnumString, VariantNames};

/// What a gate does with a face that is not judged live (presentation attacks, ISO/IEC 30107).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum LivenessPolicy {
    /// The person is referred to staff.
    Required,
    /// The person must show a pass as well.
    SecondFactor,
    /// Nothing is checked: a photograph of an enrolled person is let in.
    Off,
}
