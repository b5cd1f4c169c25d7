//! The console of a real node, opened in Debian's Chromium.

use gatehouse_sim::{Fault, MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::browser::Browser;
use gatehouse_testing::node::{Node, Program, SiteFolder, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

#[test]
fn an_operator_sees_counts_change_and_a_camera_go_dark() {
    let plaza = MountConfig {
        size: [768, 576],
        fps: 10,
        max_seconds: 20,
        ..MountConfig::new("plaza", Scene::File(media("vtest.avi")))
    };
    let sim = Sim::start(SimConfig { mounts: vec![plaza], ..SimConfig::default() }).expect("the simulator starts");
    let crowd = format!("[[crowd]]\nid = \"plaza\"\nname = \"South plaza\"\nsource = \"{}\"", sim.url("plaza"));
    let site = SiteFolder::new(PROGRAM, &crowd);
    let node = Node::start(&site);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let browser = Browser::start(1400, 900, "en-GB").await;
        browser.open(&node.console).await;
        browser.wait_for("[data-testid='show-plaza']", "South plaza").await;
        browser.wait_for("[data-testid='camera-plaza-state']", "Live").await;

        // Collects the values of the count until two above 0 were seen.
        let counts = browser
            .run_async(
                "const done = arguments[0];
                 const count = document.querySelector(\"[data-testid='count-plaza']\");
                 const seen = new Set();
                 const look = () => {
                     if (Number(count.textContent) > 0) seen.add(count.textContent);
                     if (seen.size > 1) { observer.disconnect(); done([...seen]); }
                 };
                 const observer = new MutationObserver(look);
                 observer.observe(count, { characterData: true, childList: true, subtree: true });
                 look();",
            )
            .await;
        assert_eq!(counts.as_array().map(Vec::len), Some(2), "{counts}");

        let width = browser
            .run_async(
                "const done = arguments[0];
                 const picture = document.querySelector(\"[data-testid='picture']\");
                 const look = () => picture.naturalWidth > 0 ? done(picture.naturalWidth) : requestAnimationFrame(look);
                 look();",
            )
            .await;
        assert_eq!(width.as_u64(), Some(640), "the live picture, scaled down");

        sim.inject("plaza", Fault::Black).expect("a mount");
        browser.wait_for("[data-testid='camera-plaza-state']", "Dark").await;
        browser.close().await;
    });
    node.stop();
}
