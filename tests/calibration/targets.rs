//! The scorecard: what the real markets show and how far the simulated ones may be off.

/// How a tolerance is meant.
#[derive(Clone, Copy)]
pub enum Within {
    /// Plus or minus.
    Abs(f64),
    /// A ratio between one over this and this.
    Times(f64),
}

/// One fact: real figures, tolerances for the majors and for the thin instrument.
pub struct Target {
    pub name: &'static str,
    pub btc: f64,
    pub eth: f64,
    pub alt: f64,
    pub majors: Within,
    pub thin: Within,
}

impl Within {
    /// Is `ours` within this of `real`? Never for a figure that could not be measured.
    pub fn holds(self, ours: f64, real: f64) -> bool {
        match self {
            Self::Abs(by) => (ours - real).abs() <= by,
            Self::Times(by) => ours / real <= by && ours / real >= 1.0 / by,
        }
    }
    /// As in the table.
    pub fn text(self) -> String {
        match self {
            Self::Abs(by) => format!("±{by}"),
            Self::Times(by) => format!("x{by}"),
        }
    }
}

const fn abs(name: &'static str, real: [f64; 3], majors: f64, thin: f64) -> Target {
    let [btc, eth, alt] = real;
    Target { name, btc, eth, alt, majors: Within::Abs(majors), thin: Within::Abs(thin) }
}

const fn times(name: &'static str, real: [f64; 3], majors: f64, thin: f64) -> Target {
    let [btc, eth, alt] = real;
    Target { name, btc, eth, alt, majors: Within::Times(majors), thin: Within::Times(thin) }
}

/// In the order of [`crate::facts::measure`].
pub const TARGETS: [Target; crate::facts::FACTS] = [
    abs("spread: share of time at 1 tick", [0.9916, 0.993, 0.7831], 0.01, 0.07),
    times("spread: median return after >=3 ticks, s", [0.000_999_9, 0.000_999_9, 0.0108], 3.0, 3.0),
    abs("L1 size: log-sd", [1.35, 1.54, 1.53], 0.3, 0.3),
    times("L1 size: median, USD", [198_700.0, 49640.0, 303.7], 2.0, 2.0),
    abs("L1 imbalance: sd", [0.605, 0.675, 0.66], 0.08, 0.08),
    abs("L1 imbalance: share abs I > 0.8", [0.2439, 0.3435, 0.3488], 0.1, 0.1),
    abs("L1 imbalance: acf 0.1 s", [0.838, 0.829, f64::NAN], 0.12, 0.12),
    abs("L1 imbalance: acf 1 s", [0.28, 0.233, 0.958], 0.15, 0.1),
    abs("L1 imbalance: acf 10 s", [-0.0399, -0.0193, 0.761], 0.1, 0.15),
    times("L1 updates /s", [191.9, 156.6, 0.3912], 1.5, 2.0),
    times("orders /s, mean", [15.83, 10.23, 0.0726], 1.5, 1.5),
    times("Fano 1 s", [25.5, 9.24, 2.26], 2.5, 1.5),
    times("Fano 10 s", [48.3, 14.0, 3.87], 2.5, 2.0),
    times("order USD: median", [1852.0, 557.4, 49.46], 2.0, 2.0),
    times("order USD: mean", [27570.0, 6997.0, 166.7], 2.0, 2.0),
    abs("order USD: log-sd", [2.07, 2.4, 1.33], 0.4, 0.3),
    abs("order USD: Hill, top 5%", [1.05, 1.1, 1.18], 0.35, 0.35),
    abs("sign acf lag 1", [0.199, 0.318, 0.211], 0.15, 0.12),
    abs("sign acf lag 10", [0.118, 0.0944, 0.064], 0.06, 0.06),
    abs("share of orders >= opposite best queue", [0.15, 0.271, 0.222], 0.08, 0.08),
    times("vol 1 s, bps", [1.276, 1.193, 1.329], 1.25, 1.5),
    abs("share of zero 1 s moves", [0.467, 0.362, 0.975], 0.1, 0.02),
    times("vol 10 s, bps", [3.605, 3.504, 3.98], 1.25, 1.5),
    times("signature RV(1s)/RV(60s)", [2.05, 1.32, 1.09], 1.7, 1.5),
    abs("acf of 1 s returns, lag 1", [-0.0854, -0.00806, -0.0108], 0.12, 0.08),
    times("mid changes /s", [5.883, 6.904, 0.06757], 1.7, 2.0),
    abs("mid reversal share", [0.22, 0.134, 0.539], 0.15, 0.12),
    abs("queue-imbalance AUC 1 s", [0.776, 0.7338, 0.7919], 0.06, 0.05),
    abs("queue-imbalance AUC 5 s", [0.6041, 0.5621, 0.7791], 0.05, 0.05),
    abs("queue-imbalance AUC 10 s", [0.5621, 0.4957, 0.7595], 0.05, 0.05),
    abs("queue-imbalance AUC 60 s", [0.5155, 0.5408, 0.6939], 0.06, 0.05),
    abs("AUC, next mid move", [0.6752, 0.6912, 0.7215], 0.07, 0.05),
    times("slope bps per unit I, 1 s", [0.427, 0.398, 0.136], 1.5, 1.7),
    abs("trade-flow(1 s) AUC 1 s", [0.5752, 0.562, 0.5243], 0.06, 0.05),
    abs("OFI R2 1 s", [0.414, 0.56, 0.177], 0.15, 0.1),
    times("OFI slope 1 s, ticks per mean L1", [6.98, 2.887, 0.1281], 2.0, 2.0),
    times("response 0.1 s, bps", [0.19, 0.29, 1.895], 2.0, 2.0),
    times("response 1 s, bps", [0.2667, 0.308, 2.138], 2.0, 2.0),
    times("limits at best /s", [104.1, 92.25, 0.1583], 1.5, 2.0),
    times("improving limits /s", [4.213, 5.294, 0.03558], 2.0, 2.0),
    times("depletions /s", [3.479, 4.151, 0.03359], 2.0, 2.0),
    times("market volume /s over mean queue", [1.871, 1.33, 0.02223], 2.0, 2.0),
    abs("fill prob 1 s (pro rata)", [0.3682, 0.3939, 0.009_672], 0.1, 0.03),
    abs("fill prob 10 s", [0.8146, 0.8333, 0.08521], 0.1, 0.05),
    abs("fill prob 60 s", [0.9236, 0.9491, 0.3528], 0.07, 0.1),
    times("mark-out 1 s after fill, bps", [-0.808, -0.809, -0.194], 2.0, 2.0),
];
