//! Real photos, and blurred, dim or small copies of them, checked against the limits of enrolment
//! and gate.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use gatehouse_faces::{Embedding, FaceDetector, FaceEmbedder};
use gatehouse_gate::enrol::{EnrolError, examine};
use gatehouse_gate::quality::{Limits, Problem, Quality};
use gatehouse_gate::{COARSE_SCORE, coarse_side_px, may_be_near};
use gatehouse_picture::{Plane, Size, YuvPicture};
use gatehouse_runtime::{Assets, Catalogue, OwnedI420, Photo, PhotoLimits, Registry, SessionOptions, read_photo};

/// Portraits of one person each.
const PORTRAITS: [&str; 5] = ["astronaut.png", "biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg"];

/// Accepts every face.
const ANYTHING: Limits = Limits {
    min_eye_distance_px: 0.0,
    max_yaw_degrees: 91.0,
    max_pitch_degrees: 91.0,
    min_sharpness: 0.0,
    min_mean: 0.0,
    max_mean: 255.0,
    min_spread: 0.0,
    max_clipped: 1.0,
    max_cut_off: 1.0,
};

struct Models {
    detector: FaceDetector,
    embedder: FaceEmbedder,
}

impl Models {
    fn load() -> Self {
        let catalogue = Catalogue::builtin().expect("the manifests that ship");
        let registry = Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`");
        let options = SessionOptions::default();
        Self {
            detector: FaceDetector::load(&registry, "yunet", &options).expect("run `make setup`"),
            embedder: FaceEmbedder::load(&registry, "sface", &options).expect("run `make setup`"),
        }
    }

    fn measure(&mut self, picture: &YuvPicture<'_>) -> Result<(Quality, Embedding), EnrolError> {
        let portrait = examine(&mut self.detector, picture, &ANYTHING)?;
        let mut embeddings = Vec::new();
        self.embedder.embed(&[portrait.aligned], &mut embeddings)?;
        Ok((portrait.quality, embeddings.remove(0)))
    }
}

fn read(file: &str) -> Photo {
    let path = Assets::locate().expect("a folder").media().join(file);
    read_photo(&path, &PhotoLimits::default()).expect("run `make setup`")
}

/// A plane shrunk by `factor`: each sample is the mean of the area that it covers. Then blurred
/// three times by a box of `2 · radius + 1`, close to a Gaussian of deviation `radius + ½`.
fn shrunk_and_blurred(plane: &Plane<'_>, to: Size, factor: f32, radius: usize) -> Vec<f32> {
    let span = |i: usize, end: usize| {
        let from = ((i as f32 * factor) as usize).min(end - 1);
        from..(((i + 1) as f32 * factor) as usize).clamp(from + 1, end)
    };
    let mut samples: Vec<f32> = (0..to.width * to.height)
        .map(|i| {
            let (columns, rows) = (span(i % to.width, plane.row_bytes), span(i / to.width, plane.rows));
            let area = (columns.len() * rows.len()) as f32;
            rows.map(|y| plane.row(y)[columns.clone()].iter().map(|s| f32::from(*s)).sum::<f32>()).sum::<f32>() / area
        })
        .collect();
    for _ in 0..3 {
        for (length, stride, lines) in [(to.width, 1, to.height), (to.height, to.width, to.width)] {
            for line in 0..lines {
                let start = if stride == 1 { line * to.width } else { line };
                let at = |i: usize| start + i * stride;
                let before: Vec<f32> = (0..length).map(|i| samples[at(i)]).collect();
                for i in 0..length {
                    let around = &before[i.saturating_sub(radius)..(i + radius + 1).min(length)];
                    samples[at(i)] = around.iter().sum::<f32>() / around.len() as f32;
                }
            }
        }
    }
    samples
}

/// A copy that is shrunk by `factor` and blurred by `radius` pixels of the copy; `light` scales its
/// luma.
fn copy(photo: &Photo, factor: f32, radius: usize, light: f32) -> OwnedI420 {
    let picture = photo.as_video();
    let half = |side: usize| (side as f32 / factor / 2.0) as usize;
    let chroma = Size { width: half(picture.size().width), height: half(picture.size().height) };
    let size = Size { width: 2 * chroma.width, height: 2 * chroma.height };
    let mut planes: Vec<u8> = shrunk_and_blurred(&picture.luma(), size, factor, radius)
        .into_iter()
        .map(|y| (16.0 + (y - 16.0) * light).round().clamp(16.0, 235.0) as u8)
        .collect();
    for plane in picture.chroma() {
        let samples = shrunk_and_blurred(plane, chroma, factor, radius / 2);
        planes.extend(samples.into_iter().map(|c| (128.0 + (c - 128.0) * light.min(1.0)).round() as u8));
    }
    OwnedI420::new(size, planes).expect("even sides")
}

/// Prints its measurements; likeness is the cosine of the copy's embedding and the photo's.
#[test]
fn portraits_pass_and_their_degraded_copies_do_not() {
    let mut models = Models::load();
    println!("picture        copy          eyes   yaw pitch  sharp   mean spread clipped likeness");
    for file in PORTRAITS {
        let photo = read(file);
        let (native, original) = models.measure(&photo.as_picture()).expect("one face");
        let mut problems = |name: &str, copy: YuvPicture<'_>| {
            let (q, embedding) = models.measure(&copy).expect("one face");
            println!(
                "{file:14} {name:12} {:5.0} {:5.0} {:5.0} {:.4} {:6.0} {:6.0} {:7.3} {:8.3}",
                q.eye_distance_px,
                q.pose.yaw_degrees,
                q.pose.pitch_degrees,
                q.sharpness,
                q.light.mean,
                q.light.spread,
                q.light.clipped,
                embedding.cosine(&original)
            );
            (q.problems(&Limits::ENROLMENT), q.problems(&Limits::GATE))
        };
        let (desk, gate) = problems("as it is", photo.as_picture());
        assert_eq!(gate, [], "{file}");
        assert_eq!(desk, [], "{file}");
        let turned = native.pose.yaw_degrees.abs() > 20.0;
        assert_eq!(turned, file == "obama2.jpg", "{file} is turned by {} degrees", native.pose.yaw_degrees);
        // A face at a gate has sixty pixels between the eyes.
        let factor = native.eye_distance_px / 60.0;
        if factor < 1.0 {
            continue;
        }
        let (desk, gate) = problems("blur 1", copy(&photo, factor, 1, 1.0).as_picture());
        assert!(!desk.contains(&Problem::Blurred) && gate.is_empty(), "{file}: {desk:?} {gate:?}");
        let (desk, _) = problems("blur 4", copy(&photo, factor, 4, 1.0).as_picture());
        assert!(desk.contains(&Problem::Blurred), "{file}: {desk:?}");
        let (desk, _) = problems("light × 0.1", copy(&photo, factor, 0, 0.1).as_picture());
        assert!(desk.contains(&Problem::TooDark), "{file}: {desk:?}");
        let (desk, _) = problems("light × 3", copy(&photo, factor, 0, 3.0).as_picture());
        assert!(desk.contains(&Problem::TooBright), "{file}: {desk:?}");
    }
}

const FRAME: Size = Size { width: 1280, height: 720 };

/// A grey camera frame with a picture in its middle, cropped to the frame.
fn in_a_frame(picture: &YuvPicture<'_>) -> OwnedI420 {
    let mut planes = Vec::new();
    let [first, second] = picture.chroma() else { panic!("I420 has three planes") };
    for (plane, divisor, grey) in [(&picture.luma(), 1, 110), (first, 2, 128), (second, 2, 128)] {
        let (width, height) = (FRAME.width / divisor, FRAME.height / divisor);
        let mut samples = vec![grey; width * height];
        let (columns, rows) = (plane.row_bytes.min(width), plane.rows.min(height));
        let (left, top) = ((width - columns) / 2, (height - rows) / 2);
        let (from_left, from_top) = ((plane.row_bytes - columns) / 2, (plane.rows - rows) / 2);
        for row in 0..rows {
            samples[(top + row) * width + left..][..columns]
                .copy_from_slice(&plane.row(from_top + row)[from_left..][..columns]);
        }
        planes.append(&mut samples);
    }
    OwnedI420::new(FRAME, planes).expect("even sides")
}

#[test]
fn the_coarse_pass_finds_near_faces() {
    const NEAR: f32 = 40.0;
    let Models { mut detector, .. } = Models::load();
    let side = coarse_side_px(FRAME, NEAR);
    assert_eq!(side, Some(320));
    let (mut found, mut near) = (Vec::new(), 0);
    for file in PORTRAITS {
        let photo = read(file);
        detector.detect_in_photos(&[photo.as_picture()], 0.7, &mut found).expect("it detects");
        let eyes = found[0][0].eye_distance_px();
        for (eyes_apart, radius, light) in
            [(42.0, 0, 1.0), (42.0, 1, 1.0), (42.0, 0, 0.3), (42.0, 0, 1.5), (60.0, 1, 0.3), (90.0, 2, 1.0)]
        {
            if eyes < eyes_apart {
                continue;
            }
            let frame = in_a_frame(&copy(&photo, eyes / eyes_apart, radius, light).as_picture());
            let mut seen = |side, least| {
                detector.detect_at(std::iter::once((frame.as_picture(), side)), least, &mut found).expect("it detects");
                found[0].clone()
            };
            let in_full = seen(None, 0.7).iter().any(|face| face.eye_distance_px() >= NEAR);
            near += usize::from(in_full);
            let in_coarse_pass = may_be_near(&seen(side, COARSE_SCORE), NEAR);
            assert!(
                in_coarse_pass || !in_full,
                "{file}, eyes {eyes_apart} pixels apart, blur {radius}, light × {light}"
            );
        }
    }
    assert!(near >= 15, "of {near} faces it is known that they are near");
    let nobody = in_a_frame(&copy(&read("obama.jpg"), 20.0, 0, 1.0).as_picture());
    detector.detect_at(std::iter::once((nobody.as_picture(), side)), COARSE_SCORE, &mut found).expect("it detects");
    assert!(!may_be_near(&found[0], NEAR), "{:?}", found[0]);
}
