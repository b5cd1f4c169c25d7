//! Keeps the galleries of running gates equal to the store: a withdrawal or an enrolment in any
//! process takes effect here within a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, WallTime};
use gatehouse_faces::Template;
use gatehouse_gate::{Enrolled, Gallery, MatchRule};
use gatehouse_store::{Changes, GalleryTemplate, Revision, Store, StoreError};

use super::pipeline::SharedGallery;
use crate::threads::pause;
use crate::wall_clock::WallClock;

/// Time between two queries for changes: well within the second that a withdrawal may take.
const QUERY_EVERY: Duration = Duration::from_millis(200);

/// The model whose templates the gates match, as the manifest names it.
#[derive(Debug, Clone)]
pub(super) struct TemplateModel {
    pub(super) name: String,
    pub(super) version: String,
}

/// The galleries of a node's gates, one for each rule in use. All share the same templates.
pub(super) struct Galleries {
    store: Arc<Store>,
    model: TemplateModel,
    clock: Arc<dyn Clock>,
    wall_clock: Arc<WallClock>,
    galleries: Vec<(MatchRule, Arc<SharedGallery>)>,
}

/// The people in the galleries, and the state of the store that they were read from.
pub(super) struct Loaded {
    people: Gallery,
    revision: Revision,
    /// How often the wall clock had been set: after another time, other consents hold.
    clock_steps: u64,
    /// When the next consent begins.
    next_start: Option<WallTime>,
}

/// The rule of the loaded people, whom nobody searches: each gate's copy has the gate's own rule.
const ANY_RULE: MatchRule = MatchRule { threshold: 1.0, margin: 0.0 };

impl Galleries {
    pub(super) fn new(
        store: Arc<Store>,
        model: TemplateModel,
        clock: &Arc<dyn Clock>,
        wall_clock: &Arc<WallClock>,
    ) -> Self {
        let (clock, wall_clock) = (Arc::clone(clock), Arc::clone(wall_clock));
        Self { store, model, clock, wall_clock, galleries: Vec::new() }
    }

    /// The gallery for a rule. All gates with the same rule share one.
    pub(super) fn with_rule(&mut self, rule: MatchRule) -> Arc<SharedGallery> {
        if let Some((_, gallery)) = self.galleries.iter().find(|(r, _)| *r == rule) {
            return Arc::clone(gallery);
        }
        let gallery = Arc::new(SharedGallery::new(Arc::new(Gallery::new([], rule))));
        self.galleries.push((rule, Arc::clone(&gallery)));
        gallery
    }

    /// Reads the whole store into every gallery.
    pub(super) fn load(&self) -> Result<Loaded, StoreError> {
        let clock_steps = self.wall_clock.observe();
        let now = self.clock.wall();
        let enrolled = self.store.gallery(&self.model.name, &self.model.version, now)?;
        let count = enrolled.templates.len();
        let people = Gallery::new(enrolled.templates.iter().filter_map(template), ANY_RULE);
        self.publish(&people);
        tracing::info!(templates = count, "gallery loaded");
        if count == 0 && enrolled.not_held > 0 {
            tracing::warn!(
                consents = enrolled.not_held,
                "nobody is known: at {now}, which this machine's clock shows, every consent has ended or begins later. Is the \
                 clock right? Once it is set, people are known again without a restart"
            );
        }
        Ok(Loaded { people, revision: enrolled.revision, clock_steps, next_start: enrolled.next_start })
    }

    /// Applies the changes since the galleries were loaded. Reads everything anew when the wall
    /// clock was set, or when a consent begins: the store gives only templates whose consents hold.
    fn follow(&self, loaded: Loaded) -> Result<Loaded, StoreError> {
        let begins = |start: WallTime| start <= self.clock.wall();
        if self.wall_clock.observe() != loaded.clock_steps || loaded.next_start.is_some_and(begins) {
            return self.load();
        }
        if !self.store.changed_since(loaded.revision)? {
            return Ok(loaded);
        }
        let now = self.clock.wall();
        match self.store.gallery_changes(loaded.revision, &self.model.name, &self.model.version, now)? {
            Changes::Everything => self.load(),
            Changes::These { revision, removed, added, next_start } => {
                let removed: HashSet<_> = removed.iter().copied().collect();
                let people = loaded.people.with_changes(&removed, added.iter().filter_map(template));
                self.publish(&people);
                tracing::info!(templates = people.len(), "gallery changed");
                Ok(Loaded { people, revision, next_start, ..loaded })
            }
        }
    }

    fn publish(&self, people: &Gallery) {
        for (rule, gallery) in &self.galleries {
            let people = Arc::new(people.with_rule(*rule));
            *gallery.write() = people;
        }
    }

