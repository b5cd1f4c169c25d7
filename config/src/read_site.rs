//! From the text of a site file to a [`Site`], or to everything that is wrong with it.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::endpoint::Endpoint;
use crate::error::{ConfigError, ConfigErrors};
use crate::keys;
use crate::reader::{Context, Finding, Refusal, TableReader};
use crate::secret::SecretRef;
use crate::shown_line::shown_line;
use crate::site::{
    Bus, Console, CrowdCamera, GateCamera, Levels, Liveness, Models, Places, Site, SiteId, Store, StreamSettings,
    Transport, Zone,
};
use crate::source::{self, Source};
use crate::syntax::{Readable, readable};
use crate::text_position::Lines;

/// The most bytes a site file may have. A site of a hundred cameras has about 50 kB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

pub(crate) fn load(path: &Path) -> Result<Site, ConfigErrors> {
    let about_the_file = |line, column, message, help: Option<&str>| {
        let help = help.map(str::to_owned);
        ConfigError { file: path.to_owned(), line, column, path: String::new(), message, help, shown: None }
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| about_the_file(0, 0, format!("the site file can't be read: {error}"), None))?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("this is no site file: it has more than {MAX_BYTES} bytes");
        return Err(about_the_file(0, 0, message, None).into());
    }
    match str::from_utf8(&bytes) {
        Ok(text) => parse(text, path),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let at = Lines::new(&good).position(good.len());
            let help = Some("save the file with the encoding UTF-8");
            Err(about_the_file(at.line, at.column, "from here on this is not UTF-8 text".to_owned(), help).into())
        }
    }
}

pub(crate) fn parse(text: &str, file_name: &Path) -> Result<Site, ConfigErrors> {
    let lines = Lines::new(text);
    let Readable { text: readable, errors: syntax_errors, rest_is_sound } = readable(text);
    let (document, _) = DeTable::parse_recoverable(&readable);
    let context = Context::new(file_name.parent().unwrap_or(Path::new("")), &lines);
    let site = if syntax_errors.is_empty() && is_of_another_version(&document) {
        // Its other keys may mean something else, so nothing can be said about them.
        TableReader::read_part(&context, &keys::ROOT, document.get_ref(), |root| root.integer::<u32>(&keys::VERSION));
        None
    } else {
        TableReader::read(&context, &keys::ROOT, document.get_ref(), String::new(), 0..0, root)
    };
    let (mut findings, spans) = context.into_parts();
    if !syntax_errors.is_empty() {
        // What the broken lines were meant to say isn't known, so nothing counts as missing or as ill matched.
        findings.retain(|finding| rest_is_sound && finding.local);
        findings.extend(syntax_errors);
    }
    match site {
        Some(site) if findings.is_empty() => {
            let place = |span: Range<usize>| {
                let at = lines.position(span.start);
                (at.line, at.column)
            };
            let of = spans.into_iter().map(|(path, span)| (path, place(span))).collect();
            Ok(Site { places: Places { file: file_name.to_owned(), of }, ..site })
        }
        _ => Err(ConfigErrors::new(findings.into_iter().map(|finding| error(&lines, file_name, finding)).collect())),
    }
}

fn error(lines: &Lines<'_>, file: &Path, finding: Finding) -> ConfigError {
    let Finding { span, path, message, help, .. } = finding;
    let at = lines.position(span.start);
    let shown = (span != (0..0)).then(|| shown_line(lines, at, &span)).flatten();
    ConfigError { file: file.to_owned(), line: at.line, column: at.column, path, message, help, shown }
}

fn is_of_another_version(document: &toml::Spanned<DeTable<'_>>) -> bool {
    let version = document.get_ref().get(keys::VERSION.name).map(|value| value.get_ref());
    matches!(version, Some(DeValue::Integer(digits)) if digits.as_str() != "1")
}

type Reader<'a, 'c> = TableReader<'a, 'c>;

/// The names given so far, each with its path.
type Names = RefCell<Vec<(String, String)>>;

fn root(t: &mut Reader<'_, '_>) -> Option<Site> {
    let cameras = Names::default();
    let version = t.integer(&keys::VERSION);
    let site = t.table(&keys::SITE_TABLE, site_id);
    let store = t.table(&keys::STORE_TABLE, store);
    let bus = t.table(&keys::BUS_TABLE, bus);
    let console = t.table(&keys::CONSOLE_TABLE, console);
    let models = t.table(&keys::MODELS_TABLE, models);
    let gates = t.tables(&keys::GATE_TABLES, |t| gate(t, &cameras));
    let crowds = t.tables(&keys::CROWD_TABLES, |t| crowd(t, &cameras));
    t.context.refuse_repeated(&cameras.into_inner(), "camera");
    let (gates, crowds) = (gates?, crowds?);
    if gates.is_empty() && crowds.is_empty() {
        let help = "add a [[gate]] or a [[crowd]] table with its `id` and `source`";
        t.refuse_together(&[], "the site has no camera".to_owned(), Some(help.to_owned()));
    }
    let places = Places::default();
    Some(Site {
        version: version?,
        site: site?,
        store: store?,
        bus: bus?,
        console,
        models: models?,
        gates,
        crowds,
        places,
    })
}

