//! Whose receipt it is: the name of the company at its head.

use std::sync::LazyLock;

use regex::Regex;

use super::heading::{
    HEAD, begins_with_legal_form, has_legal_form, has_strong_form, in_brackets, is_address, is_labelled, is_other,
    is_trading, joined,
};
use super::keys::keys;
use super::page::{Cell, Page};
use crate::value::Line;

/// Most lines that a name has.
const LINES: usize = 3;

/// The name of the company, with its legal form and without its number.
///
/// It is the first line at the top that can be a name and names a trade or a legal form, or else the first that
/// can be a name; a brand above the full name of its company is passed over.
pub(super) fn company_of(page: &Page<'_>) -> Option<Line> {
    let parts = company_lines(page);
    joined(&parts).map(|line| Line { text: clean(&line.text), ..line }).filter(|line| !line.text.is_empty())
}

/// The lines that the name of the company stands on.
pub(super) fn company_lines<'p, 'a>(page: &'p Page<'a>) -> Vec<&'p Cell<'a>> {
    let names = names(page);
    let Some(at) = chosen(page, &names) else { return Vec::new() };
    let mut parts: Vec<&'p Cell<'a>> = Vec::new();
    for cell in names.iter().skip(at).take(LINES) {
        if parts.last().is_some_and(|last| !goes_on(page, &parts, last, cell)) {
            break;
        }
        parts.push(cell);
    }
    parts
}

/// The lines at the top that may be a name, down to the address.
fn names<'p, 'a>(page: &'p Page<'a>) -> Vec<&'p Cell<'a>> {
    let mut out: Vec<&'p Cell<'a>> = Vec::new();
    let mut former = false;
    for cell in page.cells.iter().filter(|c| c.row < HEAD) {
        // `formerly known as` takes the name behind it along.
        let was_former = std::mem::replace(&mut former, says_former(cell));
        if was_former || former || is_other(cell) && !is_trading(cell) {
            continue;
        }
        if is_address(cell) {
            // A receipt may begin with the place when its owner is only a logo.
            if out.is_empty() {
                out.push(cell);
            }
            break;
        }
        if is_name(cell) {
            out.push(cell);
        }
    }
    without_note(out)
}

fn says_former(cell: &Cell<'_>) -> bool {
    cell.words.iter().take(2).any(|w| w.text == "formerly") && !in_brackets(cell)
}

/// Names without a note that somebody wrote above them: a line in lower case where the rest is not.
fn without_note<'p, 'a>(mut names: Vec<&'p Cell<'a>>) -> Vec<&'p Cell<'a>> {
    let lower = |c: &&Cell<'_>| !c.line.text.contains(char::is_uppercase) && !is_trading(c);
    while names.len() > 1 && names.first().is_some_and(lower) && !names.iter().skip(1).all(lower) {
        names.remove(0);
    }
    names
}

fn is_name(cell: &Cell<'_>) -> bool {
    let letters = cell.line.text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = cell.line.text.chars().filter(char::is_ascii_digit).count();
    let company = &keys().company;
    let begin = || cell.words.iter().take(2);
    letters >= 3
        && (letters > digits || has_strong_form(cell))
        && !in_brackets(cell)
        && !is_labelled(cell)
        && !begin().any(|w| company.is_other(&w.text))
        && (is_trading(cell) || !begin().take(1).any(|w| company.is_doubtful(&w.text)))
}

/// Which of the names is the company's.
fn chosen(page: &Page<'_>, names: &[&Cell<'_>]) -> Option<usize> {
    let first = names.first()?;
    let second = names.get(1).filter(|c| has_legal_form(c));
    if let Some(second) = second {
        let one_name = goes_on(page, &[first], first, second);
        let brand = !is_trading(first) || (!has_legal_form(first) && shares_name(first, second));
        return Some(usize::from(brand && !one_name));
    }
    let found = |fits: fn(&Cell<'_>) -> bool| names.iter().position(|c| fits(c));
    let at = found(is_trading).unwrap_or(0);
    // Where the line only ends a name, that began a line before.
    let begun = at.checked_sub(1).and_then(|n| Some((names.get(n)?, names.get(at)?)));
    Some(at - usize::from(begun.is_some_and(|(before, cell)| goes_on(page, &[before], before, cell))))
}

/// Whether the company in the second line has a name out of the first: `POPULAR`, `POPULAR BOOK CO.`
fn shares_name(brand: &Cell<'_>, company: &Cell<'_>) -> bool {
    let own = |cell: &Cell<'_>| -> Vec<String> {
        let common = |w: &str| keys().company.trade.iter().any(|t| t == w);
        let words = cell.words.iter().filter(|w| w.text.chars().count() > 2 && !common(&w.text));
        words.map(|w| w.text.clone()).collect()
    };
    let (brand, company) = (own(brand), own(company));
    brand.first().is_some_and(|name| company.contains(name))
}

