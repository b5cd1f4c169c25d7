//! What the site file's mistakes look like to the person who has to put them right.

use std::path::Path;
use std::{fs, io};

use gatehouse_config::{ConfigErrors, Site};

const FULL: &str = include_str!("../examples/site.toml");

/// One line each: `LINE:COLUMN PATH: MESSAGE (HELP)`.
fn summary(errors: &ConfigErrors) -> String {
    let line = |error: &gatehouse_config::ConfigError| {
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {}: {}{help}", error.line, error.column, error.path, error.message)
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn errors_of(text: &str) -> ConfigErrors {
    Site::parse(text, Path::new("site.toml")).err().unwrap_or_else(|| panic!("the reader takes {text}"))
}

#[test]
fn each_mistake_is_told_with_its_place_and_its_remedy() {
    let base = "\
version = 1
[site]
id = 'north'
area = 'town/cell'
[store]
key = 'file:site.key'
[console]
[[gate]]
id = 'g'
source = 'rtsp://cam/live'
liveness = 'off'
[[crowd]]
id = 'c'
source = 'test://ball'
[[crowd.zone]]
id = 'z'
polygon = [[0, 0], [1, 0], [1, 1]]
";
    Site::parse(base, Path::new("site.toml")).expect("what the rows start from");
    let rows = [
        // Keys
        (
            "id = 'g'",
            "id = 'g'\nanalyze_fps = 1",
            "10:1 gate[0].analyze_fps: unknown key `analyze_fps` in [[gate]]; did you mean `analyse_fps`?",
        ),
        (
            "[console]",
            "[consoel]",
            "7:2 consoel: unknown key `consoel` at the top of the file; did you mean `console`?",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmin_score = 0.5",
            "10:1 gate[0].min_score: unknown key `min_score` in [[gate]] (`min_score` belongs to [[crowd]])",
        ),
        ("[console]", "[console]\nxyz = 1", "8:1 console.xyz: unknown key `xyz` in [console] (it takes: listen)"),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { low = 1, medium = 2, high = 3, critical = 4 }",
            "17:12 crowd[0].zone[0].levels.low: unknown key `low` in `levels` (it takes: medium, high, critical, unit, hold_s)",
        ),
        ("id = 'north'\n", "", "2:1 site.id: `id` is missing in [site] (add for example `id = \"north-gate\"`)"),
        ("version = 1\n", "", "1:1 version: `version` is missing (add for example `version = 1`)"),
        ("[store]\nkey = 'file:site.key'\n", "", "1:1 store: [store] is missing (add [store] and its keys)"),
        (
            "liveness = 'off'\n",
            "",
            "8:1 gate[0].liveness: `liveness` is missing in [[gate]] (add for example `liveness = \"required\"`)",
        ),
        // Types and ranges
        ("version = 1", "version = 2", "1:11 version: `version` must be 1, found 2"),
        ("version = 1", "version = 'one'", "1:11 version: `version` must be 1, found the text \"one\""),
        (
            "[store]",
            "[store]\noutbox_days = 0x5b",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90, found 0x5b",
        ),
        (
            "[store]",
            "[store]\noutbox_days = 99999999999999999999",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90, found 99999999999999999999",
        ),
        (
            "[store]",
            "[store]\noutbox_days = 7.0",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90, found 7.0",
        ),
        (
            "id = 'g'",
            "id = 'g'\nanalyse_fps = 0",
            "10:15 gate[0].analyse_fps: `analyse_fps` must be a number from 0.1 to 60, found 0",
        ),
        (
            "id = 'g'",
            "id = 'g'\nanalyse_fps = nan",
            "10:15 gate[0].analyse_fps: `analyse_fps` must be a number from 0.1 to 60, found nan",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_threshold = [0.3]",
            "10:19 gate[0].match_threshold: `match_threshold` must be a number from 0 to 1, found a list",
        ),
        (
            "id = 'c'",
            "id = 'c'\npreview = 'yes'",
            "14:11 crowd[0].preview: `preview` must be `true` or `false`, found the text \"yes\"",
        ),
        (
            "id = 'c'",
            "id = 'c'\ntransport = 'quic'",
            "14:13 crowd[0].transport: `transport` must be `\"tcp\"` or `\"udp\"`, found the text \"quic\"",
        ),
        (
            "id = 'c'",
            "id = 'c'\ndecoders = ['software', 'vdpau']",
            "14:25 crowd[0].decoders[1]: each of `decoders` must be `software`, `vaapi` or `nvdec`, found the text \"vdpau\"",
        ),
        (
            "id = 'c'",
            "id = 'c'\ndecoders = []",
            "14:12 crowd[0].decoders: `decoders` must name at least one: nothing would decode the stream",
        ),
        (
            "[console]",
            "[models]\nproviders = ['cuda', 'cuda']\n[console]",
            "8:13 models.providers: `providers` names one twice",
        ),
        (
            "[console]",
            "[models]\nproviders = []\n[console]",
            "8:13 models.providers: `providers` must name at least one: nothing would run the models",
        ),
        (
            "[console]",
            "[models]\nproviders = ['cpu', 'cuda']\n[console]",
            "8:13 models.providers: `cpu` must be the last of `providers`: it runs every model, so what follows it would never be used",
        ),
        (
            "[console]",
            "[models]\nproviders = ['openvino', 'tensorrt', 'cpu']\n[console]",
            "8:13 models.providers: `openvino` can't be with `cuda` or `tensorrt`: no build of ONNX Runtime has both",
        ),
        (
            "id = 'c'",
            "id = 'c'\ntransport = 2026-01-01",
            "14:13 crowd[0].transport: `transport` must be `\"tcp\"` or `\"udp\"`, found a date or time",
        ),
        (
            "[site]\nid = 'north'\narea = 'town/cell'\n",
            "site = 'north'\n",
            "2:8 site: `site` must be a table, written as [site], found the text \"north\"",
        ),
        ("[site]", "[[site]]", "2:1 site: `site` must be a table, written as [site], found a list"),
        ("[[gate]]", "[gate]", "8:1 gate: [gate] must be written [[gate]]: there can be several"),
        (
            "[[crowd.zone]]",
            "[crowd.zone]",
            "15:1 crowd[0].zone: [crowd.zone] must be written [[crowd.zone]]: there can be several",
        ),
        ("version = 1", "version = 1\nbus = 7", "2:7 bus: `bus` must be a table, written as [bus], found 7"),
        // Names and addresses
        (
            "id = 'north'",
            "id = '北门'",
            "3:6 site.id: `id` must be text of 1 to 64 characters out of a-z, 0-9 and `-`, found the text \"北门\"",
        ),
        (
            "area = 'town/cell'",
            "area = 'town//cell'",
            "4:8 site.area: `area` must be 1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`, found the text \"town//cell\"",
        ),
        (
            "area = 'town/cell'",
            "area = '1/2/3/4/5/6/7/8/9'",
            "4:8 site.area: `area` must be 1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`, found the text \"1/2/3/4/5/6/7/8/9\"",
        ),
        (
            "[store]",
            "[store]\npath = ''",
            "6:8 store.path: `path` must be the path of a file or folder, found the text \"\"",
        ),
        (
            "[console]",
            "[models]\nthreads = 1\nface_detector = 'Yu Net'\n[console]",
            "9:17 models.face_detector: `face_detector` must be text of 1 to 64 characters out of a-z, 0-9, `-`, `_` and `.`, found the text \"Yu Net\"",
        ),
        (
            "[console]",
            "[bus]\nlisten = 'tcp/[::1]:0'\n[console]",
            "8:10 bus.listen: `listen` must be a list in square brackets, each a zenoh endpoint, `tcp/HOST:PORT`",
        ),
        (
            "[console]",
            "[bus]\nlisten = ['tcp/[::1]:0', 'tcp/here']\n[console]",
            "8:26 bus.listen[1]: each of `listen` must be a zenoh endpoint, `tcp/HOST:PORT`",
        ),
        (
            "[console]",
            "[bus]\nlisten = ['tls/[::1]:7447']\n[console]",
            "8:11 bus.listen[0]: this version of the bus speaks `tcp/` only",
        ),
        (
            "[console]",
            "[bus]\nconnect = ['tcp/[::1]:0']\n[console]",
            "8:12 bus.connect[0]: `connect` must name the port to connect to, found port 0",
        ),
        (
            "[console]",
            "[console]\nlisten = '0.0.0.0:8080'",
            "8:10 console.listen: the console has no login yet, so it may be served to this machine only (write `127.0.0.1:PORT` or `[::1]:PORT`; from elsewhere, reach it through an SSH tunnel)",
        ),
        (
            "[console]",
            "[console]\nlisten = 'localhost:8080'",
            "8:10 console.listen: `listen` must be an address of this machine with a port, `127.0.0.1:PORT` or `[::1]:PORT`, found the text \"localhost:8080\"",
        ),
        // Sources and secrets: none of these is repeated
        (
            "rtsp://cam/live",
            "http://cam/live",
            "10:10 gate[0].source: `source` must be `rtsp://HOST[:PORT]/PATH`, `file://PATH` or `test://PATTERN`",
        ),
        (
            "rtsp://cam/live",
            "rtsps://cam/live",
            "10:10 gate[0].source: `source` asks for RTSP over TLS (rtsps), which this version can't do (use `rtsp://` on a network that only the cameras and this machine are on)",
        ),
        (
            "rtsp://cam/live",
            "rtspt://cam/live",
            "10:10 gate[0].source: `source` must begin with `rtsp://` (choose TCP or UDP with `transport = \"tcp\"` or `\"udp\"`)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://cam:0/live",
            "10:10 gate[0].source: `source` has no host and port that can be used after `rtsp://` (write `rtsp://HOST/PATH` or `rtsp://HOST:PORT/PATH`, an IPv6 host in square brackets)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://cam/main stream",
            "10:10 gate[0].source: the path of `source` holds a character that a URL can't (write it percent-encoded: a blank is `%20`, `#` is `%23`)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://a:b@cam/live",
            "10:10 gate[0].source: `source` holds a login, which would end up in logs and backups (take it out of the address and put `user:password` into an environment variable or a file of its own: `login = \"env:NAME\"` or `login = \"file:PATH\"`)",
        ),
        ("rtsp://cam/live", "file://", "10:10 gate[0].source: `source` names no file after `file://`"),
        (
            "test://ball",
            "test://",
            "14:10 crowd[0].source: `source` names no test pattern after `test://`; write one such as `test://ball`",
        ),
        (
            "id = 'g'",
            "id = 'g'\nlogin = 'admin:hunter2'",
            "10:9 gate[0].login: `login` must be a secret reference, `file:PATH`, `env:NAME` or `credential:NAME` (keep the secret itself out of this file: put it into a file of its own or a variable)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nlogin = 123456",
            "10:9 gate[0].login: `login` must be a secret reference, `file:PATH`, `env:NAME` or `credential:NAME`, found a number",
        ),
        (
            "id = 'c'",
            "id = 'c'\nlogin = 'env:LOGIN'",
            "14:9 crowd[0].login: `login` can be used with an `rtsp://` source only",
        ),
        // Gates
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'rtsp://admin:hunter2@192.0.2.10/sub'",
            "10:14 gate[0].sub_source: `sub_source` holds a login, which would end up in logs and backups (take it out of the address and put `user:password` into an environment variable or a file of its own: `login = \"env:NAME\"` or `login = \"file:PATH\"`)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'test://ball'",
            "10:14 gate[0].sub_source: `sub_source` is for two `rtsp://` streams of one camera",
        ),
        (
            "id = 'g'",
            "id = 'g'\nsub_source = 'rtsp://cam/live'",
            "10:14 gate[0].sub_source: `sub_source` is the same stream as `source`: it would be decoded twice (give the address of the camera's smaller stream, or leave `sub_source` out)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nskip_unchanged = false\nsub_source = 'rtsp://192.0.2.10/sub'",
            "11:14 gate[0].sub_source: `sub_source` has no use with `skip_unchanged = false`: the whole stream is looked at anyway",
        ),
        (
            "liveness = 'off'",
            "liveness = 'on'",
            "11:12 gate[0].liveness: `liveness` must be `\"required\"` or `\"second-factor\"` or `\"off\"`, found the text \"on\"",
        ),
        (
            "liveness = 'off'",
            "liveness = 'off'\nliveness_threshold = 0.5",
            "12:22 gate[0].liveness_threshold: `liveness_threshold` has no use with `liveness = \"off\"`: nothing is checked",
        ),
        (
            "id = 'g'",
            "id = 'g'\ndirection = 'both'",
            "10:13 gate[0].direction: `direction` must be `\"in\"` or `\"out\"`, found the text \"both\"",
        ),
        (
            "id = 'g'",
            "id = 'g'\nmatch_threshold = 0.4\nmatch_target = { strangers_let_in = '1 in 100', enrolled = 1 }",
            "10:19 gate[0].match_threshold: `match_threshold` and `match_target` can't be given together: the one is computed from the other (keep `match_target` and leave `match_threshold` out)",
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
            "id = 'g'\npasses = false",
            "10:1 gate[0].passes: unknown key `passes` in [[gate]] (it takes: id, source, login, transport, latency_ms, decoders, privacy, analyse_fps, direction, match_target, match_threshold, match_margin, min_eye_distance_px, frames_to_agree, frames_to_judge, deadline_s, cool_down_s, grant_s, pass_again_s, liveness, liveness_threshold, check_background, skip_unchanged, sub_source)",
        ),
        (
            "id = 'g'",
            "id = 'g'\ndeadline_s = 0.5",
            "10:14 gate[0].deadline_s: `deadline_s` must be a number from 1 to 60, found 0.5",
        ),
        (
            "id = 'g'",
            "id = 'g'\nframes_to_agree = 6",
            "10:19 gate[0].frames_to_agree: `frames_to_agree` must not be more than `frames_to_judge`, found 6 and 5",
        ),
        (
            "id = 'g'",
            "id = 'g'\nframes_to_judge = 1",
            "10:19 gate[0].frames_to_judge: `frames_to_agree` must not be more than `frames_to_judge`, found 2 and 1",
        ),
        // Crowds know no identity
        (
            "id = 'c'",
            "id = 'c'\nmatch_threshold = 0.4",
            "14:1 crowd[0].match_threshold: crowd cameras know no identity: [[crowd]] can't have `match_threshold` (people are recognised at [[gate]] cameras only, and no setting changes that)",
        ),
        (
            "id = 'c'",
            "id = 'c'\nface_detector = 'yunet'",
            "14:1 crowd[0].face_detector: crowd cameras know no identity: [[crowd]] can't have `face_detector` (people are recognised at [[gate]] cameras only, and no setting changes that)",
        ),
        (
            "id = 'z'",
            "id = 'z'\nliveness = 'off'",
            "17:1 crowd[0].zone[0].liveness: crowd cameras know no identity: [[crowd.zone]] can't have `liveness` (people are recognised at [[gate]] cameras only, and no setting changes that)",
        ),
        // Repeated names, no cameras
        ("id = 'c'", "id = 'g'", "13:6 crowd[0].id: the `id` \"g\" is already taken by the camera on line 9"),
        (
            "id = 'z'",
            "id = 'z'\npolygon = [[0, 0], [1, 0], [0, 1]]\n[[crowd.zone]]\nid = 'z'",
            "19:6 crowd[0].zone[1].id: the `id` \"z\" is already taken by the zone on line 16",
        ),
        // Zones
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
            "17:11 crowd[0].zone[0].polygon: `polygon` crosses itself: its side 1 to 2 meets its side 3 to 4 (give the corners in the order in which you would walk around it)",
        ),
        (
            "[1, 1]]",
            "[1, 1], [0, 0]]",
            "17:11 crowd[0].zone[0].polygon: corners 4 and 1 of `polygon` are the same point (leave the last corner out: the polygon closes by itself)",
        ),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { medium = 5, high = 5, critical = 9 }",
            "17:31 crowd[0].zone[0].levels.high: `high` must be more than `medium`, found 5 and 5",
        ),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { medium = 5, high = 7 }",
            "17:10 crowd[0].zone[0].levels.critical: `critical` is missing in `levels` (add for example `critical = 20`)",
        ),
        // Syntax
        ("id = 'g'", "id = gate", "9:6 : not valid TOML: text must stand in quotes"),
        ("id = 'g'", "id = \"g", "9:8 : the text has no closing quote"),
        ("id = 'g'", "id 'g'", "9:4 : not valid TOML: key with no value, expected `=`"),
        ("id = 'g'", "id = 'g'\nid = 'h'", "10:1 : `id` is given twice"),
        ("[store]", "[site]", "5:2 : `site` is given twice"),
        ("[[gate]]", "[[gate]", "8:8 : not valid TOML: unclosed array table, expected `]`"),
    ];
    for (from, to, expected) in rows {
        let text = base.replacen(from, to, 1);
        assert_ne!(text, base, "{from}");
        assert_eq!(summary(&errors_of(&text)), expected, "{to}");
    }
    let without_cameras = &base[..base.find("[[gate]]").unwrap()];
    let expected = "1:1 : the site has no camera (add a [[gate]] or a [[crowd]] table with its `id` and `source`)";
    assert_eq!(summary(&errors_of(without_cameras)), expected);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
