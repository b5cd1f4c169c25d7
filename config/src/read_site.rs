//! From the text of a site file to a [`Site`], or to everything that is wrong with it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::document::{Document, Places};
use crate::error::ConfigErrors;
use crate::keys;
use crate::rate::OneIn;
use crate::read_crowd::crowd;
use crate::reader::{Refusal, TableReader};
use crate::site::{
    Bus, Console, Decoder, Direction, GateCamera, Liveness, MatchTarget, Models, Provider, Site, SiteId, Store,
    StreamSettings, Transport,
};
use crate::source::{self, Source};
use crate::spec::Key;
use crate::text_value::{area, endpoint, model_name, name, path_in, secret};

const SITE_FILE: Document = Document { name: "site file", root: &keys::ROOT };

pub(crate) fn load(path: &Path) -> Result<Site, ConfigErrors> {
    SITE_FILE.load(path, root).map(|(site, places)| Site { places, ..site })
}

pub(crate) fn parse(text: &str, file_name: &Path) -> Result<Site, ConfigErrors> {
    SITE_FILE.parse(text, file_name, root).map(|(site, places)| Site { places, ..site })
}

pub(crate) type Reader<'a, 'c> = TableReader<'a, 'c>;

/// The names given so far, each with its path.
pub(crate) type Names = RefCell<Vec<(String, String)>>;

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
    let area = t.text(&keys::SITE_AREA, area);
    let node = t.text(&keys::SITE_NODE, name);
    Some(SiteId { id: id?, area: area?, node: node? })
}

fn store(t: &mut Reader<'_, '_>) -> Option<Store> {
    let folder = t.context.folder;
    let path = t.text(&keys::STORE_PATH, |text| path_in(folder, text));
    let key = t.text(&keys::STORE_KEY, |text| secret(folder, text));
    let people_limit = t.integer(&keys::STORE_PEOPLE_LIMIT);
    let mut days = |key| t.integer(key).map(|days: u64| Duration::from_secs(days * 24 * 60 * 60));
    let outbox = days(&keys::STORE_OUTBOX_DAYS);
    let entry_log = days(&keys::STORE_ENTRY_LOG_DAYS);
    let audit = days(&keys::STORE_AUDIT_DAYS);
    let entry_roles = t.texts(&keys::STORE_ENTRY_ROLES, name);
    let mut days = |key| t.integer(key).map(|days: u64| Duration::from_secs(days * 24 * 60 * 60));
    let ended_consent = days(&keys::STORE_ENDED_CONSENT_DAYS);
    let ended_pass = days(&keys::STORE_ENDED_PASS_DAYS);
    Some(Store {
        path: path?,
        key: key?,
        people_limit: people_limit?,
        outbox: outbox?,
        entry_log: entry_log?,
        entry_roles: entry_roles?,
        audit: audit?,
        ended_consent: ended_consent?,
        ended_pass: ended_pass?,
    })
}

fn bus(t: &mut Reader<'_, '_>) -> Option<Bus> {
    let listen = t.texts(&keys::BUS_LISTEN, |text| endpoint(text, true));
    let connect = t.texts(&keys::BUS_CONNECT, |text| endpoint(text, false));
    Some(Bus { listen: listen?, connect: connect? })
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
    let liveness = t.text(&keys::MODELS_LIVENESS, model_name);
    let person_detector = t.text(&keys::MODELS_PERSON_DETECTOR, model_name);
    let crowd_density = t.text(&keys::MODELS_CROWD_DENSITY, model_name);
    let manifests = t.texts(&keys::MODELS_MANIFESTS, |text| path_in(folder, text));
    let calibration = t.text(&keys::MODELS_CALIBRATION, |text| path_in(folder, text));
    let providers = providers(t);
    let threads = t.integer(&keys::MODELS_THREADS);
    let workers = t.integer(&keys::MODELS_WORKERS);
    let max_batch = t.integer(&keys::MODELS_MAX_BATCH);
    let max_wait = t.integer(&keys::MODELS_MAX_WAIT_MS).map(Duration::from_millis);
    Some(Models {
        face_detector: face_detector?,
        face_embedder: face_embedder?,
        liveness: liveness?,
        person_detector: person_detector?,
        crowd_density,
        manifests: manifests?,
        calibration,
        providers: providers?,
        threads: threads?,
        workers,
        max_batch,
        max_wait: max_wait?,
    })
}

