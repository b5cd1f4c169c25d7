//! The HTTP actuator at a device that wants a login: a small HTTP server that checks every answer,
//! as RFC 7616 and RFC 7617 have it.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use gatehouse_config::DoorFile;
use gatehouse_door::{Actuator, ActuatorError, Command, build};
use md5::Digest as _;
use parking_lot::Mutex;

const OPEN: Command = Command::Open(Duration::from_millis(1500));
const REALM: &str = "http-auth@example.org";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hash(algorithm: &str, text: &str) -> String {
    match algorithm {
        "SHA-256" => {
            hex(&sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), text)))
        }
        _ => hex(&md5::Md5::digest(text)),
    }
}

/// What a client answers to a challenge with `qop`.
struct Question<'a> {
    algorithm: &'a str,
    login: &'a str,
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    count: &'a str,
    cnonce: &'a str,
    qop: &'a str,
}

impl Question<'_> {
    /// RFC 7616, 3.4.1.
    fn response(&self) -> String {
        let Question { algorithm, login, method, uri, nonce, count, cnonce, qop } = self;
        let (user, password) = login.split_once(':').expect("user:password");
        let first = hash(algorithm, &format!("{user}:{REALM}:{password}"));
        let second = hash(algorithm, &format!("{method}:{uri}"));
        match *qop {
            "" => hash(algorithm, &format!("{first}:{nonce}:{second}")),
            _ => hash(algorithm, &format!("{first}:{nonce}:{count}:{cnonce}:{qop}:{second}")),
        }
    }
}

/// RFC 7616, 3.9.1.
#[test]
fn the_server_of_these_tests_calculates_as_the_standard_does() {
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let question = Question {
            algorithm,
            login: "Mufasa:Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            qop: "auth",
        };
        assert_eq!(question.response(), expected);
    }
}

/// How a device wants its login.
#[derive(Clone)]
struct Device {
    /// Its challenges, one header each; `NONCE` stands for the nonce.
    challenges: Vec<String>,
    login: &'static str,
    /// How often a nonce may be used.
    uses: u32,
    /// Whether it says that a nonce is stale. If not, it only sends another one.
    says_stale: bool,
    /// The status in place of 200.
    status: &'static str,
}

impl Device {
    fn digest(algorithm: &str, qop: &str) -> Self {
        let challenge = format!("Digest realm=\"{REALM}\", {qop}algorithm={algorithm}, nonce=\"NONCE\", opaque=\"x\"");
        Self {
            challenges: vec![challenge],
            login: "admin:c0rrect: horse",
            uses: 1000,
            says_stale: true,
            status: "200 OK",
        }
    }
}

#[derive(Default)]
struct Log {
    /// The outcome of each request: its status, and the scheme and algorithm of its answer.
    requests: Vec<(String, String)>,
    /// Nonces with the highest count so far.
    nonces: HashMap<String, u32>,
    cnonces: HashSet<String>,
}

/// Serves a device until the test's process ends.
fn serve(device: Device) -> (SocketAddr, Arc<Mutex<Log>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("has a port");
    let log: Arc<Mutex<Log>> = Arc::default();
    let writer = Arc::clone(&log);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(stream, &device, &mut writer.lock());
        }
    });
    (address, log)
}

