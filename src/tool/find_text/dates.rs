//! Dates and times of day in text.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A day, found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Date {
    /// Year, month, day.
    pub(crate) day: (i32, u32, u32),
    /// Where it stands in the text.
    pub(crate) span: Range<usize>,
    /// Whether the year has four digits.
    pub(crate) full_year: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Months that no English beginning names.
const OTHER_MONTHS: [(&str, u32); 10] = [
    ("mac", 3),
    ("mei", 5),
    ("mai", 5),
    ("ogo", 8),
    ("ago", 8),
    ("okt", 10),
    ("dis", 12),
    ("dez", 12),
    ("0ct", 10),
    ("n0v", 11),
];

static PATTERNS: LazyLock<Vec<(Order, Regex)>> = LazyLock::new(|| {
    let n = "[0-9OoIl]";
    let sep = r"\s?[/.\-~]\s?";
    let month = r"(?P<m>[A-Za-z0][A-Za-z0]{2})[A-Za-z]{0,7}";
    [
        (Order::YearFirst, format!(r"(?P<y>(?:19|20){n}{{2}}){sep}(?P<m>{n}{{1,2}}){sep}(?P<d>{n}{{1,2}})")),
        (Order::DayFirst, format!(r"(?P<d>{n}{{1,2}}){sep}(?P<m>{n}{{1,2}}){sep}(?P<y>{n}{{4}}|{n}{{2}})")),
        (Order::Named, format!(r"(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?[\s/.,\-]*(?:of\s)?\s*{month}[\s/.,'’\-]*(?P<y>[0-9]{{4}}|[0-9]{{2}})")),
        (Order::Named, format!(r"{month}[\s.\-]*(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?[\s,.\-]+(?P<y>[0-9]{{4}})")),
        (Order::YearFirst, r"(?P<y>20[0-9]{2})(?P<m>[01][0-9])(?P<d>[0-3][0-9])".to_owned()),
    ]
    .into_iter()
    .filter_map(|(order, pattern)| Some((order, Regex::new(&pattern).ok()?)))
    .collect()
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    YearFirst,
    DayFirst,
    Named,
}

/// All dates of a text, left to right. Where day and month could be either, the day comes first.
pub(crate) fn dates(text: &str) -> Vec<Date> {
    let mut out: Vec<Date> = Vec::new();
    for (order, pattern) in PATTERNS.iter() {
        let mut at = 0;
        while let Some(found) = pattern.captures_at(text, at) {
            let Some(whole) = found.get(0) else { break };
            match date_of(text, &found, *order) {
                Some(date) => {
                    at = date.span.end.max(whole.start() + 1);
                    if !out.iter().any(|d| d.span.start < date.span.end && date.span.start < d.span.end) {
                        out.push(date);
                    }
                }
                None => at = next_char(text, whole.start()),
            }
        }
    }
    out.sort_by_key(|d| d.span.start);
    out
}

fn next_char(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(text.len(), |c| at + c.len_utf8())
}

fn date_of(text: &str, found: &regex::Captures<'_>, order: Order) -> Option<Date> {
    let whole = found.get(0)?;
    let before = text.get(..whole.start())?.chars().next_back();
    if before.is_some_and(|c| c.is_ascii_digit() || "/.".contains(c)) && starts_with_digit(whole.as_str()) {
        return None;
    }
    let year_text = digits(found.name("y")?.as_str());
    let day = digits(found.name("d")?.as_str()).parse().ok()?;
    let month_text = found.name("m")?.as_str();
    let month = if order == Order::Named { month_number(month_text)? } else { digits(month_text).parse().ok()? };
    let after = text.get(whole.end()..)?.chars().next();
    let year_ends = found.name("y")?.end() == whole.end();
    let (year, cut) = year_of(&year_text)?;
    let goes_on = |sep: char| text.get(whole.end()..).and_then(|t| t.strip_prefix(sep)).is_some_and(starts_with_digit);
    if goes_on('/') || (goes_on('-') && year_text.len() == 2 && cut == 0) {
        return None;
    }
    if cut == 0 && year_text.len() == 2 && year_ends && after.is_some_and(|c| c.is_ascii_digit() || c == '%') {
        return None;
    }
    let (month, day) = if order == Order::DayFirst && month > 12 { (day, month) } else { (month, day) };
    let span = whole.start()..whole.end().checked_sub(if year_ends { cut } else { 0 })?;
    (is_day(year, month, day) && text.is_char_boundary(span.end)).then_some(Date {
        day: (year, month, day),
        span,
        full_year: year_text.len() == 4 && cut == 0,
    })
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The year, and how many of the digits at the end are none of it: `1818:09` is the year 18 at 18:09.
fn year_of(text: &str) -> Option<(i32, usize)> {
    let year: i32 = text.parse().ok()?;
    if text.len() == 2 {
        return Some((2000 + year - if year > 69 { 100 } else { 0 }, 0));
    }
    if (1950..2100).contains(&year) {
        return Some((year, 0));
    }
    let short: i32 = text.get(..2)?.parse().ok()?;
    (short < 70).then_some((2000 + short, 2))
}

fn month_number(name: &str) -> Option<u32> {
    let name = name.to_lowercase();
    let english = MONTHS.iter().position(|m| *m == name).and_then(|n| u32::try_from(n + 1).ok());
    english.or_else(|| OTHER_MONTHS.iter().find(|(m, _)| *m == name).map(|(_, n)| *n))
}

fn is_day(year: i32, month: u32, day: u32) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn digits(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'O' | 'o' => '0',
            'I' | 'l' => '1',
            other => other,
        })
        .collect()
}

static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)([01]?[0-9]|2[0-3])\s?:\s?[0-5][0-9](?:\s?:\s?[0-5][0-9])?(?:\s?[ap]\.?m\b\.?)?|(?:1[0-2]|0?[1-9])(?:\.[0-5][0-9])?\s?[ap]\.?m\b\.?").ok()
});

/// All times of day of a text, left to right, as spans.
pub(crate) fn times(text: &str) -> Vec<Range<usize>> {
    TIME.as_ref().into_iter().flat_map(|t| t.find_iter(text)).map(|m| m.range()).collect()
}

/// The first day that a text tells.
pub(crate) fn find_date(text: &str) -> Option<(i32, u32, u32)> {
    dates(text).first().map(|date| date.day)
}

/// Reads a whole text as one day.
pub(crate) fn parse_date(text: &str) -> Option<(i32, u32, u32)> {
    let text = text.trim();
    match dates(text).as_slice() {
        [one] if one.span.len() * 2 > text.len() => Some(one.day),
        _ => None,
    }
}
