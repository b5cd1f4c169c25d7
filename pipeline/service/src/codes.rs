//! QR codes held up to a gate's camera: read from its own frames, checked against the site's key and store, and shown to the
//! gate. A pass costs no model; a face is never the only way in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_batching::Worker;
use gatehouse_core::Frame;
use gatehouse_core::event::Reason;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::{Clock, WallTime};
use gatehouse_credential::{
    CardKey, CredentialError, ModelTag, PassId, Presented, QrReader, SealedCard, SiteVerifier, read,
};
use gatehouse_faces::Template;
use gatehouse_gate::{CodeCheck, StageTimes};
use gatehouse_store::{PassUse, PersonId, Store, StoreError};

use crate::gates::GateLine;

/// How often a gate's picture is searched for a code. Somebody who holds one up waits a fifth of a second at most.
const READS_PER_SECOND: f64 = 5.0;

/// Thins a gate's frames to those that are searched for a code.
pub(crate) struct CodeIntake(Mutex<RateLimit>);

impl Default for CodeIntake {
    fn default() -> Self {
        Self(Mutex::new(RateLimit::new(READS_PER_SECOND)))
    }
}

impl CodeIntake {
    pub(crate) fn admits(&self, frame: &Frame) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).admits(frame.times.arrival)
    }
}

/// A frame waiting to be searched for a code.
pub(crate) struct CodeJob {
    line: Arc<GateLine>,
    frame: Frame,
    arrived: WallTime,
}

impl CodeJob {
    pub(crate) fn new(line: &Arc<GateLine>, frame: &Frame, arrived: WallTime) -> Self {
        let Frame { camera, number, times, buffer } = frame;
        let frame = Frame { camera: camera.clone(), number: *number, times: *times, buffer: Arc::clone(buffer) };
        Self { line: Arc::clone(line), frame, arrived }
    }
}

/// Knows the site's passes and cards.
pub(crate) struct CodeReader {
    /// The site's key on the bus, which its passes and cards are bound to.
    pub(crate) site: String,
    pub(crate) verifier: SiteVerifier,
    pub(crate) card_key: CardKey,
    /// The model that a card's template must come from.
    pub(crate) model: ModelTag,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl CodeReader {
    /// Searches frames for codes until the batcher is closed.
    pub(crate) fn run(self, mut worker: Worker<CodeJob>) {
        let failures = LogLimit::default();
        let mut reader = QrReader::new();
        while let Some(batch) = worker.collect() {
            for job in batch.drain(..) {
                let luma = job.frame.picture().luma();
                let mut before = job.line.searched_in_vain();
                let texts = reader.read_next(luma.data, luma.row_bytes, luma.rows, luma.stride, &mut before);
                drop(before);
                for text in texts {
                    let times = StageTimes::found(job.frame.times, job.arrived, self.clock.monotonic());
                    if !job.line.state().register_code(text.as_bytes(), &times) {
                        continue;
                    }
                    let again_after = job.line.pass_again();
                    let Some(seen) = self.answered(self.check(&text, again_after), &failures) else { continue };
                    let times = times.checked(self.clock.monotonic());
                    let seen = match seen {
                        CodeCheck::Accepted { person, id } if job.line.state().would_admit(person, id, &times) => {
                            self.answered(self.use_pass(id, again_after).map(Some), &failures)
                        }
                        other => Some(other),
                    };
                    let Some(seen) = seen else { continue };
                    let outcome = job.line.state().process_code(seen, &times);
                    outcome.into_iter().for_each(|outcome| job.line.decide(outcome));
                }
            }
        }
    }

    fn answered(&self, seen: Result<Option<CodeCheck>, StoreError>, failures: &LogLimit) -> Option<CodeCheck> {
        seen.unwrap_or_else(|e| {
            if let Some(times) = failures.count(self.clock.monotonic()) {
                tracing::error!(times, "passes can't be checked, so none is taken: {e}");
            }
            None
        })
    }

    /// What the site says of a code; nothing for one that isn't meant for a gate at all. A pass isn't used by it.
    fn check(&self, text: &str, not_again_within: Duration) -> Result<Option<CodeCheck>, StoreError> {
        let now = self.clock.wall();
        let seen = match read(&self.verifier, &self.site, text) {
            Ok(Presented::Pass(pass)) => match pass.check_time(now) {
                Ok(()) => self.pass(pass.id, self.store.check_pass(pass.id, now, not_again_within)?),
                Err(_) => CodeCheck::Refused(Reason::PassExpired),
            },
            Ok(Presented::Card(card)) => self.use_card(&card)?.unwrap_or_else(CodeCheck::Refused),
            // A menu or a shop's code, held up by chance: none of ours, and no reason to call anybody.
            Err(CredentialError::NotOurs) => return Ok(None),
            Err(_) => CodeCheck::Refused(Reason::PassInvalid),
        };
        Ok(Some(seen))
    }

    /// A pass that is accepted counts as used from here on: two gates can't both take the last use.
    fn use_pass(&self, id: PassId, not_again_within: Duration) -> Result<CodeCheck, StoreError> {
        Ok(self.pass(id, self.store.use_pass(id, self.clock.wall(), not_again_within)?))
    }

    fn pass(&self, id: PassId, found: PassUse) -> CodeCheck {
        accepted(found).map_or_else(CodeCheck::Refused, |person| CodeCheck::Accepted { person, id })
    }

    /// A card is bound to its owner's face, so showing it again after a failed try does no harm.
    fn use_card(&self, card: &SealedCard) -> Result<Result<CodeCheck, Reason>, StoreError> {
        let Ok(contents) = card.open(&self.card_key) else { return Ok(Err(Reason::PassInvalid)) };
        if contents.check_time(self.clock.wall()).is_err() {
            return Ok(Err(Reason::PassExpired));
        }
        // Made by a model that this gate doesn't run: nothing could be compared with it.
        let template = Template::from_i8(&contents.template).ok().filter(|_| contents.model == self.model);
        let Some(template) = template else { return Ok(Err(Reason::PassInvalid)) };
        let used = self.store.check_pass(card.id, self.clock.wall(), Duration::ZERO)?;
        let id = card.id;
        Ok(accepted(used).map(|_| CodeCheck::Card { id, template: Box::new(template) }))
    }
}

/// Whose pass it is, or why it isn't taken.
fn accepted(used: PassUse) -> Result<Option<PersonId>, Reason> {
    match used {
        PassUse::Accepted { person } => Ok(person),
        PassUse::Unknown => Err(Reason::PassInvalid),
        PassUse::Revoked => Err(Reason::PassRevoked),
        PassUse::NotYet | PassUse::Expired => Err(Reason::PassExpired),
        PassUse::UsedUp | PassUse::TooSoon => Err(Reason::PassUsed),
    }
}
