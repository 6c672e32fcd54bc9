//! The binary: parse arguments, call the library, write outputs, give the exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
