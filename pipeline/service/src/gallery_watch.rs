//! Keeps the running gates' galleries equal to the store: a withdrawal, in whichever process it was made, takes effect here
//! within a second, and so does an enrolment.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::Clock;
use gatehouse_faces::Template;
use gatehouse_gate::{Enrolled, Gallery, MatchRule};
use gatehouse_store::{Changes, GalleryTemplate, Revision, Store, StoreError};

use crate::gates::SharedGallery;

/// How often the store is asked whether it has changed: well within the second that a withdrawal may take.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The model whose templates the gates match, as the manifest names it.
#[derive(Debug, Clone)]
pub(crate) struct TemplateModel {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The galleries of a node's gates, one for each rule in use. All share the same templates.
pub(crate) struct Galleries {
    pub(crate) store: Arc<Store>,
    pub(crate) model: TemplateModel,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) galleries: Vec<(MatchRule, Arc<SharedGallery>)>,
}

/// The people that the galleries hold, and the state of the store that they were read from.
pub(crate) struct Loaded {
    people: Gallery,
    revision: Revision,
}

/// No gallery is searched by it: each gate's own rule is set before.
const ANY_RULE: MatchRule = MatchRule { threshold: 1.0, margin: 0.0 };

impl Galleries {
    /// The gallery for a rule. All gates with the same rule share one.
    pub(crate) fn with_rule(&mut self, rule: MatchRule) -> Arc<SharedGallery> {
        if let Some((_, gallery)) = self.galleries.iter().find(|(r, _)| *r == rule) {
            return Arc::clone(gallery);
        }
        let gallery = Arc::new(SharedGallery::new(Arc::new(Gallery::new([], rule))));
        self.galleries.push((rule, Arc::clone(&gallery)));
        gallery
    }

    /// Reads the whole store into every gallery.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        let enrolled = self.store.gallery(&self.model.name, &self.model.version, self.clock.wall())?;
        let count = enrolled.templates.len();
        let people = Gallery::new(enrolled.templates.iter().filter_map(template), ANY_RULE);
        self.publish(&people);
        tracing::info!(templates = count, "gallery loaded");
        Ok(Loaded { people, revision: enrolled.revision })
    }

    /// Reads what has changed since.
    fn follow(&self, loaded: Loaded) -> Result<Loaded, StoreError> {
        if !self.store.changed_since(loaded.revision)? {
            return Ok(loaded);
        }
        let now = self.clock.wall();
        match self.store.gallery_changes(loaded.revision, &self.model.name, &self.model.version, now)? {
            Changes::Everything => self.load(),
            Changes::These { revision, removed, added } => {
                let removed: HashSet<_> = removed.iter().copied().collect();
                let people = loaded.people.with_changes(&removed, added.iter().filter_map(template));
                self.publish(&people);
                tracing::info!(templates = people.len(), "gallery changed");
                Ok(Loaded { people, revision })
            }
        }
    }

    fn publish(&self, people: &Gallery) {
        for (rule, gallery) in &self.galleries {
            *gallery.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(people.with_rule(*rule));
        }
    }

    /// Looks for changes until `stop` is closed.
    pub(crate) fn watch(self, loaded: Loaded, stop: &Receiver<()>) {
        let failures = LogLimit::default();
        let mut loaded = Some(loaded);
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let current = match loaded.take() {
                Some(loaded) => self.follow(loaded),
                None => self.load(),
            };
            match current {
                Ok(current) => loaded = Some(current),
                Err(e) => {
                    if let Some(times) = failures.count(self.clock.monotonic()) {
                        tracing::error!(times, "the gallery can't be read, so nobody is recognised: {e}");
                    }
                    // Keeping the old one would let people in who may have withdrawn since.
                    self.publish(&Gallery::new([], ANY_RULE));
                }
            }
        }
    }
}

fn template(stored: &GalleryTemplate) -> Option<(Enrolled, Template)> {
    let enrolled = Enrolled { person: stored.person, consent_until: stored.consent_until };
    match Template::from_slice(&stored.values) {
        Ok(template) => Some((enrolled, template)),
        Err(e) => {
            tracing::error!("a stored template is not used: {e}");
            None
        }
    }
}