    /// Follows the store until `stopped` is closed.
    pub(super) fn watch(self, loaded: Loaded, stopped: &Receiver<()>) {
        let failures = LogLimit::default();
        let mut loaded = Some(loaded);
        while pause(self.clock.as_ref(), QUERY_EVERY, stopped) {
            let current = match loaded.take() {
                Some(loaded) => self.follow(loaded),
                None => self.load(),
            };
            match current {
                Ok(current) => loaded = Some(current),
                Err(e) => {
                    if let Some(times) = failures.count(self.clock.monotonic()) {
                        tracing::error!(
                            times,
                            "the store cannot be read, and gates recognise nobody until it can: {e}"
                        );
                    }
                    // The old gallery may hold people who have withdrawn since.
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
            tracing::error!("a stored template is damaged and left out: enrol the person anew: {e}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use gatehouse_credential::SiteSecret;
    use gatehouse_store::{Actor, Consent, ConsentDraft, Enrolment, HowGiven, NewPerson, NewTemplate, PersonId};
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn the_gallery_follows_the_store_every_200_ms() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let secret = SiteSecret::generate().expect("the system has randomness");
        let open = || Store::open(&folder.path().join("site.db"), &secret).expect("the store opens");
        let (store, desk) = (Arc::new(open()), open());
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        let model = TemplateModel { name: "sface".into(), version: "2021dec".into() };
        let mut galleries = Galleries::new(store, model, &clock, &WallClock::new(&clock));
        let gallery = galleries.with_rule(MatchRule { threshold: 0.5, margin: 0.0 });
        let loaded = galleries.load().expect("the store is readable");
        let (stop, stopped) = bounded(0);
        let thread = std::thread::spawn(move || galleries.watch(loaded, &stopped));
        let actor = Actor::gatehouse();
        let mut person = None;
        for (query, people) in [(1, 0), (2, 1), (3, 0)] {
            manual.wait_for_timer(QUERY_EVERY * query);
            match person {
                None if people == 1 => person = Some(enrol(&desk, clock.wall())),
                Some(person) => _ = desk.forget(person, &actor, clock.wall()).expect("it is forgotten"),
                None => {}
            }
            manual.set(QUERY_EVERY * query);
            manual.wait_for_timer(QUERY_EVERY * (query + 1));
            assert_eq!(gallery.read().len(), people, "after query {query}");
        }
        drop(stop);
        thread.join().expect("it ends");
    }

    #[test]
    fn people_are_known_again_when_the_clock_is_set_right() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let secret = SiteSecret::generate().expect("the system has randomness");
        let store = Store::open(&folder.path().join("site.db"), &secret).expect("the store opens");
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        // A consent from 10:00 to 11:00, in hours of this clock.
        let hour = Duration::from_secs(3600);
        enrol(&store, WallTime::from_unix_nanos(0) + hour * 10);
        let hours_ms = |hours: f64| (hours * 3_600_000.0) as i64;
        manual.set_wall_offset_ms(hours_ms(18.5));
        let model = TemplateModel { name: "sface".into(), version: "2021dec".into() };
        let mut galleries = Galleries::new(Arc::new(store), model, &clock, &WallClock::new(&clock));
        let gallery = galleries.with_rule(MatchRule { threshold: 0.5, margin: 0.0 });
        let loaded = galleries.load().expect("the store is readable");
        assert_eq!(gallery.read().len(), 0, "the clock is 8 h ahead at the start");
        let (stop, stopped) = bounded(0);
        let thread = std::thread::spawn(move || galleries.watch(loaded, &stopped));
        // Right, 30 years behind, right, 8 h ahead, and a moment before the consent begins.
        let steps = [(10.5, 1), (-262_980.0, 0), (10.5, 1), (18.5, 0), (10.0 - 1.4 / 3600.0, 0)];
        for (query, (at, people)) in (1u32..).zip(steps) {
            manual.wait_for_timer(QUERY_EVERY * query);
            manual.set_wall_offset_ms(hours_ms(at));
            manual.set(QUERY_EVERY * query);
            manual.wait_for_timer(QUERY_EVERY * (query + 1));
            assert_eq!(gallery.read().len(), people, "at {at} h");
        }
        // Time goes on, and nothing is set: 10:00 comes.
        for query in 6..9 {
            manual.fire_timer(QUERY_EVERY * query);
        }
        manual.wait_for_timer(QUERY_EVERY * 9);
        assert_eq!(gallery.read().len(), 1);
        drop(stop);
        thread.join().expect("it ends");
    }

    fn enrol(desk: &Store, now: WallTime) -> PersonId {
        let draft = ConsentDraft {
            purpose: "entry at the gate".into(),
            notice_version: "2026-01".into(),
            how_given: HowGiven::Paper,
            given_at: now,
            valid_until: now + Duration::from_secs(3600),
            under_14: false,
            guardian: None,
        };
        let mut values = [0.0; Template::DIMENSIONS];
        values[0] = 1.0;
        let templates = [NewTemplate { model: "sface", model_version: "2021dec", values: &values }];
        let consent = Consent::new(draft).expect("a sound consent");
        let enrolment = Enrolment::Face { consent, templates: &templates };
        let person = NewPerson { name: "Zebedee Quill", enrolment };
        desk.enrol(person, &Actor::gatehouse(), now).expect("enrols")
    }
}
