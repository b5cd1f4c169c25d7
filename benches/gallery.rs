//! The gallery's search compared with `faiss` (flat) and `usearch`, in one run on one thread: `make
//! bench-gallery`.
//!
//! All search the same vectors: random directions, as strangers' templates are. Half of the probes
//! are enrolled ones with noise. The bound is the memory bandwidth: a plain sum over as many bytes.
//! The `dev` profile compiles the search with full optimisation.

#![allow(clippy::expect_used, reason = "a bench without its files has nothing to measure")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gatehouse_faces::{Gallery, Template};
use parking_lot::RwLock;
use pulp::{Arch, Simd, WithSimd};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const PROBES: usize = 64;
const DIMENSIONS: usize = Template::DIMENSIONS;

fn main() {
    let python = std::env::var_os("GATEHOUSE_BENCH_PYTHON").map(PathBuf::from);
    let python = python
        .expect("GATEHOUSE_BENCH_PYTHON names a Python with benches/peers/requirements.txt; run `make bench-gallery`");
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("profile: {}; processor: {:?}", if cfg!(debug_assertions) { "dev" } else { "release" }, arch_name());
    println!("\nOne probe, µs, 10th percentile (in brackets: multiple of ours)");
    println!(
        "{:>8}  {:>8}  {:>6}  {:>9}  {:>8}  {:>8}  {:>16}  {:>16}  {:>16}  {:>7}",
        "enrolled",
        "ours",
        "GB/s",
        "bandwidth",
        "share",
        "ours ×4",
        "faiss flat",
        "usearch exact",
        "usearch index",
        "recall"
    );
    let mut changes = Vec::new();
    for enrolled in SIZES {
        let vectors = Vectors::draw(enrolled);
        let ours = Ours::measure(&vectors);
        let theirs = peers(&python, folder.path(), &vectors, rounds(enrolled));
        let (flat, graph) = (&theirs["faiss"], &theirs["usearch"]);
        assert_eq!(best(flat, "best"), ours.best, "faiss finds the same people");
        assert_eq!(best(graph, "best"), ours.best, "usearch finds the same people");
        let agree = best(graph, "best_by_index").iter().zip(&ours.best).filter(|(a, b)| a == b).count();
        let compared = |value: &Value| {
            let us = value.as_f64().expect("a time");
            format!("{us:.1} ({:.2}×)", us / micros(ours.search))
        };
        let speed = |time: Duration| (enrolled * DIMENSIONS * 4) as f64 / time.as_secs_f64() / 1e9;
        println!(
            "{enrolled:>8}  {:>8.1}  {:>6.1}  {:>9.1}  {:>6.0} %  {:>8.1}  {:>16}  {:>16}  {:>16}  {:>5.0} %",
            micros(ours.search),
            speed(ours.search),
            speed(ours.reading),
            100.0 * ours.reading.as_secs_f64() / ours.search.as_secs_f64(),
            micros(ours.search_of_four),
            compared(&flat["search_us"]),
            compared(&graph["exact_us"]),
            compared(&graph["search_us"]),
            100.0 * agree as f64 / PROBES as f64,
        );
        let mut change = |name: &str, times_us: [f64; 3], memory_kib: f64, meanwhile: Option<Duration>| {
            let [build, insert, remove] = times_us;
            let meanwhile = meanwhile.map_or("-".to_owned(), |time| format!("{:.1}", micros(time)));
            changes.push(format!(
                "{enrolled:>8}  {name:<8}  {:>9.1}  {:>8.1}  {insert:>9.1}  {remove:>9.1}  {meanwhile:>17}",
                build / 1e3,
                memory_kib / 1024.0
            ));
        };
        let times = [ours.build, ours.insert, ours.remove].map(micros);
        change("ours", times, ours.memory_kib, Some(ours.search_while_changing));
        for (name, peer) in [("faiss", flat), ("usearch", graph)] {
            let number = |key: &str| peer[key].as_f64().expect("a number");
            change(name, ["build_us", "insert_us", "remove_us"].map(number), number("memory_kib"), None);
        }
    }
    println!(
        "\nChanges: ours while another thread searches without a pause, theirs with nobody searching (10th percentile)"
    );
    println!(
        "{:>8}  {:<8}  {:>9}  {:>8}  {:>9}  {:>9}  {:>17}",
        "enrolled", "", "build ms", "MiB", "insert µs", "remove µs", "search meanwhile"
    );
    changes.iter().for_each(|line| println!("{line}"));
}

fn arch_name() -> String {
    format!("{:?}", Arch::new()).split(['(', ' ']).next().unwrap_or_default().to_owned()
}

/// Number of rounds: enough for stable figures within a few seconds.
fn rounds(enrolled: usize) -> usize {
    (20_000_000 / enrolled).clamp(200, 5_000)
}

struct Vectors {
    rows: Vec<Template>,
    probes: Vec<Template>,
}

