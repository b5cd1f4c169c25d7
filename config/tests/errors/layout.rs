//! All mistakes at once, how they are printed, and files that can't be read.

use std::{fs, io};

use gatehouse_config::Site;

use crate::{errors_of, summary};

#[test]
fn all_mistakes_are_reported_at_once_in_order() {
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
4:1 crowd[0].match_threshold: crowd cameras know no identity: [[crowd]] can't have `match_threshold` (only \
[[gate]] cameras recognise people, and no setting changes that)
6:1 crowd[0].zone[0].id: `id` is missing in [[crowd.zone]] (add for example `id = \"crossing\"`)
6:1 crowd[0].zone[0].polygon: `polygon` is missing in [[crowd.zone]] (add for example `polygon = [[0.1, 0.4], \
[0.6, 0.4], [0.6, 1.0], [0.1, 1.0]]`)
7:31 crowd[0].zone[0].levels.high: `high` must be greater than `medium`, found 5 and 9
7:45 crowd[0].zone[0].levels.critical: `critical` must be a number from 0.01 to 100000, found the text \"many\"
9:1 site.id: `id` is missing in [site] (add for example `id = \"north-gate\"`)";
    let mut found: Vec<String> = summary(&errors_of(text)).lines().map(str::to_owned).collect();
    found[..2].sort();
    assert_eq!(found.join("\n"), expected);
}

#[test]
fn an_error_is_printed_with_its_line_marked() {
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
