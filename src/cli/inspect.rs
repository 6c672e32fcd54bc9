//! `postmem inspect INPUT…`

use super::rows::RowArgs;
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
    rows: RowArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let rows = args.rows.options()?;
    let options = pipeline::Options { rows: rows.clone(), ..Default::default() };
    let incident = pipeline::inspect(&args.inputs, &options)?;
    let doc = report::inspect::document(&incident, &rows);
    let text = serde_json::to_string_pretty(&doc).map_err(|e| Error::Internal(e.to_string()))?;
    match args.output {
        Some(path) => std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?,
        None => {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