# 门口的配置
[[crowd]]
id = 'Plaza'
match_threshold = 0.4

[[crowd.zone]]
levels = { medium = 9, high = 5, critical = 'many' }

[site]
area = 'town'
";
    let expected = "\
1:1 store: [store] is missing (add [store] and its keys)
1:1 version: `version` is missing (add for example `version = 1`)
2:1 crowd[0].source: `source` is missing in [[crowd]] (add for example `source = \"rtsp://192.0.2.10:554/main\"`)
3:6 crowd[0].id: `id` must be text of 1 to 64 characters out of a-z, 0-9 and `-`, found the text \"Plaza\"
4:1 crowd[0].match_threshold: crowd cameras know no identity: [[crowd]] can't have `match_threshold` (people are \
recognised at [[gate]] cameras only, and no setting changes that)
6:1 crowd[0].zone[0].id: `id` is missing in [[crowd.zone]] (add for example `id = \"crossing\"`)
6:1 crowd[0].zone[0].polygon: `polygon` is missing in [[crowd.zone]] (add for example `polygon = [[0.1, 0.4], \
[0.6, 0.4], [0.6, 1.0], [0.1, 1.0]]`)
7:45 crowd[0].zone[0].levels.critical: `critical` must be a number from 0.01 to 100000, found the text \"many\"
9:1 site.id: `id` is missing in [site] (add for example `id = \"north-gate\"`)";
    let mut found: Vec<String> = summary(&errors_of(text)).lines().map(str::to_owned).collect();
    found[..2].sort();
    assert_eq!(found.join("\n"), expected);
}

