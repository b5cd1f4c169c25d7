//! Logins, right and wrong.

use gatehouse_sim::{AuthScheme, Codec, Fault, MountConfig, SimError};

use crate::viewer::{PATIENCE, Viewer, camera, login, serve};

fn locked(path: &str, scheme: AuthScheme, password: &str) -> MountConfig {
    MountConfig { auth: Some(login(scheme, password)), ..camera(path, Codec::H264) }
}

fn is_about_login(reason: &str) -> bool {
    reason.contains("Unauthorized") || reason.contains("Not authorized") || reason.contains("401")
}

#[test]
fn only_the_right_password_opens_the_stream() {
    for (scheme, transport) in [(AuthScheme::Basic, "tcp"), (AuthScheme::Digest, "udp")] {
        let sim = serve(vec![locked("/door", scheme, "right")]);
        let url = sim.url("door");

        // Wrong guesses come last: a client may make one more while it ends.
        let reason = Viewer::watch(&url, Codec::H264, transport, None).ends();
        assert!(is_about_login(&reason), "{scheme:?}: {reason}");
        let stats = sim.stats("door").unwrap();
        let guesses = (stats.plays, stats.rejected_logins);
        assert_eq!(guesses, (0, 0), "{scheme:?}: a client without a login made no wrong guess");

        let viewer = Viewer::watch(&url, Codec::H264, transport, Some("right"));
        viewer.frame();
        let stats = sim.stats("door").unwrap();
        assert_eq!((stats.plays, stats.rejected_logins), (1, 0), "{scheme:?}");
        drop(viewer);

        let reason = Viewer::watch(&url, Codec::H264, transport, Some("wrong")).ends();
        assert!(is_about_login(&reason), "{scheme:?}: {reason}");
        let stats = sim.stats("door").unwrap();
        assert!(stats.rejected_logins >= 1 && stats.plays == 1, "{scheme:?}: {stats}");
        sim.stop().unwrap();
    }
}

#[test]
fn the_same_user_has_another_password_on_each_camera() {
    let sim = serve(vec![locked("/a", AuthScheme::Digest, "one"), locked("/b", AuthScheme::Digest, "two")]);
    let a = Viewer::watch(&sim.url("a"), Codec::H264, "tcp", Some("one"));
    let b = Viewer::watch(&sim.url("b"), Codec::H264, "tcp", Some("two"));
    a.frame();
    b.frame();
    assert!(is_about_login(&Viewer::watch(&sim.url("b"), Codec::H264, "tcp", Some("one")).ends()));
    drop((a, b));
    sim.stop().unwrap();
}

#[test]
fn a_client_with_a_changed_password_is_rejected() {
    let sim = serve(vec![locked("/door", AuthScheme::Digest, "right")]);
    let watch = || Viewer::watch(&sim.url("door"), Codec::H264, "tcp", Some("right"));
    let viewer = watch();
    viewer.frame();
    sim.inject("door", Fault::WrongPassword).unwrap();
    viewer.ends();
    assert!(is_about_login(&watch().ends()));
    assert!(sim.stats("door").unwrap().rejected_logins >= 1);
    sim.clear("door").unwrap();
    watch().frame();

    sim.set_login("door", Some(login(AuthScheme::Basic, "new"))).unwrap();
    assert!(is_about_login(&watch().ends()));
    sim.set_login("door", None).unwrap();
    Viewer::tcp(&sim.url("door"), Codec::H264).frame();
    sim.wait_for("door", PATIENCE, |stats| stats.clients == 0).unwrap();
    sim.stop().unwrap();
}

#[test]
fn an_open_camera_can_start_to_ask_for_a_password() {
    let sim = serve(vec![camera("/open", Codec::H264)]);
    sim.inject("open", Fault::WrongPassword).unwrap();
    assert!(is_about_login(&Viewer::tcp(&sim.url("open"), Codec::H264).ends()));
    sim.clear("open").unwrap();
    Viewer::tcp(&sim.url("open"), Codec::H264).frame();
    sim.stop().unwrap();
}

#[test]
fn an_unknown_mount_is_named_with_those_that_exist() {
    let sim = serve(vec![camera("/a", Codec::H264), camera("/b", Codec::H264)]);
    let error = sim.inject("c", Fault::Black).unwrap_err();
    assert!(matches!(&error, SimError::UnknownMount { mount, .. } if mount == "c"));
    assert!(error.to_string().ends_with("a, b"), "{error}");
    sim.stop().unwrap();
}
