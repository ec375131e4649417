//! The sentences of a description: one thought each, with the regions and lines it rests on.

use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::tool::bounds::{area, centre, of_image, shared_area};
use crate::tool::labels::plural;
use crate::value::{Label, Line, Region};

/// Things that score less are hedged: the detector's own limit.
const SURE: f64 = 0.35;
/// Kinds of things that are described one by one; of the rest there is a list.
const MAX_KINDS: usize = 6;
/// Most things of one kind whose places are told.
const MAX_PLACED: usize = 6;
/// Kinds that are mentioned with a "perhaps".
const MAX_PERHAPS: usize = 4;
/// Lines of text that are quoted; of more, the first ones and how many there are.
const MAX_LINES: usize = 4;
/// A thing with a larger share of the image takes up most of it.
const MOST: f64 = 0.5;
/// Darker or brighter images (in percent) are called so.
const DARK: f64 = 25.0;
const BRIGHT: f64 = 75.0;
/// Labels that score less are not repeated.
const MIN_LABEL: f64 = 0.5;

/// One sentence of a description, with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// The sentence.
    pub text: String,
    /// The regions it speaks of.
    pub regions: Vec<Region>,
    /// The lines of text it quotes.
    pub lines: Vec<Line>,
}

impl Sentence {
    fn plain(text: String) -> Self {
        Self { text, regions: Vec::new(), lines: Vec::new() }
    }
}

/// What a further tool said.
pub(super) enum Said {
    /// A text, e.g. a caption.
    Text(String),
    /// The tool's name and its classes, best first.
    Labels(String, Vec<Label>),
}

/// Everything that is known, in sentences.
pub(super) fn sentences(
    image: &Image,
    things: &[Region],
    lines: &[Line],
    colors: &[Label],
    brightness: f64,
    said: &[Said],
) -> Vec<Sentence> {
    let mut out: Vec<Sentence> = said.iter().filter_map(repeated).collect();
    let (sure, unsure): (Vec<&Region>, Vec<&Region>) = things.iter().partition(|r| r.score >= SURE);
    let kinds = kinds(&sure);
    out.extend(kinds.iter().take(MAX_KINDS).map(|kind| things_of(image, kind)));
    out.extend(also(kinds.get(MAX_KINDS..).unwrap_or_default()));
    out.extend(perhaps(&unsure, &kinds));
    if things.is_empty() {
        out.push(Sentence::plain("No objects that can be recognised were found.".to_owned()));
    }
    out.push(written(lines));
    out.extend(colored(colors));
    out.extend(lit(brightness));
    out
}

fn repeated(said: &Said) -> Option<Sentence> {
    match said {
        Said::Text(text) => (!text.trim().is_empty()).then(|| Sentence::plain(text.trim().to_owned())),
        Said::Labels(tool, labels) => {
            let best = labels.first().filter(|label| label.score >= MIN_LABEL)?;
            Some(Sentence::plain(format!("{}: {}.", tool.replace('_', " "), best.label)))
        }
    }
}

/// Things by their label, those with the largest area first.
fn kinds<'r>(things: &[&'r Region]) -> Vec<Vec<&'r Region>> {
    let mut kinds: Vec<Vec<&Region>> = Vec::new();
    for thing in things {
        match kinds.iter_mut().find(|kind| kind.iter().any(|other| other.label == thing.label)) {
            Some(kind) => kind.push(thing),
            None => kinds.push(vec![thing]),
        }
    }
    let total = |kind: &[&Region]| kind.iter().map(|r| area(r.bounds)).sum::<f64>();
    kinds.sort_by(|a, b| total(b).total_cmp(&total(a)));
    kinds
}

/// How many of one kind there are, and where.
fn things_of(image: &Image, kind: &[&Region]) -> Sentence {
    let label = kind.first().map_or("", |r| r.label.as_str());
    let text = match kind {
        [only] if covers_most(image, only) => format!("{} takes up most of the picture.", capital(&one(label))),
        [only] if is_plural(label) => format!("There are {label} {}.", place(image, only)),
        [only] => format!("There is {} {}.", one(label), place(image, only)),
        several => format!("There are {}{}.", counted(several.len(), label), places(image, several)),
    };
    Sentence { text, regions: kind.iter().copied().cloned().collect(), lines: Vec::new() }
}

