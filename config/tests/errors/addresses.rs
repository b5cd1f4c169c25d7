//! Names, addresses and references to secrets.

use crate::check;

#[test]
fn an_invalid_name_or_address_is_reported() {
    check(&[
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
            "8:10 bus.listen: `listen` must be a list in square brackets, each item a zenoh endpoint, `tcp/HOST:PORT`",
        ),
        (
            "[console]",
            "[bus]\nlisten = ['tcp/[::1]:0', 'tcp/here']\n[console]",
            "8:26 bus.listen[1]: each item of `listen` must be a zenoh endpoint, `tcp/HOST:PORT`",
        ),
        (
            "[console]",
            "[bus]\nlisten = ['tls/[::1]:7447']\n[console]",
            "8:11 bus.listen[0]: this version of the bus supports `tcp/` only",
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
    ]);
}

#[test]
fn an_invalid_source_or_secret_is_reported_unrepeated() {
    check(&[
        (
            "rtsp://cam/live",
            "http://cam/live",
            "10:10 gate[0].source: `source` must be `rtsp://HOST[:PORT]/PATH`, `file://PATH` or `test://PATTERN`",
        ),
        (
            "rtsp://cam/live",
            "rtsps://cam/live",
            "10:10 gate[0].source: `source` asks for RTSP over TLS (rtsps), which this version does not support (use `rtsp://` on a network that only the cameras and this machine are on)",
        ),
        (
            "rtsp://cam/live",
            "rtspt://cam/live",
            "10:10 gate[0].source: `source` must begin with `rtsp://` (choose TCP or UDP with `transport = \"tcp\"` or `\"udp\"`)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://cam:0/live",
            "10:10 gate[0].source: `source` has no valid host and port after `rtsp://` (write `rtsp://HOST/PATH` or `rtsp://HOST:PORT/PATH`, an IPv6 host in square brackets)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://cam/main stream",
            "10:10 gate[0].source: the path of `source` contains a character that a URL can't (write it percent-encoded: a blank is `%20`, `#` is `%23`)",
        ),
        (
            "rtsp://cam/live",
            "rtsp://a:b@cam/live",
            "10:10 gate[0].source: `source` contains a login, which would end up in logs and backups (remove it from the address and put `user:password` into an environment variable or its own file: `login = \"env:NAME\"` or `login = \"file:PATH\"`; where the camera takes it in the path or query, write `{user}` and `{password}` in its place)",
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
            "10:9 gate[0].login: `login` must be a secret reference, `file:PATH`, `env:NAME` or `credential:NAME` (do not write the secret into this file: put it into its own file or a variable)",
        ),
        (
            "id = 'g'",
            "id = 'g'\nlogin = 123456",
            "10:9 gate[0].login: `login` must be a secret reference, `file:PATH`, `env:NAME` or `credential:NAME`, found a number",
        ),
        ("id = 'c'", "id = 'c'\nlogin = 'env:LOGIN'", "14:9 crowd[0].login: `login` needs an `rtsp://` source"),
    ]);
}
