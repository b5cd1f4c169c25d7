//! QR codes that people hold up to a gate's camera: read from its frames, checked against the
//! site's key and store, and passed to the gate. No model runs. A face is never the only way in.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_batching::Worker;
use gatehouse_core::Frame;
use gatehouse_core::event::Reason;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, WallTime};
use gatehouse_credential::{
    CardKey, CredentialError, ModelTag, PassId, Presented, QrReader, SealedCard, SiteVerifier, read,
};
use gatehouse_faces::Template;
use gatehouse_gate::{CodeCheck, StageTimes};
use gatehouse_store::{PassUse, PersonId, Store, StoreError};

use super::pipeline::GatePipeline;

/// How often a gate's picture is searched for a code: somebody who holds one up waits 0.2 s.
pub(super) const READS_PER_SECOND: f64 = 5.0;

/// A frame that waits to be searched for a code.
pub(super) struct CodeJob {
    pub(super) pipeline: Arc<GatePipeline>,
    pub(super) frame: Frame,
    pub(super) arrived: WallTime,
}

/// A worker that reads codes and checks the site's passes and cards.
pub(super) struct CodeWorker {
    /// The site's key on the bus: passes and cards are bound to it.
    pub(super) site: String,
    pub(super) verifier: SiteVerifier,
    pub(super) card_key: CardKey,
    /// The model that a card's template must come from.
    pub(super) model: ModelTag,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl CodeWorker {
    /// Searches frames for codes until the batcher is closed.
    pub(super) fn run(self, mut worker: Worker<CodeJob>) {
        let failures = LogLimit::default();
        let mut reader = QrReader::default();
        while let Some(batch) = worker.collect() {
            for job in batch.drain(..) {
                let luma = job.frame.picture().luma();
                let texts = {
                    let mut searched = job.pipeline.searched.lock();
                    reader.read_next(luma.data, luma.row_bytes, luma.rows, luma.stride, &mut searched)
                };
                texts.iter().for_each(|text| self.process_code(&job, text, &failures));
            }
        }
    }

    fn process_code(&self, job: &CodeJob, text: &str, failures: &LogLimit) {
        let pipeline = &job.pipeline;
        let times = StageTimes::found(job.frame.times, job.arrived, self.clock.monotonic());
        if !pipeline.update(|gate| gate.register_code(text.as_bytes(), &times)) {
            return;
        }
        let Some(check) = self.answer(self.check(text, pipeline.pass_again), failures) else { return };
        let times = times.checked(self.clock.monotonic());
        let check = match check {
            CodeCheck::Accepted { person, id } if pipeline.read(|gate| gate.would_admit(person, id, &times)) => {
                self.answer(self.use_pass(id, pipeline.pass_again).map(Some), failures)
            }
            other => Some(other),
        };
        let Some(check) = check else { return };
        let outcome = pipeline.update(|gate| gate.process_code(check, &times));
        outcome.into_iter().for_each(|outcome| pipeline.decide(outcome));
    }

    fn answer(&self, check: Result<Option<CodeCheck>, StoreError>, failures: &LogLimit) -> Option<CodeCheck> {
        check.unwrap_or_else(|e| {
            if let Some(times) = failures.count(self.clock.monotonic()) {
                tracing::error!(times, "the store cannot check passes, and no gate accepts any: {e}");
            }
            None
        })
    }

    /// Checks a code; `None` if it isn't meant for a gate at all. Does not use up a pass.
    fn check(&self, text: &str, not_again_within: Duration) -> Result<Option<CodeCheck>, StoreError> {
        let now = self.clock.wall();
        let check = match read(&self.verifier, &self.site, text) {
            Ok(Presented::Pass(pass)) => match pass.check_time(now) {
                Ok(()) => self.pass(pass.id, self.store.check_pass(pass.id, now, not_again_within)?),
                Err(_) => CodeCheck::Refused(Reason::PassExpired),
            },
            Ok(Presented::Card(card)) => self.use_card(&card)?.unwrap_or_else(CodeCheck::Refused),
            // A menu's or a shop's code, held up by chance: no reason to refer anybody.
            Err(CredentialError::NotOurs) => return Ok(None),
            Err(_) => CodeCheck::Refused(Reason::PassInvalid),
        };
        Ok(Some(check))
    }

    /// Uses up an accepted pass, so that two gates can't both accept its last use.
    fn use_pass(&self, id: PassId, not_again_within: Duration) -> Result<CodeCheck, StoreError> {
        Ok(self.pass(id, self.store.use_pass(id, self.clock.wall(), not_again_within)?))
    }

    fn pass(&self, id: PassId, found: PassUse) -> CodeCheck {
        accepted(found).map_or_else(CodeCheck::Refused, |person| CodeCheck::Accepted { person, id })
    }

    /// A card is bound to its owner's face, so it may be shown again after a failed try.
    fn use_card(&self, card: &SealedCard) -> Result<Result<CodeCheck, Reason>, StoreError> {
        let Ok(contents) = card.open(&self.card_key) else { return Ok(Err(Reason::PassInvalid)) };
        if contents.check_time(self.clock.wall()).is_err() {
            return Ok(Err(Reason::PassExpired));
        }
        // This gate can't compare a template of another model.
        let template = Template::from_i8(&contents.template).ok().filter(|_| contents.model == self.model);
        let Some(template) = template else { return Ok(Err(Reason::PassInvalid)) };
        let used = self.store.check_pass(card.id, self.clock.wall(), Duration::ZERO)?;
        let id = card.id;
        Ok(accepted(used).map(|_| CodeCheck::Card { id, template: Box::new(template) }))
    }
}

/// The owner of a pass, or the reason why it is refused.
fn accepted(used: PassUse) -> Result<Option<PersonId>, Reason> {
    match used {
        PassUse::Accepted { person } => Ok(person),
        PassUse::Unknown => Err(Reason::PassInvalid),
        PassUse::Revoked => Err(Reason::PassRevoked),
        PassUse::NotYet | PassUse::Expired => Err(Reason::PassExpired),
        PassUse::UsedUp | PassUse::TooSoon => Err(Reason::PassUsed),
    }
}
