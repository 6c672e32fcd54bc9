//! `postmem inspect INPUT…`

use super::input::InputArgs;
use super::rows::RowArgs;
use super::shown::ShownArgs;
use postmem::{Error, pipeline, report};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Directories, archives or loose files
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Write the JSON document here
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let rows = args.rows.options()?;
    let options = pipeline::Options { rows: rows.clone(), skip_digests: true, ..args.input.options()? };
    let incident = pipeline::inspect(&args.inputs, &options)?;
    let mut doc = report::inspect::document(&incident, &rows);
    args.shown.redactor().inspected(&mut doc);
    let text = serde_json::to_string_pretty(&doc).map_err(|e| Error::Internal(e.to_string()))?;
    match args.output {
        Some(path) => std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?,
        None => {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
    // With nothing read the document is still written, and says why.
    pipeline::unreadable(&incident).map_or(Ok(ExitCode::SUCCESS), Err)
}
