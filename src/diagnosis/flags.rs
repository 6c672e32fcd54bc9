//! Flags that size a runtime's heap, as a container's command, arguments and environment set them: the one that is in force
//! for each runtime. Sources: the `java` launcher's manual (JDK_JAVA_OPTIONS stands before the command line) and HotSpot's
//! own order (JAVA_TOOL_OPTIONS, then the command line, then _JAVA_OPTIONS; of repeated flags the last counts; -Xmx makes the
//! percentages void), Node's CLI options (the command line over NODE_OPTIONS), Go's runtime (GOMEMLIMIT), .NET's GC settings
//! (hexadecimal). A variable that no runtime reads and no argument quotes sets nothing.

use crate::model::Cite;
use crate::model::pod::ContainerState;
use crate::model::quantity::{GIB, KIB, MIB, TIB};
use crate::model::runtime::Runtime;

/// A heap cap and where it was set.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeCap {
    pub runtime: Runtime,
    /// As written: `-Xmx1024m`.
    pub flag: String,
    pub bytes: u64,
    /// The cap is soft: the runtime works harder but does not stop there (GOMEMLIMIT).
    pub soft: bool,
    /// Where the runtime itself tells of it; a flag of the specification stands there.
    pub cite: Option<Cite>,
}

/// The variables that HotSpot or its start scripts read, in rising precedence.
const JAVA_BEFORE: &[&str] = &["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"];
const JAVA_AFTER: &str = "_JAVA_OPTIONS";

/// Variables that start scripts of Java programs put on the command line: `JAVA_OPTS`, `ES_JAVA_OPTS`, `KAFKA_HEAP_OPTS`.
fn of_start_script(key: &str) -> bool {
    let ends = ["JAVA_OPTS", "JAVA_OPTIONS", "HEAP_OPTS", "JVM_OPTS", "JVM_ARGS", "JAVA_ARGS", "JVM_OPTIONS"];
    key == "CATALINA_OPTS" || (!JAVA_BEFORE.contains(&key) && key != JAVA_AFTER && ends.iter().any(|e| key.ends_with(e)))
}

/// The cap in force of each runtime, in the order java, node, go, dotnet.
pub fn caps(c: &ContainerState) -> Vec<RuntimeCap> {
    let line = || c.command.iter().chain(&c.args).flat_map(|w| w.split_whitespace());
    let var = |key: &str| c.env.get(key).into_iter().flat_map(|v| v.split_whitespace());
    // What an argument quotes is on the command line, whatever its name.
    let quoted = |key: &str| {
        let forms = [format!("${key}"), format!("${{{key}}}"), format!("$({key})")];
        line().any(|w| forms.iter().any(|f| w.trim_matches(['"', '\'']) == f || (f.len() > key.len() + 1 && w.contains(f.as_str()))))
    };
    let on_line = |read: fn(&str) -> bool| {
        c.env.iter().filter(move |(k, _)| read(k) || quoted(k)).flat_map(|(_, v)| v.split_whitespace()).chain(line())
    };
    let limit = c.limits.memory_bytes;
    let java = JAVA_BEFORE.iter().flat_map(|k| var(k)).chain(on_line(of_start_script)).chain(var(JAVA_AFTER));
    let node = var("NODE_OPTIONS").chain(on_line(|_| false));
    let go = c.env.get("GOMEMLIMIT");
    let go = go.and_then(|v| {
        Some(RuntimeCap { runtime: Runtime::Go, flag: format!("GOMEMLIMIT={v}"), bytes: go_bytes(v)?, soft: true, cite: None })
    });
    let caps = [java_cap(java, limit), node.rev().find_map(|w| node_flag(w, limit)), go, dotnet_cap(c, limit)];
    caps.into_iter().flatten().collect()
}

/// The runtime of the container's own program, as its command tells.
pub fn program(c: &ContainerState) -> Option<Runtime> {
    c.command.iter().chain(&c.args).flat_map(|w| w.split_whitespace()).find_map(|w| Runtime::of_program(w.trim_matches(['"', '\''])))
}

fn java_cap<'a>(words: impl Iterator<Item = &'a str>, limit: Option<u64>) -> Option<RuntimeCap> {
    let (mut size, mut share, mut ram) = (None, None, limit);
    for word in words.map(|w| w.trim_matches(['"', '\''])) {
        let cap = |bytes: u64| Some(RuntimeCap { runtime: Runtime::Java, flag: word.into(), bytes, soft: false, cite: None });
        if let Some(v) = word.strip_prefix("-Xmx").or_else(|| word.strip_prefix("-XX:MaxHeapSize=")) {
            size = java_bytes(v).and_then(cap).or(size);
        } else if let Some(v) = word.strip_prefix("-XX:MaxRAM=") {
            ram = java_bytes(v).or(ram);
        } else if let Some(v) = word.strip_prefix("-XX:MaxRAMPercentage=") {
            share = v.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p)).map(|p| (p, word)).or(share);
        } else if let Some(v) = word.strip_prefix("-XX:MaxRAMFraction=") {
            share = v.parse::<f64>().ok().filter(|n| *n >= 1.0).map(|n| (100.0 / n, word)).or(share);
        }
    }
    let of_ram = || {
        let (percent, word) = share?;
        Some(RuntimeCap {
            runtime: Runtime::Java,
            flag: word.into(),
            bytes: (ram? as f64 * percent / 100.0) as u64,
            soft: false,
            cite: None,
        })
    };
    size.or_else(of_ram)
}

