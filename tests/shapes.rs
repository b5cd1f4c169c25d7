//! The same scene in every form that cameras and files have gives the same counts and the same
//! decisions: colour space, range, samples, scan, cropping, size and rotation.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::path::Path;

use gatehouse_capture::VideoFile;
use gatehouse_core::Event;
use gatehouse_core::event::{Decision, Reason};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_faces::{Embedding, Face, FaceDetector, FaceEmbedder, LivenessModel, align_face};
use gatehouse_gate::quality::{Limits, Problem, Quality, assess};
use gatehouse_people::{PeopleScene, PersonDetector};
use gatehouse_picture::{Point, Size};
use gatehouse_runtime::{Assets, Catalogue, PhotoLimits, Registry, SessionOptions, read_photo};
use gatehouse_sim::{
    Codec, FaceBox, Matrix, MountConfig, Person, PictureForm, Range, Samples, Scene, Sim, SimConfig, WalkUp,
};
use gatehouse_testing::node::{Node, Program, SiteFolder, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

gatehouse_testing::run_one_at_a_time! {
    a_walk_up_gives_the_same_face_in_every_form,
    a_plaza_has_as_many_people_in_every_form,
    a_dim_plaza_has_as_many_people_in_full_range_and_is_not_dark,
    a_phone_video_is_upright_as_its_header_says,
    a_gate_admits_in_every_form,
}

/// A camera's form, with its name for messages.
fn forms() -> Vec<(&'static str, Codec, [u32; 2], PictureForm)> {
    let (plain, size) = (PictureForm::default(), [640, 480]);
    let (full, bt601, h264, h265) = (Range::Full, Matrix::Bt601, Codec::H264, Codec::H265);
    // libav does not cut off 16 pixels at the left.
    let crop = [0, 8, 32, 24];
    vec![
        ("BT.709 limited", h264, size, plain),
        ("BT.709 full", h264, size, PictureForm { range: full, ..plain }),
        ("BT.601 limited", h264, size, PictureForm { matrix: bt601, ..plain }),
        ("BT.601 full", h265, size, PictureForm { matrix: bt601, range: full, ..plain }),
        ("BT.2020 limited", h265, size, PictureForm { matrix: Matrix::Bt2020, ..plain }),
        // BT.601 is the guess at this size.
        ("unstated", h265, size, PictureForm { matrix: bt601, states_matrix: false, ..plain }),
        ("unstated full", h265, size, PictureForm { matrix: bt601, range: full, states_matrix: false, ..plain }),
        ("10 bit", h265, size, PictureForm { samples: Samples::Yuv420TenBit, ..plain }),
        ("4:2:2 full", h264, size, PictureForm { samples: Samples::Yuv422, range: full, ..plain }),
        ("4:4:4", h264, size, PictureForm { samples: Samples::Yuv444, ..plain }),
        ("4:4:4, odd width", h264, [641, 480], PictureForm { samples: Samples::Yuv444, ..plain }),
        ("4:2:2, odd height", h264, [640, 481], PictureForm { samples: Samples::Yuv422, ..plain }),
        ("interlaced", h264, size, PictureForm { interlaced: true, ..plain }),
        ("interlaced BT.601 full", h264, size, PictureForm { interlaced: true, matrix: bt601, range: full, ..plain }),
        ("cropped", h264, size, PictureForm { crop, ..plain }),
        ("cropped BT.601 full", h264, size, PictureForm { crop, matrix: bt601, range: full, ..plain }),
    ]
}

fn registry() -> Registry {
    Registry::open(Assets::locate().expect("a folder"), Catalogue::builtin().expect("manifests")).expect("`make setup`")
}

/// The enrolled person, in a photograph that was not used for enrolment.
fn resident() -> Scene {
    let person = Person::photo(media("obama2.jpg")).with_face(FaceBox(195.0, 224.0, 276.0, 390.0));
    Scene::WalkUp(WalkUp { people: vec![person], seconds_each: 4.0, gap_seconds: 1.0 })
}

fn mount(name: &str, scene: Scene, codec: Codec, size: [u32; 2], form: PictureForm) -> MountConfig {
    MountConfig {
        codec,
        size,
        form,
        fps: 10,
        max_seconds: 5,
        // The test is of the form and not of the encoder.
        bitrate_kbps: 8000,
        ..MountConfig::new(name, scene)
    }
}

struct Models {
    detector: FaceDetector,
    embedder: FaceEmbedder,
    liveness: LivenessModel,
}

/// What a gate sees of a face. Places are shares of the picture's width.
struct Seen {
    landmarks: [Point; 5],
    embedding: Embedding,
    quality: Quality,
    problems: Vec<Problem>,
    liveness: f32,
}

impl Models {
    fn load() -> Self {
        let (registry, options) = (registry(), SessionOptions::default());
        Self {
            detector: FaceDetector::load(&registry, "yunet", &options).expect("`make setup`"),
            embedder: FaceEmbedder::load(&registry, "sface", &options).expect("`make setup`"),
            liveness: LivenessModel::load(&registry, "fr-liveness", &options).expect("`make setup`"),
        }
    }

    fn embedding(&mut self, picture: &gatehouse_picture::YuvPicture<'_>, face: &Face) -> (Embedding, Quality) {
        let aligned = align_face(picture, &face.landmarks_in_frame).expect("a face");
        let quality = assess(face, picture.size(), &aligned);
        let mut embeddings = Vec::new();
        self.embedder.embed(&[aligned], &mut embeddings).expect("embeds");
        (embeddings.remove(0), quality)
    }

    fn see(&mut self, picture: &gatehouse_picture::YuvPicture<'_>) -> Option<Seen> {
        let mut found = Vec::new();
        self.detector.detect(&[*picture], 0.6, &mut found).expect("detects");
        let [face] = found[0].as_slice() else { return None };
        let (embedding, quality) = self.embedding(picture, face);
        let mut live = Vec::new();
        self.liveness.score(&[(picture, face.box_in_frame)], &mut live).expect("judges");
        let width = picture.size().width as f32;
        let landmarks = face.landmarks_in_frame.map(|p| Point { x: p.x / width, y: p.y / width });
        let problems = quality.problems(&Limits::GATE);
        Some(Seen { landmarks, embedding, quality, problems, liveness: live[0] })
    }
}

/// Frames of the walk-up that are compared: on the way, and at the gate.
const COMPARED: [usize; 4] = [14, 20, 26, 32];

fn walk_up(models: &mut Models, folder: &Path, form: &(&str, Codec, [u32; 2], PictureForm)) -> Vec<Seen> {
    let (name, codec, size, form) = *form;
    let path = folder.join(format!("{name}.stream"));
    mount("gate", resident(), codec, size, form).write_stream(&path).expect("encoded");
    let frames: Vec<_> = VideoFile::open(&path).expect("opens").map(|frame| frame.expect(name)).collect();
    assert!(frames.len() >= 49, "{name}: {} of 50 frames", frames.len());
    let even = Size { width: size[0] as usize & !1, height: size[1] as usize & !1 };
    assert!(frames.iter().all(|frame| frame.picture.picture().size() == even), "{name}");
    let see = |at: &usize| models.see(&frames[*at].picture.picture());
    COMPARED.iter().map(see).map(|seen| seen.unwrap_or_else(|| panic!("{name}: one face"))).collect()
}

fn a_walk_up_gives_the_same_face_in_every_form() {
    gatehouse_capture::init().expect("GStreamer");
    let (mut models, folder) = (Models::load(), tempfile::tempdir().expect("a folder"));
    let photo = read_photo(&media("obama.jpg"), &PhotoLimits::default()).expect("a photo");
    let mut found = Vec::new();
    models.detector.detect_in_photos(&[photo.as_picture()], 0.6, &mut found).expect("detects");
    let enrolled = models.embedding(&photo.as_picture(), &found[0][0].clone()).0;
    let forms = forms();
    let reference = walk_up(&mut models, folder.path(), &forms[0]);
    for form in &forms {
        let seen = walk_up(&mut models, folder.path(), form);
        for ((seen, reference), at) in seen.iter().zip(&reference).zip(COMPARED) {
            let moved = seen.landmarks.iter().zip(&reference.landmarks).map(|(a, b)| a.distance(*b));
            let moved = 640.0 * moved.fold(0.0, f32::max);
            let (alike, light) = (seen.embedding.cosine(&reference.embedding), seen.quality.light.mean);
            let matches = [seen, reference].map(|seen| seen.embedding.cosine(&enrolled));
            let live = [seen, reference].map(|seen| seen.liveness);
            println!(
                "{:22} frame {at}: landmarks {moved:.2} px, eyes {:.0} px, cosine {alike:.3}, enrolled {matches:.3?}, \
                 light {light:.0}, sharpness {:.3}, live {live:.2?}",
                form.0, seen.quality.eye_distance_px, seen.quality.sharpness
            );
            let what = format!("{} at frame {at}", form.0);
            assert_eq!(seen.problems.len(), reference.problems.len(), "{what}: {:?}", seen.problems);
            // A moving face has half the rows in interlaced pictures.
            let (least, most_off) = if form.3.interlaced { (0.9, 0.1) } else { (0.96, 0.05) };
            assert!(alike > least, "{what}: cosine {alike}");
            assert!((matches[0] - matches[1]).abs() < most_off, "{what}: enrolled {matches:?}");
            assert!((light - reference.quality.light.mean).abs() < 3.0, "{what}: light {light}");
            assert!((live[0] - live[1]).abs() < 0.25, "{what}: live {live:?}");
        }
    }
}

/// People in each of some pictures of the plaza, none of which is dark.
fn counts(detector: &mut PersonDetector, folder: &Path, form: &(&str, Codec, [u32; 2], PictureForm)) -> Vec<usize> {
    let (name, codec, [width, height], form) = *form;
    // The plaza's own size; an odd form has a black border of a pixel.
    let size = [width + 128, height + 96];
    let path = folder.join(format!("{name}.stream"));
    let plaza = Scene::File(media("vtest.avi"));
    mount("plaza", plaza, codec, size, form).write_stream(&path).expect("encoded");
    let frames = VideoFile::open(&path).expect("opens").map(|frame| frame.expect(name));
    frames
        .step_by(5)
        .map(|frame| {
            let picture = frame.picture.picture();
            assert_eq!(PictureVerdict::of(&picture, false), PictureVerdict::Sound, "{name}");
            let scene = PeopleScene { picture, longer_side_px: 768, density_side_px: 768, tiles: &[] };
            let mut found = Vec::new();
            detector.detect(&[scene], 0.4, &mut found).expect("detects");
            found[0].people.len()
        })
        .collect()
}

fn a_plaza_has_as_many_people_in_every_form() {
    gatehouse_capture::init().expect("GStreamer");
    let folder = tempfile::tempdir().expect("a folder");
    let mut detector = PersonDetector::load(&registry(), "nanodet", &SessionOptions::default()).expect("`make setup`");
    let forms = forms();
    let reference = counts(&mut detector, folder.path(), &forms[0]);
    for form in &forms {
        let counts = counts(&mut detector, folder.path(), form);
        let off = counts.iter().zip(&reference).map(|(a, b)| a.abs_diff(*b));
        println!("{:22} {counts:?}, {} people off", form.0, off.clone().sum::<usize>());
        assert_eq!(counts.len(), reference.len(), "{}", form.0);
        // A person at the threshold may go either way.
        assert!(off.clone().max() <= Some(1), "{}: {counts:?}, expected {reference:?}", form.0);
        // The simulator shifts the scene by half a pixel where a side is odd.
        let most = if form.2 == [640, 480] { 5 } else { 8 };
        assert!(off.sum::<usize>() <= most, "{}: {counts:?}, expected {reference:?}", form.0);
    }
}

/// As a camera at dusk sees it: in full range its mean luma is below the black of limited range.
fn a_dim_plaza_has_as_many_people_in_full_range_and_is_not_dark() {
    gatehouse_capture::init().expect("GStreamer");
    let folder = tempfile::tempdir().expect("a folder");
    let mut detector = PersonDetector::load(&registry(), "nanodet", &SessionOptions::default()).expect("`make setup`");
    let dim = PictureForm { light_percent: 12, ..PictureForm::default() };
    let full = PictureForm { range: Range::Full, ..dim };
    let mut counts = |name, codec, form| counts(&mut detector, folder.path(), &(name, codec, [640, 480], form));
    let limited = counts("dim limited", Codec::H264, dim);
    let people: usize = limited.iter().sum();
    assert!(people >= 20, "{limited:?}");
    for (name, codec, form) in [
        ("dim full", Codec::H264, full),
        ("dim full BT.601", Codec::H265, PictureForm { matrix: Matrix::Bt601, ..full }),
        ("dim full unstated", Codec::H265, PictureForm { matrix: Matrix::Bt601, states_matrix: false, ..full }),
    ] {
        let counts = counts(name, codec, form);
        let off = counts.iter().zip(&limited).map(|(a, b)| a.abs_diff(*b)).sum::<usize>();
        println!("{name:22} {counts:?}, {off} off from {limited:?}");
        // So dark, more people are at the threshold, and full range has finer steps.
        assert!(off <= people / 4, "{name}: {counts:?}, expected {limited:?}");
    }
}

/// The header of an MP4 file with this matrix in place of every track's: `a, b, c, d` of ISO/IEC
/// 14496-12, 8.3.2.
fn with_matrix(file: &[u8], [a, b, c, d]: [i32; 4]) -> Vec<u8> {
    let mut file = file.to_vec();
    let tracks: Vec<usize> = file.windows(4).enumerate().filter(|(_, w)| *w == b"tkhd").map(|(at, _)| at).collect();
    assert!(!tracks.is_empty());
    for at in tracks {
        let times = if file[at + 4] == 1 { 32 } else { 20 };
        let at = at + 4 + 4 + times + 16;
        let matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30];
        for (i, value) in matrix.into_iter().enumerate() {
            file[at + 4 * i..at + 4 * i + 4].copy_from_slice(&value.to_be_bytes());
        }
    }
    file
}

