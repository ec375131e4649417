//! Amounts of money and other numbers in text.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A number found in a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Amount {
    /// In hundredths.
    pub(crate) cents: i64,
    /// Where it stands in the text, with its currency and sign.
    pub(crate) span: Range<usize>,
    /// Whether it has exactly two decimals.
    pub(crate) decimals: bool,
    /// Whether a currency stands before it.
    pub(crate) currency: bool,
}

/// Currencies as receipts print them.
const CURRENCY: &str = r"(?:RM|MYR|SGD|USD|EUR|GBP|IDR|Rp|S\$|US\$|[$€£¥])";

static AMOUNT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let whole = r"(?P<whole>[0-9]{1,3}(?:[,.'][0-9]{3})+|[0-9OoIl]{1,9})";
    let cents = r"(?:\s?[.,]\s?(?P<cents>[0-9OoSs]{1,3}))";
    let number = format!("(?P<number>{whole}{cents}?|{cents2})", cents2 = cents.replace("cents", "bare"));
    Regex::new(&format!(r"(?:(?i:(?P<currency>{CURRENCY}))\s?)?(?P<sign>[-−])?(?:(?i:{CURRENCY})\s?)?{number}")).ok()
});

/// All amounts of a text, left to right: numbers with two decimals, and whole numbers.
/// Parts of dates, times, codes, percentages and weights are none.
pub(crate) fn amounts(text: &str) -> Vec<Amount> {
    let Some(pattern) = AMOUNT.as_ref() else { return Vec::new() };
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = pattern.captures_at(text, at) {
        let Some(whole) = found.get(0) else { break };
        at = if whole.end() > whole.start() { whole.end() } else { next_char(text, whole.end()) };
        let span = trimmed(text, whole.range());
        if let Some(amount) = amount_of(text, &found, span).filter(|a| stands_alone(text, &a.span)) {
            out.push(amount);
        }
        if at >= text.len() {
            break;
        }
    }
    out
}

fn next_char(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(at + 1, |c| at + c.len_utf8())
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let start = range.start + (part.len() - part.trim_start().len());
    start..range.end - (part.len() - part.trim_end().len())
}

fn amount_of(text: &str, found: &regex::Captures<'_>, span: Range<usize>) -> Option<Amount> {
    let whole = digits(found.name("whole").map_or("0", |m| m.as_str()));
    let cents = found.name("cents").or_else(|| found.name("bare")).map(|m| digits(m.as_str()));
    let value: i64 = match &cents {
        None => whole.parse::<i64>().ok()?.checked_mul(100)?,
        Some(c) if c.len() == 2 => format!("{whole}{c}").parse().ok()?,
        Some(_) => return None,
    };
    let number = found.name("number")?;
    let before = text.get(..number.start())?.chars().next_back();
    if number.as_str().starts_with(char::is_alphabetic) && before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let currency = found.name("currency").is_some();
    // A dash after a word only parts it from the number.
    let word_before = text.get(..span.start)?.trim_end().ends_with(char::is_alphanumeric);
    let negative = found.name("sign").is_some() && (currency || !word_before || text.get(..span.start)?.ends_with(' '));
    Some(Amount { cents: if negative { -value } else { value }, span, decimals: cents.is_some(), currency })
}

/// The digits of a number, letters that look like digits read as such.
fn digits(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '0'..='9' => Some(c),
            'O' | 'o' => Some('0'),
            'I' | 'l' => Some('1'),
            'S' | 's' => Some('5'),
            _ => None,
        })
        .collect()
}

/// Whether what stands around a number leaves it an amount: no code, date, time, percentage or weight.
fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let part = text.get(span.clone()).unwrap_or_default();
    let before = text.get(..span.start).unwrap_or_default().chars().next_back();
    let mut after = text.get(span.end..).unwrap_or_default().chars();
    let (first, second) = (after.next(), after.next());
    let joined = |c: char| match c {
        '#' => true,
        '/' | ':' | '.' | ',' | '-' => !part.starts_with('-') && !is_separator(text, span.start),
        other => {
            other.is_ascii_digit()
                || (other.is_alphabetic() && !part.contains(['.', ',']) && !starts_with_currency(part))
        }
    };
    let glued_before = before.is_some_and(joined);
    let number_goes_on = |sep: char| first == Some(sep) && second.is_some_and(|c| c.is_ascii_digit());
    let glued_after = first.is_some_and(|c| c.is_ascii_digit() || c == '%')
        || (first == Some(' ') && second == Some('%'))
        || (first.is_some_and(char::is_alphabetic) && !part.contains(['.', ',']))
        || ['/', ':', '-', '.', ','].into_iter().any(number_goes_on);
    part.bytes().any(|b| b.is_ascii_digit()) && !glued_before && !glued_after
}

fn starts_with_currency(part: &str) -> bool {
    part.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether the `:`, `.` or `-` before a number follows a word, as in `TOTAL:31.00`, and is no part of a number.
fn is_separator(text: &str, at: usize) -> bool {
    let mut before = text.get(..at).unwrap_or_default().chars().rev();
    before.next();
    before.next().is_none_or(|c| !c.is_ascii_digit())
}

impl Amount {
    /// The amount as it is printed; its digits mended when they were misread.
    pub(crate) fn printed(&self, text: &str) -> String {
        let part = text.get(self.span.clone()).unwrap_or_default();
        let number = part.trim_start_matches(|c: char| !c.is_ascii_digit() && !"OoIl.".contains(c));
        if number.chars().all(|c| c.is_ascii_digit() || ".,'".contains(c)) {
            return part.to_owned();
        }
        let before = part.get(..part.len() - number.len()).unwrap_or_default();
        let digits = self.cents.unsigned_abs();
        if self.decimals {
            format!("{before}{}.{:02}", digits / 100, digits % 100)
        } else {
            format!("{before}{}", digits / 100)
        }
    }
}

/// Reads a whole text as one number: `RM 12.50`, `1,234.00`, `$5`, `-3`, `0.125`, `12%` (as 12).
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches(['%', '.', ' ']).replace('−', "-");
    if let Some(number) = plain(&text) {
        return Some(number);
    }
    match amounts(&text).as_slice() {
        [one] if one.span == (0..text.len()) => Some(one.cents as f64 / 100.0),
        [one] if one.decimals && no_words(text.get(..one.span.start)?) && no_words(text.get(one.span.end..)?) => {
            Some(one.cents as f64 / 100.0)
        }
        _ => None,
    }
}

/// The only amount in a text, or the only one with decimals or a currency.
pub(crate) fn find_amount(text: &str) -> Option<f64> {
    let all = amounts(text);
    let money: Vec<&Amount> = all.iter().filter(|a| a.decimals || a.currency).collect();
    match (money.as_slice(), all.as_slice()) {
        ([one], _) => Some(one.cents as f64 / 100.0),
        ([], [one]) => Some(one.cents as f64 / 100.0),
        _ => None,
    }
}

fn no_words(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphanumeric()).count() <= 3 && !text.contains(|c: char| c.is_ascii_digit())
}

fn plain(text: &str) -> Option<f64> {
    let plain =
        text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) && text.contains(|c: char| c.is_ascii_digit());
    if plain { text.parse().ok().filter(|n: &f64| n.is_finite()) } else { None }
}