fn node_flag(word: &str, limit: Option<u64>) -> Option<RuntimeCap> {
    let word = word.trim_matches(['"', '\'']);
    let (name, v) = word.split_once('=')?;
    let bytes = match name.replace('_', "-").as_str() {
        // V8 counts this flag in MiB.
        "--max-old-space-size" => v.parse::<u64>().ok()?.checked_mul(MIB)?,
        "--max-old-space-size-percentage" => {
            let share = v.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p))?;
            (limit? as f64 * share / 100.0) as u64
        }
        _ => return None,
    };
    Some(RuntimeCap { runtime: Runtime::Node, flag: word.into(), bytes, soft: false, cite: None })
}

fn dotnet_cap(c: &ContainerState, limit: Option<u64>) -> Option<RuntimeCap> {
    let var = |name: &str| ["DOTNET_", "COMPlus_"].iter().find_map(|p| c.env.get_key_value(&format!("{p}{name}")));
    let hex = |v: &str| u64::from_str_radix(v.trim().trim_start_matches("0x"), 16).ok();
    let cap = |(k, v): (&String, &String), bytes| RuntimeCap {
        runtime: Runtime::Dotnet,
        flag: format!("{k}={v}"),
        bytes,
        soft: false,
        cite: None,
    };
    if let Some(kv) = var("GCHeapHardLimit") {
        return Some(cap(kv, hex(kv.1)?));
    }
    let kv = var("GCHeapHardLimitPercent")?;
    let share = hex(kv.1).filter(|p| *p <= 100)?;
    Some(cap(kv, limit?.checked_mul(share)? / 100))
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

    fn container(args: &[&str], env: &[(&str, &str)]) -> ContainerState {
        let mut c = ContainerState { args: args.iter().map(|a| (*a).to_owned()).collect(), ..ContainerState::default() };
        c.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        c.limits.memory_bytes = Some(GIB);
        c
    }

    fn found(args: &[&str], env: &[(&str, &str)]) -> Vec<(&'static str, u64)> {
        caps(&container(args, env)).iter().map(|r| (r.runtime.word(), r.bytes / MIB)).collect()
    }

    #[test]
    fn caps_are_read_from_every_place() {
        let all = found(&["-Xmx1g -jar app.jar", "--max-old-space-size=1536"], &[("GOMEMLIMIT", "400MiB")]);
        assert_eq!(all, [("java", 1024), ("node", 1536), ("go", 400)]);
        assert_eq!(found(&[], &[("DOTNET_GCHeapHardLimit", "20000000")]), [("dotnet", 512)]);
        assert_eq!(found(&[], &[("DOTNET_GCHeapHardLimitPercent", "4B")]), [("dotnet", 768)]);
        assert_eq!(found(&["--max_old_space_size_percentage=50"], &[]), [("node", 512)]);
    }

    #[test]
    fn one_cap_is_in_force() {
        assert_eq!(found(&["-Xmx1g", "-Xmx300m"], &[]), [("java", 300)], "the last of repeated flags");
        let tool = [("JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=90")];
        assert_eq!(found(&["-Xmx512m"], &tool), [("java", 512)], "a size makes the percentage void");
        assert_eq!(found(&["-Xmx512m"], &[("JAVA_TOOL_OPTIONS", "-Xmx900m")]), [("java", 512)], "the command line over the variable");
        assert_eq!(found(&["-Xmx512m"], &[("_JAVA_OPTIONS", "-Xmx900m")]), [("java", 900)], "but not over this one");
        assert_eq!(found(&["--max-old-space-size=200"], &[("NODE_OPTIONS", "--max-old-space-size=800")]), [("node", 200)]);
        assert_eq!(found(&["-XX:MaxRAM=2g", "-XX:MaxRAMFraction=2"], &[]), [("java", 1024)]);
    }

    #[test]
    fn a_variable_that_nothing_reads_sets_nothing() {
        assert_eq!(found(&["python main.py"], &[("BUILD_OPTS", "-Xmx4g"), ("MAVEN_OPTS", "-Xmx2g")]), []);
        assert_eq!(found(&["sh -c 'java $(APP_FLAGS) -jar a.jar'"], &[("APP_FLAGS", "-Xmx4g")]), [("java", 4096)]);
        assert_eq!(found(&[], &[("SVC_JAVA_OPTS", "-Xmx2g")]), [("java", 2048)]);
        assert_eq!(program(&container(&["sh", "-c", "exec /usr/bin/python3.12 main.py"], &[])), Some(Runtime::Python));
    }
}
