//! Keys of cameras and how they go together.

use crate::{BASE, check, errors_of, summary};

#[test]
fn keys_of_a_gate_that_do_not_go_together_are_reported() {
    check(&[
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'rtsp://admin:hunter2@192.0.2.10/sub'",
            "10:14 gate[0].sub_source: `sub_source` contains a login, which would end up in logs and backups (remove it from the address and put `user:password` into an environment variable or its own file: `login = \"env:NAME\"` or `login = \"file:PATH\"`; where the camera takes it in the path or query, write `{user}` and `{password}` in its place)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'test://ball'",
            "10:14 gate[0].sub_source: `sub_source` is for two `rtsp://` streams of one camera",
        ),
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'rtsp://cam/live'",
            "10:14 gate[0].sub_source: `sub_source` is the same stream as `source`: it would be decoded twice (give the address of the camera's smaller stream, or remove `sub_source`)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nskip_unchanged = false\nsub_source = 'rtsp://192.0.2.10/sub'",
            "11:14 gate[0].sub_source: `sub_source` has no effect with `skip_unchanged = false`: the whole stream is analysed anyway",
        ),
        (
            "liveness = 'off'",
            "liveness = 'on'",
            "11:12 gate[0].liveness: `liveness` must be `\"required\"`, `\"second-factor\"` or `\"off\"`, found the text \"on\"",
        ),
        (
            "liveness = 'off'",
            "liveness = 'off'\nliveness_threshold = 0.5",
            "12:22 gate[0].liveness_threshold: `liveness_threshold` has no effect with `liveness = \"off\"`: nothing is checked",
        ),
        (
            "id = 'g'",
            "id = 'g'\ndirection = 'both'",
            "10:13 gate[0].direction: `direction` must be `\"in\"` or `\"out\"`, found the text \"both\"",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_threshold = 0.4\nmatch_target = { strangers_let_in = '1 in 100', enrolled = 1 }",
            "10:19 gate[0].match_threshold: `match_threshold` and `match_target` can't be given together: one is computed from the other (keep `match_target` and remove `match_threshold`)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_target = { strangers_let_in = 0.0001, enrolled = 1 }",
            "10:37 gate[0].match_target.strangers_let_in: `strangers_let_in` must be a rate, `1 in N`, N from 2 to 1000000000, found 0.0001",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_target = { strangers_let_in = '1 in 1', enrolled = 1 }",
            "10:37 gate[0].match_target.strangers_let_in: `strangers_let_in` must be a rate, `1 in N`, N from 2 to 1000000000, found the text \"1 in 1\"",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_target = { strangers_let_in = '1 in 9' }",
            "10:16 gate[0].match_target.enrolled: `enrolled` is missing in `match_target` (add for example `enrolled = 8000`)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_target = '1 in 9'",
            "10:16 gate[0].match_target: `match_target` must be a table, written as `{ strangers_let_in = \"1 in 10000\", enrolled = 8000 }`, found the text \"1 in 9\"",
        ),
        (
            "id = 'g'",
            "id = 'g'\nname = ' East\\ngate'",
            "10:8 gate[0].name: `name` must be text of 1 to 64 characters in one line, without spaces around it, found the text \" East\\\\ngate\"",
        ),
        (
            "id = 'g'",
            "id = 'g'\npasses = false",
            "10:1 gate[0].passes: unknown key `passes` in [[gate]] (it has the keys id, name, source, login, transport, latency_ms, decoders, privacy, analyse_fps, direction, match_target, match_threshold, match_margin, min_eye_distance_px, frames_to_agree, frames_to_judge, deadline_s, cool_down_s, grant_s, pass_again_s, liveness, liveness_threshold, check_background, skip_unchanged, sub_source)",
        ),
        (
            "id = 'g'",
            "id = 'g'\ndeadline_s = 0.5",
            "10:14 gate[0].deadline_s: `deadline_s` must be a number from 1 to 60 (seconds), found 0.5",
        ),
        (
            "id = 'g'",
            "id = 'g'\nframes_to_agree = 6",
            "10:19 gate[0].frames_to_agree: `frames_to_agree` must not be greater than `frames_to_judge`, found 6 and 5",
        ),
        (
            "id = 'g'",
            "id = 'g'\nframes_to_judge = 1",
            "10:19 gate[0].frames_to_judge: `frames_to_agree` must not be greater than `frames_to_judge`, found 2 and 1",
        ),
    ]);
}