/// Whether a name goes on in the next line.
fn goes_on(page: &Page<'_>, parts: &[&Cell<'_>], last: &Cell<'_>, next: &Cell<'_>) -> bool {
    if next.row > last.row + 1 {
        return false;
    }
    let text: String = parts.iter().map(|c| c.line.text.as_str()).collect();
    let open = text.matches('(').count() > text.matches(')').count();
    let ends_open = text.trim_end().ends_with(['&', '-', ',', '@']);
    let only_trades = parts.iter().all(|c| c.words.iter().all(|w| keys().company.trade.contains(&w.text)));
    let over = parts.iter().any(|c| has_strong_form(c)) && !open;
    !over
        && (begins_with_legal_form(next)
            || (open && next.line.text.contains(')') && !has_number(&text))
            || ends_open
            || (only_trades && !is_trading(next))
            || (is_trading(next) && is_wrapped(page, last, next)))
}

/// Whether a line is as long as it could be, and the next is set in the same letters.
fn is_wrapped(page: &Page<'_>, last: &Cell<'_>, next: &Cell<'_>) -> bool {
    let width = |c: &Cell<'_>| (c.right - c.left) / c.line.text.chars().count().max(1) as f64;
    let alike = |a: f64, b: f64, most: f64| a.max(b) <= most * a.min(b);
    let first = next.line.text.split_whitespace().next().map_or(0, |w| w.chars().count());
    let needed = last.right - last.left + width(last) * (first as f64 + 1.0);
    let (left, right) = page.sides();
    alike(last.height, next.height, 1.2) && alike(width(last), width(next), 1.2) && needed > right - left
}

fn has_number(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 4
}

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let number =
        r"[(\[]?\s?(?:(?i:co|company|reg|roc|ssm|no)\b[\s.:]*)*[A-Z]{0,3}[0-9]{4,}(?:\s?-?\s?[A-Z0-9])?\s?[)\]]?";
    Regex::new(&format!(r"\s*(?:[(\[]\s?[^()]*[0-9]{{4,}}.*|{number}\W*)$")).ok()
});
static FORMERLY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\s*\(?\s*formerly\b.*$").ok());
static WELCOME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^\W*welcome\s*to\s*").ok());
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:[S5][DO0][NMH]([\s.,]*)[B8][HN][DO0]|[s5][do0][nmh]([\s.,]*)[b8][hn][do0])\b").ok()
});

static GLUED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([\p{L})\]]{2})((?:S/B|SDN[\s.,]*BHD|[Ss]dn[\s.,]*[Bb]hd)\W*)$").ok());

/// A name without what stands around it, its legal form a word of its own and as it is spelt.
fn clean(text: &str) -> String {
    let mut text = text.to_owned();
    for pattern in [&WELCOME, &FORMERLY, &NUMBER] {
        if let Some(pattern) = pattern.as_ref() {
            text = pattern.replace(&text, "").into_owned();
        }
    }
    if let Some(form) = FORM.as_ref() {
        let spelt = |found: &regex::Captures<'_>| {
            let between = found.get(1).or(found.get(2)).map(|m| m.as_str());
            let between = between.filter(|between| !between.is_empty()).unwrap_or(" ");
            let upper = found.get(1).is_some();
            if upper { format!("SDN{between}BHD") } else { format!("sdn{between}bhd") }
        };
        text = form.replace(&text, spelt).into_owned();
    }
    text = mended(&text);
    if let Some(glued) = GLUED.as_ref() {
        text = glued.replace(&text, "$1 $2").into_owned();
    }
    text.trim_matches(|c: char| c.is_whitespace() || "*-=:,;_|".contains(c)).to_owned()
}

/// Long legal forms that a letter too many or a wrong one spoilt: `ENTERPRISEN`.
fn mended(text: &str) -> String {
    let mut out = String::new();
    for run in text.split_inclusive(|c: char| !c.is_alphabetic()) {
        let word = run.trim_end_matches(|c: char| !c.is_alphabetic());
        let lower = word.to_lowercase();
        let weak = &keys().company.weak;
        let meant = weak.iter().find(|w| w.len() >= 8 && strsim::levenshtein(w, &lower) == 1);
        match meant.filter(|_| !weak.contains(&lower)) {
            Some(meant) if word.chars().all(char::is_uppercase) => out.push_str(&meant.to_uppercase()),
            Some(meant) => out.push_str(meant),
            None => out.push_str(word),
        }
        out.push_str(run.get(word.len()..).unwrap_or_default());
    }
    out
}
