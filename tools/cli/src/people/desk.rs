//! The enrolling desk: the site's models and store, from pictures to an enrolled person.

use anyhow::anyhow;
use gatehouse_config::Site;
use gatehouse_core::time::WallTime;
use gatehouse_credential::{Purpose, SiteSecret};
use gatehouse_faces::{FaceDetector, FaceEmbedder, Gallery, LivenessModel, Template, TemplateProtection};
use gatehouse_gate::enrol::{EnrolError, Portrait, examine, fuse, refuse_duplicate};
use gatehouse_gate::quality::Limits;
use gatehouse_picture::YuvPicture;
use gatehouse_runtime::{Assets, Registry, SessionOptions};
use gatehouse_service::{match_rule, open_registry, open_store, site_secret};
use gatehouse_store::{Actor, Consent, Enrolment, NewPerson, NewTemplate, PersonId, Revision, Store, StoreError};
use gatehouse_terminal::{Exit, Failure};

use crate::failure;

pub(crate) struct Desk<'a> {
    pub(crate) site: &'a Site,
    pub(crate) secret: SiteSecret,
    pub(crate) store: Store,
    registry: Registry,
    detector: FaceDetector,
    embedder: FaceEmbedder,
    protection: TemplateProtection,
    /// The gates' lowest match threshold: people who score above it are mistaken for each other.
    threshold: f32,
}

/// The people who may be recognised at one time.
pub(crate) struct Enrolled {
    people: Gallery<PersonId>,
    revision: Revision,
}

impl<'a> Desk<'a> {
    pub(crate) fn open(site: &'a Site) -> Result<Self, Failure> {
        let secret = site_secret(site).map_err(failure::node)?;
        let store = open_store(site).map_err(failure::node)?;
        let assets = Assets::locate().map_err(Failure::setup)?;
        let registry = open_registry(assets, &site.models.manifests, &site.models.providers).map_err(failure::node)?;
        let options = options(site);
        let detector = FaceDetector::load(&registry, &site.models.face_detector, &options).map_err(Failure::setup)?;
        let embedder = FaceEmbedder::load(&registry, &site.models.face_embedder, &options).map_err(Failure::setup)?;
        let mut threshold: Option<f32> = None;
        for gate in &site.gates {
            let rule = match_rule(site, gate, embedder.manifest()).map_err(failure::node)?;
            threshold = Some(threshold.map_or(rule.threshold, |least| least.min(rule.threshold)));
        }
        let stated = || embedder.manifest().threshold.as_ref().map(|t| t.value);
        let threshold = threshold.or_else(stated).ok_or_else(|| {
            let what = "neither a gate nor the embedder's manifest states a match threshold";
            Failure::message(Exit::Input, what)
        })?;
        let protection = TemplateProtection::new(&secret.derive(Purpose::TemplateProtection));
        Ok(Self { site, secret, store, registry, detector, embedder, protection, threshold })
    }

    pub(crate) fn liveness(&self) -> Result<(LivenessModel, f32), Failure> {
        let model = LivenessModel::load(&self.registry, &self.site.models.liveness, &options(self.site))
            .map_err(Failure::setup)?;
        let threshold = model.manifest().threshold.as_ref().map(|t| t.value);
        let threshold = threshold.ok_or_else(|| anyhow!("the liveness model's manifest states no threshold"))?;
        Ok((model, threshold))
    }

    /// The only face in a picture, if its quality suffices for enrolment.
    pub(crate) fn portrait(&mut self, picture: &YuvPicture<'_>) -> Result<Portrait, EnrolError> {
        examine(&mut self.detector, picture, &Limits::ENROLMENT)
    }

    pub(crate) fn template(&mut self, portraits: Vec<Portrait>) -> Result<Template, EnrolError> {
        let faces: Vec<_> = portraits.into_iter().map(|portrait| portrait.aligned).collect();
        let mut embeddings = Vec::new();
        self.embedder.embed(&faces, &mut embeddings)?;
        let same_person = self.embedder.manifest().threshold.as_ref().map_or(self.threshold, |t| t.value);
        fuse(&embeddings, &self.protection, same_person)
    }

    /// The people who may be recognised now. People whose consent has ended are not among them.
    pub(crate) fn enrolled(&self, now: WallTime) -> Result<Enrolled, Failure> {
        let manifest = self.embedder.manifest();
        let stored = self.store.gallery(&manifest.name, &manifest.version, now)?;
        let templates = stored.templates.iter().map(|t| Ok((t.person, Template::from_slice(&t.values)?)));
        let templates: Result<Vec<_>, gatehouse_faces::FaceError> = templates.collect();
        Ok(Enrolled { people: templates?.into_iter().collect(), revision: stored.revision })
    }

    /// Enrols a person under this id, unless a gate would mistake their face for another person's.
    /// Reads `enrolled` again if another desk has enrolled somebody meanwhile. An error in the face
    /// or the consent is one of [`Exit::Input`].
    pub(crate) fn enrol(
        &self,
        id: PersonId,
        (name, consent): (&str, &Consent),
        template: &Template,
        enrolled: &mut Enrolled,
        actor: &Actor,
        now: WallTime,
    ) -> Result<(), Failure> {
        let (model, model_version) = self.model();
        let row = [NewTemplate { model, model_version, values: template.as_slice() }];
        loop {
            refuse_duplicate(&enrolled.people, template, None, self.threshold).map_err(Failure::input)?;
            let enrolment = Enrolment::Face { consent: consent.clone(), templates: &row };
            match self.store.enrol_checked(id, NewPerson { name, enrolment }, enrolled.revision, actor, now) {
                Ok(revision) => {
                    enrolled.people.insert(id, template);
                    enrolled.revision = revision;
                    return Ok(());
                }
                Err(StoreError::GalleryChanged { .. }) => *enrolled = self.enrolled(now)?,
                Err(e @ (StoreError::Name { .. } | StoreError::ConsentDoesNotHold { .. })) => {
                    return Err(Failure::input(e));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Refuses if the face was enrolled again after the consent's end: gates can't tell them apart.
    pub(crate) fn refuse_duplicate_of(&self, person: PersonId, now: WallTime) -> Result<(), Failure> {
        let (model, version) = self.model();
        let enrolled = self.enrolled(now)?;
        for values in self.store.templates_to_renew(person, model, version)? {
            let template = Template::from_slice(&values)?;
            refuse_duplicate(&enrolled.people, &template, Some(&person), self.threshold).map_err(Failure::input)?;
        }
        Ok(())
    }

    /// The embedder's name and version, which are stored with each template and on each card.
    pub(crate) fn model(&self) -> (&str, &str) {
        let manifest = self.embedder.manifest();
        (&manifest.name, &manifest.version)
    }
}

fn options(site: &Site) -> SessionOptions {
    SessionOptions { intra_threads: site.models.threads }
}
