//! The way from a Go program's live heap to its cgroup's limit: inuse → HeapInuse → Sys − Released → RSS → working set →
//! limit. Figures are taken from one moment: a profile's own trailer, MemStats in a log, exported series, cgroup files and
//! process listings; what no source states is left out, and what no source explains is named as that.

use crate::model::bridge::{Bridge, Rung};
use crate::model::profile::HeapProfile;
use crate::model::series::{NO_TIME, WORKING_SET};
use crate::model::{Cite, Incident, Owner, Placed, Timestamp, When};

/// Figures further from the moment than this belong to another one, in ms.
const NEAR: i64 = 10 * 60_000;

/// A figure, where it stands and what states it.
#[derive(Clone)]
struct Figure {
    bytes: f64,
    cite: Cite,
    from: String,
}

/// Builds the bridge of every process that tells enough of itself.
pub fn build(incident: &Incident) -> Vec<Bridge> {
    let mut owners: Vec<&Owner> = Vec::new();
    let with_heap = incident.profiles.iter().filter(|p| is_go_heap(&p.what)).map(|p| &p.owner);
    let with_series = incident.series.iter().filter(|s| s.what.metric.starts_with("go_memstats_")).map(|s| &s.owner);
    for owner in with_heap.chain(with_series) {
        if !owners.iter().any(|o| same(o, owner)) {
            owners.push(owner);
        }
    }
    owners.sort();
    owners.into_iter().filter_map(|o| bridge(incident, o)).collect()
}

fn same(a: &Owner, b: &Owner) -> bool {
    a == b || a.same_container(b)
}

fn is_go_heap(p: &HeapProfile) -> bool {
    matches!(p.format, "pprof" | "go-heap-text") && p.measures.iter().any(|m| m.name == "inuse_space")
}

/// What is known of one owner around one moment.
struct Scene<'a> {
    incident: &'a Incident,
    owner: &'a Owner,
    /// Unix ms; unknown where nothing has a time.
    at: Option<i64>,
    profiles: Vec<&'a Placed<HeapProfile>>,
}

