//! What else sets or bounds the sizes of a container: LimitRange, ResourceQuota, HorizontalPodAutoscaler,
//! VerticalPodAutoscaler and PodDisruptionBudget. Advice to change a size is worth little where one of them refuses the new
//! size or writes its own over it, so each says what it will do, with the place where it stands. Decides nothing.

use super::case::Case;
use crate::model::Placed;
use crate::model::finding::{Advice, Cause, Finding};
use crate::model::pod::SizingPolicy;
use crate::model::quantity::{human, human_bytes, parse_bytes};

/// What stands in the way of the sizes and restarts that a finding advises.
pub fn advice(case: &Case<'_>, f: &Finding) -> Vec<Advice> {
    let mut out = Vec::new();
    let sizes = matches!(
        f.cause,
        Cause::LimitBelowNeed
            | Cause::LoadGrowth
            | Cause::LoadSpike
            | Cause::BatchPeak
            | Cause::StartupPeak
            | Cause::RuntimeCapAboveLimit
            | Cause::HeapLeak
            | Cause::NativeGrowth
    );
    if sizes {
        changed_since(case, &mut out);
    }
    let in_namespace = |p: &&Placed<SizingPolicy>| p.what.namespace == case.owner.namespace && case.owner.pod.is_some();
    for p in case.incident.policies.iter().filter(in_namespace).filter(|_| sizes) {
        let text = match p.what.kind.as_str() {
            "LimitRange" => limit_range(p, f),
            "ResourceQuota" => quota(p, f),
            "HorizontalPodAutoscaler" if targets(case, &p.what) => horizontal(p, f),
            "VerticalPodAutoscaler" if targets(case, &p.what) => vertical(case, p, f),
            _ => None,
        };
        out.extend(text.map(|text| Advice { kind: "size".into(), text: format!("{text} ({}).", place(case, p)), command: None }));
    }
    if f.cause == Cause::NodeAgentLeak {
        for p in case.incident.policies.iter().filter(|p| p.what.kind == "PodDisruptionBudget") {
            let strict = p.what.values.get("maxUnavailable").is_some_and(|v| matches!(v.as_str(), "0" | "0%"))
                || p.what.values.get("minAvailable").is_some_and(|v| v == "100%")
                || p.what.values.get("disruptionsAllowed").is_some_and(|v| v == "0");
            if strict {
                let text =
                    format!("PodDisruptionBudget {} allows no disruption: a drain will wait for it ({}).", p.what.name, place(case, p));
                out.push(Advice { kind: "stop".into(), text, command: None });
            }
        }
    }
    out
}

fn place(case: &Case<'_>, p: &Placed<SizingPolicy>) -> String {
    let path = case.incident.path(p.cite.span.artifact);
    p.cite.span.line.map_or(path.to_owned(), |l| format!("{path}:{l}"))
}

/// The policy scales this container's workload.
fn targets(case: &Case<'_>, p: &SizingPolicy) -> bool {
    p.target.as_deref().and_then(|t| t.rsplit('/').next()).is_some_and(|t| case.owner.workload.as_deref() == Some(t))
}

/// A figure of a policy in bytes.
fn bytes(p: &SizingPolicy, key: &str) -> Option<u64> {
    p.values.get(key).and_then(|v| parse_bytes(v))
}

fn changed_since(case: &Case<'_>, out: &mut Vec<Advice>) {
    let Some(k) = case.kills.iter().rev().find(|k| k.limit_now.is_some()) else { return };
    let (Some(now), Some(then)) = (&k.limit_now, k.limit_bytes) else { return };
    let text = format!(
        "The limit at the kill was {} ({}); it is {} now: {}. Kills after that change decide whether it was enough.",
        human_bytes(then),
        k.limit_basis,
        human_bytes(now.bytes),
        now.why
    );
    out.push(Advice { kind: "prove".into(), text, command: None });
}

fn limit_range(p: &Placed<SizingPolicy>, f: &Finding) -> Option<String> {
    let (limit, request) = (f.quantities.get("recommended_limit_bytes").copied()?, f.quantities.get("recommended_request_bytes").copied());
    let name = &p.what.name;
    if let Some(max) = bytes(&p.what, "limits.Container.max.memory").filter(|m| (*m as f64) < limit) {
        return Some(format!(
            "LimitRange {name} stops this limit: a container may have {} at most, {} is advised",
            human_bytes(max),
            human(limit)
        ));
    }
    if let Some(max) = bytes(&p.what, "limits.Pod.max.memory").filter(|m| (*m as f64) < limit) {
        return Some(format!("LimitRange {name} stops this limit: a whole pod may have {} at most", human_bytes(max)));
    }
    let ratio = p.what.values.get("limits.Container.maxLimitRequestRatio.memory").and_then(|v| v.parse::<f64>().ok());
    if let (Some(ratio), Some(request)) = (ratio, request.filter(|r| *r > 0.0))
        && limit / request > ratio
    {
        return Some(format!(
            "LimitRange {name} allows a limit of {ratio} times the request at most: {} needs a request of {} or more",
            human(limit),
            human(limit / ratio)
        ));
    }
    None
}

fn quota(p: &Placed<SizingPolicy>, f: &Finding) -> Option<String> {
    let limit = f.quantities.get("recommended_limit_bytes").copied()?;
    let now = f.quantities.get("limit_bytes").copied().unwrap_or(0.0);
    let replicas = 1.0 + f.also_owners.len() as f64;
    let (hard, used) = (bytes(&p.what, "hard.limits.memory")?, bytes(&p.what, "used.limits.memory")?);
    let left = hard.saturating_sub(used) as f64;
    let more = (limit - now).max(0.0) * replicas;
    (more > left).then(|| {
        format!(
            "ResourceQuota {} leaves {} of its {} of limits; {} more {} needed",
            p.what.name,
            human(left),
            human_bytes(hard),
            human(more),
            if replicas > 1.0 { format!("for {replicas} replicas is") } else { "is".to_owned() }
        )
    })
}

