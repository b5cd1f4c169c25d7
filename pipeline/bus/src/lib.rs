//! Events on zenoh.
