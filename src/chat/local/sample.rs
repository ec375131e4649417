//! Choosing the next token.

use llguidance::toktrie::SimpleVob;

/// Chooses tokens: the most probable one, or at random when the temperature is above 0.
pub(super) struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// The same seed gives the same choices.
    pub(super) fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature, state: seed }
    }

    /// Chooses among the allowed tokens (all, when `allowed` is not given); none if none is.
    pub(super) fn choose(&mut self, logits: &[f32], allowed: Option<&SimpleVob>) -> Option<u32> {
        let open = || (0u32..).zip(logits).filter(|(id, _)| allowed.is_none_or(|a| a.is_allowed(*id)));
        let best = open().fold(None, |best: Option<(u32, f32)>, (id, x)| match best {
            Some((_, top)) if top >= *x => best,
            _ => Some((id, *x)),
        });
        let (id, top) = best?;
        if self.temperature <= 0.0 {
            return Some(id);
        }
        let temperature = self.temperature;
        let weight = |x: f32| f64::from((x - top) / temperature).exp();
        let total: f64 = open().map(|(_, x)| weight(*x)).sum();
        let mut left = self.random() * total;
        for (id, x) in open() {
            left -= weight(*x);
            if left <= 0.0 {
                return Some(id);
            }
        }
        Some(id)
    }

    /// A number from 0 to below 1 (SplitMix64).
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
