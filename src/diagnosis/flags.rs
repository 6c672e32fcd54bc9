//! Flags that size a runtime's heap, as a container's command, arguments and environment set them.
//! Sources: the `java` launcher's manual (-Xmx, MaxRAMPercentage), Node's CLI options, Go's runtime (GOMEMLIMIT).

use crate::model::pod::ContainerState;
use crate::model::quantity::{GIB, KIB, MIB, TIB};

/// A heap cap and where it was set.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeCap {
    /// `java`, `node` or `go`.
    pub runtime: &'static str,
    /// As written: `-Xmx1024m`.
    pub flag: String,
    pub bytes: u64,
    /// The cap is soft: the runtime works harder but does not stop there (GOMEMLIMIT).
    pub soft: bool,
}

/// Every cap of a container, in the order of command, arguments, environment.
pub fn caps(c: &ContainerState) -> Vec<RuntimeCap> {
    let limit = c.limits.memory_bytes;
    let mut out = Vec::new();
    let words = c.command.iter().chain(&c.args).map(String::as_str).flat_map(str::split_whitespace);
    for word in words {
        out.extend(flag(word, limit));
    }
    for (key, value) in &c.env {
        if key == "GOMEMLIMIT" {
            out.extend(go_bytes(value).map(|bytes| RuntimeCap { runtime: "go", flag: format!("GOMEMLIMIT={value}"), bytes, soft: true }));
        }
        for word in value.split_whitespace() {
            out.extend(flag(word, limit));
        }
    }
    out
}

fn flag(word: &str, limit: Option<u64>) -> Option<RuntimeCap> {
    let word = word.trim_matches(['"', '\'']);
    if let Some(v) = word.strip_prefix("-Xmx").or_else(|| word.strip_prefix("-XX:MaxHeapSize=")) {
        return Some(RuntimeCap { runtime: "java", flag: word.into(), bytes: java_bytes(v)?, soft: false });
    }
    if let Some(v) = word.strip_prefix("-XX:MaxRAMPercentage=") {
        let share: f64 = v.parse().ok().filter(|p| (0.0..=100.0).contains(p))?;
        return Some(RuntimeCap { runtime: "java", flag: word.into(), bytes: (limit? as f64 * share / 100.0) as u64, soft: false });
    }
    let v = word.strip_prefix("--max-old-space-size=").or_else(|| word.strip_prefix("--max_old_space_size="))?;
    // V8 counts this flag in MiB.
    Some(RuntimeCap { runtime: "node", flag: word.into(), bytes: v.parse::<u64>().ok()?.checked_mul(MIB)?, soft: false })
}

fn java_bytes(v: &str) -> Option<u64> {
    let (number, unit) = match v.char_indices().last()? {
        (i, 'k' | 'K') => (v.get(..i)?, KIB),
        (i, 'm' | 'M') => (v.get(..i)?, MIB),
        (i, 'g' | 'G') => (v.get(..i)?, GIB),
        (i, 't' | 'T') => (v.get(..i)?, TIB),
        _ => (v, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn go_bytes(v: &str) -> Option<u64> {
    let v = v.trim();
    let (number, unit) = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)]
        .into_iter()
        .find_map(|(s, u)| v.strip_suffix(s).map(|n| (n, u)))
        .unwrap_or((v, 1));
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_from_every_place() {
        let mut c =
            ContainerState { args: vec!["-Xmx1g -jar app.jar".into(), "--max-old-space-size=1536".into()], ..ContainerState::default() };
        c.env.insert("GOMEMLIMIT".into(), "400MiB".into());
        c.env.insert("JAVA_TOOL_OPTIONS".into(), "-XX:MaxRAMPercentage=75.0".into());
        c.limits.memory_bytes = Some(GIB);
        let found: Vec<(&str, u64)> = caps(&c).iter().map(|r| (r.runtime, r.bytes)).collect();
        assert_eq!(found, [("java", GIB), ("node", 1536 * MIB), ("go", 400 * MIB), ("java", 768 * MIB)]);
    }
}
