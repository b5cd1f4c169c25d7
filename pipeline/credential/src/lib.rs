//! The site's secret and everything derived from it: signed passes, card-held templates, signed
//! grants, their QR codes.
//!
//! A site has one secret of 32 bytes. Each use derives its own key from it
//! ([`SiteSecret::derive`]), so that no key can stand in for another. This crate reads no clock, no
//! file and no network: times are passed in.
//!
//! - [`sign_pass`] and [`seal_card`] write the text of a QR code; [`read`] checks the text that a
//!   camera saw.
//! - [`QrReader`] finds QR codes in a camera's frames; [`Sheet`] prints them.
//! - [`sign_grant`] signs a gate's decision; [`check_grant`] checks it with the public key alone
//!   ([`SiteVerifier`]).
//! - [`state_clock`] signs what a node states about its clock; [`is_clock_of`] checks it.

mod base45;
mod black_and_white;
mod card;
mod clock;
mod envelope;
mod grant;
mod pass;
mod pass_id;
mod person_id;
mod qr;
mod sheet;
mod signing;
mod site_secret;
mod texture;
mod time;

pub use card::{CardContents, CardKey, ModelTag, NewCard, SealedCard, seal_card};
pub use clock::{is_clock_of, state_clock};
pub use envelope::{CredentialError, PREFIX, Presented, read};
pub use grant::{GrantError, GrantTimes, check_grant, sign_grant};
pub use pass::{Pass, sign_pass};
pub use pass_id::{NoRandomness, PassId, PassIdError};
pub use person_id::PersonId;
pub use qr::QrReader;
pub use sheet::{Paper, Sheet, SheetError};
pub use signing::{SiteSigner, SiteVerifier, VerifierTextError};
pub use site_secret::{Purpose, SecretTextError, SiteSecret};
pub use texture::SearchedInVain;
pub use time::{OutOfTime, UnixSeconds};
