//! `-o`: what kind a target is, by prefix (`json:-`) or ending (`report.html`), and writing it.

use postmem::Error;
use std::io::Write;
use std::path::PathBuf;

/// Where one output goes and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `html`, `md`, `json`, `txt`, …
    pub kind: String,
    /// `None` is standard output.
    pub path: Option<PathBuf>,
}

/// Reads a `-o` value; `kinds` are those this command can write.
pub fn target(text: &str, kinds: &[&str]) -> Result<Target, Error> {
    let (kind, path) = match text.split_once(':') {
        Some((prefix, rest)) if kinds.contains(&prefix) => (prefix, rest),
        _ => {
            // The one YAML that is written is the rules manifest.
            let yaml = (text.ends_with(".yaml") || text.ends_with(".yml")).then_some(&"rules").filter(|k| kinds.contains(*k));
            let kind = kinds.iter().find(|k| text.ends_with(&format!(".{k}"))).or(yaml);
            (
                *kind.ok_or_else(|| {
                    Error::Usage(format!(
                        "-o {text}: the kind of output cannot be told; end it in .{} or write KIND:PATH",
                        kinds.join(", .")
                    ))
                })?,
                text,
            )
        }
    };
    Ok(Target { kind: kind.to_owned(), path: (path != "-").then(|| path.into()) })
}

impl Target {
    pub fn stdout(kind: &str) -> Self {
        Target { kind: kind.to_owned(), path: None }
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        match &self.path {
            Some(path) => std::fs::write(path, bytes).map_err(|source| Error::Write { path: path.clone(), source }),
            // What stands behind the last line end waits in the buffer: a full disk is noticed when it goes out.
            None => match std::io::stdout().lock().write_all(bytes).and_then(|()| std::io::stdout().flush()) {
                // A closed pipe is the reader's choice.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                done => done.map_err(|source| Error::Write { path: "-".into(), source }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_by_prefix_or_ending() {
        let kinds = ["html", "json"];
        assert_eq!(target("json:-", &kinds).unwrap(), Target { kind: "json".into(), path: None });
        assert_eq!(target("out/r.html", &kinds).unwrap().kind, "html");
        assert!(target("report.docx", &kinds).is_err());
    }
}
