//! An alert as Prometheus or Alertmanager reports it: an event of the timeline that somebody had thought worth a rule.

use super::time::Timestamp;

/// Its beginning is the observation's time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alert {
    /// The `alertname` label.
    pub name: String,
    /// `firing`, `pending`, `active`, `suppressed`, `resolved`, as written.
    pub state: String,
    pub severity: Option<String>,
    /// The annotation that says what happened, in its author's words.
    pub summary: Option<String>,
    /// When it ended; `None` while it fires. Alertmanager writes a moment in the future for those.
    pub ended: Option<Timestamp>,
    /// `Prometheus` or `Alertmanager`.
    pub source: &'static str,
    /// The rule's expression, where the answer has it.
    pub expression: Option<String>,
}
