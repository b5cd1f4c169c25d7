//! A node with a number of cameras: whether it keeps their rate, and at what cost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatehouse_core::Event;
use gatehouse_core::load::{NodeLoad, RoleLoad};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint};
use serde_json::{Value, json};

use crate::measure::cpu_time_ms;
use crate::{Load, Model};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
/// Interval of a node's reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Least number of frames from which a camera's rate is measured: one beyond the period's end must
/// not decide.
pub(crate) const FRAMES: f64 = 20.0;

/// Result of a run with a number of cameras.
pub(crate) struct Run {
    /// Per load: the least share of its rate that any camera kept.
    pub(crate) worst: Vec<f64>,
    pub(crate) node_ms: f64,
    pub(crate) sim_ms: f64,
    pub(crate) memory_mib: u64,
    pub(crate) threads: u64,
    /// The node's own load event.
    pub(crate) load: NodeLoad,
}

impl Run {
    pub(crate) fn role(&self, model: Model) -> &RoleLoad {
        role(&self.load, model)
    }

    pub(crate) fn to_json(&self, cameras: usize, model: Model) -> Value {
        json!({
            "cameras": cameras, "worst_rate": self.worst[0], "node_ms_per_s": self.node_ms, "sim_ms_per_s": self.sim_ms,
            "memory_mb": self.memory_mib, "threads": self.threads, "full": self.load.full,
            "deadline_misses": self.role(model).missed, "latency_ms": self.role(model).latency_ms,
        })
    }
}

/// Gives the URL of a load's camera by its number.
pub(crate) type Urls<'a> = &'a dyn Fn(&Load, usize) -> String;

/// Runs a node with these loads until it has reported enough full periods, and at least
/// `least_periods`. The load event is the one with the median p99 of the first load.
pub(crate) fn run(url: Urls<'_>, loads: &[(&Load, usize)], least_periods: usize) -> Run {
    let site = site_of(url, loads);
    let node = Node::start(&site);
    let pid = node.pid().to_string();
    // In the first period cameras connect, and in the second they settle.
    let mut to_settle = 2;
    let mut begun: Option<([f64; 2], Instant)> = None;
    let mut rates: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let slowest = loads.iter().map(|(load, _)| load.rate).fold(f64::INFINITY, f64::min);
    let periods = ((FRAMES / slowest / REPORT_EVERY.as_secs_f64()).ceil() as usize).max(least_periods);
    let mut reports: Vec<NodeLoad> = Vec::new();
    while reports.len() < periods {
        let reported = node.wait("a report", |_, event| match event {
            Event::Health(health) => Some(Err((health.camera.to_string(), health.fps_analysed + health.fps_unchanged))),
            Event::Load(load) => Some(Ok(load.clone())),
            _ => None,
        });
        match (reported, begun) {
            (Err((camera, rate)), Some(_)) => rates.entry(camera).or_default().push(rate),
            (Ok(load), Some(_)) => reports.push(*load),
            (Ok(_), None) => {
                to_settle -= 1;
                begun = (to_settle == 0).then(|| ([cpu_time_ms(&pid), cpu_time_ms("self")], Instant::now()));
            }
            (Err(_), None) => {}
        }
    }
    let (before, since) = begun.expect("it has begun");
    let seconds = since.elapsed().as_secs_f64();
    let [node_ms, sim_ms] = [cpu_time_ms(&pid) - before[0], cpu_time_ms("self") - before[1]].map(|ms| ms / seconds);
    let (threads, memory_mib) = footprint(node.pid());
    node.stop();
    let worst = |(load, cameras): &(&Load, usize)| {
        let mean = |rates: &Vec<f64>| rates.iter().sum::<f64>() / rates.len() as f64;
        let shares = (0..*cameras).map(|i| rates.get(&id(load, i)).map_or(0.0, mean) / load.rate);
        shares.fold(f64::INFINITY, f64::min)
    };
    reports.sort_by(|a, b| p99(a, loads[0].0.model).total_cmp(&p99(b, loads[0].0.model)));
    let load = reports.swap_remove(periods / 2);
    Run { worst: loads.iter().map(worst).collect(), node_ms, sim_ms, memory_mib, threads, load }
}

fn role(load: &NodeLoad, model: Model) -> &RoleLoad {
    let role = if model == Model::Faces { &load.gates } else { &load.crowds };
    role.as_ref().expect("it has cameras of this kind")
}

fn p99(load: &NodeLoad, model: Model) -> f64 {
    role(load, model).latency_ms.total.p99
}

fn id(load: &Load, camera: usize) -> String {
    format!("{}-{camera}", load.name)
}

fn site_of(url: Urls<'_>, loads: &[(&Load, usize)]) -> SiteFolder {
    let mut text = String::new();
    for (load, _) in loads {
        if let Model::People(model) = load.model {
            text += &format!("[models]\nperson_detector = \"{model}\"\n");
        }
    }
    for (load, cameras) in loads {
        for i in 0..*cameras {
            let (role, more) = match load.model {
                Model::Faces => ("gate", "liveness = \"off\"\n"),
                Model::People(_) => ("crowd", ""),
            };
            text += &format!(
                "[[{role}]]\nid = \"{}\"\nsource = \"{}\"\nanalyse_fps = {:.1}\n{more}",
                id(load, i),
                url(load, i),
                load.rate,
            );
        }
    }
    SiteFolder::new(PROGRAM, &text)
}
