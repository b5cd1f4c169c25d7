//! The store, on real files.
#![cfg(test)]

mod at_rest;
mod audit;
mod backup;
mod entry_log;
mod gallery_changes;
mod keys;
mod outbox;
mod passes;
mod people;
mod rekey;
mod renew;
mod retention;
mod support;