/// The kinds for which there is no sentence of their own.
fn also(kinds: &[Vec<&Region>]) -> Option<Sentence> {
    let names: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let label = kind.first().map_or("", |r| r.label.as_str());
            if kind.len() == 1 { one(label) } else { counted(kind.len(), label) }
        })
        .collect();
    let regions: Vec<Region> = kinds.iter().flatten().copied().cloned().collect();
    (!names.is_empty()).then(|| Sentence {
        text: format!("It also shows {}.", joined(&names)),
        regions,
        lines: Vec::new(),
    })
}

/// The kinds that the detector is not sure of, and that were not named.
fn perhaps(unsure: &[&Region], named: &[Vec<&Region>]) -> Option<Sentence> {
    let new = |r: &&&Region| !named.iter().flatten().any(|known| known.label == r.label);
    let mut best: Vec<&Region> = Vec::new();
    for thing in unsure.iter().filter(new) {
        if best.iter().all(|known| known.label != thing.label) && best.len() < MAX_PERHAPS {
            best.push(thing);
        }
    }
    let names: Vec<String> = best.iter().map(|r| one(&r.label)).collect();
    (!names.is_empty()).then(|| Sentence {
        text: format!("Perhaps it{} shows {}.", if named.is_empty() { "" } else { " also" }, joined(&names)),
        regions: best.into_iter().cloned().collect(),
        lines: Vec::new(),
    })
}

/// What can be read.
fn written(lines: &[Line]) -> Sentence {
    let quoted = |lines: &[Line]| {
        let texts: Vec<String> = lines.iter().map(|l| format!("\"{}\"", l.text.trim().replace('"', "'"))).collect();
        joined(&texts)
    };
    let text = match lines {
        [] => "No text was found.".to_owned(),
        few if few.len() <= MAX_LINES => format!("It reads {}.", quoted(few)),
        many => {
            let first = many.get(..MAX_LINES - 1).unwrap_or_default();
            format!("There are {} lines of text, beginning with {}.", many.len(), quoted(first))
        }
    };
    Sentence { text, regions: Vec::new(), lines: lines.to_vec() }
}

fn colored(colors: &[Label]) -> Option<Sentence> {
    let names: Vec<String> = colors.iter().take(3).map(|c| c.label.clone()).collect();
    let text = match names.as_slice() {
        [] => return None,
        [one] => format!("The main colour is {one}."),
        several => format!("The main colours are {}.", joined(several)),
    };
    Some(Sentence::plain(text))
}

fn lit(brightness: f64) -> Option<Sentence> {
    let word = match brightness {
        b if b < DARK => "dark",
        b if b > BRIGHT => "bright",
        _ => return None,
    };
    Some(Sentence::plain(format!("The picture is {word}.")))
}

fn covers_most(image: &Image, thing: &Region) -> bool {
    let whole = of_image(image);
    shared_area(thing.bounds, whole) >= MOST * area(whole)
}

/// The third of the image, left to right, in which the middle of a thing lies.
fn place(image: &Image, thing: &Region) -> &'static str {
    let [left, _, right, _] = of_image(image);
    match (centre(thing.bounds).0 - left) / (right - left).max(1.0) {
        x if x < 1.0 / 3.0 => "on the left",
        x if x > 2.0 / 3.0 => "on the right",
        _ => "in the middle",
    }
}

/// Where several things are: ` in the middle`, or `, 2 on the left and 1 on the right`.
fn places(image: &Image, things: &[&Region]) -> String {
    let at = |wanted: &str| things.iter().filter(|r| place(image, r) == wanted).count();
    let all = ["on the left", "in the middle", "on the right"].map(|place| (at(place), place));
    let there: Vec<(usize, &str)> = all.into_iter().filter(|(n, _)| *n > 0).collect();
    match there.as_slice() {
        [(_, place)] => format!(" {place}"),
        _ if things.len() > MAX_PLACED => String::new(),
        several => {
            let parts: Vec<String> = several.iter().map(|(n, place)| format!("{n} {place}")).collect();
            format!(", {}", joined(&parts))
        }
    }
}

/// Whether a label names a pair: `skis`.
fn is_plural(label: &str) -> bool {
    matches!(label, "skis" | "scissors")
}

fn counted(count: usize, label: &str) -> String {
    let pairs = if is_plural(label) { "pairs of " } else { "" };
    format!("{count} {pairs}{}", plural(label))
}

/// A thing with its article.
fn one(label: &str) -> String {
    match label.chars().next() {
        _ if is_plural(label) => label.to_owned(),
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {label}"),
        _ => format!("a {label}"),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `a, b and c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
