//! Every string of a document passes here. Structs are taken apart field by field without `..`, so that a field added
//! later does not compile until somebody has decided what of it may be shown.

use super::{MARK, Redactor, patterns};
use crate::model::Owner;
use crate::model::account::AccountPart;
use crate::model::delta::{Delta, DeltaRow, PathStep, PerEvent, SnapshotInfo, Suspect};
use crate::model::finding::{Advice, Culprit, DefectNote, NotEvaluated, Trigger};
use crate::model::graph::Allocator;
use crate::report::document::*;
use serde_json::Value;

/// Where in a JSON document a value stands.
#[derive(Debug, Default, Clone)]
pub struct Place {
    /// Inside `env`, `args` or the like: the values of names that follow are environment variables.
    env: bool,
    annotations: bool,
}

/// All strings of a JSON value. Not recursive on arrays of scalars; nesting is bounded by what serde_json reads (128).
pub fn value(r: &mut Redactor, v: &mut Value, place: &mut Place) {
    if r.learning {
        return r.names.learn_value(v);
    }
    match v {
        Value::String(s) => r.string(s),
        Value::Array(items) => items.iter_mut().for_each(|v| value(r, v, place)),
        Value::Object(map) => {
            // `{name: X, value: y}` of a manifest.
            let env_name = map.get("name").and_then(Value::as_str).filter(|_| map.contains_key("value")).map(str::to_owned);
            for (key, v) in map.iter_mut() {
                let mut inner = Place { env: key == "env" || key == "environment", annotations: key == "annotations" };
                match v {
                    Value::String(s) if place.env && !matches!(key.as_str(), "name" | "value") => *s = r.env(key, s),
                    Value::String(s) if key == "value" && env_name.is_some() => *s = r.env(env_name.as_deref().unwrap_or(""), s),
                    Value::String(s)
                        if patterns::is_secret_name(key) || (place.annotations && key.ends_with("last-applied-configuration")) =>
                    {
                        if !s.is_empty() && s != MARK {
                            r.count += 1;
                            *s = MARK.to_owned();
                        }
                    }
                    // `{"password": {"value": …}}`
                    v if patterns::is_secret_name(key) => conceal(r, v),
                    v => value(r, v, &mut inner),
                }
            }
        }
        _ => {}
    }
}

/// Every string below a key that speaks of a secret, but for names of places where secrets are kept.
fn conceal(r: &mut Redactor, v: &mut Value) {
    match v {
        Value::String(s) if !s.is_empty() && s != MARK => {
            r.count += 1;
            *s = MARK.to_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(|v| conceal(r, v)),
        Value::Object(map) => {
            map.iter_mut()
                .filter(|(key, _)| !matches!(key.as_str(), "name" | "key" | "namespace" | "kind"))
                .for_each(|(_, v)| conceal(r, v));
        }
        _ => {}
    }
}

fn values(r: &mut Redactor, all: &mut [Value]) {
    all.iter_mut().for_each(|v| value(r, v, &mut Place::default()));
}

fn strings<'a>(r: &mut Redactor, all: impl IntoIterator<Item = &'a mut String>) {
    all.into_iter().for_each(|s| r.string(s));
}

fn owner(r: &mut Redactor, o: &mut Owner) {
    if r.learning {
        return r.names.learn_owner(o);
    }
    let Owner { namespace, workload, pod, container, node } = o;
    strings(r, [namespace, workload, pod, container, node].into_iter().flatten());
}

fn evidence(r: &mut Redactor, all: &mut [EvidenceRef]) {
    for e in all {
        let EvidenceRef { id: _, artifact, line: _, byte_offset: _, byte_len: _, excerpt, says, source, strength: _, rule: _, also } = e;
        strings(r, [artifact, excerpt, says, source]);
        also.iter_mut().for_each(|(artifact, _, _)| r.string(artifact));
    }
}

fn advice(r: &mut Redactor, all: &mut [Advice]) {
    for Advice { kind: _, text, command } in all {
        r.string(text);
        strings(r, command.iter_mut());
    }
}

pub fn delta(r: &mut Redactor, d: &mut Delta) {
    let mut open = vec![d];
    while let Some(d) = open.pop() {
        one_delta(r, d);
        open.extend(d.also.iter_mut());
    }
}

