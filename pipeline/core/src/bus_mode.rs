//! How a program takes part in the bus.

use strum::{Display, EnumString, VariantNames};

/// How a node, a door or a receiver takes part in the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum BusMode {
    /// Has one connection, to a router or to a node that listens. Hears everything that they pass
    /// on, and is bound by the router's access rules.
    Client,
    /// Listens, connects to several others, or both. At a router, peers do not hear each other.
    Peer,
}

impl BusMode {
    /// The mode of an end for which none is set: one that connects and does not listen is a client.
    pub fn default_for(listens: bool, connects: bool) -> Self {
        if connects && !listens { Self::Client } else { Self::Peer }
    }
}
