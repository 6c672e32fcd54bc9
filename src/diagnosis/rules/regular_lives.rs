//! Claims: kills of one container that come at even distances point to steady growth. Mechanism: a leak fills the same room at
//! the same rate in every life; bursts, peaks and bad requests keep no such time. Refuted by: distances of whole days (a
//! nightly job, a daily peak), lives of minutes (a crash loop). It speaks only where no series shows the growth itself.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::human_seconds;
use crate::model::time::{self, SECOND};

/// Lives shorter than this belong to the kubelet's back-off, not to growth.
const SHORTEST: f64 = 600.0;
/// Mean deviation from the median life, as a share of it: chance keeps three bursts this even once in a few hundred times.
const EVEN: f64 = 0.15;
const DAY: f64 = (time::DAY / SECOND) as f64;

pub struct RegularLives;

impl Rule for RegularLives {
    fn id(&self) -> &'static str {
        "regular-lives"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        if case.headline().is_some() || case.is_batch() {
            return;
        }
        // A child that is killed while its parent lives on was minutes old: that is a peak of one task, no life that filled.
        let mut times: Vec<f64> = case
            .limit_kills()
            .filter(|k| k.kind != KillKind::ChildProcess)
            .filter_map(|k| k.moment())
            .map(|t| t.0 as f64 / SECOND as f64)
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let mut lives: Vec<f64> = times.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        if lives.len() < 2 {
            return;
        }
        lives.sort_unstable_by(f64::total_cmp);
        let Some(&usual) = lives.get(lives.len() / 2) else { return };
        let uneven = lives.iter().map(|l| (l - usual).abs()).sum::<f64>() / lives.len() as f64 / usual;
        let daily = (usual / DAY - (usual / DAY).round()).abs() < 0.05 && usual > 0.5 * DAY;
        if usual < SHORTEST || uneven > EVEN || daily {
            return;
        }
        let says = format!(
            "{} kills at the limit, {} apart, give or take {:.0} %: memory fills at an even rate in every life",
            times.len(),
            human_seconds(usual),
            uneven * 100.0
        );
        for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
            out.supports(cause, Strength::Moderate, "Kernel", case.kill_cites(3), says.clone());
        }
        out.contradicts(Cause::LoadSpike, Strength::Moderate, "Kernel", case.kill_cites(3), says);
    }
}
