//! VQAv2 accuracy: how many of ten annotators gave the answer.
//!
//! Goyal et al., "Making the V in VQA Matter" (CVPR 2017); the normalisation is that of the official
//! `vqaEval.py` (GT-Vision-Lab/VQA): punctuation, digits in words, articles, contractions.
//!
//! # Why every truth is normalised
//! The official script normalises the answer always, the truths only in their punctuation and only
//! when the annotators disagree, since the published truths are normalised already. Truths from elsewhere
//! need not be, so here the same rules apply to both sides, always.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::joined;

/// The share of the annotators' votes an answer earns, 0 to 1.
///
/// Every annotator is left out once; against the others an answer scores `min(1, matches / 3)`, and
/// the mean over those rounds is returned. Ten truths are usual; with fewer the rule is the same, so
/// that fewer than four cannot give 1 and a single one, whom nobody confirms, gives 0.
pub fn score<S: AsRef<str>>(answer: &str, truths: &[S]) -> f64 {
    let answer = normalized(answer);
    let agree: Vec<bool> = truths.iter().map(|truth| normalized(truth.as_ref()) == answer).collect();
    let votes = agree.iter().filter(|a| **a).count();
    let rounds = agree.iter().map(|own| ((votes - usize::from(*own)) as f64 / 3.0).min(1.0));
    if agree.is_empty() { 0.0 } else { rounds.sum::<f64>() / agree.len() as f64 }
}

/// An answer in the form in which VQAv2 compares it.
///
/// ```
/// use lavr::eval::metric::vqa::normalized;
///
/// assert_eq!(normalized("There are two dogs; they dont bark."), "there are 2 dogs they don't bark");
/// ```
pub fn normalized(answer: &str) -> String {
    let text = without_punctuation(answer.replace(['\n', '\t'], " ").trim()).to_lowercase();
    let words = text.split_whitespace().map(digit).filter(|word| !["a", "an", "the"].contains(word));
    joined(words.map(|word| CONTRACTIONS.get(word).map_or(word, String::as_str)))
}

const PUNCTUATION: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];

/// A mark beside a space goes without a trace, elsewhere it becomes a space; with a number like `1,000`
/// in the text all go without a trace. Whether a mark is beside a space is asked once for all its places.
fn without_punctuation(text: &str) -> String {
    let has_thousands = has_thousands(text);
    let mut out = text.to_owned();
    for mark in PUNCTUATION {
        let beside_space = text.contains(&format!("{mark} ")) || text.contains(&format!(" {mark}"));
        out = out.replace(mark, if beside_space || has_thousands { "" } else { " " });
    }
    without_periods(&out)
}

/// Whether a comma stands between two digits.
fn has_thousands(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.windows(3).any(|w| matches!(w, [a, ',', b] if a.is_numeric() && b.is_numeric()))
}

/// Only the first periods go: the script hands its flags over where the number of replacements is expected.
const PERIODS: usize = 32;

/// The text without periods, except those before a digit.
fn without_periods(text: &str) -> String {
    let mut left = PERIODS;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '.' && left > 0 && !chars.peek().is_some_and(|next| next.is_numeric()) {
            left -= 1;
        } else {
            out.push(c);
        }
    }
    out
}

fn digit(word: &str) -> &str {
    match word {
        "none" | "zero" => "0",
        "one" => "1",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        other => other,
    }
}

/// The contractions that are mended when an apostrophe is missing.
const CONTRACTED: &str = "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've \
    hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've \
    must've mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've \
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've \
    something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't \
    we'd've we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's \
    who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll \
    you're you've";

/// Every contraction by each form that lacks exactly one apostrophe; `somebody'd` loses its own, as published.
static CONTRACTIONS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mended = CONTRACTED.split_whitespace().flat_map(|whole| {
        whole.match_indices('\'').map(move |(at, _)| {
            let (before, after) = (whole.get(..at).unwrap_or_default(), whole.get(at + 1..).unwrap_or_default());
            (format!("{before}{after}"), whole.to_owned())
        })
    });
    mended.chain([("somebody'd".to_owned(), "somebodyd".to_owned())]).collect()
});