#[test]
fn mistakes_in_the_syntax_do_not_hide_the_others() {
    let text = "\
version = 1
[site]
id = north
area = 'Town'
[store]
key = 'file:k
outbox_days = 0
[[gate]]
id 'g'
sauce = 'rtsp://cam/'
liveness = yes
";
    let expected = "\
3:6 : not valid TOML: text must stand in quotes
4:8 site.area: `area` must be 1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`, found the \
text \"Town\"
6:14 : not valid TOML: invalid literal string, expected `'`
7:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90, found 0
9:4 : not valid TOML: key with no value, expected `=`
10:1 gate[0].sauce: unknown key `sauce` in [[gate]]; did you mean `source`?
11:12 : not valid TOML: text must stand in quotes";
    assert_eq!(summary(&errors_of(text)), expected);
}

#[test]
fn a_character_lost_anywhere_is_one_mistake_told_at_its_line_or_the_next() {
    for (at, lost) in FULL.char_indices() {
        let text = format!("{}{}", &FULL[..at], &FULL[at + lost.len_utf8()..]);
        let Err(errors) = Site::parse(&text, Path::new("site.toml")) else { continue };
        if errors.iter().all(|error| !error.path.is_empty()) {
            continue;
        }
        let line = FULL[..at].matches('\n').count() + 1;
        // A header that has lost a bracket is no longer of a list of tables, and so clashes with the next of its name.
        let own = || errors.iter().filter(|error| !error.message.ends_with("is given twice"));
        assert!(own().count() <= 1, "{lost:?} of line {line}:\n{errors}");
        assert!(own().all(|error| (line..=line + 2).contains(&error.line)), "{lost:?} of line {line}:\n{errors}");
    }
}

