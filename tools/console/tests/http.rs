//! The console as a browser's requests meet it.

#![allow(clippy::expect_used, reason = "tests")]

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

mod node;
use node::{CROWD, GATE, Node};

/// An answer, head and body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status line")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// A connection on which one request has been sent.
struct Line {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Line {
    async fn open(node: &Node, request: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(node.address).await.expect("the console listens");
        let request = format!("{request} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        Self { stream, got: Vec::new() }
    }

    async fn get(node: &Node, path: &str) -> Self {
        Self::open(node, &format!("GET {path}"), &format!("host: {}\r\n", node.address)).await
    }

    /// Reads until `what` has come and gives all up to its end.
    async fn until(&mut self, what: &str) -> Vec<u8> {
        loop {
            if let Some(at) = self.got.windows(what.len()).position(|w| w == what.as_bytes()) {
                let rest = self.got.split_off(at + what.len());
                return std::mem::replace(&mut self.got, rest);
            }
            let read = self.stream.read_buf(&mut self.got).await.expect("the line holds");
            assert!(read > 0, "the answer ended before {what:?}: {}", String::from_utf8_lossy(&self.got));
        }
    }

    async fn text_until(&mut self, what: &str) -> String {
        String::from_utf8(self.until(what).await).expect("text")
    }

    /// Reads to the end of the answer.
    async fn answer(mut self) -> Answer {
        let head = self.text_until("\r\n\r\n").await;
        self.stream.read_to_end(&mut self.got).await.expect("the line holds");
        Answer { head, body: self.got }
    }
}

async fn get(node: &Node, path: &str) -> Answer {
    Line::get(node, path).await.answer().await
}

#[tokio::test]
async fn the_snapshot_is_the_last_word_of_every_camera() {
    let node = Node::start().await;
    node.record(&node::density(7, [(2, "low"), (5, "high")]));
    node.record(&node::density(8, [(3, "low"), (5, "high")]));
    node.record(&node::health(GATE, "lost", Some("connection refused")));
    node.record(&node::entry(1, "admit", "matched"));
    node.record(&node::entry(2, "refer", "no_match"));
    let answer = get(&node, "/api/snapshot").await;
    assert_eq!((answer.status(), answer.header("content-type")), ("200", Some("application/json")));
    let snapshot = answer.json();
    assert_eq!(snapshot["site"]["site"], "north-gate");
    let [gate, crowd] = [&snapshot["cameras"][0], &snapshot["cameras"][1]];
    assert_eq!((gate["id"].as_str(), gate["role"].as_str()), (Some(GATE), Some("gate")));
    assert_eq!(gate["health"]["event"]["reason"], "connection refused");
    assert_eq!((&crowd["density"]["event"]["count"], &crowd["map"]), (&8.0.into(), &Value::Null));
    assert_eq!(crowd["zones"][1]["polygon"].as_array().map(Vec::len), Some(4));
    let sequences: Vec<_> =
        snapshot["entries"].as_array().into_iter().flatten().map(|e| &e["event"]["sequence"]).collect();
    assert_eq!(sequences, [2, 1]);
    assert!(snapshot["entries"][0]["key"].as_str().is_some_and(|key| key.ends_with("gate/east-gate/entry")));
    node.stop().await;
}

#[tokio::test]
async fn events_start_with_a_snapshot_and_go_on_with_what_is_recorded() {
    let node = Node::start().await;
    node.record(&node::entry(1, "admit", "matched"));
    let mut line = Line::get(&node, "/api/events").await;
    assert!(line.text_until("\r\n\r\n").await.contains("content-type: text/event-stream"));
    let first = line.text_until("\n\n").await;
    assert!(first.contains("event: snapshot\ndata: {\"site\"") && first.contains("\"sequence\":1"), "{first}");
    node.record(&node::density(12, [(4, "medium"), (8, "critical")]));
    node.record(&node::entry(2, "refer", "ambiguous"));
    let density = line.text_until("\n\n").await;
    assert!(density.contains("event: density\n") && density.contains("\"count\":12"), "{density}");
    let entry = line.text_until("\n\n").await;
    assert!(entry.contains("event: entry\n") && entry.contains("\"sequence\":2"), "{entry}");
    // The stream ends with the server, or this would hang.
    node.stop().await;
    line.stream.read_to_end(&mut line.got).await.expect("the line ends");
}

#[tokio::test]
async fn a_slow_reader_gets_a_new_snapshot() {
    let node = Node::start().await;
    let mut line = Line::get(&node, "/api/events").await;
    line.until("event: snapshot").await;
    // More than the sockets and the view hold for a reader that doesn't read.
    (1..=60_000).for_each(|n| node.record(&node::entry(n, "admit", "matched")));
    line.until("event: snapshot").await;
    line.until("\"sequence\":60000,").await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let node = Node::start().await;
    for (path, says) in [
        ("/api/camera/nowhere/preview.jpg", "camera `nowhere`"),
        ("/api/camera/nowhere/preview.mjpeg", "camera `nowhere`"),
        ("/api/camera/east-gate/preview.jpg", "camera `east-gate`"),
        ("/api/people", "`/api/people`"),
        ("/assets/../Cargo.toml", "`/assets/../Cargo.toml`"),
        ("/assets/secret.js", "`secret.js`"),
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status(), answer.header("content-type")), ("404", Some("application/json")), "{path}");
        assert!(answer.json()["error"].as_str().is_some_and(|error| error.contains(says)), "{path}");
    }
    let posted = Line::open(&node, "POST /api/snapshot", &format!("host: {}\r\n", node.address)).await.answer().await;
    assert_eq!(posted.status(), "405");
    node.stop().await;
}

