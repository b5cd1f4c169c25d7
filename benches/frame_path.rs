//! Latency of one frame, stage by stage, on one thread: `make bench-frame`.
//!
//! Needs the pictures and models of `make setup`. Each stage is what the pipeline calls: preparing
//! the tensor from the decoder's planes, inference, and decoding the outputs, together. The
//! gallery's search is in `gallery.rs`.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]

use divan::{Bencher, black_box};
use gatehouse_credential::{QrReader, SearchedInVain};
use gatehouse_faces::{FaceDetector, FaceEmbedder, align_face};
use gatehouse_people::{PeopleScene, PersonDetector};
use gatehouse_picture::cells::checksums;
use gatehouse_picture::{ColourSpace, Matrix, Range, Size, deinterlace};
use gatehouse_runtime::{
    Assets, Catalogue, ColourOrder, OwnedI420, Photo, PhotoLimits, Registry, Resizer, SessionOptions, read_photo,
};

fn main() {
    divan::main();
}

fn registry() -> Registry {
    let assets = Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    Registry::open(assets, Catalogue::builtin().expect("built-in manifests")).expect("run `make setup`")
}

fn portrait() -> Photo {
    let assets = Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    read_photo(&assets.media().join("astronaut.png"), &PhotoLimits::default()).expect("run `make setup`")
}

/// A decoded picture of this size with detail everywhere.
fn frame(width: usize, height: usize) -> OwnedI420 {
    let planes = (0..width * height * 3 / 2).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    OwnedI420::new(Size { width, height }, planes).expect("even sides")
}

const SIZES: [(usize, usize); 2] = [(1280, 720), (1920, 1080)];

#[divan::bench(args = SIZES, sample_count = 50)]
fn detect_faces(bencher: Bencher, (width, height): (usize, usize)) {
    let mut detector = FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
    let frame = frame(width, height);
    let mut found = Vec::new();
    bencher.bench_local(|| detector.detect(&[frame.as_picture()], 0.7, black_box(&mut found)));
}

/// By the longer side of the detector's input for a 720p picture.
#[divan::bench(args = [416, 768, 1024], sample_count = 30)]
fn detect_people(bencher: Bencher, longer_side_px: usize) {
    let mut detector =
        PersonDetector::load(&registry(), "nanodet", &SessionOptions::default()).expect("run `make setup`");
    let frame = frame(1280, 720);
    let scene =
        PeopleScene { picture: frame.as_picture(), longer_side_px, density_side_px: longer_side_px, tiles: &[] };
    let mut found = Vec::new();
    bencher.bench_local(|| detector.detect(&[scene], 0.5, black_box(&mut found)));
}

#[divan::bench(sample_count = 100)]
fn align_one_face(bencher: Bencher) {
    let photo = portrait();
    let mut detector = FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
    let mut found = Vec::new();
    detector.detect(&[photo.as_video()], 0.7, &mut found).expect("it detects");
    let landmarks = found[0][0].landmarks_in_frame;
    bencher.bench_local(|| align_face(&photo.as_video(), black_box(&landmarks)));
}

#[divan::bench(args = [1, 4], sample_count = 20)]
fn embed_faces(bencher: Bencher, batch: usize) {
    let photo = portrait();
    let registry = registry();
    let mut detector = FaceDetector::load(&registry, "yunet", &SessionOptions::default()).expect("run `make setup`");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &SessionOptions::default()).expect("run `make setup`");
    let mut found = Vec::new();
    detector.detect(&[photo.as_video()], 0.7, &mut found).expect("it detects");
    let landmarks = found[0][0].landmarks_in_frame;
    let faces: Vec<_> = (0..batch).map(|_| align_face(&photo.as_video(), &landmarks).expect("a face")).collect();
    let mut embeddings = Vec::new();
    bencher.bench_local(|| embedder.embed(&faces, black_box(&mut embeddings)));
}

/// A frame of a street that has changed everywhere; and with the search for codes that are light on
/// dark, which every other frame gets.
#[divan::bench(args = [false, true], sample_count = 200)]
fn search_codes(bencher: Bencher, light_on_dark: bool) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/models/golden/vtest-720.jpg");
    let photo = read_photo(file.as_ref(), &PhotoLimits::default()).expect("it is in the repository");
    let luma = photo.as_video().luma();
    let squares: Vec<u8> = (0..128 * 128).map(|i| if (i % 128 / 4 + i / 512) % 2 == 0 { 30 } else { 210 }).collect();
    let mut reader = QrReader::default();
    let before = || {
        let mut before = SearchedInVain::default();
        if !light_on_dark {
            // Takes the turn.
            QrReader::default().read_next(&squares, 128, 128, 128, &mut before);
        }
        before
    };
    bencher.with_inputs(before).bench_local_refs(|before| {
        black_box(reader.read_next(luma.data, luma.row_bytes, luma.rows, luma.stride, before));
    });
}

/// Of a colour space other than OpenCV's.
#[divan::bench(args = SIZES, sample_count = 50)]
fn detect_faces_in_bt709(bencher: Bencher, (width, height): (usize, usize)) {
    let mut detector = FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
    let frame = frame(width, height);
    let colour = ColourSpace { matrix: Matrix::Bt709, range: Range::Limited };
    let mut found = Vec::new();
    bencher.bench_local(|| detector.detect(&[frame.as_picture().with_colour(colour)], 0.7, black_box(&mut found)));
}

/// The preparation alone, which is all that a colour space changes.
#[divan::bench(args = ["bt601", "bt709", "bt601 full"], sample_count = 200)]
fn prepare(bencher: Bencher, colour: &str) {
    let colour = match colour {
        "bt601" => ColourSpace::BT601,
        "bt709" => ColourSpace { matrix: Matrix::Bt709, range: Range::Limited },
        _ => ColourSpace { matrix: Matrix::Bt601, range: Range::Full },
    };
    let frame = frame(1280, 720);
    let mut resizer = Resizer::default();
    let size = Size { width: 640, height: 360 };
    bencher.bench_local(|| {
        resizer.resize(&frame.as_picture().with_colour(colour), size, ColourOrder::Bgr).map(|tensor| tensor.len())
    });
}

/// What tells a frozen picture from a still scene, for each decoded picture.
#[divan::bench(args = SIZES, sample_count = 200)]
fn picture_checksums(bencher: Bencher, (width, height): (usize, usize)) {
    let frame = frame(width, height);
    bencher.bench_local(|| checksums(black_box(&frame.as_picture())));
}

/// An interlaced picture that stands still, in place, luma and chroma.
#[divan::bench(args = [(704, 576), (1920, 1080)], sample_count = 100)]
fn remove_combs(bencher: Bencher, (width, height): (usize, usize)) {
    let mut plane = vec![90u8; width * height / 2 * 3];
    bencher.bench_local(|| deinterlace(black_box(&mut plane), width, width, height / 2 * 3));
}