fn one_delta(r: &mut Redactor, d: &mut Delta) {
    let Delta {
        schema: _,
        format: _,
        same_process: _,
        measures: _,
        measure: _,
        snapshots,
        rows,
        suspects,
        repeated_strings,
        limits,
        also: _,
    } = d;
    for SnapshotInfo { path, time: _, total_bytes: _, objects: _, truncated: _ } in snapshots {
        r.string(path);
    }
    for t in repeated_strings.iter_mut().flat_map(|s| &mut s.top) {
        strings(r, t.held_as.iter_mut().chain(&mut t.text));
    }
    for row in rows {
        let DeltaRow {
            kind: _,
            key,
            name,
            location,
            before: _,
            after: _,
            added_count: _,
            removed_count: _,
            added_bytes: _,
            removed_bytes: _,
            count_delta: _,
            bytes_delta: _,
            retained_delta: _,
            error_bytes: _,
            cumulative_delta: _,
            steps: _,
            trend: _,
            matched: _,
            was,
        } = row;
        strings(r, [key, name].into_iter().chain(location).chain(was));
    }
    for Suspect {
        name,
        growth_per_hour: _,
        pattern: _,
        why,
        advice: _,
        retained_bytes: _,
        growth_bytes: _,
        objects_added: _,
        path,
        sites,
        steps: _,
        per_event,
        culprits,
    } in suspects
    {
        strings(r, [name, why]);
        for PathStep { edge, node, class, title, place, retained_bytes: _ } in path {
            // A heap string's node is named by its contents.
            if !r.learning && class.contains("string") && !class.contains("String") && *node != *class && !node.is_empty() {
                r.count += 1;
                *node = format!("\"{MARK}\"");
            }
            strings(r, [edge, node, class]);
            strings(r, title);
            strings(r, place);
        }
        strings(r, sites.iter_mut());
        if let Some(PerEvent { events: _, goroutines: _, bytes: _, entries, created_by }) = per_event {
            strings(r, entries.iter_mut().chain(created_by));
        }
        culprits.iter_mut().for_each(|(_, name)| r.string(name));
    }
    strings(r, limits.iter_mut());
}

fn excerpt(r: &mut Redactor, e: &mut Excerpt) {
    let Excerpt { artifact, lines } = e;
    r.string(artifact);
    // `- name: X` and `value: y` of a manifest stand on two lines.
    let mut env_name: Option<String> = None;
    for ExcerptLine { line: _, byte_offset: _, text, evidence: _ } in lines {
        let bare = text.trim_start().trim_start_matches("- ").trim_start_matches('"');
        let field = |name: &str| {
            let rest = bare.strip_prefix(name)?;
            let rest = rest.strip_prefix('"').unwrap_or(rest);
            Some(rest.strip_prefix(':')?.trim().trim_end_matches(',').trim_matches('"').to_owned())
        };
        if let Some(name) = field("name") {
            env_name = Some(name);
        } else if let Some(shown) = field("value").filter(|v| !v.is_empty()) {
            let kept = r.env(env_name.as_deref().unwrap_or("value"), &shown);
            if kept != shown {
                *text = text.replacen(&shown, &kept, 1);
            }
        } else {
            env_name = None;
        }
        r.string(text);
    }
}

