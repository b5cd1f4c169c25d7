//! The view of a site before any event: its cameras, zones and lines.

use gatehouse_config::{CameraSettings, CrowdCamera, Line, Site};
use gatehouse_core::CameraId;
use gatehouse_core::zone::Zone;
use gatehouse_picture::Point;

use super::{CameraRole, CameraView, LineView, NodeView, SiteView, ZoneView};

impl NodeView {
    /// The view of a site without any events.
    pub(crate) fn of(site: &Site) -> Self {
        let gates = site.gates.iter().map(|gate| camera_view(&gate.id, CameraRole::Gate, &gate.common));
        let cameras = gates.chain(site.crowds.iter().map(crowd_view)).collect();
        let site = SiteView {
            area: site.site.area.clone(),
            site: site.site.id.clone(),
            node: site.site.node.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        Self::new(site, cameras)
    }
}

fn crowd_view(camera: &CrowdCamera) -> CameraView {
    CameraView {
        zones: camera.zones.iter().map(zone_view).collect(),
        lines: camera.lines.iter().map(line_view).collect(),
        preview: camera.preview,
        ..camera_view(&camera.id, CameraRole::Crowd, &camera.common)
    }
}

fn camera_view(id: &CameraId, role: CameraRole, common: &CameraSettings) -> CameraView {
    let name = common.name.clone();
    CameraView { id: id.clone(), role, name, zones: Vec::new(), lines: Vec::new(), preview: false }
}

fn zone_view(zone: &Zone) -> ZoneView {
    ZoneView {
        id: zone.id.clone(),
        name: zone.name.clone(),
        polygon: zone.polygon.corners().iter().map(|p| [p.x, p.y]).collect(),
        has_levels: zone.thresholds.is_some(),
    }
}

fn line_view(line: &Line) -> LineView {
    let at = |point: Point| [point.x, point.y];
    LineView { id: line.id.clone(), from: at(line.from), to: at(line.to), inside: at(line.inside) }
}