fn horizontal(p: &Placed<SizingPolicy>, f: &Finding) -> Option<String> {
    let about_memory = p.what.values.iter().any(|(k, v)| k.starts_with("metrics") && k.ends_with(".name") && v == "memory")
        || p.what.values.keys().any(|k| k.starts_with("metrics.memory"));
    if !about_memory {
        return None;
    }
    let name = &p.what.name;
    Some(match f.cause {
        Cause::HeapLeak | Cause::NativeGrowth => {
            format!("HorizontalPodAutoscaler {name} scales on memory: against a leak it adds replicas that leak as well")
        }
        _ => format!(
            "HorizontalPodAutoscaler {name} scales on memory as a share of the request: another request changes when it scales, so set its target anew"
        ),
    })
}

fn vertical(case: &Case<'_>, p: &Placed<SizingPolicy>, f: &Finding) -> Option<String> {
    let mode = p.what.values.get("updatePolicy.updateMode").map_or("Auto", String::as_str);
    let name = &p.what.name;
    let container = case.owner.container.as_deref().unwrap_or("*");
    let of =
        |what: &str| [container, "*"].iter().find_map(|c| bytes(&p.what, &format!("resourcePolicy.containerPolicies.{c}.{what}.memory")));
    let target = [format!("recommendation.containerRecommendations.{container}.target.memory")].iter().find_map(|k| bytes(&p.what, k));
    if mode == "Off" {
        let t = target?;
        return Some(format!("VerticalPodAutoscaler {name} only recommends (mode Off): a request of {}", human_bytes(t)));
    }
    let cap = of("maxAllowed").filter(|m| f.quantities.get("recommended_request_bytes").is_some_and(|r| (*m as f64) < *r));
    Some(match cap {
        Some(max) => format!(
            "VerticalPodAutoscaler {name} (mode {mode}) will overwrite this: it sets requests itself, keeps the ratio of limit to request, and may go to {} at most; raise its maxAllowed instead",
            human_bytes(max)
        ),
        None => format!(
            "VerticalPodAutoscaler {name} (mode {mode}) will overwrite this: it sets requests itself and keeps the ratio of limit to request; set its minAllowed{} instead",
            target.map_or(String::new(), |t| format!(" (its target is {})", human_bytes(t)))
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::case::bare_case;
    use crate::model::Index;
    use crate::model::finding::Strength;
    use crate::model::{Cite, Claim, Incident, Owner, When};
    use std::collections::BTreeMap;

    fn policy(kind: &str, target: Option<&str>, values: &[(&str, &str)]) -> Placed<SizingPolicy> {
        let what = SizingPolicy {
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: "p".into(),
            target: target.map(str::to_owned),
            values: values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        Placed { at: When::unknown(), owner: Owner::default(), who: Claim::default(), cite: Cite::default(), what }
    }

    fn said(cause: Cause, policies: Vec<Placed<SizingPolicy>>) -> Vec<String> {
        let owner = Owner {
            namespace: Some("shop".into()),
            workload: Some("api".into()),
            pod: Some("api-0".into()),
            container: Some("api".into()),
            node: None,
        };
        let incident = Incident { policies, ..Incident::default() };
        let index = Index::of(&incident);
        let case = bare_case(&index, owner.clone());
        let mib = f64::from(1 << 20);
        let f = Finding {
            cause,
            confidence: 0.9,
            strength: Strength::Strong,
            owner,
            also_owners: Vec::new(),
            sentence: String::new(),
            quantities: [
                ("recommended_limit_bytes", 600.0 * mib),
                ("recommended_request_bytes", 300.0 * mib),
                ("limit_bytes", 256.0 * mib),
            ]
            .into(),
            intervals: BTreeMap::new(),
            culprits: Vec::new(),
            trigger: None,
            evidence: Vec::new(),
            advice: Vec::new(),
        };
        advice(&case, &f).into_iter().map(|a| a.text).collect()
    }

    #[test]
    fn each_policy_says_what_it_will_do_to_the_advised_size() {
        let range = policy("LimitRange", None, &[("limits.Container.max.memory", "512Mi")]);
        assert!(said(Cause::LimitBelowNeed, vec![range]).iter().any(|s| s.contains("LimitRange p stops this limit")));
        let quota = policy("ResourceQuota", None, &[("hard.limits.memory", "1Gi"), ("used.limits.memory", "900Mi")]);
        assert!(said(Cause::LimitBelowNeed, vec![quota]).iter().any(|s| s.contains("leaves 124 MiB")));
        let vpa = policy("VerticalPodAutoscaler", Some("Deployment/api"), &[("updatePolicy.updateMode", "Auto")]);
        assert!(said(Cause::LimitBelowNeed, vec![vpa]).iter().any(|s| s.contains("will overwrite this")));
        let hpa = policy("HorizontalPodAutoscaler", Some("Deployment/api"), &[("metrics.Resource.resource.name", "memory")]);
        assert!(said(Cause::HeapLeak, vec![hpa.clone()]).iter().any(|s| s.contains("replicas that leak as well")));
        // Another workload's autoscaler, another namespace's range, and room enough say nothing.
        let other = policy("VerticalPodAutoscaler", Some("Deployment/web"), &[]);
        let roomy = policy("LimitRange", None, &[("limits.Container.max.memory", "2Gi")]);
        assert!(said(Cause::LimitBelowNeed, vec![other, roomy]).is_empty());
    }
}
