//! The curves that a run may follow, and the constants that are tried for each: those that end and those that go on.

/// Saturation constants as parts of the run, 15 % apart. Above half a run the curve has hardly bent and cannot be told
/// from a line.
pub(super) const TAU: [f64; 22] = [
    0.01, 0.015, 0.02, 0.026, 0.033, 0.042, 0.053, 0.065, 0.08, 0.095, 0.11, 0.127, 0.147, 0.17, 0.195, 0.225, 0.26, 0.3, 0.345, 0.4, 0.45,
    0.5,
];
/// Largest constants: of curves that saturate, and of warm-ups before a line.
const TAU_MOST: f64 = 0.5;
const TAU_WARM: f64 = 0.225;
pub(super) const TAU_LOG: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.07, 0.1];
pub(super) const HALF: [f64; 12] = [0.01, 0.017, 0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.38, 0.5];
pub(super) const POWER: [f64; 3] = [0.2, 0.3, 0.4];
/// How much of the growth is curved; below a fifth a line does as well.
pub(super) const BEND: [f64; 6] = [0.2, 0.35, 0.5, 0.65, 0.8, 1.0];

/// Rates of exponential growth over the run.
pub(super) const RATE: [f64; 7] = [1.0, 1.4, 1.8, 2.3, 3.0, 4.0, 6.0];

/// A curve over `u`, the part of the run that has passed (0..1; beyond 1 it is a projection).
#[derive(Debug, Clone, PartialEq)]
pub enum Curve {
    Flat,
    Steps(Vec<f64>),
    Saturating {
        tau: f64,
    },
    Logarithmic {
        tau: f64,
    },
    /// u / (u + half): a cache whose misses become rarer.
    Hill {
        half: f64,
    },
    /// u^power with a power well below a half.
    Root {
        power: f64,
    },
    RampThenFlat {
        until: f64,
    },
    Line,
    WarmUpLine {
        tau: f64,
    },
    Late {
        from: f64,
    },
    /// A line, and one change of level beside it: a deployment that needed more, and leaks as before.
    StepLine {
        at: f64,
    },
    /// (1 − bend)·u + bend·u²: the mildest curve that gathers speed.
    Accelerating {
        bend: f64,
    },
    /// (e^(rate·u) − 1) / (e^rate − 1): what grows by a part of itself. Below a rate of 1 a bend does as well.
    Exponential {
        rate: f64,
    },
}

impl Curve {
    /// Whether memory goes on growing at the end of the run.
    pub fn grows(&self) -> bool {
        matches!(
            self,
            Curve::Line
                | Curve::WarmUpLine { .. }
                | Curve::Late { .. }
                | Curve::StepLine { .. }
                | Curve::Accelerating { .. }
                | Curve::Exponential { .. }
        )
    }

    /// Number of terms.
    pub fn terms(&self) -> usize {
        match self {
            Curve::Flat => 0,
            Curve::Steps(at) => at.len(),
            Curve::WarmUpLine { .. } | Curve::StepLine { .. } => 2,
            _ => 1,
        }
    }

    /// Parameters for the criterion: terms plus the places and constants that were searched for.
    pub(super) fn parameters(&self) -> usize {
        self.terms()
            + match self {
                Curve::Flat | Curve::Line => 0,
                Curve::Steps(at) => at.len(),
                _ => 1,
            }
    }

    /// Value of term `k` at `u`; the last term is the one that goes on.
    pub fn term(&self, k: usize, u: f64) -> f64 {
        match self {
            Curve::Flat => 0.0,
            Curve::Steps(at) => f64::from(u8::from(at.get(k).is_some_and(|&a| u >= a))),
            Curve::Saturating { tau } => 1.0 - (-u / tau).exp(),
            Curve::Logarithmic { tau } => (1.0 + u.max(0.0) / tau).ln(),
            Curve::Hill { half } => u.max(0.0) / (u.max(0.0) + half),
            Curve::Root { power } => u.max(0.0).powf(*power),
            Curve::RampThenFlat { until } => u.min(*until),
            Curve::Line => u,
            Curve::WarmUpLine { tau } if k == 0 => 1.0 - (-u / tau).exp(),
            Curve::StepLine { at } if k == 0 => f64::from(u8::from(u >= *at)),
            Curve::WarmUpLine { .. } | Curve::StepLine { .. } => u,
            Curve::Exponential { rate } => (rate * u).exp_m1() / rate.exp_m1(),
            Curve::Late { from } => (u - from).max(0.0),
            Curve::Accelerating { bend } => u * (1.0 - bend + bend * u),
        }
    }

    /// The constant that was searched for, where it is one.
    pub(super) fn constant(&self) -> Option<f64> {
        match self {
            Curve::Flat | Curve::Line | Curve::Steps(_) | Curve::StepLine { .. } => None,
            Curve::Saturating { tau } | Curve::Logarithmic { tau } | Curve::WarmUpLine { tau } => Some(*tau),
            Curve::Hill { half } => Some(*half),
            Curve::Root { power } => Some(*power),
            Curve::RampThenFlat { until } => Some(*until),
            Curve::Late { from } => Some(*from),
            Curve::Accelerating { bend } => Some(*bend),
            Curve::Exponential { rate } => Some(*rate),
        }
    }

    /// The same family with another constant, kept within what the grid spans.
    pub(super) fn with(&self, constant: f64) -> Curve {
        match self {
            Curve::Saturating { .. } => Curve::Saturating { tau: constant.min(TAU_MOST) },
            Curve::Logarithmic { .. } => Curve::Logarithmic { tau: constant },
            Curve::WarmUpLine { .. } => Curve::WarmUpLine { tau: constant.min(TAU_WARM) },
            Curve::Hill { .. } => Curve::Hill { half: constant.min(TAU_MOST) },
            Curve::Root { .. } => Curve::Root { power: constant.min(0.4) },
            Curve::RampThenFlat { .. } => Curve::RampThenFlat { until: constant.min(0.8) },
            Curve::Late { .. } => Curve::Late { from: constant.min(0.9) },
            Curve::Accelerating { .. } => Curve::Accelerating { bend: constant.min(1.0) },
            Curve::Exponential { .. } => Curve::Exponential { rate: constant },
            other => other.clone(),
        }
    }

    pub(super) fn column(&self, k: usize, u: &[f64]) -> Vec<f64> {
        if let Curve::Exponential { rate } = self {
            // Its constant factor is worth finding once.
            let whole = rate.exp_m1();
            return u.iter().map(|u| (rate * u).exp_m1() / whole).collect();
        }
        u.iter().map(|&u| self.term(k, u)).collect()
    }
}