fn a_phone_video_is_upright_as_its_header_says() {
    gatehouse_capture::init().expect("GStreamer");
    let folder = tempfile::tempdir().expect("a folder");
    let file = std::fs::read(media("carphone_pristine.mp4")).expect("`make setup`");
    let first = |name: &str, matrix| {
        let path = folder.path().join(name);
        std::fs::write(&path, with_matrix(&file, matrix)).expect("written");
        VideoFile::open(&path).expect("opens").next().expect("a frame").expect(name)
    };
    let plain = first("plain.mp4", [1, 0, 0, 1]);
    let plain = plain.picture.picture();
    let (w, h) = (plain.size().width, plain.size().height);
    // Where a pixel of the plain picture is in the turned one.
    type Place = fn(usize, usize, usize, usize) -> (usize, usize);
    // The eighth, [0, -1, -1, 0], is the one that GStreamer 1.22 does not know.
    let turns: [(&str, [i32; 4], Place); 6] = [
        ("clockwise.mp4", [0, 1, -1, 0], |x, y, _, h| (h - 1 - y, x)),
        ("upside-down.mp4", [-1, 0, 0, -1], |x, y, w, h| (w - 1 - x, h - 1 - y)),
        ("anticlockwise.mp4", [0, -1, 1, 0], |x, y, w, _| (y, w - 1 - x)),
        ("mirrored.mp4", [-1, 0, 0, 1], |x, y, w, _| (w - 1 - x, y)),
        ("mirrored-upside-down.mp4", [1, 0, 0, -1], |x, y, _, h| (x, h - 1 - y)),
        ("transposed.mp4", [0, 1, 1, 0], |x, y, _, _| (y, x)),
    ];
    for (name, matrix, place) in turns {
        let turned = first(name, matrix);
        let turned = turned.picture.picture();
        let upright = matrix[0] == 0;
        let size = if upright { Size { width: h, height: w } } else { Size { width: w, height: h } };
        assert_eq!(turned.size(), size, "{name}");
        assert_eq!(turned.colour(), plain.colour(), "{name}");
        let luma = |x: usize, y: usize| plain.luma().row(y)[x];
        for (x, y) in (0..h).step_by(7).flat_map(|y| (0..w).step_by(5).map(move |x| (x, y))) {
            let (to_x, to_y) = place(x, y, w, h);
            assert_eq!(turned.luma().row(to_y)[to_x], luma(x, y), "{name}: ({x}, {y})");
        }
    }
}

