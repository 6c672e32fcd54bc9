//! `postmem analyze INPUT…` and the bare `postmem BUNDLE`.

use super::input::InputArgs;
use super::output::{self, Target};
use postmem::report::document::ReportDoc;
use postmem::{Error, pipeline};
use std::path::PathBuf;
use std::process::ExitCode;

/// Kinds of output `-o` can ask for.
const KINDS: &[&str] = &["json"];

#[derive(clap::Args)]
pub struct Args {
    /// Directories, archives or loose files; `-` reads one from standard input
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Write a report; its kind is told by the ending (.html, .md, .json) or a prefix (json:-). Repeatable
    #[arg(short, value_name = "FILE")]
    output: Vec<String>,
    #[command(flatten)]
    input: InputArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    // A target that cannot be meant is a usage error before any work is done.
    let targets = args.output.iter().map(|o| output::target(o, KINDS)).collect::<Result<Vec<Target>, Error>>()?;
    let analysis = pipeline::analyze(&args.inputs, &args.input.options()?)?;
    for t in &targets {
        t.write(&render(&t.kind, &analysis.document)?)?;
    }
    analysis.unreadable.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn render(kind: &str, doc: &ReportDoc) -> Result<Vec<u8>, Error> {
    match kind {
        "json" => serde_json::to_vec_pretty(doc).map_err(|e| Error::Internal(e.to_string())),
        other => Err(Error::Internal(format!("no writer for {other}"))),
    }
}
