//! The one place where anything is hidden: credentials in any text, values of environment variables, contents of heap
//! strings, and on request the names of hosts, namespaces and pods. Flags that size a runtime stay readable.
//!
//! What is a secret is decided by shape (`patterns`), by the name beside it (`env`), and by where it stands (`walk`).
//! Not a secret scanner: an unnamed password in the middle of a sentence looks like any other word.

mod env;
mod names;
mod patterns;
mod walk;

use crate::model::Owner;
use crate::model::calltree::CallTree;
use crate::model::delta::Delta;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::report::document::ReportDoc;
use serde_json::Value;
use std::borrow::Cow;

/// What a reader sees in place of a secret.
pub const MARK: &str = "▮▮▮";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// `--no-redact`
    Off,
    #[default]
    Secrets,
    /// `--redact names`: also host, namespace, workload and pod names.
    Names,
}

/// Hides secrets and counts how many it hid.
#[derive(Debug, Default)]
pub struct Redactor {
    mode: Mode,
    count: u64,
    names: names::Names,
    /// The document is gone through for its names and not changed yet.
    learning: bool,
}

impl Redactor {
    pub fn new(mode: Mode) -> Self {
        Redactor { mode, ..Redactor::default() }
    }

    /// Values replaced so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A free text: log line, sentence, command line, path.
    pub fn text<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.mode == Mode::Off || self.learning {
            return Cow::Borrowed(text);
        }
        let hidden = patterns::hide(text, &mut self.count);
        if self.names.is_empty() {
            return hidden;
        }
        match self.names.replace(&hidden) {
            Some(renamed) => Cow::Owned(renamed),
            None => hidden,
        }
    }

    /// The value of an environment variable.
    pub fn env(&mut self, name: &str, value: &str) -> String {
        if self.mode == Mode::Off || self.learning {
            return value.to_owned();
        }
        let value = env::value(name, value, &mut self.count).into_owned();
        self.text(&value).into_owned()
    }

    /// An owner whose names `--redact names` replaces, besides those that a document itself carries.
    pub fn learn(&mut self, owner: &Owner) {
        if self.mode == Mode::Names {
            self.names.learn_owner(owner);
        }
    }

    /// Every string of a JSON document, with what its keys say about it: `inspect`'s output, say.
    pub fn value(&mut self, value: &mut Value) {
        if self.mode == Mode::Off {
            return;
        }
        if self.mode == Mode::Names {
            self.names.learn_value(value);
        }
        walk::value(self, value, &mut walk::Place::default());
    }

    pub fn document(&mut self, doc: &mut ReportDoc) {
        if self.mode == Mode::Off {
            return;
        }
        if self.mode == Mode::Names {
            self.learning = true;
            walk::document(self, doc);
            self.learning = false;
            self.names.learn_document(doc);
        }
        let before = self.count;
        walk::document(self, doc);
        doc.redactions = doc.redactions.saturating_add(self.count - before);
    }

    /// Names of functions, which may be made of what a program was given.
    pub fn tree(&mut self, tree: &mut CallTree) {
        tree.nodes.iter_mut().for_each(|n| self.string(&mut n.name));
    }

    /// Names of functions, labels and binaries of a profile that is written as a file.
    pub fn profile(&mut self, profile: &mut HeapProfile) {
        profile.process.iter_mut().for_each(|p| self.string(p));
        if let ProfileBody::Stacks(table) = &mut profile.body {
            let files = table.mappings.iter_mut().map(|m| &mut m.file);
            for text in table.strings.iter_mut().chain(files) {
                if let Cow::Owned(hidden) = self.text(text) {
                    *text = hidden.into();
                }
            }
        }
    }

    pub fn delta(&mut self, delta: &mut Delta) {
        if self.mode != Mode::Off {
            walk::delta(self, delta);
        }
    }

    /// In place; allocates only when something was hidden.
    fn string(&mut self, text: &mut String) {
        if let Cow::Owned(hidden) = self.text(text) {
            *text = hidden;
        }
    }
}
