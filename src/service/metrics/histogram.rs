//! A histogram of times.

use super::Counter;
use super::text::Text;

/// The upper bounds of the buckets, in milliseconds; the last one has none.
const BOUNDS: [u64; 12] = [5, 25, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000];

/// How many times fell into each bucket, and their sum.
#[derive(Default)]
pub(super) struct Histogram {
    buckets: [Counter; BOUNDS.len()],
    longer: Counter,
    sum: Counter,
}

impl Histogram {
    pub(super) fn add(&self, ms: u64) {
        let found = BOUNDS.iter().zip(&self.buckets).find(|(bound, _)| ms <= **bound);
        found.map_or(&self.longer, |(_, bucket)| bucket).add(1);
        self.sum.add(ms);
    }

    /// Tells the samples of one set of labels.
    pub(super) fn tell(&self, text: &mut Text, labels: &[(&str, &str)]) {
        let mut count = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            count += bucket.get();
            text.sample("_bucket", &[labels, &[("le", &seconds(*bound))]].concat(), count);
        }
        count += self.longer.get();
        text.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        text.sample("_sum", labels, seconds(self.sum.get()));
        text.sample("_count", labels, count);
    }
}

fn seconds(ms: u64) -> String {
    (ms as f64 / 1000.0).to_string()
}
