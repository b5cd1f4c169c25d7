//! Gate cameras: from the faces in a frame, and the codes that are held up to it, to `admit` or `refer`.
//!
//! Everything here is a function of observations and times that are passed in. A face that matches no one leaves nothing
//! behind: tracks hold boxes, keys and scores, never pixels or embeddings, and are forgotten two seconds after the face is.
//!
//! The way of a frame, and who holds what:
//!
//! ```text
//!   faces of a frame ──▶ Gate::see ──▶ probes ──▶ quality::assess ──unusable──▶ Gate::judge
//!                           │                        │ usable
//!                           │ what is due            ▼
//!                           │             liveness, embedding, template
//!                           │                        │
//!                           │        Gate::compare_with_card, or Gallery::identify
//!                           ▼                        ▼
//!                        outcomes ◀───────────── Gate::judge
//!                           ▲
//!   text of a code ──▶ Gate::notice_code ──new──▶ signature, store ──▶ Gate::show_pass
//! ```
//!
//! [`encounter`] has the states of one track and the rules that lead from one to the next. Around them the gate keeps what
//! concerns several tracks:
//!
//! - Each track has one decision of its own, and each pass or card that is shown has one.
//! - A person who was admitted isn't admitted again within the cool-down, by whatever they show.
//! - A pass admits by itself. Where a face waits for it as a second factor, both are told as one.
//! - A card is compared with the nearest face for a few seconds. No other code is taken meanwhile, the face isn't searched for
//!   in the gallery, and the card's template is overwritten as soon as there is a decision.
//! - Whoever showed a code isn't referred once more for their face: the nearest one is excused from it.
//! - A frame that is too old is no evidence, and no grant outlasts its time counted from the capture.

pub mod encounter;
pub mod enrol;
pub mod gallery;
pub mod quality;
pub mod track;

mod admitted;
mod background;
mod card;
mod coarse_pass;
mod evidence;
mod gate;
mod motion_gate;
mod pass;
mod policy;
mod times;

#[cfg(test)]
mod testing;

pub use admitted::Admitted;
pub use background::Background;
pub use coarse_pass::{COARSE_SCORE, COARSE_SIDES_PX, coarse_side_px, may_be_near};
pub use encounter::{Matched, Observation};
pub use evidence::{LivenessCues, OPEN};
pub use gallery::{Enrolled, Gallery, MatchRule, PersonKey};
pub use gate::{EntryDraft, Gate, Outcome, Probe, ProbeId, Seen};
pub use motion_gate::MotionGate;
pub use pass::{PassKey, PassSeen};
pub use policy::{LivenessPolicy, Policy};
pub use times::StageTimes;
