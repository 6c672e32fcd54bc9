//! V8 sampling heap profiles (`.heapprofile`): a tree of call frames with the live bytes sampled at each, already scaled by
//! V8 to what they stand for. Spec: the DevTools protocol's `HeapProfiler.SamplingHeapProfile`.
//!
//! Call trees nest as deep as the program's stack, so the reader keeps its own stack of open nodes and never recurses.
//! Refuses to count objects: the file has sampled sizes, not how many objects there are.

use super::stack_builder::StackBuilder;
use super::{Format, Head, Input, Match};
use crate::model::profile::{HeapProfile, Measure, ProfileBody};
use crate::model::{Facts, Observation, RawTime};

pub struct V8HeapProfile;

impl Format for V8HeapProfile {
    fn name(&self) -> &'static str {
        "v8-heapprofile"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let start: Vec<u8> = head.trimmed().iter().take(200).copied().filter(|b| !b.is_ascii_whitespace()).collect();
        if start.starts_with(b"{\"head\":{\"callFrame\":{") {
            Match::Certain
        } else if start.starts_with(b"{\"head\":{") && memchr::memmem::find(head.bytes, b"\"selfSize\"").is_some() {
            Match::Likely
        } else {
            Match::No
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let mut tree = Tree::default();
        let whole = tree.read(&bytes);
        let truncated = whole.is_none();
        if truncated {
            let nodes = tree.nodes.len();
            let at = tree.at as u64;
            out.error("truncated", Some(at), || format!("the profile ends within its call tree: {nodes} frames are kept"));
        }
        if tree.nodes.is_empty() {
            return;
        }
        let (table, totals) = tree.stacks(out);
        let profile = HeapProfile {
            format: self.name(),
            measures: vec![Measure { name: "bytes".into(), unit: "bytes".into() }],
            totals,
            truncated,
            body: ProfileBody::Stacks(Box::new(table)),
            ..HeapProfile::default()
        };
        let cite = out.cite(0, Some(1), bytes.get(..200.min(bytes.len())).unwrap_or(&[]));
        out.profiles.push(Observation { at: RawTime::Absent, who: input.who.clone(), cite, what: profile });
    }
}

/// One frame of the call tree.
#[derive(Default)]
struct Node {
    /// `u32::MAX` for the root.
    parent: u32,
    name: String,
    url: String,
    /// From 1; 0 where unknown.
    line: u32,
    self_size: i64,
}

#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    /// How far reading has come.
    at: usize,
}

/// A sum of stack lengths beyond this is no profile but an attack on memory.
const FRAMES_MAX: usize = 64 << 20;

/// What the reader is inside of.
#[derive(Clone, Copy)]
enum Inside {
    Profile,
    Node(u32),
    CallFrame(u32),
    Children(u32),
}

impl Tree {
    /// Reads the object; `None` where it ends early or is no profile. Nodes read before stay.
    fn read(&mut self, b: &[u8]) -> Option<()> {
        if self.peek(b)? != b'{' {
            return None;
        }
        self.at += 1;
        let mut open = vec![Inside::Profile];
        while let Some(&inside) = open.last() {
            let next = self.peek(b)?;
            match (inside, next) {
                (Inside::Children(n), b'{') => {
                    self.at += 1;
                    open.push(Inside::Node(self.enter(n)));
                    continue;
                }
                (Inside::Children(_), b']') | (Inside::Profile | Inside::Node(_) | Inside::CallFrame(_), b'}') => {
                    self.at += 1;
                    open.pop();
                    continue;
                }
                (Inside::Children(_), _) => return None,
                _ => {}
            }
            let key = self.string(b)?;
            if self.peek(b)? != b':' {
                return None;
            }
            self.at += 1;
            match (inside, key.as_str(), self.peek(b)?) {
                (Inside::Profile, "head", b'{') => {
                    self.at += 1;
                    open.push(Inside::Node(self.enter(u32::MAX)));
                }
                (Inside::Node(n), "callFrame", b'{') => {
                    self.at += 1;
                    open.push(Inside::CallFrame(n));
                }
                (Inside::Node(n), "children", b'[') => {
                    self.at += 1;
                    open.push(Inside::Children(n));
                }
                (Inside::Node(n), "selfSize", b'0'..=b'9') => {
                    let v = self.number(b)?;
                    self.nodes.get_mut(n as usize)?.self_size = v;
                }
                (Inside::CallFrame(n), "functionName", b'"') => {
                    let text = self.string(b)?;
                    self.nodes.get_mut(n as usize)?.name = text;
                }
                (Inside::CallFrame(n), "url", b'"') => {
                    let text = self.string(b)?;
                    self.nodes.get_mut(n as usize)?.url = text;
                }
                (Inside::CallFrame(n), "lineNumber", b'0'..=b'9') => {
                    let v = self.number(b)?;
                    self.nodes.get_mut(n as usize)?.line = u32::try_from(v.saturating_add(1)).unwrap_or(0);
                }
                _ => self.skip(b)?,
            }
        }
        Some(())
    }

