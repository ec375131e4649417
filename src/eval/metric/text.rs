//! Texts brought into the form in which they are compared.

/// Lower case, one space between words, none around them.
pub(super) fn squeezed(text: &str) -> String {
    joined(text.to_lowercase().split_whitespace())
}

/// As [`squeezed`], and everything that is neither letter nor digit parts words.
pub(in crate::eval) fn plain(text: &str) -> String {
    joined(text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()))
}

pub(super) fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// The best of what every truth gives; 0 without a truth.
pub(super) fn best<S: AsRef<str>>(truths: &[S], score: impl Fn(&str) -> f64) -> f64 {
    truths.iter().map(|truth| score(truth.as_ref())).fold(0.0, f64::max)
}

/// 1 for true, 0 for false.
pub(super) fn one_if(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}
