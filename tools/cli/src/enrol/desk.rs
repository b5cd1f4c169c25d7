//! The desk's tools: the site's own models and store, from pictures to an enrolled person.

use anyhow::anyhow;
use gatehouse_config::Site;
use gatehouse_core::time::WallTime;
use gatehouse_credential::{Purpose, SiteSecret};
use gatehouse_faces::{FaceDetector, FaceEmbedder, Gallery, LivenessModel, Template, TemplateProtection};
use gatehouse_gate::enrol::{EnrolError, EnrolmentTemplate, Portrait, examine, fuse, refuse_duplicate};
use gatehouse_gate::quality::Limits;
use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{Assets, Registry, SessionOptions};
use gatehouse_service::{match_rule, open_registry, open_store, site_secret};
use gatehouse_store::{Actor, Consent, Enrolment, NewPerson, NewTemplate, PersonId, Revision, Store, StoreError};

use super::input;
use crate::exit::{self, Exit, Failure};

/// Everything that an enrolment needs.
pub(crate) struct Desk<'a> {
    pub(crate) site: &'a Site,
    pub(crate) secret: SiteSecret,
    pub(crate) store: Store,
    registry: Registry,
    detector: FaceDetector,
    embedder: FaceEmbedder,
    protection: TemplateProtection,
    /// The least score that is a match at any of the site's gates: two people above it would be taken for each other.
    threshold: f32,
}

/// Everybody who may be recognised at one moment.
pub(crate) struct Enrolled {
    people: Gallery<PersonId>,
    revision: Revision,
}

impl<'a> Desk<'a> {
    pub(crate) fn open(site: &'a Site) -> Result<Self, Failure> {
        let node = |e| Failure::new(exit::of_node(&e), e);
        let secret = site_secret(site).map_err(node)?;
        let store = open_store(site).map_err(node)?;
        let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
        let registry = open_registry(assets, &site.models.manifests, &site.models.providers).map_err(node)?;
        let setup = |e| Failure::new(Exit::Setup, e);
        let options = options(site);
        let detector = FaceDetector::load(&registry, &site.models.face_detector, &options).map_err(setup)?;
        let embedder = FaceEmbedder::load(&registry, &site.models.face_embedder, &options).map_err(setup)?;
        let mut threshold: Option<f32> = None;
        for gate in &site.gates {
            let rule = match_rule(site, gate, embedder.manifest()).map_err(node)?;
            threshold = Some(threshold.map_or(rule.threshold, |least| least.min(rule.threshold)));
        }
        let stated = || embedder.manifest().threshold.as_ref().map(|t| t.value);
        let threshold = threshold.or_else(stated).ok_or_else(|| {
            let what =
                "neither a gate nor the embedder's manifest states from which score on two faces are one person's";
            Failure::say(Exit::Input, what)
        })?;
        let protection = TemplateProtection::new(&secret.derive(Purpose::TemplateProtection));
        Ok(Self { site, secret, store, registry, detector, embedder, protection, threshold })
    }

    /// The model that tells a live face from a picture of one, with the score from which on a face is live.
    pub(crate) fn liveness(&self) -> Result<(LivenessModel, f32), Failure> {
        let setup = |e| Failure::new(Exit::Setup, e);
        let model =
            LivenessModel::load(&self.registry, &self.site.models.liveness, &options(self.site)).map_err(setup)?;
        let threshold = model.manifest().threshold.as_ref().map(|t| t.value);
        let threshold = threshold.ok_or_else(|| anyhow!("the manifest of the liveness model states no threshold"))?;
        Ok((model, threshold))
    }

    /// The one face of a picture, if it is good enough to enrol by.
    pub(crate) fn portrait(&mut self, picture: &YuvPicture<'_>) -> Result<Portrait, EnrolError> {
        examine(&mut self.detector, picture, &Limits::ENROLMENT)
    }

    /// One template of all the portraits of one person.
    pub(crate) fn template(&mut self, portraits: Vec<Portrait>) -> Result<EnrolmentTemplate, EnrolError> {
        let faces: Vec<_> = portraits.into_iter().map(|portrait| portrait.aligned).collect();
        let mut embeddings = Vec::new();
        self.embedder.embed(&faces, &mut embeddings)?;
        let same_person = self.embedder.manifest().threshold.as_ref().map_or(self.threshold, |t| t.value);
        fuse(&embeddings, &self.protection, same_person)
    }

    /// Everybody who may be recognised now: whose consent has ended isn't compared with any more.
    pub(crate) fn enrolled(&self, now: WallTime) -> Result<Enrolled, Failure> {
        let manifest = self.embedder.manifest();
        let stored = self.store.gallery(&manifest.name, &manifest.version, now)?;
        let templates = stored.templates.iter().map(|t| Ok((t.person, Template::from_slice(&t.values)?)));
        let templates: Result<Vec<_>, gatehouse_faces::FaceError> = templates.collect();
        Ok(Enrolled { people: templates?.into_iter().collect(), revision: stored.revision })
    }

    /// Enrols somebody under this id, unless a gate would take their face for somebody else's. Who enrols at another desk at the same
    /// time is looked at as well: `enrolled` is read again then. An error about the face or the consent says so
    /// ([`Exit::Input`]).
    pub(crate) fn enrol(
        &self,
        id: PersonId,
        (name, consent): (&str, &Consent),
        template: &EnrolmentTemplate,
        enrolled: &mut Enrolled,
        actor: &Actor,
        now: WallTime,
    ) -> Result<(), Failure> {
        let row = [self.row(template)];
        loop {
            refuse_duplicate(&enrolled.people, &template.template, None, self.threshold).map_err(input)?;
            let enrolment = Enrolment::Face { consent: consent.clone(), templates: &row };
            match self.store.enrol_checked(id, NewPerson { name, enrolment }, enrolled.revision, actor, now) {
                Ok(revision) => {
                    enrolled.people.insert(id, &template.template);
                    enrolled.revision = revision;
                    return Ok(());
                }
                Err(StoreError::GalleryChanged { .. }) => *enrolled = self.enrolled(now)?,
                Err(e @ (StoreError::Name { .. } | StoreError::ConsentDoesNotHold { .. })) => return Err(input(e)),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Refuses to renew a consent when the same face was enrolled a second time after the consent had ended: a gate could not tell
    /// the two apart.
    pub(crate) fn refuse_duplicate_of(&self, person: PersonId, now: WallTime) -> Result<(), Failure> {
        let (model, version) = self.model();
        let enrolled = self.enrolled(now)?;
        for values in self.store.templates_to_renew(person, model, version)? {
            let template = Template::from_slice(&values)?;
            refuse_duplicate(&enrolled.people, &template, Some(&person), self.threshold).map_err(input)?;
        }
        Ok(())
    }

    /// The model's name and version, as they stand beside each template and on each card.
    pub(crate) fn model(&self) -> (&str, &str) {
        let manifest = self.embedder.manifest();
        (&manifest.name, &manifest.version)
    }

    /// A template as the store takes it.
    fn row<'t>(&'t self, template: &'t EnrolmentTemplate) -> NewTemplate<'t> {
        let (model, model_version) = self.model();
        NewTemplate { model, model_version, values: template.template.as_slice() }
    }
}

fn options(site: &Site) -> SessionOptions {
    SessionOptions { intra_threads: site.models.threads }
}