fn site_id(t: &mut Reader<'_, '_>) -> Option<SiteId> {
    let id = t.text(&keys::SITE_ID, name);
    let area = t.text(&keys::SITE_AREA, |text| {
        let levels: Vec<&str> = text.split('/').collect();
        let good = levels.len() <= 8 && levels.iter().all(|level| is_name(level));
        if good { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
    });
    let node = t.text(&keys::SITE_NODE, name);
    Some(SiteId { id: id?, area: area?, node: node? })
}

fn store(t: &mut Reader<'_, '_>) -> Option<Store> {
    let folder = t.context.folder;
    let path = t.text(&keys::STORE_PATH, |text| path_in(folder, text));
    let key = t.text(&keys::STORE_KEY, |text| secret(folder, text));
    let days: Option<u64> = t.integer(&keys::STORE_OUTBOX_DAYS);
    Some(Store { path: path?, key: key?, outbox: Duration::from_secs(days? * 24 * 60 * 60) })
}

fn bus(t: &mut Reader<'_, '_>) -> Option<Bus> {
    let listen = t.texts(&keys::BUS_LISTEN, |text| endpoint(text, true));
    let connect = t.texts(&keys::BUS_CONNECT, |text| endpoint(text, false));
    Some(Bus { listen: listen?, connect: connect? })
}

fn endpoint(text: &str, may_choose_port: bool) -> Result<Endpoint, Refusal> {
    match Endpoint::parse(text, may_choose_port) {
        Some(endpoint) => Ok(endpoint),
        None if Endpoint::parse(text, true).is_some() => {
            Err(Refusal::because("`connect` must name the port to connect to, found port 0"))
        }
        None if ["tls/", "quic/", "udp/", "ws/"].iter().any(|protocol| text.starts_with(protocol)) => {
            Err(Refusal::because("this version of the bus speaks `tcp/` only"))
        }
        None => Err(Refusal::UNLIKE),
    }
}

fn console(t: &mut Reader<'_, '_>) -> Option<Console> {
    let listen = t.text(&keys::CONSOLE_LISTEN, |text| match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(Refusal::because("the console has no login yet, so it may be served to this machine only")
            .with_help("write `127.0.0.1:PORT` or `[::1]:PORT`; from elsewhere, reach it through an SSH tunnel")),
        Err(_) => Err(Refusal::UNLIKE),
    });
    Some(Console { listen: listen? })
}

fn models(t: &mut Reader<'_, '_>) -> Option<Models> {
    let folder = t.context.folder;
    let face_detector = t.text(&keys::MODELS_FACE_DETECTOR, model_name);
    let face_embedder = t.text(&keys::MODELS_FACE_EMBEDDER, model_name);
    let person_detector = t.text(&keys::MODELS_PERSON_DETECTOR, model_name);
    let manifests = t.texts(&keys::MODELS_MANIFESTS, |text| path_in(folder, text));
    let threads = t.integer(&keys::MODELS_THREADS);
    let max_batch = t.integer(&keys::MODELS_MAX_BATCH);
    let max_wait = t.integer(&keys::MODELS_MAX_WAIT_MS).map(Duration::from_millis);
    Some(Models {
        face_detector: face_detector?,
        face_embedder: face_embedder?,
        person_detector: person_detector?,
        manifests: manifests?,
        threads: threads?,
        max_batch: max_batch?,
        max_wait: max_wait?,
    })
}

fn camera(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<(String, StreamSettings)> {
    let folder = t.context.folder;
    let id = t.text(&keys::CAMERA_ID, name);
    if let Some(id) = &id {
        cameras.borrow_mut().push((t.path_of(&keys::CAMERA_ID), id.clone()));
    }
    let source = t.text(&keys::SOURCE, |text| source::parse(text, folder));
    let login = t.text(&keys::LOGIN, |text| secret(folder, text));
    let transport = t.text(&keys::TRANSPORT, |text| match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err(Refusal::UNLIKE),
    });
    let latency = t.integer(&keys::LATENCY_MS).map(Duration::from_millis);
    let source = source?;
    if login.is_some() && !matches!(source, Source::Rtsp(_)) {
        t.refuse_together(&[&keys::LOGIN], "`login` can be used with an `rtsp://` source only".to_owned(), None);
    }
    Some((id?, StreamSettings { source, login, transport: transport?, latency: latency? }))
}

