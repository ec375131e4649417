//! Times, and the table of what was measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many there were in a second, and how long they took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>, within: Duration) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |share: f64| {
            let time = times.get((last as f64 * share).round() as usize).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        let per_second = times.len() as f64 / within.as_secs_f64();
        Self { count: times.len(), per_second, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// What was measured, a row each.
#[derive(Default)]
pub(crate) struct Table(Vec<String>);

impl Table {
    /// Adds a row, and tells it to who waits.
    pub(crate) fn add(&mut self, what: &str, at_once: &str, times: &Times, cpu_ms: Option<f64>, note: &str) {
        let ms = |ms: f64| if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") };
        let cpu = cpu_ms.map(|cpu| format!("{cpu:.2}")).unwrap_or_default();
        let Times { per_second, p50_ms, p99_ms, .. } = times;
        let row =
            format!("| {what} | {at_once} | {per_second:.0} | {} | {} | {cpu} | {note} |", ms(*p50_ms), ms(*p99_ms));
        eprintln!("{row}");
        self.0.push(row);
    }

    pub(crate) fn to_markdown(&self) -> String {
        let head = "| what | at once | a second | p50, ms | p99, ms | CPU each, ms | |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | --- |";
        std::iter::once(head).chain(self.0.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
    }
}
