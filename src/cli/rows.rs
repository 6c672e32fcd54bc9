//! Row flags shared by `diff` and `inspect`.

use super::shown::ShownArgs;
use clap::{Args, ValueEnum};
use postmem::model::delta::{GroupBy, RowOptions};
use std::path::PathBuf;

#[derive(Args, Default)]
pub struct RowArgs {
    /// Measure to show: a sample type of the profile, `bytes` or `objects`
    #[arg(long, value_name = "M")]
    measure: Option<String>,
    /// What a row is
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Add and sort by the cumulative value
    #[arg(long)]
    cum: bool,
    /// Rows to show; 0 shows all
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Keep only stacks with a frame that matches
    #[arg(long, value_name = "RE")]
    focus_sites: Option<String>,
    /// Drop stacks with a frame that matches
    #[arg(long, value_name = "RE")]
    ignore_sites: Option<String>,
    /// Drop frames that match
    #[arg(long, value_name = "RE")]
    hide_sites: Option<String>,
    /// Start every stack at the first frame from the root that matches
    #[arg(long, value_name = "RE")]
    show_from: Option<String>,
    /// Scale the later profile to the earlier one's total
    #[arg(long)]
    normalize: bool,
    /// Arithmetic of a peer tool
    #[arg(long, value_name = "PEER", value_parser = ["pprof"])]
    base_semantics: Option<String>,
    /// Answer for the heap objects whose ids this file lists
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Class,
    Constructor,
    Retainer,
    Function,
    Filefunction,
    Line,
    File,
    Address,
    Traceback,
    Package,
    Label,
    Goroutine,
}

impl RowArgs {
    /// The library's options; reads the `--nodes` file. What may be shown is asked for here, so that no command forgets it.
    pub fn options(&self, shown: &ShownArgs) -> Result<RowOptions, postmem::Error> {
        let mut nodes = Vec::new();
        if let Some(path) = &self.nodes {
            let text = std::fs::read_to_string(path).map_err(|source| postmem::Error::Open { path: path.clone(), source })?;
            for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
                let id = line.strip_prefix("0x").map_or_else(|| line.parse().ok(), |h| u64::from_str_radix(h, 16).ok());
                nodes.push(id.ok_or_else(|| postmem::Error::Usage(format!("{}: not an object id: {line}", path.display())))?);
            }
        }
        Ok(RowOptions {
            measure: self.measure.clone(),
            by: self.by.map(|b| match b {
                By::Class => GroupBy::Class,
                By::Constructor => GroupBy::Constructor,
                By::Retainer => GroupBy::Retainer,
                By::Function => GroupBy::Function,
                By::Filefunction => GroupBy::FileFunction,
                By::Line => GroupBy::Line,
                By::File => GroupBy::File,
                By::Address => GroupBy::Address,
                By::Traceback => GroupBy::Traceback,
                By::Package => GroupBy::Package,
                By::Label => GroupBy::Label,
                By::Goroutine => GroupBy::Goroutine,
            }),
            cumulative: self.cum,
            top: self.top,
            focus: self.focus_sites.clone(),
            ignore: self.ignore_sites.clone(),
            hide: self.hide_sites.clone(),
            show_from: self.show_from.clone(),
            normalize: self.normalize,
            pprof_base: self.base_semantics.is_some(),
            nodes,
            show_strings: shown.strings(),
        })
    }
}
