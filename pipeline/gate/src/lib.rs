//! Gate cameras: from the faces in a frame, and the codes that are shown to it, to `admit` or
//! `refer`.
//!
//! Everything here is a function of observations and times that are passed in. A face that matches
//! no one leaves nothing behind: tracks hold boxes, keys and scores, never pixels or embeddings,
//! and are dropped two seconds after the face was last seen.
//!
//! The path of a frame:
//!
//! ```text
//!   faces of a frame ─▶ Gate::process_frame ─▶ probes ─▶ quality::assess ──unusable──▶ Gate::process_probe
//!                              │                              │ usable
//!                              │ decisions that               ▼
//!                              │ are due          embedding, template, liveness
//!                              │                              │
//!                              │        Gate::compare_with_card, or Gallery::identify
//!                              ▼                              ▼
//!                           outcomes ◀────────────── Gate::process_probe
//!                              ▲
//!   text of a code ─▶ Gate::register_code ──new──▶ signature, store ─▶ Gate::process_code
//! ```
//!
//! `encounter.rs` has the states of one track and the rules of its decision. [`Gate`] adds the
//! rules that concern several tracks:
//!
//! - Each track has one decision of its own, and so has each pass or card that is shown.
//! - An admitted person is not admitted again within the cool-down, whatever they show.
//! - A pass admits by itself. If a face waits for it as a second factor, both make one entry.
//! - A card is compared with the nearest face for a few seconds. Meanwhile no other code is
//!   accepted and that face is not searched for in the gallery. The card's template is overwritten
//!   after the decision.
//! - A person who showed a code is not referred for their face as well: the nearest face is
//!   excused.
//! - A frame that is too old is no evidence. A grant ends a fixed time after the capture of its
//!   frame.

pub mod enrol;
pub mod gallery;
pub mod quality;

mod admitted;
mod background;
mod card;
mod coarse_pass;
mod encounter;
mod evidence;
mod gate;
mod motion_gate;
mod pass;
mod policy;
mod times;
mod track;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use admitted::Admitted;
pub use background::Background;
pub use coarse_pass::{COARSE_SCORE, COARSE_SIDES_PX, coarse_side_px, may_be_near};
pub use encounter::{Matched, Observation};
pub use evidence::{LivenessCues, MIN_OPENNESS};
pub use gallery::{Enrolled, Gallery, MatchRule};
pub use gate::{EntryDraft, FrameResult, Gate, Outcome, Probe, ProbeId};
pub use motion_gate::MotionGate;
pub use pass::CodeCheck;
pub use policy::Policy;
pub use times::{GrantPeriod, StageTimes};
