//! The console as a person sees it, in Debian's Chromium.

#![allow(clippy::expect_used, reason = "tests")]

use std::time::Duration;

use gatehouse_core::CameraId;

mod node;

use gatehouse_testing::browser::Browser;
use node::{CROWD, GATE, Node};

const TOTAL: &str = "[data-testid='count-market-square']";
const STEPS: &str = "[data-testid='count-market-square-steps']";
const STEPS_LEVEL: &str = "[data-testid='level-market-square-steps']";
const STATE: &str = "[data-testid='camera-market-square-state']";
const ENTRY: &str = "[data-testid='entry']";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_counts_change_entries_come_and_the_line_break() {
    let node = Node::start().await;
    node.record(&node::health(CROWD, "live", None));
    node.record(&node::density(9, [(4, "low"), (5, "medium")]));
    node.record(&node::map());
    let browser = Browser::start(1400, 900, "en-GB").await;
    browser.open(&format!("http://{}/", node.address)).await;

    browser.wait_for_exactly(TOTAL, "9").await;
    browser.wait_for_exactly(STEPS, "4").await;
    browser.wait_for_exactly(STEPS_LEVEL, "Low").await;
    browser.wait_for_exactly(STATE, "Live").await;
    assert_eq!(browser.title().await, "north-gate – Gatehouse console");
    assert_eq!(browser.texts(ENTRY).await, Vec::<String>::new());

    assert!(!browser.texts("[data-testid='sum']").await.concat().contains("people"), "nothing was summed up yet");
    node.record(&node::rollup(9));
    browser.wait_for("#sum-count", "9 (6–13) people, counted by 1 of 2 cameras").await;
    browser.wait_for("#sum-blind", "back-yard: camera moved, zones not counted since ").await;

    assert!(!browser.texts("[data-testid='load']").await.concat().contains('%'), "nothing was said of the load yet");
    node.record(&node::load(0.42, false));
    browser.wait_for_exactly("[data-testid='load']", "42 % of 4 processors · crowds: within 510 ms").await;
    assert!(!browser.texts("#load-full").await.concat().contains("full"));
    node.record(&node::load(0.97, true));
    browser.wait_for("#load-full", "This node is full").await;

    // The count changes while one looks.
    node.record(&node::density(31, [(23, "critical"), (8, "medium")]));
    browser.wait_for_exactly(TOTAL, "31").await;
    browser.wait_for_exactly(STEPS, "23").await;
    browser.wait_for_exactly(STEPS_LEVEL, "Critical").await;

    node.record(&node::entry(1, "admit", "matched"));
    browser.wait_for(ENTRY, "Admit").await;
    node.record(&node::entry(2, "refer", "no_match"));
    browser.wait_for(ENTRY, "No enrolled person matched").await;
    let entries = browser.texts(ENTRY).await;
    assert_eq!(entries.len(), 2);
    assert!(entries[0].contains("Refer to staff") && entries[0].contains("242 ms"), "newest first: {entries:?}");

    node.record(&node::health(CROWD, "stalled", Some("connected, but no frame for 5.0 s")));
    browser.wait_for_exactly(STATE, "Stalled").await;
    browser.wait_for("[data-testid='camera-market-square-reason']", "no frame for 5.0 s").await;
    browser.wait_for("[data-testid='camera-market-square-clock']", "clock is 7,200.0 s ahead").await;

    node.stop().await;
    browser.wait_for("[data-testid='banner']", "Picture and counts have not been updated since").await;
    browser.wait_for("[data-testid='link']", "No connection").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_uses_the_browsers_language_or_the_chosen_one() {
    let node = Node::start().await;
    node.record(&node::health(GATE, "lost", None));
    node.record(&node::entry(1, "refer", "ambiguous"));
    let browser = Browser::start(1400, 900, "zh-CN").await;
    let address = format!("http://{}/", node.address);
    browser.open(&address).await;
    browser.wait_for(ENTRY, "转人工通道").await;
    browser.wait_for_exactly("[data-testid='camera-east-gate-state']", "失联").await;
    browser.click("[data-testid='language-en']").await;
    browser.wait_for(ENTRY, "Refer to staff").await;
    browser.open(&address).await;
    browser.wait_for(ENTRY, "Refer to staff").await;
    browser.click("[data-testid='language-zh']").await;
    browser.wait_for(ENTRY, "多帧识别结果不一致").await;
    browser.wait_for("h2", "闸口通行记录").await;
    assert_eq!(browser.run("return document.documentElement.lang", vec![]).await, "zh-CN");
    browser.close().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_picture_is_shown_with_zones_and_density_over_it() {
    let node = Node::start().await;
    node.record(&node::health(CROWD, "live", None));
    node.record(&node::density(9, [(4, "low"), (5, "medium")]));
    node.record(&node::map());
    let camera = tokio::spawn({
        let view = node.view.clone();
        async move {
            let id = CameraId::new(CROWD);
            let mut frames = tokio::time::interval(Duration::from_millis(100));
            loop {
                frames.tick().await;
                if view.preview_wanted(&id) {
                    view.set_preview(&id, node::picture(120));
                }
            }
        }
    });
    let browser = Browser::start(1400, 900, "en-GB").await;
    browser.open(&format!("http://{}/", node.address)).await;
    browser.wait_for_exactly(TOTAL, "9").await;
    let loaded = "const [done] = arguments; const picture = document.getElementById('picture');
        const size = () => done(`${picture.naturalWidth}×${picture.naturalHeight}`);
        picture.naturalWidth > 0 ? size() : picture.addEventListener('load', size);";
    assert_eq!(browser.run_async(loaded).await, "64×48");
    let painted = "const canvas = document.getElementById('overlay');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.filter((value, i) => i % 4 === 3 && value > 0).length / (canvas.width * canvas.height);";
    let share = |value: serde_json::Value| value.as_f64().expect("a number");
    let both = share(browser.run(painted, vec![]).await);
    browser.click("#switch-density").await;
    let zones = share(browser.run(painted, vec![]).await);
    browser.click("#switch-zones").await;
    let none = share(browser.run(painted, vec![]).await);
    assert_eq!(browser.texts("#legend-full").await, ["2 people or more in a cell of the grid"]);
    assert!(both > zones && zones > 0.2 && none == 0.0, "{both} with both, {zones} with zones, {none} with none");
    browser.close().await;
    camera.abort();
    node.stop().await;
}
