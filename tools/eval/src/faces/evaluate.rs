//! The evaluation of a folder of people, from pictures to the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use gatehouse_faces::{Template, TemplateProtection};
use gatehouse_runtime::Registry;
use sha2::{Digest, Sha256};

use super::identification::{Subject, identify};
use super::report::{AccuracyDetail, ComparisonSet, DatasetFacts, FaceReport, FailureDetail, ModelFacts, UsableFacts};
use super::verification::{Setting, of_plan, set};
use crate::acquire::{Choice, Missed, ModelChoice, acquire, manifest};
use crate::comparisons::{Plan, Templates};
use crate::dataset::{Grouped, Pairs};
use crate::enrolment::{enrol, examine_all};
use crate::error::EvalError;
use crate::maths::accuracy::{Trial, cross_validated};
use crate::maths::scores::ScoreCounts;
use crate::workers::Progress;

/// The layout of a folder of people, and the rules of its evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Labeled Faces in the Wild: the face in the centre; the listed pairs, and all pairs of
    /// pictures
    Lfw,
    /// Any folders: the first pictures are enrolled by the product's rules; the rest are probes
    Folders,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lfw => "lfw",
            Self::Folders => "folders",
        }
    }
}

/// Options of the evaluation.
#[derive(Debug, Clone)]
pub struct FaceOptions {
    /// Name of the data set in reports.
    pub dataset: String,
    /// The protocol.
    pub protocol: Protocol,
    /// A list of pairs in LFW's format.
    pub pairs: Option<PathBuf>,
    /// Pictures of each person that [`Protocol::Folders`] enrols, 1 or more.
    pub enrol: usize,
    /// Seed of the random choices.
    pub seed: u64,
    /// The models.
    pub models: ModelChoice,
}

/// Evaluates a folder of people.
///
/// # Errors
/// If the folder or the list of pairs is wrong, or a model can't be opened or fails. The
/// report counts faults of single pictures.
pub fn evaluate_faces(
    folder: &Path,
    options: &FaceOptions,
    registry: &Registry,
    progress: Progress<'_>,
) -> Result<FaceReport, EvalError> {
    let grouped = Grouped::read(folder)?;
    // Checked first: the evaluation may take an hour.
    let pairs = options.pairs.as_ref().map(|path| Pairs::read(path, &grouped)).transpose()?;
    let paths: Vec<PathBuf> = grouped.groups.iter().flat_map(|group| group.pictures.iter().cloned()).collect();
    let choice = match options.protocol {
        Protocol::Lfw => Choice::Centre,
        Protocol::Folders => Choice::Largest,
    };
    let people = People::of(&grouped, options.enrol);
    let ModelChoice { detector, embedder, .. } = &options.models;
    let models: Vec<ModelFacts> = vec![manifest(registry, detector)?.into(), manifest(registry, embedder)?.into()];
    let protection = protection(options.seed);
    let (pictures, enrolled) = match options.protocol {
        Protocol::Lfw => (acquire(&paths, choice, &protection, registry, &options.models, progress)?, None),
        Protocol::Folders => {
            let desk: Vec<PathBuf> =
                paths.iter().zip(&people.enrols).filter(|(_, enrols)| **enrols).map(|(path, _)| path.clone()).collect();
            let all = desk.len() + paths.len();
            let examined = examine_all(&desk, registry, &options.models, &|done, _| progress(done, all))?;
            let rest = |done: usize, _: usize| progress(desk.len() + done, all);
            let pictures = acquire(&paths, choice, &protection, registry, &options.models, &rest)?;
            let same_person = models.last().and_then(|embedder| embedder.threshold).unwrap_or(-1.0);
            let mut examined = examined.iter();
            let templates = grouped
                .groups
                .iter()
                .map(|group| {
                    let own = group.pictures.len().min(options.enrol.max(1));
                    enrol(&examined.by_ref().take(own).collect::<Vec<_>>(), &protection, same_person)
                })
                .collect::<Result<Vec<_>, _>>()?;
            (pictures, Some(templates))
        }
    };
    Ok(Evaluation { grouped, people, pairs, pictures, enrolled, options }.report(models))
}

/// The templates' key. Scores don't depend on it; a fixed key gives the same last digits.
fn protection(seed: u64) -> TemplateProtection {
    TemplateProtection::new(&Sha256::digest(seed.to_le_bytes()).into())
}

/// The person of each picture, by the picture's index.
struct People {
    person: Vec<u32>,
    /// True if it is among the person's first pictures, which are enrolled.
    enrols: Vec<bool>,
}

