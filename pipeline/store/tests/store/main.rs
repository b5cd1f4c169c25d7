//! The store, on real files.

mod at_rest;
mod outbox;
mod people;
#[cfg(test)]
mod support;
