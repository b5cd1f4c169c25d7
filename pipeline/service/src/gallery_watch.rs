//! Keeps the running gates' galleries equal to the store: a withdrawal, in whichever process it was made, takes effect here
//! within a second, and so does an enrolment.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use gatehouse_core::time::Clock;
use gatehouse_gate::{Enrolled, Gallery, PersonKey};
use gatehouse_models::Embedding;
use gatehouse_store::{Revision, Store, StoreError};

use crate::gates::SharedGallery;
use crate::log_limit::LogLimit;

/// How often the store is asked whether it has changed: well within the second that a withdrawal may take.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The model whose templates the gates match, as the manifest names it.
#[derive(Debug, Clone)]
pub(crate) struct TemplateModel {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The galleries of a node's gates, one for each threshold in use.
pub(crate) struct Galleries {
    pub(crate) store: Arc<Store>,
    pub(crate) model: TemplateModel,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) galleries: Vec<(f32, Arc<SharedGallery>)>,
}

impl Galleries {
    /// The gallery for a threshold. All gates with the same threshold share one.
    pub(crate) fn with_threshold(&mut self, threshold: f32) -> Arc<SharedGallery> {
        if let Some((_, gallery)) = self.galleries.iter().find(|(t, _)| *t == threshold) {
            return Arc::clone(gallery);
        }
        let gallery = Arc::new(SharedGallery::new(Arc::new(Gallery::new([], threshold))));
        self.galleries.push((threshold, Arc::clone(&gallery)));
        gallery
    }

    /// Reads the store into every gallery.
    pub(crate) fn load(&self) -> Result<Revision, StoreError> {
        let enrolled = self.store.gallery(&self.model.name, &self.model.version, self.clock.wall())?;
        for (threshold, gallery) in &self.galleries {
            let templates = enrolled.templates.iter().filter_map(|template| {
                let person = PersonKey(template.person.as_u128());
                let enrolled = Enrolled { person, consent_until: template.consent_until };
                match Embedding::from_slice(&template.values) {
                    Ok(embedding) => Some((enrolled, embedding)),
                    Err(e) => {
                        tracing::error!("a stored template is not used: {e}");
                        None
                    }
                }
            });
            let fresh = Arc::new(Gallery::new(templates, *threshold));
            *gallery.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        tracing::info!(templates = enrolled.templates.len(), "gallery loaded");
        Ok(enrolled.revision)
    }

    /// Looks for changes until `stop` is closed.
    pub(crate) fn watch(self, loaded: Revision, stop: &Receiver<()>) {
        let failures = LogLimit::default();
        let mut revision = Some(loaded);
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let changed = revision.map_or(Ok(true), |revision| self.store.changed_since(revision));
            match changed.and_then(|changed| if changed { self.load().map(Some) } else { Ok(revision) }) {
                Ok(current) => revision = current,
                Err(e) => {
                    if let Some(times) = failures.count(self.clock.monotonic()) {
                        tracing::error!(times, "the gallery can't be read, so nobody is recognised: {e}");
                    }
                    // Keeping the old one would let people in who may have withdrawn since.
                    self.empty();
                    revision = None;
                }
            }
        }
    }

    fn empty(&self) {
        for (threshold, gallery) in &self.galleries {
            *gallery.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Gallery::new([], *threshold));
        }
    }
}