impl People {
    fn of(grouped: &Grouped, enrol: usize) -> Self {
        let each = || {
            (0u32..)
                .zip(&grouped.groups)
                .flat_map(|(person, group)| (0..group.pictures.len()).map(move |n| (person, n)))
        };
        Self {
            person: each().map(|(person, _)| person).collect(),
            enrols: each().map(|(_, n)| n < enrol.max(1)).collect(),
        }
    }
}

struct Evaluation<'o> {
    grouped: Grouped,
    people: People,
    pairs: Option<Pairs>,
    pictures: Vec<Result<Template, Missed>>,
    /// The result of each person's enrolment; none if the protocol has no enrolment.
    enrolled: Option<Vec<Result<Template, Missed>>>,
    options: &'o FaceOptions,
}

impl Evaluation<'_> {
    fn report(&self, models: Vec<ModelFacts>) -> FaceReport {
        let mut notes = Vec::new();
        let fta = self.failures_to_acquire();
        let threads = self.options.models.threads;
        let setting = Setting {
            people: self.grouped.groups.len(),
            seed: self.options.seed,
            threads,
            fta: fta.rate().unwrap_or(0.0),
            manifest_threshold: models.last().and_then(|embedder| embedder.threshold),
        };
        let subjects = self.subjects();
        let mut comparison_sets = Vec::new();
        if self.enrolled.is_some() {
            let templates = Templates::new(subjects.iter().filter_map(|s| Some((s.person, s.template?))));
            let probes =
                Templates::new(subjects.iter().flat_map(|s| s.probes.iter().map(move |probe| (s.person, *probe))));
            let plan = Plan::Probes { probes: &probes, templates: &templates };
            let what = "every picture that wasn't enrolled with every enrolled template";
            comparison_sets.push(of_plan("enrolled-probes", what, plan, &setting, &mut notes));
        }
        let all = self.templates(|_| true);
        let what = "every picture with every other";
        comparison_sets.push(of_plan("all-pairs", what, Plan::AllPairs(&all), &setting, &mut notes));
        drop(all);
        let accuracy_detail = self.pairs.as_ref().and_then(|pairs| {
            let listed = listed_pictures(pairs, self.pictures.len());
            if listed.iter().any(|is| !is) {
                let some = self.templates(|place| listed[place]);
                let what = "every picture that the list of pairs names with every other such picture";
                let plan = Plan::AllPairs(&some);
                comparison_sets.push(of_plan("all-pairs-of-listed-pictures", what, plan, &setting, &mut notes));
            }
            comparison_sets.push(self.protocol_pairs(pairs, &setting, &mut notes));
            self.accuracy(pairs, &mut notes)
        });
        if self.pairs.is_none() && self.options.protocol == Protocol::Lfw {
            notes.push("accuracy is null: it needs the protocol's list of pairs (--pairs)".to_owned());
        }
        notes.push(
            "fnmr leaves out comparisons for want of a template (ISO/IEC 19795-1), frr counts those as rejections; scores that \
             share a person depend on each other, which only interval_by_people takes into account"
                .to_owned(),
        );
        let enrolled_pictures = if self.enrolled.is_some() { self.options.enrol.max(1) } else { 1 };
        let (fnir_at_fpir, identification) =
            identify(&subjects, enrolled_pictures, self.options.seed, threads, &mut notes);
        let fte_detail = self.failures_to_enrol();
        let fnmr_at_fmr = comparison_sets.first().map(|set| set.fnmr_at_fmr.clone()).unwrap_or_default();
        FaceReport {
            protocol: self.options.protocol.as_str(),
            dataset: DatasetFacts {
                name: self.options.dataset.clone(),
                people: self.grouped.groups.len(),
                pictures: self.pictures.len(),
                other_files: self.grouped.other_files,
            },
            usable: self.usable(),
            models,
            accuracy: accuracy_detail.as_ref().map(|detail| detail.accuracy.mean),
            accuracy_std: accuracy_detail.as_ref().map(|detail| detail.accuracy.std),
            accuracy_detail,
            fta: fta.rate(),
            fta_detail: fta,
            fte: fte_detail.as_ref().and_then(FailureDetail::rate),
            fte_detail,
            comparisons: comparison_sets.first().map_or("none", |set| set.name),
            fnmr_at_fmr,
            fnir_at_fpir,
            gallery: identification.gallery,
            identification,
            comparison_sets,
            notes,
            pair_scores: self
                .pairs
                .iter()
                .flat_map(|pairs| pairs.pairs.iter().map(|pair| pair.genuine).zip(self.pair_scores(pairs)))
                .collect(),
        }
    }

    fn template(&self, place: usize) -> Option<&Template> {
        self.pictures.get(place)?.as_ref().ok()
    }

    fn templates(&self, wanted: impl Fn(usize) -> bool + Clone) -> Templates {
        let places = (0..self.pictures.len()).filter(move |place| wanted(*place));
        Templates::new(places.filter_map(|place| Some((self.people.person[place], self.template(place)?))))
    }

    fn usable(&self) -> UsableFacts {
        let mut of_each = vec![0u32; self.grouped.groups.len()];
        for (person, picture) in self.people.person.iter().zip(&self.pictures) {
            of_each[*person as usize] += u32::from(picture.is_ok());
        }
        UsableFacts {
            people: of_each.iter().filter(|count| **count > 0).count() as u64,
            people_with_two: of_each.iter().filter(|count| **count > 1).count() as u64,
            pictures: of_each.iter().map(|count| u64::from(*count)).sum(),
        }
    }

    fn failures_to_acquire(&self) -> FailureDetail {
        // At the desk a person tries several pictures; a failure to enrol is one of all pictures.
        let counts = |place: &usize| self.enrolled.is_none() || !self.people.enrols[*place];
        let tried = (0..self.pictures.len()).filter(counts);
        let missed = tried.clone().filter_map(|place| self.pictures[place].as_ref().err());
        FailureDetail::new(tried.count() as u64, missed)
    }

    fn failures_to_enrol(&self) -> Option<FailureDetail> {
        let enrolled = self.enrolled.as_ref()?;
        Some(FailureDetail::new(enrolled.len() as u64, enrolled.iter().filter_map(|person| person.as_ref().err())))
    }

    fn subjects(&self) -> Vec<Subject<'_>> {
        let mut start = 0;
        (0u32..)
            .zip(&self.grouped.groups)
            .map(|(person, group)| {
                let places = start..start + group.pictures.len();
                start = places.end;
                let all: Vec<&Template> = places.clone().filter_map(|place| self.template(place)).collect();
                let (template, probes) = match &self.enrolled {
                    // The first pictures are for enrolment.
                    Some(enrolled) => (
                        enrolled.get(person as usize).and_then(|template| template.as_ref().ok()),
                        places.filter(|p| !self.people.enrols[*p]).filter_map(|p| self.template(p)).collect(),
                    ),
                    // The first picture that gave a template.
                    None => (all.first().copied(), all.iter().skip(1).copied().collect()),
                };
                Subject { person, name: &group.name, template, probes, all }
            })
            .collect()
    }

    fn protocol_pairs(&self, pairs: &Pairs, setting: &Setting, notes: &mut Vec<String>) -> ComparisonSet {
        let mut counts = ScoreCounts::default();
        for (pair, score) in pairs.pairs.iter().zip(self.pair_scores(pairs)) {
            match score {
                Some(score) if pair.genuine => counts.add_genuine(score),
                Some(score) => counts.add_impostor(score),
                None => {}
            }
        }
        set("protocol-pairs", "the pairs of the list", counts, &BTreeMap::new(), setting, notes)
    }

    fn pair_scores<'s>(&'s self, pairs: &'s Pairs) -> impl Iterator<Item = Option<f32>> + 's {
        pairs.pairs.iter().map(move |pair| Some(self.template(pair.a)?.cosine(self.template(pair.b)?)))
    }

    fn accuracy(&self, pairs: &Pairs, notes: &mut Vec<String>) -> Option<AccuracyDetail> {
        let trials: Vec<Trial> = pairs
            .pairs
            .iter()
            .zip(self.pair_scores(pairs))
            .map(|(pair, score)| Trial { fold: pair.fold, genuine: pair.genuine, score })
            .collect();
        let missing = pairs.listed - pairs.pairs.len();
        if missing > 0 {
            notes.push(format!(
                "{missing} of the list's {} pairs are left out: their pictures are not there",
                pairs.listed
            ));
        }
        if !pairs.has_folds {
            notes.push("the list of pairs has no folds: it was cut into ten in its order".to_owned());
        }
        let Some(accuracy) = cross_validated(&trials) else {
            notes.push("accuracy is null: a fold of the list has no pair whose pictures are there".to_owned());
            return None;
        };
        let without: Vec<Trial> = trials.iter().filter(|trial| trial.score.is_some()).copied().collect();
        Some(AccuracyDetail {
            accuracy,
            without_failures: cross_validated(&without).map(|accuracy| accuracy.mean),
            listed_pairs: pairs.listed,
            pairs: trials.len(),
            pairs_with_failures: trials.len() - without.len(),
        })
    }
}

fn listed_pictures(pairs: &Pairs, pictures: usize) -> Vec<bool> {
    let mut listed = vec![false; pictures];
    pairs.pairs.iter().flat_map(|pair| [pair.a, pair.b]).for_each(|place| listed[place] = true);
    listed
}
