use super::*;
use crate::{AuthScheme, FaceBox, Password, Person, Presentation, Sensor, Still};

const FULL: &str = r#"
    listen = "127.0.0.1:8554"
    cache_dir = "clips"
    [[mount]]
    path = "/plaza"
    scene = { file = "vtest.avi" }
    codec = "h265"
    size = [640, 360]
    fps = 10
    bitrate_kbps = 500
    gop_seconds = 0.5
    key_wait_seconds = 0.25
    b_frames = 1
    frame_seconds = 4.0
    burst_seconds = 5.0
    join_seconds = 1.5
    skip_seconds = 2
    max_seconds = 20
    form = { range = "full", states_matrix = false }
    auth = { scheme = "digest", user = "admin", password = "s3cret" }
    sender_reports = { late_seconds = 5 }
    clock = { offset_seconds = -2.5, drift_ppm = 100 }
    prepare_faults = ["black", "resolution 320x240"]
    [[mount.fault]]
    at_seconds = 20.0
    for_seconds = 5
    kind = "black"
    [[mount]]
    path = "gate/1"
    scene = { walk_up = [{ photo = "a.png", face_box = [1, 2, 30, 40] }, { video = "b.mp4", presentation = "replay" }], seconds_each = 6 }
    sender_reports = "missing"
    [[mount]]
    path = "/ball"
    scene = { pattern = "ball" }
    [[mount]]
    path = "/dark"
    scene = { black = true }
    [[mount]]
    path = "/still"
    scene = { still = "frozen", clock = true }
"#;