    fn enter(&mut self, parent: u32) -> u32 {
        self.nodes.push(Node { parent, ..Node::default() });
        (self.nodes.len() - 1) as u32
    }

    /// Next byte that is neither white space nor a comma.
    fn peek(&mut self, b: &[u8]) -> Option<u8> {
        while matches!(b.get(self.at)?, b' ' | b'\n' | b'\r' | b'\t' | b',') {
            self.at += 1;
        }
        b.get(self.at).copied()
    }

    /// A string with its quotes, unescaped; stands at its quote.
    fn string(&mut self, b: &[u8]) -> Option<String> {
        let start = self.at;
        if b.get(start) != Some(&b'"') {
            return None;
        }
        let mut end = start + 1;
        loop {
            end += memchr::memchr2(b'"', b'\\', b.get(end..)?)?;
            if b.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        self.at = end + 1;
        let text = b.get(start..=end)?;
        Some(serde_json::from_slice(text).unwrap_or_else(|_| String::from_utf8_lossy(text).trim_matches('"').to_owned()))
    }

    fn number(&mut self, b: &[u8]) -> Option<i64> {
        let rest = b.get(self.at..)?;
        let len = rest.iter().position(|c| !matches!(c, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))?;
        self.at += len;
        let text = std::str::from_utf8(rest.get(..len)?).ok()?;
        text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().map(|f| f as i64))
    }

    /// Any value, its depth counted.
    fn skip(&mut self, b: &[u8]) -> Option<()> {
        let mut depth = 0u64;
        loop {
            match self.peek(b)? {
                b'"' => {
                    self.string(b)?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b':' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let rest = b.get(self.at..)?;
                    self.at += rest.iter().position(|c| matches!(c, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))?.max(1);
                }
            }
            if depth == 0 && b.get(self.at) != Some(&b':') {
                return Some(());
            }
        }
    }

    /// One sample for every frame that holds bytes itself.
    fn stacks(&self, out: &mut Facts) -> (crate::model::profile::StackTable, Vec<i64>) {
        let mut table = StackBuilder::new(1);
        let location: Vec<u32> = self
            .nodes
            .iter()
            .map(|n| {
                let name = if n.name.is_empty() { "(anonymous)" } else { &n.name };
                let frame = table.frame(name, &n.url, n.line);
                table.location(vec![frame], 0)
            })
            .collect();
        let mut frames = 0usize;
        for (i, n) in self.nodes.iter().enumerate().filter(|(_, n)| n.self_size > 0) {
            let mut stack = Vec::new();
            let mut at = i as u32;
            // The root is no function.
            while let Some(node) = self.nodes.get(at as usize).filter(|n| n.parent != u32::MAX) {
                stack.extend(location.get(at as usize));
                at = node.parent;
            }
            frames += stack.len();
            if frames > FRAMES_MAX {
                out.warn("too-deep", None, None, || format!("call stacks of more than {FRAMES_MAX} frames in all: the rest is left out"));
                break;
            }
            table.sample(stack, 0, Vec::new(), &[n.self_size]);
        }
        table.finish(Vec::new(), &[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_frames_keep_their_own_sizes_and_parents() {
        let text = br#"{"head":{"callFrame":{"functionName":"(root)","url":"","lineNumber":-1},"selfSize":0,"id":1,"children":[
            {"id":2,"children":[{"callFrame":{"functionName":"leak","url":"/a.js","lineNumber":9},"selfSize":70,"children":[],"id":3}],
             "selfSize":5,"callFrame":{"functionName":"","url":"/a.js","lineNumber":1}}]},"samples":[{"size":70,"nodeId":3}]}"#;
        let mut t = Tree::default();
        assert_eq!(t.read(text), Some(()));
        let seen: Vec<_> = t.nodes.iter().map(|n| (n.name.as_str(), n.parent, n.self_size, n.line)).collect();
        assert_eq!(seen, [("(root)", u32::MAX, 0, 0), ("", 0, 5, 2), ("leak", 1, 70, 10)]);
        // Cut anywhere it keeps what it has read and does not hang.
        for n in 0..text.len() {
            assert_eq!(Tree::default().read(&text[..n]), None);
        }
    }

    #[test]
    fn a_stack_of_a_hundred_thousand_frames_is_no_trouble() {
        let one = r#"{"callFrame":{"functionName":"f"},"selfSize":0,"children":["#;
        let text = format!(r#"{{"head":{}{}}}"#, one.repeat(100_000), "]}".repeat(100_000));
        let mut t = Tree::default();
        assert_eq!(t.read(text.as_bytes()), Some(()));
        assert_eq!(t.nodes.len(), 100_000);
    }
}