#[test]
fn an_error_is_printed_with_its_line_and_a_mark_under_the_place() {
    let text =
        "version = 1\r\n[site]\r\nid = 'x' # 门口\r\narea = '镇' # here\r\nnode = \"a\u{1b}[2J\"\r\nanalyze = 1\r\n";
    let printed = errors_of(text).to_string();
    let blocks: Vec<&str> = printed.split("\n\n").collect();
    assert_eq!(
        blocks[1],
        "site.toml:5:10: not valid TOML: invalid basic string, expected non-double-quote visible characters, `\\`\n   5 | node = \"a\u{fffd}[2J\"\n     |          ^"
    );
    assert_eq!(
        blocks[0],
        "site.toml:4:8: `area` must be 1 to 8 names joined by `/`, each of 1 to 64 characters out of a-z, 0-9 and `-`, \
         found the text \"镇\"\n   4 | area = '镇'\n     |        ^^^^"
    );
    assert!(!printed.contains(['\r', '\u{1b}']), "{printed:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| Site::load(&folder.path().join(name)).unwrap_err().to_string();
    let missing = load("site.toml");
    assert!(missing.contains("site.toml: the site file can't be read: "), "{missing}");
    fs::write(folder.path().join("latin.toml"), b"version = 1\n# caf\xe9\n").unwrap();
    let latin = load("latin.toml");
    assert!(latin.contains("latin.toml:2:6: from here on this is not UTF-8 text"), "{latin}");
    io::copy(
        &mut io::Read::take(io::repeat(b'#'), 5 << 20),
        &mut fs::File::create(folder.path().join("big.toml")).unwrap(),
    )
    .unwrap();
    assert!(load("big.toml").contains("more than 4194304 bytes"));
}
