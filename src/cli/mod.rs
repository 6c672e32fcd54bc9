//! Commands and flags; the library never sees clap.

mod analyze;
mod diff;
mod input;
mod inspect;
mod output;
mod rows;
mod shown;

use clap::{CommandFactory, Parser, Subcommand};
use postmem::report::escape;
use std::ffi::OsString;
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
    /// Find the root cause: who was killed, by what, and what grew (the default: `postmem BUNDLE` is the same)
    Analyze(analyze::Args),
    /// Show what is in a bundle: opened, parsed, clocks and identities resolved; no rules
    Inspect(inspect::Args),
    /// Compare two or more heap snapshots or profiles of one kind
    Diff(diff::Args),
    /// Print a completion script for a shell
    Completions {
        /// Shell to print it for
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// The manual pages of the program and of every command, one after the other.
fn manual() -> Result<(), postmem::Error> {
    let mut text = Vec::new();
    let command = Cli::command();
    let failed = |e: std::io::Error| postmem::Error::Internal(e.to_string());
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for sub in command.get_subcommands() {
        clap_mangen::Man::new(sub.clone()).render(&mut text).map_err(failed)?;
    }
    std::io::stdout().write_all(&text).map_err(|source| postmem::Error::Write { path: "-".into(), source })
}

/// `postmem BUNDLE` means `postmem analyze BUNDLE`: a first word that is neither a command nor a flag is an input.
fn with_default_command(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let command = Cli::command();
    let known = |a: &OsString| a.to_str().is_some_and(|a| a == "help" || command.get_subcommands().any(|c| c.get_name() == a));
    let global = |a: &OsString| a.to_str().is_some_and(|a| matches!(a, "-h" | "--help" | "-V" | "--version"));
    if args.get(1).is_some_and(|a| !known(a) && !global(a)) {
        args.insert(1, "analyze".into());
    }
    args
}

pub fn run() -> ExitCode {
    let cli = Cli::parse_from(with_default_command(std::env::args_os()));
    // Parsers are fenced: their panics become diagnostics, and a trace on the terminal would only frighten.
    std::panic::set_hook(Box::new(|_| {}));
    let done = std::panic::catch_unwind(|| match cli.command {
        Command::Analyze(args) => analyze::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "postmem", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => manual().map(|()| ExitCode::SUCCESS),
    });
    match done.unwrap_or_else(|_| Err(postmem::Error::Internal("a bug in postmem stopped this run".into()))) {
        Ok(code) => code,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "postmem: {}", escape::line(&e.to_string()));
            ExitCode::from(e.exit_code())
        }
    }
}
