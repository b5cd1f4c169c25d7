//! Arithmetic on scores and counts.

pub(crate) mod accuracy;
pub(crate) mod auc;
pub(crate) mod bootstrap;
pub(crate) mod interval;
pub(crate) mod probit;
pub(crate) mod random;
pub(crate) mod scores;
