//! Is it growth? What the values of one site over 2..N profiles say, with the error that sampling leaves.
//!
//! A sampled heap profile estimates bytes from few sampled objects: with sampling probability p for blocks of S bytes each
//! sampled one stands for S/p, and k of them have the standard error (S/p)·√(k(1−p)). Objects that are alive in both
//! profiles were sampled or not once for all, so the error of a difference comes only from those that came or went in
//! between; the allocation counters bound how many those are. Whether growth has stopped is a question of how many of the
//! sampled objects came late, answered by the binomial distribution. Nothing here looks at names.

use super::value::{Halves, Value};

/// Two standard errors: about one false alarm in forty sites that do not grow.
pub const SIGNIFICANT: f64 = 2.0;
/// Probability below which steady growth is not believed to have paused by chance of sampling.
const UNLIKELY: f64 = 0.05;
/// As much for a site that goes on allocating: there every tail of the series is tried.
const VERY_UNLIKELY: f64 = 0.01;
/// Probability above which a rate that has halved may well have looked like a steady one.
const MAY_BE: f64 = 0.2;
/// Share of all growth in the last step from which on the steps before it say nothing.
const SUDDEN: f64 = 0.9;

/// One standard error of the bytes gained from `a` to `b`; `None` where the measure was not sampled.
pub fn standard_error(a: &Value, b: &Value, halves: &Halves) -> Option<f64> {
    if !halves.by_bytes() {
        return None;
    }
    let variance = variance(a, b, 0.0);
    (a.spread.live + b.spread.live > 0.0).then(|| variance.sqrt())
}

/// Upper estimate of the variance of `b − a`. `usual` is the weight of the site's live objects over all snapshots: one that
/// happens to show few of them at one end does not thereby know that end better.
fn variance(a: &Value, b: &Value, usual: f64) -> f64 {
    let (before, after) = (a.spread.live.max(usual), b.spread.live.max(usual));
    let made = b.spread.allocated - a.spread.allocated;
    if b.spread.allocated <= 0.0 || made < 0.0 {
        return before + after;
    }
    // Of what was allocated in between at most `after` is alive; what is missing of `before` was freed.
    let freed = (made - (b.spread.live - a.spread.live)).max(0.0);
    made.min(after) + freed.min(before)
}

/// What a series of values is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Still growing at the end, as fast as before within the error.
    Growing,
    /// Grew, and then stopped.
    Plateau,
    /// Went up and down.
    Churn,
    Shrank,
    /// No change beyond the error.
    Noise,
}

/// A judged series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    pub shape: Shape,
    /// Last minus first, in the unit of the measure.
    pub growth: f64,
    /// One standard error of it; 0 where every allocation is counted.
    pub error: f64,
    /// Steps upward beyond the error, of how many.
    pub ups: usize,
    pub steps: usize,
    /// Growth over the later half of the time as a share of an even growth's.
    pub late_share: f64,
    /// All of it came in the last of several steps: one event, which may never come again.
    pub sudden: bool,
    /// The step that all of it came in, where steps before it brought nothing.
    pub jump: Option<usize>,
    /// Two steps, and too few sampled objects to tell whether it goes on or slows down, as a cache that fills does.
    pub undecided: bool,
    /// Sampled objects that the growth was estimated from; as many as bytes where every allocation is counted.
    pub sampled: f64,
    /// Growth that can be relied on: at two standard errors, or, where nothing was freed, at the 95 % Poisson bound.
    certain: f64,
}

impl Judgement {
    /// What can be relied on of the growth.
    pub fn lower(&self) -> f64 {
        self.certain
    }
}

/// Lower 95 % bound of a Poisson mean of which `k` events were seen (Wilson and Hilferty), as a share of `k`.
fn poisson_share(k: f64) -> f64 {
    if k < 1.0 {
        return 0.0;
    }
    (1.0 - 1.0 / (9.0 * k) - 1.645 / (3.0 * k.sqrt())).max(0.0).powi(3)
}

