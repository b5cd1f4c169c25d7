//! Cost of the models alone.

use std::time::Instant;

use gatehouse_faces::FaceDetector;
use gatehouse_gate::{COARSE_SCORE, COARSE_SIDES_PX};
use gatehouse_people::{PeopleScene, PersonDetector};
use gatehouse_picture::YuvPicture;
use gatehouse_runtime::SessionOptions;
use serde_json::{Map, Value, json};

use crate::Model;
use crate::measure::{DETAIL_PX, each_ms, people_alone, processors, registry, wall_ms};

/// Numbers of pictures per batch.
const BATCHES: [usize; 4] = [1, 2, 4, 8];

/// Processor time of one frame's preparation and inference, in milliseconds. A gate's frame gets
/// the coarse pass only, because nobody is near.
pub(crate) fn alone(model: Model) -> f64 {
    match model {
        Model::Faces => each_ms(|| {
            let mut detector =
                FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
            let mut found = Vec::new();
            move |picture: YuvPicture<'_>| {
                let coarse = std::iter::once((picture, Some(COARSE_SIDES_PX[0])));
                detector.detect_at(coarse, COARSE_SCORE, &mut found).expect("it detects");
            }
        }),
        Model::People(name) => people_alone(name),
    }
}

/// Wall time of a frame by batch size and number of threads: the basis of `max_batch` and
/// `threads`.
pub(crate) fn table() -> Value {
    println!("\ninference alone, milliseconds a frame (wall clock)");
    let threads: Vec<usize> = if processors() > 1 { vec![1, processors()] } else { vec![1] };
    let mut rows = Vec::new();
    for (model, name) in [(Model::Faces, "yunet"), (Model::People("nanodet"), "nanodet")] {
        for intra_threads in &threads {
            let each = BATCHES.map(|batch| batch_ms(model, name, batch, *intra_threads));
            println!(
                "  {name:<8} {intra_threads} threads: {}",
                BATCHES.iter().zip(each).map(|(n, ms)| format!("{n} at once {ms:.1}")).collect::<Vec<_>>().join(", ")
            );
            rows.extend(BATCHES.iter().zip(each).map(
                |(batch, ms)| json!({ "model": name, "threads": intra_threads, "batch": batch, "ms_per_frame": ms }),
            ));
        }
    }
    rows.into()
}

/// Number of heap allocations of a frame's inference after warm-up.
pub(crate) fn allocations() -> Value {
    println!("\nallocations a frame, from the mapped picture to the detections");
    let mut rows = Map::new();
    for (model, name) in
        [(Model::Faces, "yunet"), (Model::People("nanodet"), "nanodet"), (Model::People("crowd"), "crowd")]
    {
        let count = allocations_of(model, name);
        println!("  {name:<8} {count}");
        rows.insert(name.to_owned(), count.into());
    }
    rows.into()
}

fn allocations_of(model: Model, name: &str) -> u64 {
    let (options, mut count) = (SessionOptions::default(), 0);
    let mut counted = |mut infer: Box<dyn FnMut(YuvPicture<'_>)>| {
        // The last run counts.
        wall_ms(|picture| {
            let start = Instant::now();
            count = allocation_counter::measure(|| infer(picture)).count_total;
            start.elapsed().as_secs_f64() * 1e3
        });
    };
    match model {
        Model::Faces => {
            let mut detector = FaceDetector::load(&registry(), name, &options).expect("run `make setup`");
            let mut found = Vec::new();
            counted(Box::new(move |picture| detector.detect(&[picture], 0.7, &mut found).expect("it detects")));
        }
        Model::People(_) => {
            let mut detector = PersonDetector::load(&registry(), name, &options).expect("run `make setup`");
            let mut found = Vec::new();
            counted(Box::new(move |picture| {
                let scene = PeopleScene { picture, longer_side_px: DETAIL_PX, density_side_px: DETAIL_PX, tiles: &[] };
                detector.detect(&[scene], 0.15, &mut found).expect("it detects");
            }));
        }
    }
    count
}

fn batch_ms(model: Model, name: &str, batch: usize, intra_threads: usize) -> f64 {
    let options = SessionOptions { intra_threads };
    let repeated = |picture: YuvPicture<'_>, infer: &mut dyn FnMut(&[YuvPicture<'_>])| {
        let start = Instant::now();
        infer(&vec![picture; batch]);
        start.elapsed().as_secs_f64() * 1e3 / batch as f64
    };
    match model {
        Model::Faces => {
            let mut detector = FaceDetector::load(&registry(), name, &options).expect("run `make setup`");
            let mut found = Vec::new();
            wall_ms(|picture| {
                repeated(picture, &mut |pictures| detector.detect(pictures, 0.7, &mut found).expect("it detects"))
            })
        }
        Model::People(_) => {
            let mut detector = PersonDetector::load(&registry(), name, &options).expect("run `make setup`");
            let mut found = Vec::new();
            wall_ms(|picture| {
                repeated(picture, &mut |pictures| {
                    let scene =
                        |picture| PeopleScene { picture, longer_side_px: DETAIL_PX, density_side_px: 0, tiles: &[] };
                    let scenes: Vec<_> = pictures.iter().copied().map(scene).collect();
                    detector.detect(&scenes, 0.15, &mut found).expect("it detects");
                })
            })
        }
    }
}
