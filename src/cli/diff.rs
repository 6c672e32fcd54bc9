//! `postmem diff BEFORE AFTER [LATER…]`

use super::input::InputArgs;
use super::rows::RowArgs;
use postmem::{Error, pipeline};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Two or more snapshots or profiles of one kind, earliest first
    #[arg(required = true, num_args = 2..)]
    inputs: Vec<PathBuf>,
    /// Write the JSON document here
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rows: RowArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let options = pipeline::Options { rows: args.rows.options()?, skip_digests: true, ..args.input.options()? };
    let delta = pipeline::diff(&args.inputs, &options)?;
    let text = serde_json::to_string_pretty(&delta).map_err(|e| Error::Internal(e.to_string()))?;
    match args.output {
        Some(path) => std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?,
        None => {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
