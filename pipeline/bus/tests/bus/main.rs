//! The bus over real zenoh sessions on TCP loopback, with ports that the system chooses.

mod closing;
mod delivery;
mod queries;
#[cfg(test)]
mod router;
#[cfg(test)]
mod support;
