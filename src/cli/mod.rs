//! Commands and flags; the library never sees clap.

mod diff;
mod input;
mod inspect;
mod rows;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "postmem", version, about = "Offline post-mortem analyzer for memory incidents in Kubernetes")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what is in a bundle: opened, parsed, clocks and identities resolved; no rules
    Inspect(inspect::Args),
    /// Compare two or more heap snapshots or profiles of one kind
    Diff(diff::Args),
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Parsers are fenced: their panics become diagnostics, and a trace on the terminal would only frighten.
    std::panic::set_hook(Box::new(|_| {}));
    let done = std::panic::catch_unwind(|| match cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Diff(args) => diff::run(args),
    });
    match done.unwrap_or_else(|_| Err(postmem::Error::Internal("a bug in postmem stopped this run".into()))) {
        Ok(code) => code,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "postmem: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
