//! What the publishers' tests share.

use std::path::Path;
use std::sync::Arc;

use gatehouse_bus::{Bus, BusOptions};
use gatehouse_config::Site;
use gatehouse_core::key::SiteKey;
use gatehouse_core::time::Clock;

use super::EventSender;
use crate::view::NodeView;

/// A site with a gate and a crowd camera.
pub(super) fn site() -> Site {
    let text = r#"
        version = 1
        [site]
        id = "north-gate"
        area = "riverside"
        [store]
        key = "file:site.key"
        [[gate]]
        id = "gate-1"
        source = "rtsp://192.0.2.11/main"
        liveness = "off"
        [[crowd]]
        id = "plaza"
        source = "rtsp://192.0.2.12/main"
    "#;
    Site::parse(text, Path::new("site.toml")).expect("a sound site file")
}

/// Sends events to a bus without peers.
pub(super) fn open_sender(clock: &Arc<dyn Clock>) -> EventSender {
    let site = site();
    let key = SiteKey::new(&site.site.area, &site.site.id);
    let options = BusOptions::default();
    let bus = Bus::open(&options, key.clone(), &site.site.node).expect("a bus without endpoints opens");
    EventSender { bus: Arc::new(bus), view: Arc::new(NodeView::of(&site)), key, clock: Arc::clone(clock) }
}
