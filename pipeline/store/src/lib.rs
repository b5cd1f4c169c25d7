//! Enrolled people, their consent and templates, and the entry outbox, in SQLite.
//!
//! The rules that make the product lawful are held here by types and by the schema (`schema.sql`), so that no caller
//! can forget them:
//!
//! - **No template without consent.** [`Store::enrol`] takes a [`Consent`] by value, and the schema refuses a template
//!   whose person has none. Below 14 years a consent needs a guardian.
//! - **Consent ends.** [`Store::gallery`] gives only templates whose consent holds now, each with its end.
//! - **Withdrawal removes.** [`Store::forget`] deletes person, consent and templates, and overwrites their pages. All
//!   that stays is that someone withdrew, and when. [`Store::changed_since`] tells a running node at once, in whichever
//!   process it happened.
//! - **Nothing personal in plain text at rest.** Names and templates are sealed with the site's key
//!   (XChaCha20-Poly1305) and bound to their table, column, person and model, so rows can't be swapped.
//! - **No identity in the outbox.** It holds the entries exactly as they stand on the bus.
//!
//! Nothing here reads a clock: each call that depends on the time is given it.
//!
//! # Threads
//! A [`Store`] is one connection behind one mutex, shared by reference between threads. Each call takes that lock once
//! and holds it for one transaction; no call takes another lock, and only [`Store::append_entry`] runs a caller's code
//! under it.

mod consent;
mod error;
mod gallery;
mod key;
mod migration;
mod open;
mod outbox;
mod people;
mod seal;

pub use consent::{Consent, ConsentDraft, ConsentError, HowGiven};
pub use error::StoreError;
pub use gallery::{Gallery, GalleryTemplate, Revision};
pub use key::{KeyError, SiteEncryptionKey};
pub use open::Store;
pub use people::{Counts, Forgotten, NewPerson, NewTemplate, PersonId, PersonSummary};
