//! Pasted terminal sessions: several commands' output in one file, cut at the prompts (or at the `==> file <==` lines of
//! `tail` and `head`) into parts that are sniffed and parsed as artifacts of their own. What stands in a part is none of
//! this format's business; it only takes from the command what names the part's owner.

use super::lines::for_each_line;
use super::prompts;
use super::{Format, Head, Input, Match};
use crate::model::facts::SubArtifact;
use crate::model::{Claim, Facts};

pub struct Transcript;

/// All parts together; a session is typed by a person.
const TOTAL_MAX: usize = 512 << 20;
/// Parts of a session; what follows belongs to the last one.
const PARTS_MAX: usize = 100_000;

impl Format for Transcript {
    fn name(&self) -> &'static str {
        "transcript"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut lines = head.lines().map(String::from_utf8_lossy).filter(|l| !l.trim().is_empty());
        let evidence = |l: &str| prompts::command(l).is_some_and(prompts::is_evidence);
        match lines.next() {
            Some(first) if evidence(&first) || file_heading(&first).is_some() => Match::Certain,
            Some(_) if lines.any(|l| evidence(&l)) => Match::Certain,
            _ => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut parts: Vec<SubArtifact> =
            vec![SubArtifact { name: "0 before the first prompt".into(), bytes: Vec::new(), who: input.who.clone() }];
        let mut total = 0usize;
        let read = for_each_line(reader, |l| {
            let text = String::from_utf8_lossy(l.text);
            let command = prompts::command(&text);
            if let Some(title) = command.or_else(|| file_heading(&text)).filter(|_| parts.len() < PARTS_MAX) {
                let n = parts.len();
                let who = command.map(owner_of).unwrap_or_default();
                parts.push(SubArtifact { name: format!("{n} {}", part_name(title)), bytes: Vec::new(), who });
                return;
            }
            total = total.saturating_add(l.text.len() + 1);
            if let Some(part) = parts.last_mut().filter(|_| total <= TOTAL_MAX) {
                part.bytes.extend_from_slice(l.text);
                if l.ended {
                    part.bytes.push(b'\n');
                }
            }
        });
        if total > TOTAL_MAX {
            out.warn("transcript-too-long", None, None, || format!("only the first {} MiB are split", TOTAL_MAX >> 20));
        }
        if let Err(e) = read {
            out.error("unreadable", None, || format!("reading stopped early: {e}"));
        }
        out.parts.extend(parts.into_iter().filter(|p| p.bytes.iter().any(|b| !b.is_ascii_whitespace())));
    }
}

/// `==> /var/log/syslog <==`
fn file_heading(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("==> ")?.strip_suffix(" <==").filter(|p| !p.is_empty())
}

/// A name for the part: the command, or the file that it prints, whose name may say what it is.
fn part_name(command: &str) -> String {
    let printed = matches!(prompts::program(command), "cat" | "zcat" | "tail" | "head" | "less");
    let file = command.split_whitespace().rfind(|w| !w.starts_with('-')).filter(|f| printed && f.contains('/') || file_like(f, command));
    let name = file.map_or(command, |f| f.rsplit('/').next().unwrap_or(f));
    name.chars().map(|c| if matches!(c, '/' | '!' | '\\') || c.is_control() { '_' } else { c }).take(80).collect()
}

/// A heading is the file's path itself.
fn file_like(word: &str, command: &str) -> bool {
    word == command && word.contains('/')
}

/// What a `kubectl logs`, `exec`, `describe` or `get` of one object says about whose output follows.
fn owner_of(command: &str) -> Claim {
    if !matches!(prompts::program(command), "kubectl" | "oc" | "k") {
        return Claim::default();
    }
    let words: Vec<&str> = command.split_whitespace().take_while(|w| !matches!(*w, "|" | ">" | "--" | "2>&1" | "&&" | ";")).collect();
    let option = |names: &[&str]| {
        words.iter().enumerate().find_map(|(i, w)| {
            let value = names.iter().find_map(|n| w.strip_prefix(n)?.strip_prefix('='));
            value.or_else(|| names.contains(w).then(|| words.get(i + 1).copied()).flatten())
        })
    };
    let namespace = option(&["-n", "--namespace"]).unwrap_or("");
    let container = option(&["-c", "--container"]).unwrap_or("");
    let takes_value =
        ["-n", "--namespace", "-c", "--container", "--tail", "--since", "-l", "--selector", "-o", "--context", "--kubeconfig"];
    let mut plain = Vec::new();
    let mut skip = true;
    for w in &words {
        if std::mem::take(&mut skip) {
            continue;
        }
        match w.starts_with('-') {
            true => skip = takes_value.contains(w),
            false => plain.push(*w),
        }
    }
    // `kubectl` itself was skipped: the verb comes first.
    let pod = match plain.as_slice() {
        ["logs" | "exec", pod, ..] => pod.trim_start_matches("pod/").trim_start_matches("pods/"),
        _ => return Claim::default(),
    };
    let container = match plain.as_slice() {
        ["logs", _, c] if container.is_empty() => c,
        _ => container,
    };
    if pod.contains('/') {
        return Claim { namespace: (!namespace.is_empty()).then(|| namespace.into()), ..Claim::default() };
    }
    Claim::container(namespace, pod, container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_owner_of_what_follows() {
        let c = owner_of("kubectl -n shop logs api-0 -c app --previous | tail -50");
        assert_eq!((c.namespace.as_deref(), c.pod.as_deref(), c.container.as_deref()), (Some("shop"), Some("api-0"), Some("app")));
        assert!(owner_of("kubectl get pods -A").is_empty());
        assert_eq!(owner_of("kubectl logs deploy/api").pod, None);
        assert_eq!(part_name("cat /sys/fs/cgroup/memory.current"), "memory.current");
        assert_eq!(file_heading("==> /var/log/kern.log <=="), Some("/var/log/kern.log"));
    }
}