impl Vectors {
    fn draw(enrolled: usize) -> Self {
        let mut random = StdRng::seed_from_u64(enrolled as u64);
        // A sum of uniform numbers is nearly normal; normal coordinates point in every direction
        // with equal probability.
        let mut direction = || -> [f32; DIMENSIONS] {
            std::array::from_fn(|_| (0..6).map(|_| random.random::<f32>()).sum::<f32>() - 3.0)
        };
        let template = |numbers: &[f32]| Template::from_slice(numbers).expect("a direction");
        let rows: Vec<Template> = (0..enrolled).map(|_| template(&direction())).collect();
        let probes = (0..PROBES)
            .map(|index| {
                let mut numbers = template(&direction()).as_slice().to_vec();
                if index % 2 == 0 {
                    let same = &rows[index * 7919 % enrolled];
                    numbers.iter_mut().zip(same.as_slice()).for_each(|(noise, number)| *noise += number);
                }
                template(&numbers)
            })
            .collect();
        Self { rows, probes }
    }
}

struct Ours {
    build: Duration,
    memory_kib: f64,
    search: Duration,
    search_of_four: Duration,
    reading: Duration,
    insert: Duration,
    remove: Duration,
    search_while_changing: Duration,
    best: Vec<u64>,
}

impl Ours {
    fn measure(vectors: &Vectors) -> Self {
        let Vectors { rows, probes } = vectors;
        let rounds = rounds(rows.len());
        let before = resident_kib();
        let mut gallery = Gallery::default();
        let build = timed(|| rows.iter().enumerate().for_each(|(key, row)| gallery.insert(key as u64, row)));
        let memory_kib = resident_kib() - before;
        let search = quick(rounds, |round| gallery.search(&probes[round % PROBES]));
        let of_four = quick(rounds, |round| {
            let first = round * 4 % PROBES;
            gallery.search_all(&probes[first..first + 4])
        });
        let best = probes.iter().map(|probe| *gallery.search(probe).expect("many are enrolled").best.key).collect();
        let (insert, remove, search_while_changing) = change_while_searching(gallery, probes);
        Self {
            build,
            memory_kib,
            search,
            search_of_four: of_four / 4,
            reading: reading(rows, rounds),
            insert,
            remove,
            search_while_changing,
            best,
        }
    }
}

/// Changes the gallery while a gate searches its newest version continuously.
fn change_while_searching(gallery: Gallery<u64>, probes: &[Template]) -> (Duration, Duration, Duration) {
    let enrolled = gallery.len() as u64;
    let published = RwLock::new(Arc::new(gallery));
    let held = || Arc::clone(&published.read());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let gate = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                times.push(timed(|| held().search(&probes[times.len() % PROBES]).is_some()));
            }
            tenth(times)
        });
        let change = |apply: &dyn Fn(&mut Gallery<u64>, u64)| {
            quick(100, |round| {
                let mut next = Gallery::clone(&held());
                apply(&mut next, round as u64);
                *published.write() = Arc::new(next);
            })
        };
        let insert = change(&|next, round| next.insert(enrolled + round, &probes[round as usize % PROBES]));
        let remove = change(&|next, round| {
            next.remove_if(|key| *key == round * 7919 % enrolled);
        });
        done.store(true, Ordering::Relaxed);
        (insert, remove, gate.join().expect("the searches end"))
    })
}

/// Time to read as many bytes as a search does, from memory with the gallery's layout.
fn reading(rows: &[Template], rounds: usize) -> Duration {
    #[repr(align(64))]
    struct Line([f32; DIMENSIONS]);

    struct Sum<'a>(&'a [Line]);

    impl WithSimd for Sum<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let mut sums = [simd.splat_f32s(0.0); 8];
            for line in self.0 {
                for numbers in S::as_simd_f32s(&line.0).0.chunks_exact(8) {
                    for (sum, number) in sums.iter_mut().zip(numbers) {
                        *sum = simd.add_f32s(*sum, *number);
                    }
                }
            }
            simd.reduce_sum_f32s(sums.into_iter().fold(simd.splat_f32s(0.0), |a, b| simd.add_f32s(a, b)))
        }
    }

    let lines: Vec<Line> = rows.iter().map(|row| Line(row.as_slice().try_into().expect("128 numbers"))).collect();
    let arch = Arch::new();
    quick(rounds, |_| arch.dispatch(Sum(black_box(&lines))))
}

fn peers(python: &Path, folder: &Path, vectors: &Vectors, rounds: usize) -> Value {
    let write = |name: &str, templates: &[Template]| {
        let numbers = templates.iter().flat_map(|template| template.as_slice());
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("room in the temporary folder");
        path
    };
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/gallery.py"))
        .args([write("rows.f32", &vectors.rows), write("probes.f32", &vectors.probes)])
        .arg(rounds.to_string())
        .envs(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map(|name| (name, "1")))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn best(peer: &Value, key: &str) -> Vec<u64> {
    peer[key].as_array().expect("a list").iter().filter_map(Value::as_u64).collect()
}

/// The 10th percentile of the rounds' times: other work on the machine can only add to it.
fn quick<R>(rounds: usize, mut action: impl FnMut(usize) -> R) -> Duration {
    tenth((0..rounds).map(|round| timed(|| action(round))).collect())
}

fn tenth(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 10]
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed<R>(action: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    // Keeps the compiler from removing the work.
    let result = black_box(action());
    let time = start.elapsed();
    drop(result);
    time
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has the field");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}
