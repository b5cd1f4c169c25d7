//! Cost of 100,000 enrolled people: disk, memory, start-up, search, and changes while gates search:
//! `make bench-enrolled`.
//!
//! The templates are random directions, as strangers' templates are. The store is on this disk,
//! made by batch enrolment. The node's figures are of the `gatehouse` binary, with these people and
//! with nobody enrolled.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatehouse_core::time::WallTime;
use gatehouse_credential::SiteSecret;
use gatehouse_faces::Template;
use gatehouse_gate::{Enrolled, Gallery, MatchRule};
use gatehouse_store::{
    Actor, Changes, Consent, ConsentDraft, Enrolment, GalleryTemplate, HowGiven, NewPerson, NewTemplate, PersonId,
    Store,
};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint};
use parking_lot::RwLock;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
const ENROLLED: usize = 100_000;
/// People in one transaction.
const BATCH: usize = 1000;
const CHANGES: usize = 40;
const MODEL: [&str; 2] = ["sface", "2021dec"];
const CAMERA: &str = "[[gate]]\nid = \"gate\"\nsource = \"test://smpte\"\nliveness = \"required\"\n";
const RULE: MatchRule = MatchRule { threshold: 0.5, margin: 0.05 };

fn main() {
    let empty = SiteFolder::new(PROGRAM, CAMERA);
    let full = SiteFolder::new(PROGRAM, CAMERA);
    let (enrolling, people) = timed(|| enrol(&full));
    let size = |name: &str| std::fs::metadata(full.path(name)).map_or(0, |file| file.len()) / (1 << 20);
    println!("{ENROLLED} people enrolled in batches of {BATCH}: {:.1} s", enrolling.as_secs_f64());
    println!("on disk: site.db {} MiB, site.keys {} MiB", size("site.db"), size("site.keys"));

    let node = |site: &SiteFolder| {
        let (start, node) = timed(|| Node::start(site));
        let (_, resident) = footprint(node.pid());
        node.stop();
        (start, resident)
    };
    let ((start_empty, memory_empty), (start_full, memory_full)) = (node(&empty), node(&full));
    println!(
        "a node's start until it is ready: {:.2} s, with nobody enrolled {:.2} s",
        start_full.as_secs_f64(),
        start_empty.as_secs_f64()
    );
    println!("its memory then: {memory_full} MiB, with nobody enrolled {memory_empty} MiB");
    time_changes(&full, &people);
}

fn enrol(site: &SiteFolder) -> Vec<PersonId> {
    let store = open(site);
    let mut random = StdRng::seed_from_u64(ENROLLED as u64);
    let mut people = Vec::with_capacity(ENROLLED);
    while people.len() < ENROLLED {
        let numbers: Vec<Template> = (0..BATCH).map(|_| drawn(&mut random)).collect();
        let templates: Vec<[NewTemplate<'_>; 1]> = numbers
            .iter()
            .map(|t| [NewTemplate { model: MODEL[0], model_version: MODEL[1], values: t.as_slice() }])
            .collect();
        let batch: Vec<NewPerson<'_>> = templates
            .iter()
            .map(|templates| NewPerson { name: "Nobody", enrolment: Enrolment::Face { consent: consent(), templates } })
            .collect();
        people.extend(store.enrol_all(&batch, &desk(), now()).expect("the disk has room"));
    }
    people
}

/// Times a gate's search, and the steps from a withdrawal to a gallery without that person, while
/// another thread searches continuously.
fn time_changes(site: &SiteFolder, people: &[PersonId]) {
    let store = open(site);
    let (read, loaded) = timed(|| store.gallery(MODEL[0], MODEL[1], now()).expect("it can be read"));
    let (build, gallery) = timed(|| Gallery::new(loaded.templates.iter().map(entry), RULE));
    println!("reading the gallery from the store: {:.2} s; building it: {:.0} ms", read.as_secs_f64(), millis(build));
    let mut random = StdRng::seed_from_u64(7);
    let probes: Vec<Template> = (0..64).map(|_| drawn(&mut random)).collect();
    let at = now();
    let alone = (0..200).map(|i| timed(|| gallery.identify(&probes[i % probes.len()], at)).0).collect();
    let published = RwLock::new(Arc::new(gallery));
    let held = || Arc::clone(&published.read());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                times.push(timed(|| held().identify(&probes[times.len() % probes.len()], at)).0);
            }
            times
        });
        let mut revision = loaded.revision;
        let (mut withdrawing, mut following) = (Vec::new(), Vec::new());
        for person in people.iter().step_by(people.len() / CHANGES).take(CHANGES) {
            withdrawing.push(timed(|| store.forget(*person, &desk(), now()).expect("they are enrolled")).0);
            let (time, next) = timed(|| {
                let changes = store.gallery_changes(revision, MODEL[0], MODEL[1], now()).expect("it can be read");
                let Changes::These { revision, removed, added, .. } = changes else { panic!("one change is few") };
                let removed: HashSet<_> = removed.iter().copied().collect();
                assert!(removed.contains(person));
                let next = held().with_changes(&removed, added.iter().map(entry));
                *published.write() = Arc::new(next);
                revision
            });
            revision = next;
            following.push(time);
        }
        done.store(true, Ordering::Relaxed);
        let meanwhile = searching.join().expect("the searches end");
        assert_eq!(held().len(), ENROLLED - CHANGES);
        println!("\nmilliseconds                        p50      p99");
        row("one search", alone);
        row("one search, while people withdraw", meanwhile);
        row("forgetting somebody, in the store", withdrawing);
        row("following it, in the gallery", following);
    });
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| millis(times[(times.len() * percent / 100).min(times.len() - 1)]);
    println!("{what:<34}  {:>5.1}  {:>7.1}", at(50), at(99));
}

fn entry(stored: &GalleryTemplate) -> (Enrolled, Template) {
    let enrolled = Enrolled { person: stored.person, consent_until: stored.consent_until };
    (enrolled, Template::from_slice(&stored.values).expect("it was enrolled"))
}

fn drawn(random: &mut StdRng) -> Template {
    // A sum of uniform numbers is nearly normal; normal coordinates point in every direction with
    // equal probability.
    let numbers: [f32; Template::DIMENSIONS] =
        std::array::from_fn(|_| (0..6).map(|_| random.random::<f32>()).sum::<f32>() - 3.0);
    Template::from_slice(&numbers).expect("a direction")
}

fn open(site: &SiteFolder) -> Store {
    let key = std::fs::read_to_string(site.path("site.key")).expect("the site has a key");
    Store::open(&site.path("site.db"), &SiteSecret::from_text(key.trim()).expect("a secret")).expect("it opens")
}

fn consent() -> Consent {
    let draft = ConsentDraft {
        purpose: "entry".to_owned(),
        notice_version: "1".to_owned(),
        how_given: HowGiven::Screen,
        given_at: now(),
        valid_until: now() + Duration::from_secs(3600),
        under_14: false,
        guardian: None,
    };
    Consent::new(draft).expect("a sound consent")
}

fn desk() -> Actor {
    Actor::new("desk", "bench").expect("both are named")
}

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    WallTime::from_unix_nanos(since.as_nanos() as i64)
}

fn timed<R>(action: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = action();
    (start.elapsed(), result)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