#[test]
fn a_full_config_is_read() {
    let config = SimConfig::parse(FULL, Path::new("/site")).unwrap();
    assert_eq!(config.listen.port(), 8554);
    assert_eq!(config.cache_dir.as_deref(), Some(Path::new("/site/clips")));
    let [plaza, gate, ball, dark, still] = config.mounts.as_slice() else { panic!("{} mounts", config.mounts.len()) };
    assert_eq!(plaza.scene, Scene::File("/site/vtest.avi".into()));
    assert_eq!((plaza.key_wait_seconds, gate.key_wait_seconds), (0.25, 0.0));
    assert_eq!(
        plaza.encoding(),
        Encoding {
            codec: Codec::H265,
            width: 640,
            height: 360,
            fps: 10,
            bitrate_kbps: 500,
            quantizer: 0,
            gop_pictures: 5,
            b_frames: 1,
            intra_refresh: false,
            seconds_skipped: 2,
            seconds_max: 20,
            form: PictureForm { range: crate::Range::Full, states_matrix: false, ..PictureForm::default() }
        }
    );
    assert_eq!((plaza.frame_seconds, plaza.burst_seconds, plaza.join_seconds), (4.0, 5.0, 1.5));
    assert_eq!(
        plaza.auth,
        Some(Login { scheme: AuthScheme::Digest, user: "admin".to_owned(), password: Password::new("s3cret") })
    );
    assert_eq!(plaza.sender_reports, SenderReports::Late(Duration::from_secs(5)));
    assert_eq!(plaza.clock, CameraClock { offset_seconds: -2.5, drift_ppm: 100.0, garbage: false });
    assert_eq!(plaza.prepare_faults, [Fault::Black, Fault::Resolution { width: 320, height: 240 }]);
    assert_eq!(plaza.faults, [ScriptedFault { at_seconds: 20.0, for_seconds: 5.0, kind: Fault::Black }]);
    let Scene::WalkUp(walk_up) = &gate.scene else { panic!("{:?}", gate.scene) };
    assert_eq!(
        walk_up.people,
        [
            Person::photo("/site/a.png").with_face(FaceBox(1.0, 2.0, 30.0, 40.0)),
            Person::video("/site/b.mp4").presented(Presentation::Replay),
        ]
    );
    assert_eq!((walk_up.seconds_each, walk_up.gap_seconds), (6.0, 3.0));
    assert_eq!((gate.name(), gate.sender_reports), ("gate/1", SenderReports::Missing));
    assert_eq!(still.scene, Scene::Still(Still { sensor: Sensor::Frozen, clock: true }));
    assert_eq!((&ball.scene, &dark.scene), (&Scene::Pattern("ball".to_owned()), &Scene::Black));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn mistakes_are_named() {
    let mount = |line: &str| format!("[[mount]]\npath = \"/a\"\nscene = {{ black = true }}\n{line}\n");
    for (text, expected) in [
        (mount("colour = 1"), "unknown field `colour`"),
        (mount("oddities = [\"loss 2000\"]"), "\"loss 2000\" is not an oddity"),
        (mount("oddities = [\"noise\"]\nb_frames = 1"), "has no auth, fault or B-frames"),
        (mount("size = [641, 480]"), "even in 4:2:0, and the width in 4:2:2, got 641x480"),
        (mount("form = { samples = \"4:1:1\" }"), "unknown variant `4:1:1`"),
        (mount("form = { states_matrix = false }"), "of h265 only"),
        (mount("codec = \"h265\"\nform = { interlaced = true }"), "interlaced pictures are h264"),
        (mount("form = { crop = [2, 0, 0, 0] }"), "multiples of 4"),
        (mount("form = { light_percent = 0 }"), "light_percent is from 1 to 100"),
        (mount("fps = 0"), "fps is from 1 to 120, got 0"),
        (mount("gop_seconds = -1.0"), "gop_seconds is from 0 to 120"),
        (mount("intra_refresh = true\nb_frames = 1"), "needs H.264 without B-frames"),
        (mount("sender_reports = \"never\""), "unknown variant `never`"),
        (mount("sender_reports = { late_seconds = -1 }"), "late_seconds = -1"),
        (mount("prepare_faults = [\"blck\"]"), "\"blck\" is not a fault"),
        (
            mount(
                "[[mount.fault]]\nat_seconds = 5\nfor_seconds = 5\nkind = \"black\"\n[[mount.fault]]\nat_seconds = 7\nkind = \"drop\"",
            ),
            "the fault at 7 s begins before",
        ),
        (
            mount("auth = { scheme = \"basic\", user = \"u\", password = \"env:GATEHOUSE_NO_SUCH_VARIABLE\" }"),
            "environment variable GATEHOUSE_NO_SUCH_VARIABLE",
        ),
        (mount("") + &mount(""), "two mounts have this path"),
        ("[[mount]]\npath = \"/\"\nscene = { black = true }".to_owned(), "a path is made of"),
        ("[[mount]]\npath = \"/a\"\nscene = { pattern = \"bal\" }".to_owned(), "smpte"),
        ("[[mount]]\npath = \"/a\"\nscene = { file = \"a\", black = true }".to_owned(), "exactly one of"),
        ("[[mount]]\npath = \"/a\"\nscene = { file = \"a\", gap_seconds = 1 }".to_owned(), "belong to a walk_up"),
        (
            "[[mount]]\npath = \"/a\"\nscene = { file = \"a\", clock = true }".to_owned(),
            "clock belongs to a still scene",
        ),
        ("[[mount]]\npath = \"/a\"\nscene = { walk_up = [] }".to_owned(), "at least one person"),
        ("[[mount]]\npath = \"/a\"\nscene = { walk_up = [{}] }".to_owned(), "exactly one of photo, video"),
        (
            "[[mount]]\npath = \"/a\"\nscene = { walk_up = [{ photo = \"a\", presentation = \"mask\" }] }".to_owned(),
            "unknown variant `mask`",
        ),
        (
            "[[mount]]\npath = \"/a\"\nscene = { walk_up = [{ photo = \"a\", face_box = [0, 0, 0, 9] }] }".to_owned(),
            "face_box is [x, y, width, height]",
        ),
    ] {
        let error = SimConfig::parse(&text, Path::new(".")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n→ {error}");
    }
}