fn providers(t: &mut Reader<'_, '_>) -> Option<Vec<Provider>> {
    let wanted = t.texts(&keys::MODELS_PROVIDERS, |text| match text {
        "cpu" => Ok(Provider::Cpu),
        "openvino" => Ok(Provider::OpenVino),
        "cuda" => Ok(Provider::Cuda),
        "tensorrt" => Ok(Provider::TensorRt),
        _ => Err(Refusal::UNLIKE),
    })?;
    let has = |provider| wanted.contains(&provider);
    let refusal = if wanted.is_empty() {
        "`providers` must name at least one: nothing would run the models"
    } else if has_twice(&wanted) {
        "`providers` names one twice"
    } else if wanted.iter().rev().skip(1).any(|provider| *provider == Provider::Cpu) {
        "`cpu` must be the last of `providers`: it runs every model, so what follows it would never be used"
    } else if has(Provider::OpenVino) && (has(Provider::Cuda) || has(Provider::TensorRt)) {
        "`openvino` can't be with `cuda` or `tensorrt`: no build of ONNX Runtime has both"
    } else {
        return Some(wanted);
    };
    t.refuse_together(&[&keys::MODELS_PROVIDERS], refusal.to_owned(), None);
    None
}

/// A name that nothing else of its kind may have: taken note of, to be compared.
pub(crate) fn own_name(t: &mut Reader<'_, '_>, key: &'static Key, names: &Names) -> Option<String> {
    let id = t.text(key, name)?;
    names.borrow_mut().push((t.path_of(key), id.clone()));
    Some(id)
}

fn decoders(t: &mut Reader<'_, '_>) -> Option<Vec<Decoder>> {
    let wanted = t.texts(&keys::DECODERS, |text| match text {
        "software" => Ok(Decoder::Software),
        "vaapi" => Ok(Decoder::VaApi),
        "nvdec" => Ok(Decoder::Nvdec),
        _ => Err(Refusal::UNLIKE),
    })?;
    let refusal = if wanted.is_empty() {
        "`decoders` must name at least one: nothing would decode the stream"
    } else if has_twice(&wanted) {
        "`decoders` names one twice"
    } else {
        return Some(wanted);
    };
    t.refuse_together(&[&keys::DECODERS], refusal.to_owned(), None);
    None
}

fn has_twice<T: PartialEq>(items: &[T]) -> bool {
    (1..items.len()).any(|i| items[..i].contains(&items[i]))
}

pub(crate) fn camera(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<(String, StreamSettings)> {
    let folder = t.context.folder;
    let id = own_name(t, &keys::CAMERA_ID, cameras);
    let source = t.text(&keys::SOURCE, |text| source::parse("source", text, folder));
    let login = t.text(&keys::LOGIN, |text| secret(folder, text));
    let transport = t.text(&keys::TRANSPORT, |text| match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err(Refusal::UNLIKE),
    });
    let latency = t.integer(&keys::LATENCY_MS).map(Duration::from_millis);
    let decoders = decoders(t);
    let privacy = t.polygons(&keys::PRIVACY);
    let source = source?;
    if login.is_some() && !matches!(source, Source::Rtsp(_)) {
        t.refuse_together(&[&keys::LOGIN], "`login` can be used with an `rtsp://` source only".to_owned(), None);
    }
    let (transport, latency, decoders, privacy) = (transport?, latency?, decoders?, privacy?);
    Some((id?, StreamSettings { source, login, transport, latency, decoders, privacy }))
}

