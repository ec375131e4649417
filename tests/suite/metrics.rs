//! Metrics score as other people's implementations do; the references are in `tests/reference/metrics`.

mod boxes;
mod captions;
mod fields;
mod picks;
mod plans;
mod properties;
mod samples;
mod texts;

use lavr::eval::metric::Counts;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::experts::{json, repository};

fn reference(name: &str) -> Json {
    json(&repository("tests/reference/metrics").join(format!("{name}.json")))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().expect("a list")
}

fn number(json: &Json) -> f64 {
    json.as_f64().expect("a number")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

fn read<T: DeserializeOwned>(json: &Json) -> T {
    serde_json::from_value(json.clone()).expect("the fixture has the expected form")
}

/// Fails unless two scores agree to a millionth.
#[track_caller]
fn near(given: f64, expected: f64, about: &dyn std::fmt::Debug) {
    assert!((given - expected).abs() < 1e-6, "{given} instead of {expected}: {about:?}");
}

fn counts([hits, wrong, missed]: [usize; 3]) -> Counts {
    Counts { hits, wrong, missed }
}
