//! Back-test of the sizing policies: sized from the first 70 % of a healthy series, held against the peak of the last 30 %.
//! Prints for each policy how many series would have been killed and the mean waste of those that would not.
//!
//! The series are generated: steady, daily, weekly, bursty, batches, caches that fill, heaps that expand, levels that move.
//! A series whose first part already looks like a leak is not sized at all, and counted apart.

use postmem::model::trend::TrendVerdict;
use postmem::model::trend::WorkloadKind;
use postmem::series::blocks::Samples;
use postmem::series::sizing::policies::{Policy, Record, size};
use postmem::series::trend::{Ended, History, Run, analyse};
use std::io::Write;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, a: f64, b: f64) -> f64 {
        a + (b - a) * self.next()
    }

    /// Twelve uniform numbers are a normal one to the third digit.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

const SHAPES: [&str; 9] =
    ["steady", "daily", "weekly", "bursty", "batches", "filling cache", "expanding heap", "moving levels", "wandering"];

/// A healthy series in bytes, one sample a minute.
fn series(shape: &str, r: &mut Random) -> Vec<f64> {
    let days = r.between(2.0, 14.0);
    let n = (days * 1440.0) as usize;
    let base = r.between(50.0, 3000.0) * (1u64 << 20) as f64;
    let noise = r.between(0.002, 0.015) * base;
    let (amplitude, phase) = (r.between(0.05, 0.4), r.next());
    let bursts: Vec<(usize, f64)> = (0..(days * 2.0) as usize).map(|_| ((r.next() * n as f64) as usize, r.between(0.2, 0.9))).collect();
    let tau = r.between(0.05, 0.3);
    let steps: Vec<(f64, f64)> = (0..6).map(|_| (r.next(), r.between(-0.25, 0.25))).collect();
    let mut wander = 0.0;
    (0..n)
        .map(|i| {
            let (u, day) = (i as f64 / n as f64, i as f64 / 1440.0);
            let wave = |period: f64| (std::f64::consts::TAU * (day / period + phase)).sin();
            wander = 0.999 * wander + 0.0447 * r.normal();
            let level = match shape {
                "daily" => 1.0 + amplitude * wave(1.0),
                "weekly" => 1.0 + amplitude * (0.6 * wave(1.0) + 0.4 * wave(7.0)),
                "bursty" => 1.0 + bursts.iter().filter(|b| i >= b.0 && i < b.0 + 12).map(|b| b.1).fold(0.0, f64::max),
                "batches" => 1.0 + if day.fract() < 0.06 { amplitude * 3.0 * day.fract() / 0.06 } else { 0.0 },
                "filling cache" => 1.0 + amplitude * 2.0 * (1.0 - (-u / tau).exp()),
                "expanding heap" => 1.0 + amplitude * (u * 12.0).floor().min(4.0) / 2.0 + 0.1 * (i % 37) as f64 / 37.0,
                "moving levels" => 1.0 + steps.iter().filter(|s| u >= s.0).map(|s| s.1).next_back().unwrap_or(0.0),
                "wandering" => 1.0 + 0.06 * wander,
                _ => 1.0,
            };
            (base * level + noise * r.normal()).max(1.0)
        })
        .collect()
}

fn main() {
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    let mut out = std::io::stdout().lock();
    let each = 25;
    let (mut killed, mut waste) = ([0usize; Policy::ALL.len()], vec![Vec::new(); Policy::ALL.len()]);
    let mut leaks = 0;
    let mut misses: Vec<String> = Vec::new();
    for shape in SHAPES {
        for _ in 0..each {
            let v = series(shape, &mut r);
            let (seen, later) = v.split_at(v.len() * 7 / 10);
            let t: Vec<f64> = (0..seen.len()).map(|i| i as f64 * 60.0).collect();
            let record = Record::new(t.clone(), seen.to_vec());
            let memory = Samples { t, v: seen.to_vec() };
            let h = History {
                runs: vec![Run { memory, anonymous: None, derived: false, ended: Ended::Open }],
                load: None,
                limit: None,
                origin: None,
            };
            if analyse(&h).verdict == TrendVerdict::Leak {
                leaks += 1;
                continue;
            }
            let peak = later.iter().copied().fold(0.0, f64::max);
            let kind = if shape == "batches" { WorkloadKind::Batch } else { WorkloadKind::Stateless };
            for ((policy, k), w) in Policy::ALL.into_iter().zip(&mut killed).zip(&mut waste) {
                let Some(s) = size(policy, kind, &record, None) else { continue };
                if peak > s.limit {
                    *k += 1;
                    if policy == Policy::Behaviour {
                        misses.push(format!("{shape}: {:.0} % above the limit", 100.0 * (peak / s.limit - 1.0)));
                    }
                } else {
                    w.push(s.limit / peak - 1.0);
                }
            }
        }
    }
    let all = SHAPES.len() * each;
    let _ = writeln!(out, "{all} healthy series; {leaks} took for leaks in their first part and not sized");
    for ((policy, k), w) in Policy::ALL.into_iter().zip(killed).zip(waste) {
        let mean = w.iter().sum::<f64>() / w.len().max(1) as f64;
        let _ = writeln!(
            out,
            "{:<10} would be killed {:>4.1} %   mean waste {:>4.1} %   ({})",
            policy.name(),
            100.0 * k as f64 / all as f64,
            100.0 * mean,
            policy.words()
        );
    }
    for m in misses {
        let _ = writeln!(out, "missed by behaviour: {m}");
    }
}
