//! Debian's Chromium, driven over WebDriver, for tests that use a page as a person does.
//!
//! Needs `/usr/bin/chromium` and `/usr/bin/chromedriver`. Dropping the [`Browser`] ends both.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Deadline for an expected content of the page.
const PATIENCE: Duration = Duration::from_secs(30);

/// Resolves once a visible element of the selector has the text; watches the page for changes.
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

/// A browser with its own profile and one window.
pub struct Browser {
    client: Client,
    // Dropped after the client, which uses it.
    _driver: Driver,
}

impl Browser {
    /// Starts a browser with a window of this size, which requests pages in `language` (`en-GB`,
    /// `zh-CN`).
    ///
    /// # Panics
    /// If Chromium or its driver can't be started.
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

    /// Waits until a visible element at `selector` holds `text`.
    ///
    /// # Panics
    /// If it does not within 30 s; the message contains the actual text.
    pub async fn wait_for(&self, selector: &str, text: &str) {
        self.wait(selector, text, false).await;
    }

    /// Waits until a visible element at `selector` holds `text` and nothing else.
    ///
    /// # Panics
    /// If it does not within 30 s; the message contains the actual text.
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

    /// The texts of all elements at `selector`, hidden ones too.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim())";
        let texts = self.run(script, vec![json!(selector)]).await;
        serde_json::from_value(texts).expect("a list of texts")
    }

    /// Runs a script in the page, and returns its result.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.expect("the script runs")
    }

    /// Runs a script in the page that calls its last argument when done, and returns the value of
    /// that call.
    pub async fn run_async(&self, script: &str) -> Value {
        self.client.execute_async(script, vec![]).await.expect("the script runs and ends")
    }

    /// Clicks on the one element at `selector`.
    pub async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.expect("the element is there");
        element.click().await.expect("it can be clicked on");
    }

    /// The window as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("the window can be drawn")
    }

    /// Ends the browser cleanly.
    pub async fn close(self) {
        self.client.clone().close().await.expect("the browser ends");
    }
}

/// A running chromedriver, and the profile of the browser that it starts.
struct Driver {
    process: Child,
    port: u16,
    profile: TempDir,
    // Kept open: a closed output would end the driver at its next line.
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

    /// The browser's processes: those with our profile in their command line.
    fn browser_processes(&self) -> Vec<String> {
        let profile = self.profile.path().to_string_lossy().into_owned();
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let ours = |pid: &String| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&profile)
        };
        processes
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
            .filter(ours)
            .collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A killed driver leaves its browser running, so the browser is ended first; its profile
        // identifies it. The profile's folder is deleted last, once nothing writes to it.
        for _ in 0..100 {
            let left = self.browser_processes();
            if left.is_empty() {
                break;
            }
            let _ = Command::new("kill").arg("-KILL").args(&left).stderr(Stdio::null()).status();
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
