//! The figures as an HTML page: per load, the kept rate over the number of cameras.

use gatehouse_eval::report::scene::{Anchor, Colour, GRID, SERIES, Scene};
use gatehouse_eval::report::svg;
use serde_json::Value;

const WIDTH: f32 = 520.0;
const HEIGHT: f32 = 240.0;
const MARGIN: f32 = 60.0;
const RATE: Colour = SERIES[0];
const BOUND: Colour = SERIES[1];
const PEER: Colour = Colour(0x88, 0x88, 0x88);

pub(crate) fn html(report: &Value) -> String {
    let loads = report["loads"].as_object().into_iter().flatten();
    let pictures: String = loads.map(|(name, load)| format!("<h2>{name}</h2>{}", svg(&scene(name, load)))).collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>gatehouse: cameras served</title>\
         <style>body{{font:15px system-ui,sans-serif;margin:2rem;max-width:60rem}}svg text{{font:13px ui-monospace,monospace}}\
         </style><h1>Cameras served</h1><p>{} processors ({}); version {}. The worst camera's share of its rate over the number of \
         cameras; the bound is orange, other services are grey.</p>{pictures}</html>\n",
        report["machine"]["processors"],
        report["machine"]["processor"].as_str().unwrap_or("unknown"),
        report["version"].as_str().unwrap_or_default(),
    )
}

fn scene(name: &str, load: &Value) -> Scene {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let bound = number(&load["bound_cameras"]);
    let curve: Vec<(f64, f64)> = load["curve"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|run| (number(&run["cameras"]), number(&run["worst_rate"])))
        .collect();
    let most = curve.iter().map(|(cameras, _)| *cameras).fold(bound, f64::max) * 1.05;
    let at = |cameras: f64, rate: f64| {
        (MARGIN + (cameras / most) as f32 * WIDTH, MARGIN + HEIGHT - rate.min(1.2) as f32 / 1.2 * HEIGHT)
    };
    let (width, height) = ((WIDTH + 2.0 * MARGIN) as u32, (HEIGHT + 2.0 * MARGIN) as u32);
    let mut scene = Scene::new(width, height, format!("{name}: rate kept over cameras"));
    for rate in [0.0, 0.5, 1.0] {
        scene.line(vec![at(0.0, rate), at(most, rate)], GRID, 1.0);
        let (x, y) = at(0.0, rate);
        scene.text(x - 8.0, y + 4.0, Anchor::End, format!("{:.0} %", 100.0 * rate));
    }
    let mut mark = |cameras: f64, colour, words: String, above: f32| {
        scene.line(vec![at(cameras, 0.0), at(cameras, 1.2)], colour, 1.0);
        let (x, y) = at(cameras, 1.2);
        scene.text(x, y - above, Anchor::Middle, words);
    };
    mark(bound, BOUND, format!("bound {bound:.1}"), 8.0);
    for (i, (peer, figures)) in load["peers"].as_object().into_iter().flatten().enumerate() {
        let cameras = number(&figures["sustained_cameras"]);
        mark(cameras, PEER, format!("{peer} {cameras}"), 24.0 + 14.0 * i as f32);
    }
    scene.line(curve.iter().map(|(cameras, rate)| at(*cameras, *rate)).collect(), RATE, 2.0);
    for (cameras, rate) in &curve {
        let (x, y) = at(*cameras, *rate);
        scene.dot((x, y), 3.0, RATE);
        scene.text(x, MARGIN + HEIGHT + 18.0, Anchor::Middle, format!("{cameras}"));
    }
    scene.text(MARGIN + WIDTH / 2.0, MARGIN + HEIGHT + 42.0, Anchor::Middle, "cameras");
    scene
}
