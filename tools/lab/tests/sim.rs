//! `gatehouse-lab sim` as an operator runs it.

use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn quit_ends_the_simulator() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sim.toml");
    std::fs::write(
        &file,
        "[[mount]]\npath = \"ball\"\nscene = { pattern = \"ball\" }\nsize = [320, 240]\nmax_seconds = 1\n",
    )
    .expect("written");
    let mut sim = Command::new(env!("CARGO_BIN_EXE_gatehouse-lab"))
        .args(["--log", "info", "sim", "--stop-with-stdin"])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // The input ends too, so that the simulator ends whatever it does with `quit`.
    sim.stdin.take().expect("a pipe").write_all(b"stats\nquit\n").expect("it reads");
    let output = sim.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("rtsp://127.0.0.1:") && text.contains("ball"), "{text}");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("quit: stopping"), "{log}");
}
