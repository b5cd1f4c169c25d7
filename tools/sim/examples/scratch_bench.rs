#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]
use gatehouse_sim::*;
use std::{
    path::Path,
    time::{Duration, Instant},
};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let toml = std::env::args().nth(1).unwrap();
    let secs: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let config = SimConfig::load(Path::new(&toml)).unwrap();
    let t = Instant::now();
    let c0 = cpu();
    let sim = Sim::start(config).unwrap();
    println!("start {:?} cpu {:.2}", t.elapsed(), cpu() - c0);
    for m in sim.mounts() {
        println!("{}", sim.url(m));
    }
    let first = sim.mounts().next().unwrap().to_owned();
    let clients: u64 = std::env::args().nth(3).map_or(1, |n| n.parse().unwrap());
    sim.wait_for(&first, Duration::from_secs(60), |s| s.plays >= clients).unwrap();
    let c0 = cpu();
    let t = Instant::now();
    std::thread::sleep(Duration::from_secs(secs));
    println!("serving: {:.4} cpu-s per s; {}", (cpu() - c0) / t.elapsed().as_secs_f64(), sim.stats(&first).unwrap());
    for l in std::fs::read_dir("/proc/self/task").unwrap() {
        let p = l.unwrap().path();
        print!("{} ", std::fs::read_to_string(p.join("comm")).unwrap().trim());
    }
    println!();
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmRSS")).unwrap()
    );
    sim.stop().unwrap();
}