impl Scene<'_> {
    fn near(&self, at: &When) -> bool {
        let Some((t, m)) = self.at.zip(at.mid()) else { return true };
        (t - m.0 / 1_000_000).abs() <= NEAR
    }

    /// The sample of a series nearest to the moment; a series without times is of any.
    fn series(&self, metric: &str) -> Option<Figure> {
        let own = self.incident.series.iter().filter(|s| s.what.metric == metric && same(&s.owner, self.owner));
        own.filter_map(|s| {
            let distance = |t: i64| if t == NO_TIME { 0 } else { self.at.map_or(-t, |a| (t - a).abs()) };
            let (t, v) = s.what.finite().min_by_key(|(t, _)| distance(*t))?;
            let clock = !s.what.is_uptime() || self.at.is_none();
            let fits = clock && (t == NO_TIME || self.at.is_none_or(|a| (t - a).abs() <= NEAR));
            fits.then(|| (distance(t), Figure { bytes: v, cite: s.cite.clone(), from: metric.to_owned() }))
        })
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cite.cmp(&b.1.cite)))
        .map(|x| x.1)
    }

    /// A figure of MemStats: of a profile's trailer at that moment, else the exported series.
    fn memstats(&self, field: &str, metric: &str) -> Option<Figure> {
        let trailer = self.profiles.iter().rev().filter(|p| self.near(&p.at)).find_map(|p| {
            let v = *p.what.extra.get(field)?;
            Some(Figure { bytes: v as f64, cite: p.cite.clone(), from: format!("{field} of runtime.MemStats") })
        });
        trailer.or_else(|| self.series(metric))
    }

    fn live(&self) -> Option<Figure> {
        self.profiles.iter().rev().filter(|p| self.near(&p.at)).find_map(|p| {
            let m = p.what.measures.iter().position(|m| m.name == "inuse_space")?;
            let bytes = *p.what.totals.get(m)? as f64;
            Some(Figure { bytes, cite: p.cite.clone(), from: "inuse_space of the heap profile, as of the last collection".into() })
        })
    }

    fn cgroup(&self, file: &str, key: Option<&str>) -> Option<Figure> {
        let own = self.incident.cgroups.iter().rev().filter(|c| same(&c.owner, self.owner) && self.near(&c.at));
        own.filter(|c| c.what.file == file).find_map(|c| {
            let v = key.map_or(c.what.value, |k| c.what.values.get(k).copied())?;
            Some(Figure { bytes: v as f64, cite: c.cite.clone(), from: key.map_or(file.to_owned(), |k| format!("{k} of {file}")) })
        })
    }

    fn rss(&self) -> Option<Figure> {
        let process = || {
            let own = self.incident.processes.iter().filter(|p| same(&p.owner, self.owner) && self.near(&p.at));
            own.filter_map(|p| Some(Figure { bytes: p.what.rss_bytes? as f64, cite: p.cite.clone(), from: "RSS of the process".into() }))
                .max_by(|a, b| a.bytes.total_cmp(&b.bytes))
        };
        let peak = || {
            let f = self.memstats("MaxRSS", "")?;
            Some(Figure { from: "MaxRSS of runtime.MemStats: the highest so far, not the present one".into(), ..f })
        };
        self.series("process_resident_memory_bytes")
            .or_else(|| self.series("container_memory_rss"))
            .or_else(process)
            .or_else(|| self.cgroup("memory.stat", Some("anon")))
            .or_else(peak)
    }

    fn working_set(&self) -> Option<Figure> {
        let files = || {
            let now = self.cgroup("memory.current", None).or_else(|| self.cgroup("memory.usage_in_bytes", None))?;
            let cache = self
                .cgroup("memory.stat", Some("inactive_file"))
                .or_else(|| self.cgroup("memory.stat", Some("total_inactive_file")))
                .map_or(0.0, |f| f.bytes);
            Some(Figure { bytes: (now.bytes - cache).max(0.0), from: format!("{} less inactive_file", now.from), ..now })
        };
        let api = || {
            let own = self.incident.usage.iter().rev().find(|u| same(&u.owner, self.owner) && self.near(&u.at))?;
            Some(Figure { bytes: own.what.working_set_bytes? as f64, cite: own.cite.clone(), from: "metrics API".into() })
        };
        self.series(WORKING_SET).or_else(files).or_else(api)
    }

    fn limit(&self) -> Option<Figure> {
        let spec = || {
            let pods = self.incident.pods.iter().rev().filter(|p| p.owner.same_pod(self.owner));
            pods.flat_map(|p| p.what.containers.iter().map(move |c| (p, c))).find_map(|(p, c)| {
                let own = Some(c.name.as_str()) == self.owner.container.as_deref();
                let bytes = c.limits.memory_bytes.filter(|_| own)? as f64;
                Some(Figure { bytes, cite: p.cite.clone(), from: "the container's memory limit".into() })
            })
        };
        // cAdvisor writes 0, and cgroup v1 a huge number, for no limit.
        let real = |f: &Figure| f.bytes > 0.0 && f.bytes < 1e15;
        spec()
            .or_else(|| self.cgroup("memory.max", None))
            .or_else(|| self.cgroup("memory.limit_in_bytes", None))
            .or_else(|| self.series("container_spec_memory_limit_bytes"))
            .or_else(|| self.series("kube_pod_container_resource_limits"))
            .filter(real)
    }
}

fn bridge(incident: &Incident, owner: &Owner) -> Option<Bridge> {
    let mut profiles: Vec<&Placed<HeapProfile>> =
        incident.profiles.iter().filter(|p| is_go_heap(&p.what) && same(&p.owner, owner)).collect();
    profiles.sort_by_key(|p| (p.at.mid().unwrap_or_default(), p.cite.span.artifact));
    let last_profile = profiles.iter().rev().find_map(|p| p.at.mid());
    let last_sample = || {
        let own = incident.series.iter().filter(|s| s.what.metric == "go_memstats_sys_bytes" && same(&s.owner, owner));
        own.filter(|s| !s.what.is_uptime()).filter_map(|s| s.what.times.last().copied()).filter(|t| *t != NO_TIME).max()
    };
    let at = last_profile.map(|t| t.0 / 1_000_000).or_else(last_sample);
    let s = Scene { incident, owner, at, profiles };
    let rungs = climb(&s);
    let levels = |id: &str| rungs.iter().any(|r| r.id == id);
    let enough = rungs.iter().filter(|r| r.level).count() >= 3
        && (levels("runtime") || levels("rss"))
        && (levels("live-heap") || levels("heap-in-use"));
    let when = at.map_or_else(When::unknown, |ms| When::at(Timestamp(ms.saturating_mul(1_000_000))));
    enough.then(|| Bridge { owner: owner.clone(), at: when, rungs })
}

