//! Unknown and missing keys, wrong types and ranges.

use crate::check;

#[test]
fn an_unknown_or_missing_key_is_reported() {
    check(&[
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
        ("[console]", "[console]\nxyz = 1", "8:1 console.xyz: unknown key `xyz` in [console] (it has the keys listen)"),
        (
            "id = 'z'",
            "id = 'z'\nlevels = { low = 1, medium = 2, high = 3, critical = 4 }",
            "17:12 crowd[0].zone[0].levels.low: unknown key `low` in `levels` (it has the keys medium, high, critical, unit, hold_s)",
        ),
        ("id = 'north'\n", "", "2:1 site.id: `id` is missing in [site] (add for example `id = \"north-gate\"`)"),
        ("version = 1\n", "", "1:1 version: `version` is missing (add for example `version = 1`)"),
        ("[store]\nkey = 'file:site.key'\n", "", "1:1 store: [store] is missing (add [store] and its keys)"),
        (
            "liveness = 'off'\n",
            "",
            "8:1 gate[0].liveness: `liveness` is missing in [[gate]] (add for example `liveness = \"required\"`)",
        ),
    ]);
}

#[test]
fn a_wrong_type_or_range_is_reported() {
    check(&[
        ("version = 1", "version = 2", "1:11 version: `version` must be 1, found 2"),
        ("version = 1", "version = 'one'", "1:11 version: `version` must be 1, found the text \"one\""),
        (
            "[store]",
            "[store]\noutbox_days = 0x5b",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90 (days), found 0x5b",
        ),
        (
            "[store]",
            "[store]\noutbox_days = 99999999999999999999",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90 (days), found 99999999999999999999",
        ),
        (
            "[store]",
            "[store]\noutbox_days = 7.0",
            "6:15 store.outbox_days: `outbox_days` must be a whole number from 1 to 90 (days), found 7.0",
        ),
        (
            "id = 'g'",
            "id = 'g'\nanalyse_fps = 0",
            "10:15 gate[0].analyse_fps: `analyse_fps` must be a number from 0.1 to 60 (frames per second), found 0",
        ),
        (
            "id = 'g'",
            "id = 'g'\nanalyse_fps = nan",
            "10:15 gate[0].analyse_fps: `analyse_fps` must be a number from 0.1 to 60 (frames per second), found nan",
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
            "14:25 crowd[0].decoders[1]: each item of `decoders` must be `\"software\"`, `\"vaapi\"` or `\"nvdec\"`, found the text \"vdpau\"",
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
            "8:13 models.providers: `cpu` must be the last of `providers`: it runs every model, so those after it would never be used",
        ),
        (
            "[console]",
            "[models]\nproviders = ['openvino', 'tensorrt', 'cpu']\n[console]",
            "8:13 models.providers: `openvino` can't be combined with `cuda` or `tensorrt`: no build of ONNX Runtime has both",
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
    ]);
}