fn gate(t: &mut Reader<'_, '_>, cameras: &Names) -> Option<GateCamera> {
    let camera = camera(t, cameras);
    let analyse_fps = t.number(&keys::GATE_ANALYSE_FPS);
    let direction = t.text(&keys::DIRECTION, |text| match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(Refusal::UNLIKE),
    });
    let match_target = t.table(&keys::MATCH_TARGET, match_target);
    let match_threshold = t.number(&keys::MATCH_THRESHOLD).map(|cosine| cosine as f32);
    let match_margin = t.number(&keys::MATCH_MARGIN).map(|cosine| cosine as f32);
    let min_eye_distance_px = t.integer(&keys::MIN_EYE_DISTANCE_PX);
    let frames_to_agree: Option<u32> = t.integer(&keys::FRAMES_TO_AGREE);
    let frames_to_judge: Option<u32> = t.integer(&keys::FRAMES_TO_JUDGE);
    let deadline = t.number(&keys::DEADLINE_S).map(Duration::from_secs_f64);
    let cool_down = t.integer(&keys::COOL_DOWN_S).map(Duration::from_secs);
    let grant = t.integer(&keys::GRANT_S).map(Duration::from_secs);
    let pass_again = t.integer(&keys::PASS_AGAIN_S).map(Duration::from_secs);
    let liveness = t.text(&keys::LIVENESS, |text| match text {
        "required" => Ok(Liveness::Required),
        "second-factor" => Ok(Liveness::SecondFactor),
        "off" => Ok(Liveness::Off),
        _ => Err(Refusal::UNLIKE),
    });
    let liveness_threshold = t.number(&keys::LIVENESS_THRESHOLD).map(|score| score as f32);
    let check_background = t.boolean(&keys::CHECK_BACKGROUND);
    let skip_unchanged = t.boolean(&keys::GATE_SKIP_UNCHANGED);
    let folder = t.context.folder;
    let sub_source = t.text(&keys::SUB_SOURCE, |text| source::parse("sub_source", text, folder));
    if let (Some(sub), Some((_, stream))) = (&sub_source, &camera) {
        let is_rtsp = |source: &Source| matches!(source, Source::Rtsp(_));
        if !is_rtsp(sub) || !is_rtsp(&stream.source) {
            let message = "`sub_source` is for two `rtsp://` streams of one camera";
            t.refuse_together(&[&keys::SUB_SOURCE], message.to_owned(), None);
        } else if *sub == stream.source {
            let message = "`sub_source` is the same stream as `source`: it would be decoded twice";
            let help = "give the address of the camera's smaller stream, or leave `sub_source` out";
            t.refuse_together(&[&keys::SUB_SOURCE], message.to_owned(), Some(help.to_owned()));
        } else if skip_unchanged == Some(false) {
            let message = "`sub_source` has no use with `skip_unchanged = false`: the whole stream is looked at anyway";
            t.refuse_together(&[&keys::SUB_SOURCE], message.to_owned(), None);
        }
    }
    if match_target.is_some() && match_threshold.is_some() {
        let message =
            "`match_threshold` and `match_target` can't be given together: the one is computed from the other";
        let help = "keep `match_target` and leave `match_threshold` out";
        t.refuse_together(&[&keys::MATCH_THRESHOLD], message.to_owned(), Some(help.to_owned()));
    }
    if liveness == Some(Liveness::Off) && liveness_threshold.is_some() {
        let message = "`liveness_threshold` has no use with `liveness = \"off\"`: nothing is checked";
        t.refuse_together(&[&keys::LIVENESS_THRESHOLD], message.to_owned(), None);
    }
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
        direction: direction?,
        match_target,
        match_threshold,
        match_margin: match_margin?,
        min_eye_distance_px: min_eye_distance_px?,
        frames_to_agree,
        frames_to_judge,
        deadline: deadline?,
        cool_down: cool_down?,
        grant: grant?,
        pass_again: pass_again?,
        liveness: liveness?,
        liveness_threshold,
        check_background: check_background?,
        skip_unchanged: skip_unchanged?,
        sub_source,
    })
}

fn match_target(t: &mut Reader<'_, '_>) -> Option<MatchTarget> {
    let strangers_let_in = t.text(&keys::STRANGERS_LET_IN, |text| OneIn::parse(text).ok_or(Refusal::UNLIKE));
    let enrolled = t.integer(&keys::TARGET_ENROLLED);
    Some(MatchTarget { strangers_let_in: strangers_let_in?, enrolled: enrolled? })
}