fn a_gate_admits_in_every_form() {
    let chosen = ["BT.601 full", "unstated full", "10 bit", "4:4:4, odd width", "interlaced", "cropped BT.601 full"];
    let forms: Vec<_> = forms().into_iter().filter(|form| chosen.contains(&form.0)).collect();
    let name = |i: usize| format!("gate-{i}");
    let mounts = forms.iter().enumerate().map(|(i, form)| mount(&name(i), resident(), form.1, form.2, form.3));
    let sim = Sim::start(SimConfig { mounts: mounts.collect(), ..SimConfig::default() }).expect("it starts");
    let site = SiteFolder::new(PROGRAM, "[[gate]]\nid = \"later\"\nsource = \"test://smpte\"\nliveness = \"off\"\n");
    site.enrol(&[media("obama.jpg"), media("obama3.jpg")], "2099-12-31");
    let gate = |i| {
        let (id, url) = (name(i), sim.url(&name(i)));
        format!("[[gate]]\nid = \"{id}\"\nsource = \"{url}\"\nliveness = \"required\"\nanalyse_fps = 5.0\n")
    };
    site.set_cameras(&(0..forms.len()).map(gate).collect::<String>());
    let node = Node::start(&site);
    let mut decided = vec![None; forms.len()];
    node.wait("an entry of every gate", |_, event| {
        if let Event::Entry(entry) = event {
            let place = (0..forms.len()).find(|i| name(*i) == entry.gate.as_str()).expect("one of the gates");
            decided[place].get_or_insert((entry.decision, entry.reason));
        }
        decided.iter().all(Option::is_some).then_some(())
    });
    for (form, decided) in forms.iter().zip(decided) {
        assert_eq!(decided, Some((Decision::Admit, Reason::Matched)), "{}", form.0);
    }
    node.stop();
}