#[tokio::test]
async fn a_request_under_another_name_is_refused() {
    let node = Node::start().await;
    let port = node.address.port();
    for host in [format!("rebound.example:{port}"), "127.0.0.1".to_owned(), format!("127.0.0.1:{}", port ^ 1)] {
        for path in ["/", "/api/snapshot", "/api/camera/market-square/preview.mjpeg", "/nowhere"] {
            let answer = Line::open(&node, &format!("GET {path}"), &format!("host: {host}\r\n")).await.answer().await;
            assert_eq!(answer.status(), "421", "{host} {path}");
            let error = answer.json()["error"].as_str().map(str::to_owned).unwrap_or_default();
            assert!(error.contains(&format!("http://127.0.0.1:{port}/")), "{error}");
        }
    }
    let named = Line::open(&node, "GET /", &format!("host: localhost:{port}\r\n")).await.answer().await;
    assert_eq!(named.status(), "200");
    assert!(!node.view.preview_wanted(&gatehouse_core::CameraId::new(CROWD)), "nobody was let in to watch");
    node.stop().await;
}

#[tokio::test]
async fn every_answer_shuts_other_pages_out() {
    let node = Node::start().await;
    for path in ["/", "/assets/app.js", "/api/snapshot", "/nowhere"] {
        let answer = get(&node, path).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        let kept = if path.starts_with("/api") || path == "/nowhere" { "no-store" } else { "no-cache" };
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_not_sent_it_again() {
    let node = Node::start().await;
    let script = get(&node, "/assets/app.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let tag = script.header("etag").expect("a tag").to_owned();
    let headers = format!("host: {}\r\nif-none-match: \"x\", {tag}\r\n", node.address);
    let again = Line::open(&node, "GET /assets/app.js", &headers).await.answer().await;
    assert_eq!((again.status(), again.header("etag"), again.body.len()), ("304", Some(tag.as_str()), 0));
    let other = get(&node, "/assets/dom.js").await;
    assert_ne!(other.header("etag"), Some(tag.as_str()));
    node.stop().await;
}

/// Mean grey of a JPEG.
fn grey(jpeg: &[u8]) -> f64 {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let samples = decoder.decode().expect("decodes");
    assert_eq!(decoder.dimensions(), Some((64, 48)));
    samples.iter().map(|s| f64::from(*s)).sum::<f64>() / samples.len() as f64
}

#[tokio::test]
async fn the_preview_streams_jpegs_while_somebody_watches() {
    let node = Node::start().await;
    let camera = gatehouse_core::CameraId::new(CROWD);
    let mut line = Line::get(&node, "/api/camera/market-square/preview.mjpeg").await;
    let head = line.text_until("\r\n\r\n").await;
    assert!(head.contains("content-type: multipart/x-mixed-replace; boundary=gatehouse-preview"), "{head}");
    assert!(node.view.preview_wanted(&camera));
    for luma in [60, 180] {
        node.view.set_preview(&camera, node::picture(luma));
        let part = line.text_until("\r\n\r\n").await;
        assert!(part.contains("content-type: image/jpeg"), "{part}");
        let jpeg = line.until("\r\n--gatehouse-preview\r\n").await;
        let expected = (f64::from(luma) - 16.0) * 255.0 / 219.0;
        assert!((grey(&jpeg) - expected).abs() < 4.0, "a picture of luma {luma} came as {}", grey(&jpeg));
    }
    drop(line);
    // The console notices as soon as it has something to send to the reader that has gone.
    while node.view.preview_wanted(&camera) {
        node.view.set_preview(&camera, node::picture(60));
        tokio::task::yield_now().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_single_picture_is_one_taken_after_it_was_asked_for() {
    let node = Node::start().await;
    let camera = gatehouse_core::CameraId::new(CROWD);
    let earlier = node.view.preview(CROWD).expect("it has a preview");
    node.view.set_preview(&camera, node::picture(60));
    drop(earlier);
    let line = Line::get(&node, "/api/camera/market-square/preview.jpg").await;
    while !node.view.preview_wanted(&camera) {
        tokio::task::yield_now().await;
    }
    node.view.set_preview(&camera, node::picture(180));
    let answer = line.answer().await;
    assert_eq!((answer.status(), answer.header("content-type")), ("200", Some("image/jpeg")));
    assert!(grey(&answer.body) > 180.0);
    node.stop().await;
}

#[tokio::test]
async fn streams_end_when_the_console_stops() {
    let node = Node::start().await;
    let mut picture = Line::get(&node, "/api/camera/market-square/preview.mjpeg").await;
    picture.until("\r\n\r\n").await;
    node.stop().await;
    picture.stream.read_to_end(&mut picture.got).await.expect("the line ends");
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("there is a free port");
    let view = gatehouse_service::view::NodeView::new(node::site(), Vec::new());
    let refused = gatehouse_console::serve(listener, view.into(), std::future::pending()).await;
    assert_eq!(refused.expect_err("it has no login").kind(), std::io::ErrorKind::InvalidInput);
}
