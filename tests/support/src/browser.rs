//! Debian's Chromium, driven over WebDriver, for tests of what a page shows.
//!
//! Needs `/usr/bin/chromium` and `/usr/bin/chromedriver`. Both end when the [`Browser`] is dropped,
//! also after a failed test.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for a page to show a text.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for a killed process of the browser to end.
const KILLED_WITHIN: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Resolves as soon as a visible element at the selector has the text. Watches the page for
/// changes.
const WAIT_FOR_TEXT: &str = "
    const [selector, text, exactly, done] = arguments;
    const fits = (shown) => exactly ? shown.trim() === text : shown.includes(text);
    const there = () => [...document.querySelectorAll(selector)].some((e) => e.checkVisibility() && fits(e.textContent));
    if (there()) { done(true); return; }
    const observer = new MutationObserver(() => {
        if (there()) { observer.disconnect(); done(true); }
    });
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
";

/// A browser with one window and its own profile.
pub struct Browser {
    client: Client,
    // Dropped after the client, which uses it.
    _driver: Driver,
}

impl Browser {
    /// Starts a browser with a window of this size that requests pages in `language` (`en-GB`,
    /// `zh-CN`).
    ///
    /// # Panics
    /// If Chromium or its driver cannot be started.
    pub async fn start(width: u32, height: u32, language: &str) -> Self {
        let driver = Driver::start();
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--lang={language}"),
            format!("--accept-lang={language}"),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", driver.profile.path().display()),
        ];
        let Value::Object(capabilities) = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments },
            "timeouts": { "script": PATIENCE.as_millis() as u64, "pageLoad": PATIENCE.as_millis() as u64 },
        }) else {
            unreachable!("it is an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("chromedriver starts Chromium");
        Self { client, _driver: driver }
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// The page's title.
    pub async fn title(&self) -> String {
        self.client.title().await.expect("a page has a title")
    }

    /// Waits until a visible element at `selector` contains `text`.
    ///
    /// # Panics
    /// After 30 s, with the texts that were there instead.
    pub async fn wait_for(&self, selector: &str, text: &str) {
        self.wait(selector, text, false).await;
    }

    /// Waits until a visible element at `selector` contains exactly `text`.
    ///
    /// # Panics
    /// After 30 s, with the texts that were there instead.
    pub async fn wait_for_exactly(&self, selector: &str, text: &str) {
        self.wait(selector, text, true).await;
    }

    async fn wait(&self, selector: &str, text: &str, exactly: bool) {
        let waited = self.client.execute_async(WAIT_FOR_TEXT, vec![json!(selector), json!(text), json!(exactly)]).await;
        if let Err(error) = waited {
            let there = self.texts(selector).await;
            panic!("`{selector}` never showed {text:?}, but {there:?}: {error}");
        }
    }

    /// The texts of all elements at `selector`, including hidden ones.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim())";
        let texts = self.run(script, vec![json!(selector)]).await;
        serde_json::from_value(texts).expect("a list of texts")
    }

    /// Runs a script in the page, and returns its result.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.expect("the script runs")
    }

    /// Runs an asynchronous script in the page, and returns the value that it passes to its last
    /// argument.
    pub async fn run_async(&self, script: &str) -> Value {
        self.client.execute_async(script, vec![]).await.expect("the script runs and ends")
    }

    /// Clicks on the element at `selector`.
    pub async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.expect("the element is there");
        element.click().await.expect("it can be clicked on");
    }

    /// The window as a PNG file.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("the window can be drawn")
    }

    /// Closes the browser.
    pub async fn close(self) {
        self.client.clone().close().await.expect("the browser ends");
    }
}

/// A running chromedriver, and the profile of its browser.
struct Driver {
    process: Child,
    port: u16,
    profile: TempDir,
    // Kept open: the driver ends if it cannot write its output.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("/usr/bin/chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut said = String::new();
        let port = loop {
            let start = said.len();
            let read = output.read_line(&mut said).expect("its output is text");
            assert!(read > 0, "chromedriver ended: {said}");
            let port = said[start..].rsplit_once("successfully on port ");
            if let Some(port) = port.and_then(|(_, port)| port.trim().trim_end_matches('.').parse().ok()) {
                break port;
            }
        };
        let profile = tempfile::Builder::new().prefix("gatehouse-browser-").tempdir().expect("a folder can be made");
        Self { process, port, profile, _output: output }
    }

    /// The browser's processes, found by the profile in their command lines.
    fn browser_processes(&self) -> Vec<OwnedFd> {
        let profile = self.profile.path().to_string_lossy().into_owned();
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .filter_map(|entry| {
                let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
                // Opened first: the number may be another process's later.
                let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
                let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
                String::from_utf8_lossy(&command).contains(&profile).then_some(process)
            })
            .collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A killed driver leaves its browser running, so the browser ends first, found by its own
        // profile. The profile's folder is removed last, when nobody writes to it.
        // A process that was being started while its parent was killed is found in the next round.
        for _ in 0..100 {
            let left = self.browser_processes();
            if left.is_empty() {
                break;
            }
            for process in &left {
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
            for process in &left {
                let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&KILLED_WITHIN));
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
