//! Diagnosis: cases × rules in parallel, then one place that weighs, then advice.

pub mod advice;
mod bounds;
pub mod case;
pub mod cgroup_state;
mod denials;
pub mod flags;
mod lives;
pub mod node_account;
mod node_sentences;
mod overall;
mod pools;
pub mod processes;
pub mod rule;
pub mod rules;
pub mod sentences;
pub mod trigger;
pub mod verdict;

use crate::model::finding::{NotEvaluated, Verdict};
use crate::model::{Incident, Index};
use case::Case;
use rayon::prelude::*;
use rule::{Need, Testimony};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every case heard by every rule, weighed into findings.
pub fn diagnose(incident: &Incident) -> Verdict {
    let index = Index::of(incident);
    let cases = case::cases(&index);
    let heard: Vec<(Testimony, Vec<NotEvaluated>)> = cases.par_iter().map(hear).collect();
    let mut not_evaluated = BTreeSet::new();
    let mut testimonies = Vec::with_capacity(heard.len());
    for (t, n) in heard {
        testimonies.push(t);
        not_evaluated.extend(n);
    }
    let findings = verdict::weigh(incident, &cases, testimonies);
    Verdict { findings, not_evaluated: not_evaluated.into_iter().collect(), defects: rules::known_defects::notes(incident), focus: None }
}

fn hear(case: &Case<'_>) -> (Testimony, Vec<NotEvaluated>) {
    let mut testimony = Testimony::default();
    let mut missing = Vec::new();
    for rule in rules::RULES {
        match rule.needs().iter().find(|n| !case.has(**n)) {
            // What kind of case it is, is no evidence that could have been collected.
            Some(Need::Node | Need::Container) => {}
            Some(need) => {
                let need = format!("{} for {}", need.words(), case.owner.label());
                missing.push(NotEvaluated { rule: rule.id().into(), need, owner: case.owner.clone() });
            }
            // One rule that fails on one case costs neither the other rules nor the report.
            None => {
                let mut own = Testimony::default();
                match catch_unwind(AssertUnwindSafe(|| rule.examine(case, &mut own.of(rule.id(), case)))) {
                    Ok(()) => testimony.append(own),
                    Err(_) => {
                        let need = format!("an explanation: the rule failed on {}", case.owner.label());
                        missing.push(NotEvaluated { rule: rule.id().into(), need, owner: case.owner.clone() });
                    }
                }
            }
        }
    }
    (testimony, missing)
}
