//! What can go wrong with a run as a whole. Trouble inside artifacts is never an error but a [`crate::model::Diagnostic`].

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{}: no such file or directory", .0.display())]
    NotFound(PathBuf),
    #[error("{}: cannot be opened: {source}", .path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{}: cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// Input is there but nothing in it could be read.
    #[error("{0}")]
    Unreadable(String),
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The process's exit code, as docs/json.md lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NotFound(_) | Error::Open { .. } => 66,
            Error::Unreadable(_) => 65,
            Error::Internal(_) => 70,
            Error::Write { .. } => 74,
        }
    }
}
