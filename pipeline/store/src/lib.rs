//! Enrolled people, their consent and templates, passes and cards, the entry outbox, the site's own
//! entry log and the audit log: two SQLite files.
//!
//! The rules that make the product lawful are held here by types and by the schema (`schema.sql`),
//! so that no caller can forget them:
//!
//! - **No template without consent.** [`Store::enrol`] takes a [`Consent`] by value with the
//!   templates, and the schema refuses a template whose person has none, and a card whose holder
//!   has none. Below 14 years a consent needs a guardian. Who wants no face recognition is enrolled
//!   for passes only, without any of it.
//! - **Consent ends.** [`Store::gallery`] gives only templates whose consent holds now, each with
//!   its end; [`Store::use_pass`] refuses a card whose consent has ended;
//!   [`Store::apply_retention`] then forgets.
//! - **Withdrawal removes, from backups too.** Names and templates are sealed with keys of the
//!   person's own, which lie in a second file (`keys_schema.sql`) that is part of no backup.
//!   [`Store::forget`] destroys the keys, then deletes the rows, and overwrites the pages of both.
//!   [`Store::changed_since`] tells a running node at once, in whichever process it happened.
//! - **Nothing personal in plain text at rest.** Names, templates and who came in are sealed
//!   (XChaCha20-Poly1305) and bound to their table, column and row, so rows can't be swapped.
//! - **No identity in the outbox.** It holds the entries exactly as they stand on the bus. Whom an
//!   entry is about stands only in the site's own log, sealed, read by [`Store::look_up_entries`]
//!   with a role and a reason.
//! - **The site's key can be changed.** [`Store::change_key`] seals, chains and protects everything
//!   anew, in one transaction over both files; what was signed with the old one opens nothing any
//!   more.
//! - **What is done is recorded.** Each call that takes an [`Actor`] writes the audit log in its
//!   own transaction; [`Store::verify_audit`] finds any later change.
//!
//! Nothing here reads a clock: each call that depends on the time is given it.
//!
//! # Two files, one truth
//! Every write of the keys happens under the store's write lock and is committed before the store's
//! own transaction: a key is there before its row and gone before its row. So a crash leaves a key
//! that nobody needs or a row that nobody can read, never a person half-enrolled, and
//! [`Store::open`] clears up either.
//!
//! # Threads
//! A [`Store`] is one pair of connections behind one mutex, shared by reference between threads.
//! Each call takes that lock once at a time and holds it for one transaction; no call takes another
//! lock, and only [`Store::append_entry`] runs a caller's code under it.

mod actor;
mod audit;
mod audit_verify;
mod backup;
mod consent;
mod consent_rows;
mod count;
#[cfg(test)]
mod crash;
mod enrol;
mod entry_log;
mod error;
mod export;
mod forget;
mod from_column;
mod gallery;
mod gallery_change;
mod keys;
mod migration;
mod open;
mod outbox;
mod passes;
mod people;
mod rekey;
mod renew;
mod retention;
mod seal;
mod settle;

pub use gatehouse_credential::PersonId;

pub use actor::{Actor, ActorError};
pub use audit::{Action, AuditEntry, AuditHead, AuditHeadError, Subject};
pub use audit_verify::{AuditFault, AuditReport};
pub use backup::{NewerPeople, Restored, restore};
pub use consent::{Consent, ConsentDraft, ConsentError, HowGiven};
pub use count::{Counts, LimitWarning, warnings};
pub use enrol::{Enrolment, NewPerson, NewTemplate};
pub use entry_log::{LoggedEntry, Look, Who};
pub use error::StoreError;
pub use export::PersonRecord;
pub use gallery::{Gallery, GalleryTemplate, Revision};
pub use gallery_change::Changes;
pub use open::Store;
pub use passes::{NewPass, NewPassKind, PassKind, PassSummary, PassUse};
pub use people::{FaceSummary, PersonSummary};
pub use rekey::{KeyChange, Reprotect};
pub use retention::{Applied, Retention};