/// Growth from `a` to `b` that can be relied on.
fn certain(a: &Value, b: &Value, growth: f64, error: f64) -> f64 {
    let made = b.allocated_bytes.saturating_sub(a.allocated_bytes);
    // There are many more sites through which memory passes than sites that keep it: for them chance has more tries.
    let kept = if made > 0 { (growth / made as f64).clamp(0.0, 1.0) } else { 1.0 };
    let normal = growth - (SIGNIFICANT + 1.0 - kept) * error;
    // All that was allocated is still there: then every sampled object is growth, and only their number is uncertain.
    if error > 0.0 && growth > 0.0 && made > 0 && growth >= 0.995 * made as f64 {
        let sampled = (growth / error).powi(2);
        // One or two sampled objects are one event that may never come again.
        if sampled > 2.5 {
            return normal.max(growth * poisson_share(sampled));
        }
    }
    normal
}

/// Probability that of `n` sampled objects, which come at a steady rate, at most `k` come in the share `late` of the time.
fn chance_of_pause(n: f64, k: f64, late: f64) -> f64 {
    let (n, k) = (n.round(), k.round().max(0.0));
    if k >= n || !(0.0..1.0).contains(&late) {
        return 1.0;
    }
    if n > 400.0 {
        let z = (n * late - k - 0.5) / (n * late * (1.0 - late)).sqrt();
        // Tail of the normal distribution (Abramowitz and Stegun 26.2.17, first term); only its order matters out here.
        return if z <= 0.0 { 1.0 } else { (-z * z / 2.0).exp() / (1.0 + z * 2.5066) };
    }
    let mut term = (1.0 - late).powf(n);
    let mut sum = term;
    let mut i = 0.0;
    while i < k {
        term *= (n - i) / (i + 1.0) * late / (1.0 - late);
        sum += term;
        i += 1.0;
    }
    sum.min(1.0)
}