fn answer(mut stream: TcpStream, device: &Device, log: &mut Log) {
    let mut reader = BufReader::new(&stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("reads");
        line.trim_end().to_owned()
    };
    let line = next();
    let headers: Vec<String> = std::iter::repeat_with(&mut next).take_while(|line| !line.is_empty()).collect();
    let value = |name: &str| {
        headers.iter().find_map(|header| {
            let (found, value) = header.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut body = vec![0; value("content-length").map_or(0, |length| length.parse().expect("a number"))];
    reader.read_exact(&mut body).expect("reads");
    let authorization = value("authorization");
    let (status, how) = match &authorization {
        None => ("401 Unauthorized", String::new()),
        Some(given) => check(device, &line, given, log),
    };
    log.requests.push((status.to_owned(), how.clone()));
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n");
    if status.starts_with("401") {
        let nonce = format!("nonce-{}", log.nonces.len());
        log.nonces.insert(nonce.clone(), 0);
        for challenge in &device.challenges {
            let stale = if how == "stale" && device.says_stale { ", stale=true" } else { "" };
            let _ = write!(head, "www-authenticate: {}{stale}\r\n", challenge.replace("NONCE", &nonce));
        }
    }
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
}

/// The status of a request with an answer, and how it was answered.
fn check(device: &Device, line: &str, given: &str, log: &mut Log) -> (&'static str, String) {
    let refused = "401 Unauthorized";
    if let Some(basic) = given.strip_prefix("Basic ") {
        let expected = "YWRtaW46YzBycmVjdDogaG9yc2U="; // base64 of admin:c0rrect: horse
        let right = basic == expected && device.challenges.iter().any(|challenge| challenge.starts_with("Basic"));
        return (if right { device.status } else { refused }, "Basic".to_owned());
    }
    let fields: HashMap<&str, &str> = given
        .strip_prefix("Digest ")
        .expect("a digest")
        .split(", ")
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let mut words = line.split(' ');
    let (method, uri) = (words.next().expect("a method"), words.next().expect("an address"));
    let algorithm = if field("algorithm").is_empty() { "MD5" } else { field("algorithm") };
    let question = Question {
        algorithm,
        login: device.login,
        method,
        uri,
        nonce: field("nonce"),
        count: field("nc"),
        cnonce: field("cnonce"),
        qop: field("qop"),
    };
    assert_eq!((field("uri"), field("realm")), (uri, REALM), "{given}");
    let Some(used) = log.nonces.get_mut(field("nonce")) else { return (refused, "unknown nonce".to_owned()) };
    if field("response") != question.response() {
        return (refused, algorithm.to_owned());
    }
    *used += 1;
    if *used > device.uses {
        return (refused, "stale".to_owned());
    }
    if !field("qop").is_empty() {
        assert_eq!(field("nc"), format!("{used:08x}"), "the nonce's uses are counted");
        assert!(log.cnonces.insert(field("cnonce").to_owned()), "a cnonce is used once");
    }
    (device.status, algorithm.to_owned())
}

/// The actuator of a device, with a login.
fn actuator(address: SocketAddr, keys: &str, login: &str) -> Result<Box<dyn Actuator>, ActuatorError> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("login", login), ("header", "Authorization: Bearer s3same")] {
        let secret = folder.path().join(name);
        fs::write(&secret, text).expect("writes");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("sets");
    }
    let text = format!(
        "version = 1\n[door]\nid = 'd'\ngate = 'g'\narea = 'a'\nsite = 's'\npublic_key = 'file:k'\nfail = 'secure'\n\
         [bus]\nconnect = ['tcp/127.0.0.1:1']\n[actuator]\nkind = 'http'\n{keys}\n"
    )
    .replace("ADDRESS", &address.to_string());
    let file = DoorFile::parse(&text, &Path::new(folder.path()).join("door.toml")).unwrap_or_else(|e| panic!("{e}"));
    build(&file.actuator)
}

const GET: &str = "method = 'GET'\nlogin = 'file:login'\nurl = 'http://ADDRESS/rpc/Switch.Set?id=0&on=true'\n\
                   hold_url = 'http://ADDRESS?on=true'\nshut_url = 'http://ADDRESS/rpc/Switch.Set?id=0&on=false'";
const POST: &str = "url = 'http://ADDRESS/door'\nlogin = 'file:login'";

/// Sends the three commands; gives back the requests that it took.
fn send_all(device: Device, keys: &str) -> Vec<(String, String)> {
    let (address, log) = serve(device.clone());
    let mut actuator = actuator(address, keys, device.login).expect("builds");
    for command in [OPEN, Command::Hold, Command::Shut] {
        actuator.apply(command).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
    std::mem::take(&mut log.lock().requests)
}

#[test]
fn a_login_is_answered_once_and_its_nonce_used_again() {
    for algorithm in ["MD5", "SHA-256"] {
        for qop in ["qop=\"auth\", ", "qop=\"auth-int, auth\", ", "qop=\"auth,auth-int\", ", "qop=auth, "] {
            for keys in [GET, POST] {
                let requests = send_all(Device::digest(algorithm, qop), keys);
                let expected = ["401 Unauthorized", "200 OK", "200 OK", "200 OK"];
                assert_eq!(requests.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>(), expected);
                assert!(requests[1..].iter().all(|(_, how)| how == algorithm), "{requests:?}");
            }
        }
    }
    assert_eq!(send_all(Device::digest("md5", "qop=\"auth\", "), GET).len(), 4, "in small letters");
    // RFC 2069, as old relays have it.
    let old =
        Device { challenges: vec![format!("Digest realm=\"{REALM}\", nonce=\"NONCE\"")], ..Device::digest("", "") };
    assert_eq!(send_all(old, GET).len(), 4);
}

#[test]
fn a_nonce_that_has_ended_is_renewed() {
    for says_stale in [true, false] {
        let device = Device { uses: 1, says_stale, ..Device::digest("SHA-256", "qop=\"auth\", ") };
        let requests = send_all(device, POST);
        // Each later command is sent with the old nonce first.
        let told: Vec<_> = requests.iter().map(|(status, how)| (&status[..3], how.as_str())).collect();
        let (done, stale) = (("200", "SHA-256"), ("401", "stale"));
        assert_eq!(told, [("401", ""), done, stale, done, stale, done]);
    }
}

#[test]
fn the_strongest_challenge_is_answered() {
    let basic = format!("Basic realm=\"{REALM}\"");
    let md5 = Device::digest("MD5", "qop=\"auth\", ").challenges.remove(0);
    let sha256 = Device::digest("SHA-256", "qop=\"auth\", ").challenges.remove(0);
    let unknown = "Bearer realm=\"x\"".to_owned();
    for (challenges, expected) in [
        (vec![basic.clone(), md5.clone(), sha256.clone()], "SHA-256"),
        (vec![sha256.clone(), md5.clone()], "SHA-256"),
        (vec![format!("{md5}, {sha256}")], "SHA-256"),
        (vec![basic.clone(), md5.clone()], "MD5"),
        (vec![unknown, basic], "Basic"),
    ] {
        let requests = send_all(Device { challenges, ..Device::digest("", "") }, POST);
        assert_eq!(requests.len(), 4);
        assert!(requests[1..].iter().all(|(_, how)| how == expected), "{expected}: {requests:?}");
    }
}

#[test]
fn a_wrong_login_is_sent_twice_at_most_and_never_shown() {
    let digest = Device::digest("SHA-256", "qop=\"auth\", ");
    let basic = Device { challenges: vec![format!("Basic realm=\"{REALM}\"")], ..digest.clone() };
    for (device, first, second) in [(digest, 2, 4), (basic, 2, 3)] {
        let (address, log) = serve(device);
        let mut actuator = actuator(address, POST, "admin:hunter2").expect("builds");
        for requests in [first, second] {
            let error = actuator.apply(OPEN).expect_err("wrong");
            assert!(matches!(error, ActuatorError::Denied { .. }), "{error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains("HTTP status 401, it does not accept the login in file:"), "{text}");
            assert!(!text.contains("hunter2") && !text.contains("admin"), "{text}");
            assert_eq!(log.lock().requests.len(), requests);
        }
    }
}

#[test]
fn a_refusal_says_what_it_means() {
    for (status, expected) in [
        ("403 Forbidden", "refuses: HTTP status 403, it does not allow this"),
        ("404 Not Found", "refuses: HTTP status 404, it has no such address"),
        ("405 Method Not Allowed", "refuses: HTTP status 405"),
        ("429 Too Many Requests", "refuses: HTTP status 429"),
        ("500 Broken", "refused: HTTP status 500"),
    ] {
        let (address, _log) = serve(Device { status, ..Device::digest("MD5", "qop=\"auth\", ") });
        let mut actuator = actuator(address, POST, "admin:c0rrect: horse").expect("builds");
        assert_eq!(actuator.apply(OPEN).expect_err("refused").to_string(), format!("http://{address}/door {expected}"));
    }
    let unknown = Device { challenges: vec!["Negotiate".to_owned()], ..Device::digest("", "") };
    let error =
        actuator(serve(unknown).0, POST, "admin:c0rrect: horse").expect("builds").apply(OPEN).expect_err("unknown");
    assert!(error.to_string().contains("401, it asks for a kind of login that is not supported"), "{error}");
    let (address, _log) = serve(Device::digest("MD5", "qop=\"auth\", "));
    let error = actuator(address, "url = 'http://ADDRESS/'", "").expect("builds").apply(OPEN).expect_err("no login");
    assert!(error.to_string().ends_with("401, it asks for a login (`login` in [actuator])"), "{error}");
}

#[test]
fn a_login_that_is_none_is_refused_without_repeating_it() {
    let (address, _log) = serve(Device::digest("MD5", "qop=\"auth\", "));
    let both = format!("{POST}\nheader = 'file:header'");
    for (keys, login) in [(POST, "hunter2"), (both.as_str(), "admin:hunter2")] {
        let Err(error) = actuator(address, keys, login) else { panic!("takes {login}") };
        let text = error.to_string();
        assert!(!text.contains("hunter2") && !text.contains("s3same"), "{text}");
    }
}
