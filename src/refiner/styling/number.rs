//! Numbers in several scripts: digits, English words, Chinese numerals.

use crate::refiner::ground::{canonical, number_words};
use crate::refiner::text::number_tokens;

/// Chinese digits.
const DIGITS: &str = "零一二三四五六七八九";
/// What follows a Chinese number that counts something. Words such as 三明治 and 十分 count nothing.
const MEASURES: &str = "個个位隻只張张輛辆台臺條条名件本杯瓶頭头匹棵朵座間间層层行種种次人元塊块年歲岁度枚顆颗把支枝根片\
    碗盤盘份包箱頂顶雙双對对架艘扇幅列排組组家部句處处樣样倍點点";
/// What stands before a Chinese number that puts in order, or names a day.
const ORDERING: &[char] = &['第', '期', '週', '周', '拜'];

/// A number as a text writes it.
pub(super) struct Number {
    /// Its digits.
    pub(super) token: String,
    /// It is written as a word.
    pub(super) in_words: bool,
}

impl Number {
    /// It may be no more than "a": "one", 一.
    pub(super) fn may_be_an_article(&self) -> bool {
        self.in_words && self.token == "1"
    }

    /// Its parts, where it is made of several: those of a date, of a time.
    pub(super) fn parts(&self) -> Vec<String> {
        self.token.split(['/', '-', ':']).map(canonical).collect()
    }
}

/// All numbers of a text, in one form however they are written.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let text = half_width(text);
    let digits = number_tokens(&text).into_iter().map(|token| Number { token: canonical(&token), in_words: false });
    let word = |token: String| Number { token, in_words: true };
    digits.chain(number_words(&text).into_iter().map(word)).chain(chinese(&text).into_iter().map(word)).collect()
}

/// Full-width digits as ordinary ones.
fn half_width(text: &str) -> String {
    let half = |c: char| match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
        c => c,
    };
    text.chars().map(half).collect()
}

/// The Chinese numbers that count something.
fn chinese(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let is_numeral = |c: &char| value(*c).is_some();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let run: Vec<char> = chars.iter().skip(at).take_while(|c| is_numeral(c)).copied().collect();
        if run.is_empty() {
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).and_then(|n| chars.get(n)).copied().unwrap_or(' ');
        at += run.len();
        let counts = chars.get(at).is_some_and(|next| MEASURES.contains(*next)) || before == '之';
        if counts && !ORDERING.contains(&before) {
            found.push(read(&run).to_string());
        }
    }
    found
}

/// What a numeral stands for: a digit, or a power of ten.
fn value(c: char) -> Option<u64> {
    match c {
        '兩' | '两' => Some(2),
        '〇' => Some(0),
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1000),
        '萬' | '万' => Some(10_000),
        c => DIGITS.chars().position(|digit| digit == c).and_then(|n| u64::try_from(n).ok()),
    }
}

/// 三百二十五 is 325, 一九八四 is 1984.
fn read(run: &[char]) -> u64 {
    let values: Vec<u64> = run.iter().filter_map(|c| value(*c)).collect();
    if values.len() > 1 && values.iter().all(|n| *n < 10) {
        return values.iter().fold(0, |all, n| all.saturating_mul(10).saturating_add(*n));
    }
    let (mut all, mut part, mut digit) = (0_u64, 0_u64, 0_u64);
    for n in values {
        match n {
            0..10 => digit = n,
            10_000 => {
                all = all.saturating_add((part + digit).max(1).saturating_mul(n));
                (part, digit) = (0, 0);
            }
            _ => {
                part = part.saturating_add(digit.max(1).saturating_mul(n));
                digit = 0;
            }
        }
    }
    all.saturating_add(part).saturating_add(digit)
}
