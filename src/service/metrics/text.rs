//! The text format of Prometheus (0.0.4).

use std::fmt::Display;

/// What the format is called in headers.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as they are written, family by family.
#[derive(Default)]
pub(super) struct Text {
    written: String,
    /// The family that samples are of.
    name: &'static str,
}

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        self.written.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample of the family, with what stands after its name.
    pub(super) fn sample(&mut self, end: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.written.push_str(&format!("{}{end}{labels} {value}\n", self.name));
    }

    /// A family of one sample.
    pub(super) fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", &[], value);
    }

    pub(super) fn into_string(self) -> String {
        self.written
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
