//! Flags about what is shown: redaction, colour, quiet; and the progress mark on a terminal.

use clap::{Args, ValueEnum};
use postmem::model::Severity;
use postmem::report::redact::{Mode, Redactor};
use std::io::{IsTerminal, Write};
use std::time::Duration;

#[derive(Args, Default)]
pub struct ShownArgs {
    /// Show secrets and heap strings as they are
    #[arg(long, conflicts_with = "redact")]
    no_redact: bool,
    /// Hide more than secrets: `names` also replaces host, namespace and pod names
    #[arg(long, value_name = "WHAT", value_enum)]
    redact: Option<Redact>,
    /// Colour on the terminal
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Print nothing but what was asked for with -o
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Redact {
    Secrets,
    Names,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl ShownArgs {
    pub fn redactor(&self) -> Redactor {
        Redactor::new(match (self.no_redact, self.redact) {
            (true, _) => Mode::Off,
            (false, Some(Redact::Names)) => Mode::Names,
            _ => Mode::Secrets,
        })
    }

    /// Whether the contents of heap strings are to be shown.
    pub fn strings(&self) -> bool {
        self.no_redact
    }

    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// NO_COLOR and CLICOLOR_FORCE decide where the flag does not (no-color.org, bixense.com/clicolors).
    pub fn color(&self) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
            Color::Auto => set("CLICOLOR_FORCE") || std::io::stdout().is_terminal(),
        }
    }

    /// A moving mark on standard error while work goes on; nothing where no one watches.
    pub fn progress(&self, message: &str) -> indicatif::ProgressBar {
        if self.quiet || std::env::var_os("CI").is_some() || !std::io::stderr().is_terminal() {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new_spinner().with_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// What could not be read whole, worst first, on standard error.
    pub fn warn<'a>(&self, problems: impl Iterator<Item = (&'a str, &'a postmem::model::Diagnostic)>) {
        if self.quiet {
            return;
        }
        const SHOWN: usize = 5;
        let mut list: Vec<_> = problems.filter(|(_, d)| d.severity != Severity::Note).collect();
        list.sort_by_key(|(path, d)| (d.severity, *path, d.code));
        let mut err = std::io::stderr().lock();
        for (path, d) in list.iter().take(SHOWN) {
            let place = match (d.line, d.byte_offset) {
                (Some(l), _) => format!(":{l}"),
                (None, Some(b)) => format!(" at byte {b}"),
                _ => String::new(),
            };
            let times = if d.count > 1 { format!(" ({} times)", d.count) } else { String::new() };
            let text = format!("{path}{place}: {}{times}", d.message);
            let _ = writeln!(err, "postmem: {}", postmem::report::escape::line(&text));
        }
        if list.len() > SHOWN {
            let _ = writeln!(err, "postmem: and {} more; see the report's coverage section", list.len() - SHOWN);
        }
    }
}
