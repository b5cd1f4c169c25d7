//! The demo, as a newcomer runs it. It needs `gatehouse` beside `gatehouse-lab`: run
//! `cargo build --workspace --bins` before this test alone.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_demo_ends_by_itself_and_shows_everything() {
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse-lab"))
        .args(["--log", "warn", "demo"])
        .env("DEMO_SECONDS", "40")
        .output()
        .expect("gatehouse-lab runs");
    let (output_text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{output_text}\n{log}", output.status);
    let summary = output_text.lines().last().expect("a summary");
    assert!(summary.starts_with("demo: ") && summary.ends_with(": complete"), "{summary}");
    for shown in [
        "ADMIT    by face: an enrolled person",
        "ADMIT    by QR pass: a valid pass",
        "REFER    by face: matches nobody",
        "REFER    by face: looks like a picture",
        "people: road",
        "console  http",
    ] {
        assert!(output_text.contains(shown), "`{shown}` in\n{output_text}");
    }
    for name in ["Demo Resident", "Demo Visitor"] {
        assert!(!output_text.contains(name) && !log.contains(name), "an output names {name}");
    }
}

#[test]
fn ctrl_c_stops_the_demo_cleanly() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_gatehouse-lab"))
        .args(["--log", "info", "demo", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gatehouse-lab runs");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    let event = lines.find(|line| line.contains("/density"));
    // Stopped before the assertions, so that no process is left behind.
    let interrupted = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().expect("kill runs");
    let summary = lines.last();
    let output = demo.wait_with_output().expect("it ends");

    assert!(interrupted.success());
    let event: serde_json::Value = serde_json::from_str(&event.expect("people are counted")).expect("an event a line");
    assert!(event["event"]["count"].is_number(), "{event}");
    let summary = summary.expect("a summary");
    assert!(summary.starts_with("demo: "), "{summary}");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{log}", output.status);
    assert!(log.contains("stopped"), "the node stopped cleanly:\n{log}");
}