/// Judges the values of one site. `by_bytes` picks the half of each value; counts carry no error. `times` in any unit.
pub fn judge(values: &[Value], by_bytes: bool, times: Option<&[f64]>) -> Judgement {
    let gain = |a: &Value, b: &Value| b.of(by_bytes).saturating_sub(a.of(by_bytes)) as f64;
    let n = values.len();
    let usual = values.iter().map(|v| v.spread.live).sum::<f64>() / n.max(1) as f64;
    let error = |a: &Value, b: &Value| if by_bytes { variance(a, b, usual).sqrt() } else { 0.0 };
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Judgement {
            shape: Shape::Noise,
            growth: 0.0,
            error: 0.0,
            ups: 0,
            steps: 0,
            late_share: 0.0,
            sudden: false,
            jump: None,
            undecided: false,
            sampled: 0.0,
            certain: 0.0,
        };
    };
    let (growth, noise) = (gain(first, last), error(first, last));
    let (mut ups, mut worst_fall) = (0, 0.0f64);
    for pair in values.windows(2) {
        let [a, b] = pair else { continue };
        let (g, e) = (gain(a, b), error(a, b));
        ups += usize::from(g > 0.0);
        if g < -SIGNIFICANT * e {
            worst_fall = worst_fall.max(-g);
        }
    }
    let steps = n - 1;
    // Share of the time from value `i` on.
    let left = |i: usize| match times {
        Some(t) if steps > 0 => {
            let at = |i: usize| t.get(i).copied().unwrap_or(0.0);
            (at(steps) - at(i)) / (at(steps) - at(0)).max(f64::MIN_POSITIVE)
        }
        _ => (steps - i) as f64 / steps.max(1) as f64,
    };
    // Of the growth so far one sampled object stands for so much; without sampling every byte is counted.
    let grain = if by_bytes && last.bytes > 0 { last.spread.live / last.bytes as f64 } else { 0.0 };
    let sampled = |v: f64| if grain > 1.0 { v / grain } else { v };
    let pause = |from: usize| {
        let (late, share) = (values.get(from).map_or(0.0, |v| gain(v, last)), left(from));
        let slowed = late < 0.35 * growth * share;
        // A pause that fills more than half of the time is one of many that might have been tried.
        let unlikely = if from < steps / 2 { VERY_UNLIKELY } else { UNLIKELY };
        slowed && chance_of_pause(sampled(growth), sampled(late.max(0.0)), share) < unlikely
    };
    // The later half: with an odd number of steps it is the longer one, so that a single last step does not decide. A
    // pause that began later counts too when it lasted for two steps and a third of the time.
    let half = steps / 2;
    let expected = growth * left(half);
    let late = values.get(half).map_or(0.0, |v| gain(v, last));
    let late_share = if expected > 0.0 { late / expected } else { 0.0 };
    let paused = steps >= 2 && growth > 0.0 && (1..=half.max(steps - 2)).any(|i| (i <= half || left(i) > 0.3) && pause(i));
    // A cache that is full replaces: it goes on allocating and keeps less and less of it. A leak keeps its share.
    let replaces = |from: usize| {
        let Some(v) = values.get(from).filter(|_| by_bytes) else { return false };
        let made = |a: &Value, b: &Value| b.allocated_bytes.saturating_sub(a.allocated_bytes).max(0) as f64;
        let (early, late) = (gain(first, v), gain(v, last).max(0.0));
        let (made_early, made_late) = (made(first, v), made(v, last));
        if early <= 0.0 || made_early <= 0.0 || made_late <= 0.0 {
            return false;
        }
        let kept = (early / made_early).min(0.99);
        // A site that also makes what is soon dropped may do more of that for a while. One that freed nothing and then
        // begins to has no other reason than that it is full.
        let slower = if kept > 0.9 { 0.9 } else { 0.65 };
        if late >= slower * growth * left(from) {
            return false;
        }
        late / made_late < 0.5 * kept && chance_of_pause(sampled(made_late), sampled(late), kept) < VERY_UNLIKELY
    };
    // A single block that is copied into one twice as big stands still in between, each time for twice as long.
    let size = |v: &Value| v.bytes as f64 / v.count.max(1) as f64;
    let doubles = by_bytes && (1..=4).contains(&first.count) && last.count <= first.count && size(last) >= 1.5 * size(first);
    let rose = values.windows(2).rposition(|w| matches!(w, [a, b] if gain(a, b) > 0.0)).map_or(0, |i| i + 1);
    let due = doubles && steps as f64 <= 2.2 * rose as f64;
    let gains: Vec<f64> = values.windows(2).map(|w| if let [a, b] = w { gain(a, b) } else { 0.0 }).collect();
    // Few objects at a steady rate may fall into one step by chance.
    let chance = (1.0 / steps.max(1) as f64).powf(sampled(growth) - 1.0);
    let jump = gains
        .iter()
        .position(|g| growth > 0.0 && *g >= SUDDEN * growth)
        .filter(|j| *j > 0 && chance < UNLIKELY)
        .filter(|j| gains.iter().enumerate().all(|(i, g)| i == *j || g.abs() <= (1.0 - SUDDEN) * growth));
    // One jump with nothing before and after it is an event that is over.
    let over = jump.is_some_and(|j| j + 1 < steps);
    let stopped = !due && (paused || over || (steps >= 2 && growth > 0.0 && (1..steps).any(replaces)));
    let in_last = |share: f64| growth > 0.0 && gains.last().is_some_and(|g| *g >= share * growth);
    let sudden = steps >= 2 && in_last(SUDDEN) && (steps >= 3 || jump.is_some());
    // Is a rate that has halved ruled out? Of a steady one the later step has its share of the objects sampled.
    let halved = 0.5 * left(1) / (1.0 - 0.5 * left(1));
    let later = sampled(values.get(1).map_or(0.0, |v| gain(v, last)).max(0.0));
    let by_chance = 1.0 - chance_of_pause(sampled(growth), (later - 1.0).max(0.0), halved);
    let undecided = steps == 2 && growth > 0.0 && grain > 1.0 && (later < 1.0 || by_chance > MAY_BE);
    let reliable = certain(first, last, growth, noise);
    let peak = values.iter().map(|v| v.of(by_bytes) as f64).fold(0.0, f64::max);
    let shape = if worst_fall > 0.25 * peak && worst_fall > 0.25 * growth.abs() {
        Shape::Churn
    } else if growth < -SIGNIFICANT * noise && growth < 0.0 {
        Shape::Shrank
    } else if reliable <= 0.0 {
        Shape::Noise
    } else if stopped {
        Shape::Plateau
    } else {
        Shape::Growing
    };
    Judgement { shape, growth, error: noise, ups, steps, late_share, sudden, jump, undecided, sampled: sampled(growth), certain: reliable }
}