/// The whole report.
pub fn document(r: &mut Redactor, doc: &mut ReportDoc) {
    let ReportDoc {
        schema: _,
        tool: _,
        inputs,
        window: _,
        headline,
        findings,
        kills,
        other_endings,
        trends,
        deltas,
        accounts,
        dumps,
        timeline,
        ledger,
        pods,
        nodes,
        artifacts,
        coverage,
        not_evaluated,
        known_defects,
        agent_cycles,
        joins,
        contradictions,
        charts,
        flames,
        bridges,
        recordings,
        excerpts,
        redactions: _,
    } = doc;
    for InputDoc { path, bytes: _, sha256: _ } in inputs {
        r.string(path);
    }
    let Headline { cause: _, class, tone: _, strength, sentence, detail, scope, first_step, figures } = headline;
    strings(r, [class, strength, sentence, detail, scope]);
    advice(r, first_step.as_mut_slice());
    for Figure { label, value, note, evidence: _ } in figures {
        strings(r, [label, value, note]);
    }
    findings.iter_mut().for_each(|f| finding(r, f));
    for k in kills {
        let KillDoc {
            time: _,
            kind: _,
            owner: who,
            victim,
            limit_level: _,
            limit_bytes: _,
            limit_basis: _,
            limit_now_bytes: _,
            limit_now_why,
            usage_bytes: _,
            victims,
            count: _,
            last_time: _,
            time_written: _,
            exit_code: _,
            witnesses,
            evidence: cites,
            against,
            budget,
        } = k;
        r.string(limit_now_why);
        evidence(r, against);
        owner(r, who);
        value(r, victim, &mut Place::default());
        values(r, victims);
        strings(r, witnesses.iter_mut());
        evidence(r, cites);
        budget.iter_mut().for_each(|(part, _)| r.string(part));
    }
    for EndingDoc { time: _, owner: who, says, exit_code: _, stop: _, known: _, evidence: cite } in other_endings {
        owner(r, who);
        r.string(says);
        evidence(r, std::slice::from_mut(cite));
    }
    for AccountDoc { owner: who, time: _, total_of: _, total_bytes: _, parts, note, evidence: cites } in accounts {
        owner(r, who);
        strings(r, note);
        parts.iter_mut().for_each(|AccountPart { kind: _, name, bytes: _ }| r.string(name));
        evidence(r, cites);
    }
    for DumpDoc { owner: who, time: _, path, headroom_bytes: _, needed_bytes: _, says, evidence: cites } in dumps {
        owner(r, who);
        strings(r, [path, says]);
        evidence(r, cites);
    }
    for DeltaDoc { owner: who, time: _, total_growth_bytes: _, body } in deltas {
        owner(r, who);
        delta(r, body);
    }
    for RecordingDoc { owner: who, time: _, path, births: _, allocated, evidence: cites } in recordings {
        owner(r, who);
        r.string(path);
        for Allocator { function, location, through, callers, objects: _, bytes: _ } in allocated {
            strings(r, [function]);
            strings(r, location.iter_mut().chain(through));
            strings(r, callers);
        }
        evidence(r, cites);
    }
    for BridgeDoc { owner: who, time: _, rungs } in bridges {
        owner(r, who);
        for RungDoc { id: _, name: _, bytes: _, level: _, says, evidence: cites } in rungs {
            r.string(says);
            evidence(r, cites);
        }
    }
    for TimelineDoc { time: _, time_written: _, basis: _, kind: _, owner: who, text, evidence: cite } in timeline {
        owner(r, who);
        r.string(text);
        evidence(r, std::slice::from_mut(cite));
    }
    for LedgerDoc { owner: who, counts, differences, says, evidence: cites } in ledger {
        differences.iter_mut().for_each(|DifferenceDoc { kind: _, count: _, reason }| r.string(reason));
        owner(r, who);
        counts.iter_mut().for_each(|(source, _)| r.string(source));
        r.string(says);
        evidence(r, cites);
    }
    for all in [trends, pods, nodes, artifacts] {
        values(r, all);
    }
    for CoverageDoc { source, status: _, found, settles, command } in coverage {
        strings(r, [source, found, settles].into_iter().chain(command));
    }
    for DefectNote { reference: _, component: _, version, node, what: _, credibility: _, needs: _, found: _, used: _ } in known_defects {
        strings(r, [node, version]);
    }
    for CycleDoc { owner: who, service, outcome: _, stages } in agent_cycles {
        owner(r, who);
        r.string(service);
        for StageDoc { kind: _, time: _, says, evidence: cites } in stages {
            r.string(says);
            evidence(r, cites);
        }
    }
    for NotEvaluated { rule: _, need, owner: who } in not_evaluated {
        owner(r, who);
        r.string(need);
    }
    for JoinDoc { left, right, reason } in joins {
        strings(r, [left, right, reason]);
    }
    evidence(r, contradictions);
    for c in charts {
        let Chart {
            id,
            owner: who,
            title,
            main: _,
            limit_bytes: _,
            request_bytes: _,
            lines,
            marks,
            forecast: _,
            eta_seconds: _,
            runs,
            source,
        } = c;
        owner(r, who);
        strings(r, [id, title]);
        lines.iter_mut().for_each(|ChartLine { name, segments: _ }| r.string(name));
        marks.iter_mut().for_each(|Mark { time: _, kind: _, label }| r.string(label));
        runs.iter_mut().for_each(|run| r.string(&mut run.ended));
        strings(r, source.iter_mut());
    }
    for Flame { id: _, title, kind: _, unit: _, nodes, svg, dropped } in flames {
        strings(r, [title, dropped].into_iter().chain(svg));
        nodes.iter_mut().for_each(|FlameNode { depth: _, name, before: _, after: _ }| r.string(name));
    }
    excerpts.iter_mut().for_each(|e| excerpt(r, e));
}

fn finding(r: &mut Redactor, f: &mut FindingDoc) {
    let FindingDoc {
        id: _,
        cause: _,
        confidence: _,
        strength: _,
        owner: who,
        also_owners,
        sentence,
        quantities: _,
        intervals: _,
        culprits,
        trigger,
        evidence: cites,
        against,
        advice: todo,
        ruled_out,
    } = f;
    owner(r, who);
    also_owners.iter_mut().for_each(|o| owner(r, o));
    r.string(sentence);
    for Culprit { kind: _, name, growth_bytes: _, share: _ } in culprits {
        r.string(name);
    }
    if let Some(Trigger { kind: _, time: _, detail }) = trigger {
        r.string(detail);
    }
    evidence(r, cites);
    evidence(r, against);
    advice(r, todo);
    for RuledOut { cause: _, hypothesis, why, status: _, evidence: _ } in ruled_out {
        strings(r, [hypothesis, why]);
    }
}
