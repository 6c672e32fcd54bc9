//! `postmem analyze INPUT…` and the bare `postmem BUNDLE`.

use super::input::InputArgs;
use super::output::{self, Target};
use super::shown::ShownArgs;
use postmem::report::document::ReportDoc;
use postmem::report::{html, json, markdown, rules_yaml, terminal};
use postmem::series::sizing::Choice;
use postmem::series::sizing::policies::Policy;
use postmem::{Error, pipeline};
use std::path::PathBuf;
use std::process::ExitCode;

/// Kinds of output `-o` can ask for.
const KINDS: &[&str] = &["html", "md", "json", "txt", "rules"];

#[derive(clap::Args)]
pub struct Args {
    /// Directories, archives or loose files; `-` reads one from standard input
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Write a report; its kind is told by the ending (.html, .md, .json, .txt) or a prefix (json:-). Repeatable.
    /// FILE.yaml or rules:FILE is a PrometheusRule that would have warned in time
    #[arg(short, long, value_name = "FILE")]
    output: Vec<String>,
    /// Report on one namespace, pod or workload only: NS or NS/NAME
    #[arg(long, value_name = "NS/NAME")]
    focus: Option<String>,
    /// Most bytes of a Markdown report; sections of least value are left out and named
    #[arg(long, value_name = "N", default_value_t = markdown::MAX_BYTES)]
    max_bytes: usize,
    /// How limits and requests are recommended. behaviour: from how the series' own peaks behaved; by-kind, stateless, stateful,
    /// batch: common advice; vpa, krr: as those tools do
    #[arg(long, value_name = "POLICY", default_value = "behaviour", value_parser = policy)]
    sizing: Policy,
    /// Price of one GiB of requested memory for a month, in any currency: the report then says what a size costs
    #[arg(long, value_name = "AMOUNT", value_parser = price)]
    memory_price: Option<f64>,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    input: InputArgs,
}

fn policy(text: &str) -> Result<Policy, String> {
    let names = || Policy::ALL.map(Policy::name).join(", ");
    Policy::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| format!("expected one of {}", names()))
}

fn price(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|p| p.is_finite() && *p > 0.0).ok_or_else(|| "expected an amount like 3.20".into())
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    // A target that cannot be meant is a usage error before any work is done.
    let targets = args.output.iter().map(|o| output::target(o, KINDS)).collect::<Result<Vec<Target>, Error>>()?;
    let mut options = pipeline::Options { focus: args.focus.clone(), ..args.input.options()? };
    options.rows.show_strings = args.shown.strings();
    options.correlate.sizing = Choice { policy: args.sizing, price: args.memory_price };
    let progress = args.shown.progress("reading");
    let outcome = pipeline::analyze(&args.inputs, &options);
    progress.finish_and_clear();
    let pipeline::Analysis { mut document, diagnostics, unreadable } = outcome?;
    args.shown.redactor().document(&mut document);
    args.shown.warn(diagnostics.iter().map(|(p, d)| (p.as_str(), d)));
    for t in &targets {
        t.write(render(&t.kind, &document, args.max_bytes).as_bytes())?;
    }
    if !args.shown.quiet() && targets.iter().all(|t| t.path.is_some()) {
        Target::stdout("txt").write(terminal::page(&document, args.shown.color()).as_bytes())?;
    }
    unreadable.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn render(kind: &str, doc: &ReportDoc, max_bytes: usize) -> String {
    match kind {
        "html" => html::page(doc),
        "md" => markdown::page(doc, max_bytes),
        "txt" => terminal::page(doc, false),
        "rules" => rules_yaml::manifest(doc),
        _ => json::document(doc),
    }
}
