//! Counting: the number an answer says.

use std::sync::LazyLock;

use regex::Regex;

use super::text::one_if;

/// 1 when the one number in the answer is the truth, else 0.
///
/// ```
/// use lavr::eval::metric::number::score;
///
/// assert_eq!(score("There are twenty-one of them.", 21.0), 1.0);
/// assert_eq!(score("There are no dogs.", 0.0), 1.0);
/// assert_eq!(score("Two or three.", 2.0), 0.0);
/// ```
pub fn score(answer: &str, truth: f64) -> f64 {
    one_if(read(answer).is_some_and(|number| nearly(number, truth)))
}

/// As [`score`], with the first number of the answer, whatever follows.
pub fn score_first(answer: &str, truth: f64) -> f64 {
    one_if(numbers(answer).first().is_some_and(|number| nearly(*number, truth)))
}

/// The number of an answer; nothing when it says none or different ones.
pub fn read(answer: &str) -> Option<f64> {
    let found = numbers(answer);
    let first = *found.first()?;
    found.iter().all(|number| nearly(*number, first)).then_some(first)
}

fn nearly(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// All numbers of a text, left to right.
///
/// Digits (`1,234.5`, `-3`, `5cm`; ordinals such as `3rd` and digits inside words are none), English number words up
/// to the millions (`one hundred and five`, `2 thousand`; `one` is always the number). Where there is no other
/// number, `no`, `none`, `nothing` and `nobody` are 0.
pub fn numbers(text: &str) -> Vec<f64> {
    let mut reader = Reader::default();
    let mut nothing = false;
    let lower = text.to_lowercase().replace('−', "-");
    let mut tokens = tokens(&lower).into_iter().peekable();
    while let Some(token) = tokens.next() {
        if matches!(token, "no" | "none" | "nothing" | "nobody") {
            nothing = true;
            reader.finish();
            // "No one" is nobody.
            tokens.next_if(|next| token == "no" && *next == "one");
        } else {
            reader.take(token);
        }
    }
    reader.finish();
    if reader.found.is_empty() && nothing { vec![0.0] } else { reader.found }
}

/// A number with what is glued to it, a word, or a mark that ends a number.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[\p{L}_]+[\p{L}\p{N}_]*|-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?\p{L}*|-?\.[0-9]+|[^\s\-]")
        .ok()
});

fn tokens(text: &str) -> Vec<&str> {
    let token = |m: regex::Match<'_>| {
        // Behind a word or a number it is a dash: `2-3` are two numbers.
        let is_dash = text.get(..m.start()).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        let at = m.start() + usize::from(is_dash && m.as_str().starts_with('-'));
        text.get(at..m.end()).unwrap_or_default()
    };
    TOKEN.as_ref().map_or_else(Vec::new, |pattern| pattern.find_iter(text).map(token).collect())
}

/// Puts number words together.
#[derive(Debug, Default)]
struct Reader {
    found: Vec<f64>,
    /// What the thousands and millions before have summed up to.
    total: f64,
    /// What stands since then; nothing between numbers.
    current: Option<f64>,
    /// Whether `current` was written in digits, which no word adds to.
    digits: bool,
}

impl Reader {
    fn take(&mut self, token: &str) {
        if let Some(number) = digits_of(token) {
            self.finish();
            (self.current, self.digits) = (Some(number), true);
        } else if let Some(value) = small(token) {
            self.add(value);
        } else if let Some(scale) = scale(token) {
            self.multiply(scale);
        } else if token != "and" || !self.is_round() {
            self.finish();
        }
    }

    /// Whether hundreds or thousands stand last, behind which more may come.
    fn is_round(&self) -> bool {
        self.current.is_some_and(|n| n % 100.0 == 0.0 && (n > 0.0 || self.total > 0.0))
    }

    /// A unit goes behind tens or hundreds, tens behind hundreds; anywhere else a new number begins.
    fn add(&mut self, value: f64) {
        let fits = self.current.is_some_and(|n| {
            let free = if n % 100.0 >= 20.0 && n % 10.0 == 0.0 { 10.0 } else { 1.0 };
            !self.digits && (self.is_round() || value < free) && n + self.total > 0.0 && value > 0.0
        });
        if !fits {
            self.finish();
        }
        self.current = Some(self.current.unwrap_or(0.0) + value);
    }

    fn multiply(&mut self, scale: f64) {
        // "One hundred and two hundred" are two numbers.
        if let Some(current) = self.current.filter(|n| scale == 100.0 && *n > 100.0 && !self.digits) {
            self.current = Some(current - current % 100.0);
            self.finish();
            self.current = Some(current % 100.0).filter(|last| *last > 0.0);
        }
        let number = self.current.unwrap_or(1.0) * scale;
        self.current = Some(number);
        if scale > 100.0 {
            self.total += number;
            (self.current, self.digits) = (Some(0.0), false);
        }
    }

    fn finish(&mut self) {
        if let Some(current) = self.current.take() {
            self.found.push(self.total + current);
        }
        (self.total, self.digits) = (0.0, false);
    }
}

/// The number that a token begins with; `3rd` is none.
fn digits_of(token: &str) -> Option<f64> {
    let number = token.trim_end_matches(char::is_alphabetic);
    let glued = token.get(number.len()..).unwrap_or_default();
    let ordinal = matches!(glued, "st" | "nd" | "rd" | "th");
    if ordinal { None } else { number.replace(',', "").parse().ok().filter(|n: &f64| n.is_finite()) }
}

fn small(word: &str) -> Option<f64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let unit = UNITS.iter().position(|unit| *unit == word);
    unit.or_else(|| TENS.iter().position(|ten| *ten == word).map(|n| 10 * (n + 2))).map(|n| n as f64)
}

fn scale(word: &str) -> Option<f64> {
    match word {
        "hundred" => Some(1e2),
        "thousand" => Some(1e3),
        "million" => Some(1e6),
        _ => None,
    }
}
