//! `postmem diff BEFORE AFTER [LATER…]`

use super::input::InputArgs;
use super::output::{Target, target};
use super::rows::RowArgs;
use super::shown::ShownArgs;
use postmem::pipeline::{self, Comparison, Wants};
use postmem::{Error, report};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `diff` writes; a name ends in one of these, or one stands before a colon.
const KINDS: &[&str] = &["json", "html", "md", "txt", "svg", "pb.gz"];
/// Rows of the table on the terminal unless `--top` says otherwise.
const TABLE_ROWS: usize = 20;

#[derive(clap::Args)]
pub struct Args {
    /// Two or more snapshots or profiles of one kind, earliest first
    #[arg(required = true, num_args = 2..)]
    inputs: Vec<PathBuf>,
    /// Write an output, by ending or KIND: prefix: .json .html .md .txt, .svg (differential flame graph), .pb.gz
    /// (the difference for any pprof viewer); `json:-` is stdout; repeatable
    #[arg(short, long, value_name = "FILE")]
    output: Vec<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let targets = args.output.iter().map(|o| target(o, KINDS)).collect::<Result<Vec<Target>, Error>>()?;
    let rows = args.rows.options(&args.shown)?;
    let shown = rows.top.map_or(TABLE_ROWS, |_| rows.limit());
    let options = pipeline::Options { rows, skip_digests: true, ..args.input.options()? };
    let any = |kinds: &[&str]| targets.iter().any(|t| kinds.contains(&t.kind.as_str()));
    let wants = Wants { tree: any(&["svg", "html"]), difference: any(&["pb.gz"]) };
    let mut compared = pipeline::compare(&args.inputs, &options, wants)?;
    let mut redactor = args.shown.redactor();
    compared.owners.iter().for_each(|o| redactor.learn(o));
    redactor.delta(&mut compared.delta);
    compared.tree.iter_mut().for_each(|t| redactor.tree(t));
    compared.difference.iter_mut().for_each(|p| redactor.profile(p));
    if targets.is_empty() && !args.shown.quiet() {
        let page = report::diff::terminal(&compared.delta, shown);
        Target::stdout("txt").write(page.as_bytes())?;
    }
    for t in &targets {
        t.write(&written(&t.kind, &compared, shown)?)?;
    }
    // The process ends here and gives its memory back at once; taking it apart piece by piece only takes time.
    std::mem::forget(compared);
    Ok(ExitCode::SUCCESS)
}

/// The bytes of one output.
fn written(kind: &str, c: &Comparison, shown: usize) -> Result<Vec<u8>, Error> {
    let stacks = || Error::Usage(format!("-o .{kind}: needs profiles of call stacks, and {} has none", c.delta.format));
    Ok(match kind {
        "json" => {
            let mut text = serde_json::to_string_pretty(&c.delta).map_err(|e| Error::Internal(e.to_string()))?;
            text.push('\n');
            text.into_bytes()
        }
        "html" => report::diff::html(&c.delta, c.tree.as_ref()).into_bytes(),
        "md" => report::diff::markdown(&c.delta).into_bytes(),
        "svg" => report::flamegraph::differential(c.tree.as_ref().ok_or_else(stacks)?).into_bytes(),
        "pb.gz" => c.growth_file().ok_or_else(stacks)?,
        _ => report::diff::terminal(&c.delta, shown).into_bytes(),
    })
}
