//! What to do about a node that ran out of memory: by what held it.

use super::advise;
use crate::diagnosis::case::Case;
use crate::diagnosis::node_account::{self, Held};
use crate::model::finding::{Advice, Finding};
use crate::model::kubectl::Kubectl;
use crate::model::quantity::human;
use crate::model::ram::RamPart;

/// Below this the node itself is not known to have run out: its log comes first.
const KNOWN: f64 = 0.5;

pub fn advice(case: &Case<'_>, f: &Finding) -> Vec<Advice> {
    let mut out = Vec::new();
    let account = node_account::of(case);
    let held = account.as_ref().and_then(|a| a.held());
    let node = case.owner.node.as_deref();
    if let Some(n) = node.filter(|_| f.confidence < KNOWN) {
        let log = Kubectl::on_node(n).say("journalctl -k -o short-iso-precise > kernel.log").finish();
        out.push(advise("collect", "The node's kernel log says whose memory ran out.".into(), log));
    } else if let Some(n) = node.filter(|_| !matches!(held, Some(Held::Pieces { .. }))) {
        out.push(advise(
            "stop",
            "Keep new pods off the node until what filled it is bounded.".into(),
            Kubectl::new().say(" cordon ").name(n).finish(),
        ));
    }
    let by_parts = matches!(held, Some(Held::Part(..) | Held::Elsewhere { .. } | Held::Pieces { .. }));
    let text = match &held {
        Some(Held::Part(part, _)) => of_part(case, *part),
        Some(Held::Pieces { .. }) => {
            "More memory is no cure: let the kernel keep larger pieces together (raise vm.min_free_kbytes and vm.watermark_scale_factor), or take what asks for them at so high an order (drivers, jumbo frames, large fork tables) off this node.".into()
        }
        Some(Held::Elsewhere { .. }) => "Find what is in no process: /proc/meminfo tells slab, shmem, huge pages and page tables apart.".into(),
        Some(Held::By(h)) if h.limit.zip(account.as_ref().and_then(|a| a.whole)).is_some_and(|(l, w)| l > w) => format!(
            "{} may take {}, more than the whole node has: lower its limit, or give it a larger node, and a memory request near its real use.",
            h.called(),
            human(h.limit.unwrap_or(0) as f64)
        ),
        _ => of_culprit(f),
    };
    out.push(advise("fix", text, None));
    if let Some(n) = node.filter(|_| f.confidence >= KNOWN) {
        if by_parts {
            out.push(advise(
                "prove",
                "The same balance as it is now.".into(),
                Kubectl::on_node(n).say("cat /proc/meminfo /proc/buddyinfo").finish(),
            ));
        } else {
            let requests = Kubectl::new().say(" describe node ").name(n).finish();
            out.push(advise("prove", "Requests against what the node can give.".into(), requests));
        }
    }
    out
}

/// Who stands above its request gets a larger one.
fn of_culprit(f: &Finding) -> String {
    match f.culprits.first() {
        // A process of the task table need not be any pod's.
        Some(c) if c.kind == "process" => format!(
            "Find whose {} is. A pod's gets a memory request near its real use and a limit, since the scheduler only knows requests; a service of the node gets MemoryMax= in its unit and its share in the kubelet's system-reserved memory.",
            c.name
        ),
        who => format!(
            "Give {} a memory request near its real use and a limit; the scheduler only knows requests.",
            who.map_or("the pods above their requests", |c| c.name.as_str())
        ),
    }
}

fn of_part(case: &Case<'_>, part: RamPart) -> String {
    match part {
        RamPart::SlabReclaimable | RamPart::SlabUnreclaimable | RamPart::KernelStacks => {
            "No pod can be blamed or moved for it: slabtop on the node names the cache that grows. Compare kernel and drivers with known leaks and upgrade; until then only a reboot frees it.".into()
        }
        RamPart::Shmem => format!(
            "Killing processes frees none of it: find the files (df -t tmpfs on the node) and give emptyDir volumes with medium Memory a sizeLimit{}.",
            memory_volumes(case)
        ),
        RamPart::HugePages => {
            "Set aside fewer (vm.nr_hugepages), or let pods request them (hugepages-2Mi): the kubelet takes them off what pods can have only if they were set aside before it started.".into()
        }
        RamPart::PageTables => {
            "Many processes map one large shared memory, and each has page tables of its own for it: use huge pages for it, or fewer processes (a connection pool).".into()
        }
        RamPart::Unevictable => {
            "Find what locks it: VmLck in /proc/PID/status tells mlock, df -t ramfs files that can never be written out, and a driver's pinned pages are in neither.".into()
        }
        _ => {
            "Find what took it: the hypervisor's balloon (virtio_balloon, vmw_balloon in the kernel's log), a driver's own pages (GPU, network), or memory that never was given to this machine.".into()
        }
    }
}

/// The volumes in memory without a limit on this node: `: volume cache of ns/pod`.
fn memory_volumes(case: &Case<'_>) -> String {
    let here = case.incident.pods.iter().filter(|p| case.owner.node.is_some() && p.owner.node == case.owner.node);
    let unbounded = here.flat_map(|p| {
        let memory = p.what.volumes.iter().filter(|v| v.medium.as_deref() == Some("Memory") && v.size_limit_bytes.is_none());
        memory.map(|v| format!("volume {} of {}", v.name, p.owner.label()))
    });
    let names: Vec<String> = unbounded.take(3).collect();
    if names.is_empty() { String::new() } else { format!("; without one here: {}", names.join(", ")) }
}