#[test]
fn a_crowd_camera_has_no_key_of_identity() {
    check(&[
        (
            "id = 'c'",
            "id = 'c'\nmatch_threshold = 0.4",
            "14:1 crowd[0].match_threshold: crowd cameras know no identity: [[crowd]] can't have `match_threshold` (only [[gate]] cameras recognise people, and no setting changes that)",
        ),
        (
            "id = 'c'",
            "id = 'c'\nface_detector = 'yunet'",
            "14:1 crowd[0].face_detector: crowd cameras know no identity: [[crowd]] can't have `face_detector` (only [[gate]] cameras recognise people, and no setting changes that)",
        ),
        (
            "id = 'z'",
            "id = 'z'\nliveness = 'off'",
            "17:1 crowd[0].zone[0].liveness: crowd cameras know no identity: [[crowd.zone]] can't have `liveness` (only [[gate]] cameras recognise people, and no setting changes that)",
        ),
    ]);
}

#[test]
fn a_repeated_name_is_reported() {
    check(&[
        ("id = 'c'", "id = 'g'", "13:6 crowd[0].id: the `id` \"g\" is already used by the camera on line 9"),
        (
            "id = 'z'",
            "id = 'z'\npolygon = [[0, 0], [1, 0], [0, 1]]\n[[crowd.zone]]\nid = 'z'",
            "19:6 crowd[0].zone[1].id: the `id` \"z\" is already used by the zone on line 16",
        ),
    ]);
}

#[test]
fn an_invalid_zone_is_reported() {
    check(&[
        (
            "[1, 1]]",
            "[1, 1.5]]",
            "17:32 crowd[0].zone[0].polygon[2][1]: a corner of `polygon` must be `[x, y]`, each number from 0 to 1, found 1.5",
        ),
        (
            "[1, 1]]",
            "[1]]",
            "17:28 crowd[0].zone[0].polygon[2]: a corner of `polygon` must be `[x, y]`, each number from 0 to 1, found a list of 1",
        ),
        (
            "[1, 1]]",
            "1]",
            "17:28 crowd[0].zone[0].polygon[2]: a corner of `polygon` must be `[x, y]`, each number from 0 to 1, found 1",
        ),
        (", [1, 1]]", "]", "17:11 crowd[0].zone[0].polygon: `polygon` must have 3 to 64 corners, found 2"),
        (
            "[1, 0], [1, 1]]",
            "[1, 1], [1, 0], [0, 1]]",
            "17:11 crowd[0].zone[0].polygon: `polygon` crosses itself: its side 1 to 2 meets its side 3 to 4 (give the corners in the order in which you would walk around the polygon)",
        ),
        (
            "[1, 1]]",
            "[1, 1], [0, 0]]",
            "17:11 crowd[0].zone[0].polygon: corners 4 and 1 of `polygon` are the same point (leave the last corner out: the polygon closes by itself)",
        ),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { medium = 5, high = 5, critical = 9 }",
            "17:31 crowd[0].zone[0].levels.high: `high` must be greater than `medium`, found 5 and 5",
        ),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { medium = 5, high = 7 }",
            "17:10 crowd[0].zone[0].levels.critical: `critical` is missing in `levels` (add for example `critical = 20`)",
        ),
    ]);
}

#[test]
fn a_site_without_a_camera_is_reported() {
    let without_cameras = &BASE[..BASE.find("[[gate]]").unwrap()];
    let expected = "1:1 : the site has no camera (add a [[gate]] or a [[crowd]] table with its `id` and `source`)";
    assert_eq!(summary(&errors_of(without_cameras)), expected);
}
