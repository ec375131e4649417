//! Numbers as sentences and results write them.

use crate::refiner::wording::spoken;

/// Number words and what they stand for; "one" is seldom a count and looked at apart.
pub(super) const NUMBER_WORDS: [(&str, &str); 28] = [
    ("zero", "0"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("forty", "40"),
    ("fifty", "50"),
    ("sixty", "60"),
    ("seventy", "70"),
    ("eighty", "80"),
    ("ninety", "90"),
    ("dozen", "12"),
];
/// Words before "one" that make it a count: "there is one dog".
const COUNTING: [&str; 7] = ["is", "only", "just", "exactly", "has", "shows", "contains"];

/// The number words of a text as digits.
pub(in crate::refiner) fn number_words(text: &str) -> Vec<String> {
    let spoken = spoken(text);
    let word = |n: usize| spoken.get(n).map_or("", String::as_str);
    (0..spoken.len())
        .filter_map(|n| match word(n) {
            "one" => {
                let counts = n > 0 && COUNTING.contains(&word(n - 1)) && word(n + 1) != "of";
                counts.then(|| "1".to_owned())
            }
            other => NUMBER_WORDS.iter().find(|(w, _)| *w == other).map(|(_, digits)| (*digits).to_owned()),
        })
        .collect()
}

pub(in crate::refiner) fn same_number(token: &str, value: f64) -> bool {
    let plain = token.replace(',', "");
    let Ok(number) = plain.parse::<f64>() else { return false };
    let decimals = plain.split_once('.').map_or(0, |(_, d)| d.len());
    let tolerance = if decimals >= 2 { 0.5 * 10f64.powi(-(decimals.min(12) as i32)) } else { 0.0 };
    (number - value).abs() <= tolerance + 1e-9
}

/// One form for a number however it is written: no thousands, no zeros that say nothing.
pub(in crate::refiner) fn canonical(token: &str) -> String {
    let plain = token.replace(',', "");
    match plain.parse::<f64>() {
        Ok(number) => format!("{number}"),
        Err(_) => plain,
    }
}