/// The word for a row's trend in `postmem.diff/1`.
pub fn word(values: &[Value], halves: &Halves) -> &'static str {
    let by_bytes = halves.by_bytes();
    let at = |v: Option<&Value>| v.map_or(0, |v| v.of(by_bytes));
    let (first, last) = (at(values.first()), at(values.last()));
    let before_last = values.len().checked_sub(2).map_or(0, |i| at(values.get(i)));
    if first != 0 && last == 0 {
        return "gone";
    }
    if first == 0 && before_last == 0 && last != 0 {
        return "new";
    }
    let judged = judge(values, by_bytes, None);
    match judged.shape {
        Shape::Plateau | Shape::Growing if judged.jump.is_some() => "step",
        Shape::Churn => "churn",
        Shape::Plateau => "plateau",
        Shape::Growing => "every-step",
        Shape::Shrank => "shrank",
        // Below the error: say what was seen, the row's error says how much it is worth.
        Shape::Noise if values.len() == 2 && last > first => "every-step",
        Shape::Noise if values.len() == 2 && last < first => "shrank",
        Shape::Noise if values.windows(2).all(|p| matches!(p, [a, b] if b.of(by_bytes) >= a.of(by_bytes))) => "plateau",
        Shape::Noise => "churn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sites::Spread;

    /// `count` sampled objects of 48 KiB at the default rate, all of `made` ever allocated.
    fn sampled(count: f64, made: f64) -> Value {
        let (size, period) = (49_152.0f64, 524_288.0f64);
        let p = -(-size / period).exp_m1();
        let each = size / p;
        let weight = each * each * (1.0 - p);
        Value {
            bytes: (count * each) as i64,
            count: (count / p) as i64,
            allocated_bytes: (made * each) as i64,
            spread: Spread { live: count * weight, allocated: made * weight },
            ..Value::default()
        }
    }

    #[test]
    fn a_slow_leak_is_growth_even_when_sampling_flattens_a_step() {
        let steady: Vec<Value> = [3.0, 7.0, 9.0, 10.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&steady, true, None).shape, Shape::Growing);
        let flat_end: Vec<Value> = [7.0, 9.0, 10.0, 10.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&flat_end, true, None).shape, Shape::Growing);
    }

    #[test]
    fn a_cache_that_fills_up_and_then_replaces_is_no_leak_and_a_leak_beside_garbage_is() {
        // Fourteen objects are sampled per step; from the last step but one on, most of them replace older ones.
        let full: Vec<Value> =
            [(9.0, 9.0), (20.0, 23.0), (30.0, 37.0), (37.0, 51.0), (40.0, 65.0)].iter().map(|(k, m)| sampled(*k, *m)).collect();
        assert_eq!(judge(&full, true, None).shape, Shape::Plateau);
        // It need not have come to rest yet.
        let filling: Vec<Value> =
            [(19.0, 19.0), (35.0, 35.0), (46.0, 46.0), (51.0, 63.0), (61.0, 83.0)].iter().map(|(k, m)| sampled(*k, *m)).collect();
        assert_eq!(judge(&filling, true, None).shape, Shape::Plateau);
        // A third of all that is made is kept, in every step.
        let leak: Vec<Value> =
            [(9.0, 9.0), (14.0, 23.0), (18.0, 37.0), (24.0, 51.0), (28.0, 65.0)].iter().map(|(k, m)| sampled(*k, *m)).collect();
        assert_eq!(judge(&leak, true, None).shape, Shape::Growing);
        // A buffer that is copied into a bigger one when it is full: what it was copied from is freed.
        let buffer = |sizes: &[i64]| -> Vec<Value> {
            sizes.iter().map(|b| Value { bytes: *b, count: 1, allocated_bytes: 2 * b, ..Value::default() }).collect()
        };
        assert_eq!(judge(&buffer(&[2, 5, 10, 10, 10]), true, None).shape, Shape::Growing);
        assert_eq!(judge(&buffer(&[5, 10, 10, 10, 10]), true, None).shape, Shape::Plateau);
        let warm: Vec<Value> = [20.0, 54.0, 54.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&warm, true, None).shape, Shape::Plateau);
        let halves = Halves { measure: "inuse_space".into(), bytes: Some("inuse_space".into()), count: None };
        let says = |k: &[f64]| word(&k.iter().map(|k| sampled(*k, *k)).collect::<Vec<_>>(), &halves);
        assert_eq!([says(&[9.0, 9.0, 40.0, 40.0]), says(&[9.0, 9.0, 9.0, 40.0]), says(&[9.0, 9.0, 40.0])], ["step"; 3]);
        assert_eq!([says(&[9.0, 40.0, 40.0]), says(&[9.0, 19.0, 29.0, 40.0]), says(&[0.0, 0.0, 40.0])], ["plateau", "every-step", "new"]);
        // Three objects may well come together by chance.
        assert_ne!(says(&[9.0, 9.0, 11.0, 11.0]), "step");
        // Two steps of a few objects do not tell a leak from a cache that fills; two of many do.
        let undecided = |k: &[f64]| judge(&k.iter().map(|k| sampled(*k, *k)).collect::<Vec<_>>(), true, None).undecided;
        assert!(undecided(&[5.0, 10.0, 13.0]) && undecided(&[5.0, 10.0, 15.0]) && !undecided(&[9.0, 9.0, 39.0]));
        assert!(!undecided(&[7.0, 37.0, 67.0]) && !undecided(&[5.0, 10.0, 13.0, 16.0]));
        let burst: Vec<Value> = [0.0, 0.0, 0.0, 40.0].iter().map(|k| sampled(*k, *k)).collect();
        assert!(judge(&burst, true, None).sudden && !judge(&leak, true, None).sudden);
    }

    #[test]
    fn pauses_are_weighed_by_what_was_sampled() {
        assert!((chance_of_pause(6.0, 0.0, 2.0 / 3.0) - (1.0f64 / 3.0).powi(6)).abs() < 1e-12);
        assert!((chance_of_pause(4.0, 1.0, 0.5) - 5.0 / 16.0).abs() < 1e-12);
        assert!(chance_of_pause(4e9, 1e8, 0.5) < 1e-9 && chance_of_pause(4e9, 2e9, 0.5) > 0.3);
    }

    #[test]
    fn warm_up_sawtooth_and_one_lucky_sample_are_not_growth() {
        let warm: Vec<Value> = [50.0, 100.0, 100.0, 100.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&warm, true, None).shape, Shape::Plateau);
        let saw: Vec<Value> = [(10.0, 10.0), (0.0, 10.0), (22.0, 32.0), (12.0, 40.0)].iter().map(|(k, m)| sampled(*k, *m)).collect();
        assert_eq!(judge(&saw, true, None).shape, Shape::Churn);
        // Few objects tell of a short warm-up, and none of them came later.
        let short: Vec<Value> = [22.0, 28.0, 28.0, 28.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&short, true, None).shape, Shape::Plateau);
        // A bounded cache that is always full: its first profile happened to show one of its objects only.
        let full: Vec<Value> = [(1.0, 9.0), (6.0, 18.0), (5.0, 27.0), (8.0, 36.0)].iter().map(|(k, m)| sampled(*k, *m)).collect();
        assert_eq!(judge(&full, true, None).shape, Shape::Noise);
        let lucky: Vec<Value> = [0.0, 0.0, 1.0, 2.0].iter().map(|k| sampled(*k, *k)).collect();
        assert_eq!(judge(&lucky, true, None).shape, Shape::Noise);
    }
}
