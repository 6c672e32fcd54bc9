//! `postmem inspect INPUT…`

use super::input::InputArgs;
use super::output::{Target, target};
use super::rows::RowArgs;
use super::shown::ShownArgs;
use postmem::{Error, pipeline, report};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Directories, archives or loose files
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Write the JSON document here; `-` is stdout, and so is none
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    // There is one kind of output, so a name may end as it likes.
    let named = args
        .output
        .as_deref()
        .map(|o| if o == "-" || !o.ends_with(".json") && !o.starts_with("json:") { format!("json:{o}") } else { o.into() });
    let written = named.map_or(Ok(Target::stdout("json")), |o| target(&o, &["json"]))?;
    let rows = args.rows.options(&args.shown)?;
    let options = pipeline::Options { rows: rows.clone(), skip_digests: true, ..args.input.options()? };
    let incident = pipeline::inspect(&args.inputs, &options)?;
    let mut doc = report::inspect::document(&incident, &rows);
    args.shown.redactor().value(&mut doc);
    let mut text = serde_json::to_string_pretty(&doc).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    written.write(text.as_bytes())?;
    // With nothing read the document is still written, and says why.
    let done = pipeline::unreadable(&incident).map_or(Ok(ExitCode::SUCCESS), Err);
    // The process ends here and gives its memory back at once; taking it apart piece by piece only takes time.
    std::mem::forget((incident, doc));
    done
}
