//! The binary: parse arguments, call the library, write outputs, give the contract's exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