fn gate(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<GateCamera> {
    let camera = camera(t, cameras);
    let analyse_fps = t.number(&keys::GATE_ANALYSE_FPS);
    let match_threshold = t.number(&keys::MATCH_THRESHOLD).map(|cosine| cosine as f32);
    let min_eye_distance_px = t.integer(&keys::MIN_EYE_DISTANCE_PX);
    let frames_to_agree: Option<u32> = t.integer(&keys::FRAMES_TO_AGREE);
    let frames_to_judge: Option<u32> = t.integer(&keys::FRAMES_TO_JUDGE);
    let cool_down = t.integer(&keys::COOL_DOWN_S).map(Duration::from_secs);
    let grant = t.integer(&keys::GRANT_S).map(Duration::from_secs);
    let liveness = t.text(&keys::LIVENESS, |text| match text {
        "off" => Ok(Liveness::Off),
        _ => Err(Refusal::because(
            "liveness checks come in a later version: until then a photo of someone may be let in",
        )
        .with_help("write `liveness = \"off\"` to say that you know this, and let a guard watch the gate")),
    });
    let (frames_to_agree, frames_to_judge) = (frames_to_agree?, frames_to_judge?);
    if frames_to_agree > frames_to_judge {
        let message = format!(
            "`frames_to_agree` must not be more than `frames_to_judge`, found {frames_to_agree} and {frames_to_judge}"
        );
        t.refuse_together(&[&keys::FRAMES_TO_AGREE, &keys::FRAMES_TO_JUDGE], message, None);
    }
    let (id, stream) = camera?;
    Some(GateCamera {
        id,
        stream,
        analyse_fps: analyse_fps?,
        match_threshold,
        min_eye_distance_px: min_eye_distance_px?,
        frames_to_agree,
        frames_to_judge,
        cool_down: cool_down?,
        grant: grant?,
        liveness: liveness?,
    })
}

fn crowd(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<CrowdCamera> {
    let camera = camera(t, cameras);
    let analyse_fps = t.number(&keys::CROWD_ANALYSE_FPS);
    let min_score = t.number(&keys::MIN_SCORE).map(|score| score as f32);
    let map_columns = t.integer(&keys::MAP_COLUMNS);
    let map_rows = t.integer(&keys::MAP_ROWS);
    let preview = t.boolean(&keys::PREVIEW);
    let names = Names::default();
    let zones = t.tables(&keys::ZONE_TABLES, |t| zone(t, &names));
    t.context.refuse_repeated(&names.into_inner(), "zone");
    let (id, stream) = camera?;
    let zones = zones.map(|zones| if zones.is_empty() { vec![Zone::all()] } else { zones });
    Some(CrowdCamera {
        id,
        stream,
        analyse_fps: analyse_fps?,
        min_score: min_score?,
        map_columns: map_columns?,
        map_rows: map_rows?,
        preview: preview?,
        zones: zones?,
    })
}

fn zone(t: &mut Reader<'_, '_>, names: &Names) -> Option<Zone> {
    let id = t.text(&keys::ZONE_ID, name);
    if let Some(id) = &id {
        names.borrow_mut().push((t.path_of(&keys::ZONE_ID), id.clone()));
    }
    let polygon = t.polygon(&keys::POLYGON);
    let area_m2 = t.number(&keys::AREA_M2);
    let levels = t.table(&keys::LEVELS_TABLE, levels);
    Some(Zone { id: id?, polygon: polygon?, area_m2, levels })
}

fn levels(t: &mut Reader<'_, '_>) -> Option<Levels> {
    let medium = t.integer(&keys::LEVEL_MEDIUM);
    let high = t.integer(&keys::LEVEL_HIGH);
    let critical = t.integer(&keys::LEVEL_CRITICAL);
    let levels = Levels { medium: medium?, high: high?, critical: critical? };
    let steps = [
        (&keys::LEVEL_MEDIUM, levels.medium, &keys::LEVEL_HIGH, levels.high),
        (&keys::LEVEL_HIGH, levels.high, &keys::LEVEL_CRITICAL, levels.critical),
    ];
    for (lower, low, upper, up) in steps.into_iter().filter(|(_, low, _, up)| low >= up) {
        let message = format!("`{}` must be more than `{}`, found {up} and {low}", upper.name, lower.name);
        t.refuse_together(&[upper], message, None);
    }
    Some(levels)
}

fn name(text: &str) -> Result<String, Refusal> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn model_name(text: &str) -> Result<String, Refusal> {
    let good = text.split(['_', '.']).all(|part| part.is_empty() || is_name(part));
    if good && (1..=64).contains(&text.len()) { Ok(text.to_owned()) } else { Err(Refusal::UNLIKE) }
}

fn path_in(folder: &Path, text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() || text.contains('\0') { Err(Refusal::UNLIKE) } else { Ok(folder.join(text)) }
}

fn secret(folder: &Path, text: &str) -> Result<SecretRef, Refusal> {
    SecretRef::parse(text, folder).ok_or_else(|| {
        Refusal::UNLIKE
            .with_help("keep the secret itself out of this file: put it into a file of its own or a variable")
    })
}