fn climb(s: &Scene<'_>) -> Vec<Rung> {
    let mut out: Vec<Rung> = Vec::new();
    let level = |id, name, f: &Figure| Rung { id, name, bytes: f.bytes, level: true, says: f.from.clone(), cites: vec![f.cite.clone()] };
    let part = |id, name, bytes: f64, says: &str, of: &[&Figure]| Rung {
        id,
        name,
        bytes,
        level: false,
        says: says.to_owned(),
        cites: of.iter().map(|f| f.cite.clone()).collect(),
    };
    let live = s.live();
    let in_use = s.memstats("HeapInuse", "go_memstats_heap_inuse_bytes");
    let idle = s.memstats("HeapIdle", "go_memstats_heap_idle_bytes");
    let released = s.memstats("HeapReleased", "go_memstats_heap_released_bytes");
    let stacks =
        s.memstats("StackSys", "go_memstats_stack_sys_bytes").or_else(|| s.memstats("StackInuse", "go_memstats_stack_inuse_bytes"));
    let sys = s.memstats("Sys", "go_memstats_sys_bytes");
    let (rss, working_set, limit) = (s.rss(), s.working_set(), s.limit());
    if let Some(f) = &live {
        out.push(level("live-heap", "Live heap", f));
    }
    if let Some(f) = &in_use {
        if let Some(l) = &live {
            let says = "dead objects not yet collected, free slots of size classes, sampling error";
            out.push(part("dead-heap", "dead objects and free slots", f.bytes - l.bytes, says, &[]));
        }
        out.push(level("heap-in-use", "Heap in use", f));
    }
    // What the runtime holds of the operating system.
    let runtime = sys.as_ref().zip(released.as_ref()).map(|(s, r)| s.bytes - r.bytes);
    if let (Some(runtime), Some(sys), Some(released)) = (runtime, &sys, &released) {
        let mut known = in_use.as_ref().map(|f| f.bytes);
        if let (Some(i), Some(k)) = (&idle, &mut known) {
            let kept = (i.bytes - released.bytes).max(0.0);
            out.push(part(
                "idle-heap",
                "idle heap, not returned",
                kept,
                "HeapIdle − HeapReleased: free spans kept for the next allocations",
                &[i],
            ));
            *k += kept;
        }
        if let (Some(f), Some(k)) = (&stacks, &mut known) {
            out.push(part("stacks", "goroutine stacks", f.bytes, &f.from, &[f]));
            *k += f.bytes;
        }
        if let Some(k) = known {
            out.push(part(
                "runtime-own",
                "the runtime's own structures",
                runtime - k,
                "spans, caches, profiling buckets, collector's metadata",
                &[],
            ));
        }
        let f = Figure { bytes: runtime, cite: sys.cite.clone(), from: "Sys − HeapReleased".into() };
        let mut rung = level("runtime", "Go runtime", &f);
        rung.cites.push(released.cite.clone());
        rung.cites.dedup();
        out.push(rung);
    }
    if let Some(f) = &rss {
        if let Some(r) = runtime.or(in_use.as_ref().map(|f| f.bytes)) {
            let d = f.bytes - r;
            let says = if d >= 0.0 {
                "binary and libraries, cgo and mmap: not the runtime's, and not explained by anything in the input"
            } else {
                "pages that the runtime has obtained and never touched, or that were returned meanwhile"
            };
            out.push(part("unexplained", "unexplained remainder", d, says, &[]));
        }
        out.push(level("rss", "RSS", f));
    }
    if let Some(f) = &working_set {
        if let Some(r) = &rss {
            out.push(part("charged", "active file cache, kernel memory, other processes", f.bytes - r.bytes, "working set − RSS", &[]));
        }
        out.push(level("working-set", "Working set", f));
    }
    if let Some(f) = &limit {
        if let Some(w) = working_set.as_ref().or(rss.as_ref()) {
            out.push(part("room", "room below the limit", f.bytes - w.bytes, "limit less what is charged", &[]));
        }
        out.push(level("limit", "Memory limit", f));
    }
    out
}
