//! Wording: what the words of questions and sentences ask and say, whatever the evidence is.

use std::sync::LazyLock;

use regex::Regex;

use crate::tool::labels::same_label;

/// Words that name nothing that could be searched for.
const SILENT: &str = "\
    the a an is are was were be been there it its this that these those on in at of to and or with for from \
    by yes no not none nothing nobody zero can could do does did has have i you we me see seen visible any \
    anywhere contain contains mention mentions mentioned appear appears found find shown show shows given \
    stated specified listed included picture pictures image images photo photos photograph how many much \
    what which count please tell detected present isn't aren't doesn't don't wasn't weren't";
/// Words for what a text stands on, or for the text itself.
const CONTAINERS: &[&str] = &[
    "text", "notice", "brochure", "menu", "flyer", "leaflet", "sign", "label", "page", "receipt", "poster", "word",
    "number", "bill", "ticket", "invoice", "document", "letter", "board", "line", "card", "price",
];
/// Words for so many things that finding none of one kind does not deny them.
const BROAD: &[&str] = &["animal", "vehicle", "thing", "object", "furniture", "food", "fruit", "item"];
/// Words that compare.
const COMPARING: &str = "\
    more fewer less than cheaper dearer greater larger bigger smaller higher lower longer shorter older \
    newer difference differ differs most least fewest cheapest largest biggest smallest";
/// Words that make a number below zero a plain one: "5 fewer" is -5.
const DOWNWARDS: &[&str] = &["difference", "differ", "differs", "fewer", "less", "minus"];
/// Words that point at one of several.
pub(super) const POINTING: &[&str] = &["first", "second", "third", "left", "right", "other"];
/// Words that ask to read.
const READING: &[&str] = &["say", "says", "said", "read", "reads", "written", "write", "transcribe", "text", "texts"];

/// Whether a word is one of a list of words with spaces between them.
fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// Lower-case words, in order.
pub(super) fn spoken(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter(|w| !w.is_empty())
        .map(|w| w.to_lowercase().replace('’', "'"))
        .collect()
}

/// Whether the words of a denial, or of the question when it is a bare no, are those that were searched.
pub(super) fn denial_is_covered(said: &str, question: &str, searched: &[String]) -> bool {
    let own = content(said, question);
    if own.is_empty() {
        return only_names(&content(question, question), searched);
    }
    only_names(&own, searched)
}

/// Whether the question is only whether, or how many, of the searched things there are.
pub(super) fn asks_presence(question: &str, searched: &[String]) -> bool {
    let spoken = spoken(question);
    let pairs = |a: &str, b: &str| spoken.windows(2).any(|w| matches!(w, [x, y] if x == a && y == b));
    let presence = pairs("how", "many")
        || pairs("is", "there")
        || pairs("are", "there")
        || pairs("number", "of")
        || spoken.iter().any(|w| matches!(w.as_str(), "any" | "count"));
    presence && only_names(&content(question, question), searched)
}

/// Some word was searched, and each other one only says where it would stand.
fn only_names(words: &[String], searched: &[String]) -> bool {
    let contained = |w: &str| CONTAINERS.contains(&w) || w.strip_suffix('s').is_some_and(|s| CONTAINERS.contains(&s));
    words.iter().any(|w| was_searched(w, searched))
        && words.iter().all(|w| contained(w.as_str()) || was_searched(w, searched))
}

fn was_searched(word: &str, searched: &[String]) -> bool {
    let broad = BROAD.iter().any(|b| same_label(b, word));
    let same = |label: &str| same_label(word, label) || (!broad && same_label(label, word));
    searched.iter().any(|label| same(label) || (label.contains(' ') && label.split_whitespace().any(same)))
}

/// The words that name something, without the places that the question names too: "on the street".
fn content(text: &str, question: &str) -> Vec<String> {
    let asked = spoken(question);
    let mut place = false;
    let mut words = Vec::new();
    for word in spoken(text) {
        match word.as_str() {
            "on" | "in" | "at" => place = true,
            "the" | "a" | "an" | "this" | "that" => {}
            other if listed(SILENT, other) => place = false,
            _ if place && asked.contains(&word) => place = false,
            _ => words.push(word),
        }
    }
    words
}

/// Whether the sentence compares.
pub(super) fn comparisons(spoken: &[String]) -> Vec<String> {
    spoken.iter().filter(|w| listed(COMPARING, w)).cloned().collect()
}

/// Whether a number in the sentence may stand for one below zero.
pub(super) fn points_down(text: &str, spoken: &[String]) -> bool {
    let signed = |(at, sign): (usize, char)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let behind = text.get(at + sign.len_utf8()..).and_then(|t| t.chars().next());
        matches!(sign, '-' | '−')
            && before.is_none_or(char::is_whitespace)
            && behind.is_some_and(|c| c.is_ascii_digit())
    };
    spoken.iter().any(|w| DOWNWARDS.contains(&w.as_str())) || text.char_indices().any(signed)
}

/// The question asks for more than a yes or a no.
pub(super) fn asks_openly(question: &str) -> bool {
    let first = spoken(question).into_iter().next().unwrap_or_default();
    matches!(first.as_str(), "which" | "what" | "who" | "how" | "where" | "when")
}

/// The question wants a yes or a no and says so plainly: it begins with a verb, and offers no choice between two things.
pub(super) fn asks_plainly(question: &str) -> bool {
    const VERBS: &[&str] = &[
        "is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "can", "could", "will", "would",
        "should", "isn't", "aren't", "wasn't", "weren't", "don't", "doesn't", "didn't", "hasn't", "haven't",
    ];
    // "2018 or later" is no choice.
    const BOUNDS: &[&str] =
        &["more", "less", "later", "earlier", "fewer", "above", "below", "over", "under", "not", "higher", "lower"];
    const ASKING: &[&str] = &["which", "what", "who", "whose", "how", "where", "when", "why"];
    let spoken = spoken(question);
    let bound = |word: &String| BOUNDS.contains(&word.as_str());
    let begins = spoken.first().is_some_and(|word| VERBS.contains(&word.as_str())) && !is_request(&spoken);
    let asks = spoken.iter().any(|word| ASKING.contains(&word.as_str()));
    // "Above or below" is one.
    let chooses = spoken
        .windows(3)
        .any(|three| matches!(three, [before, or, next] if or == "or" && (!bound(next) || bound(before))));
    begins && !asks && !chooses
}

/// It asks for something to be done: "could you crop the dog"; "can you see a dog" does not.
fn is_request(spoken: &[String]) -> bool {
    const SEEING: &[&str] = &["see", "spot", "notice", "recognise", "recognize", "confirm"];
    matches!(spoken, [can, you, verb, ..] if you == "you"
        && matches!(can.as_str(), "can" | "could" | "will" | "would")
        && !SEEING.contains(&verb.as_str()))
}

/// The question wants a yes or a no.
pub(super) fn asks_yes_or_no(question: &str) -> bool {
    const BEGINNINGS: &[&str] =
        &["is", "are", "was", "were", "do", "does", "did", "has", "have", "any", "isn't", "aren't", "can", "could"];
    const OPEN: &[&str] = &["which", "what", "who", "how", "where", "when"];
    let begins = |clause: &str| spoken(clause).first().is_some_and(|w| BEGINNINGS.contains(&w.as_str()));
    let spoken = spoken(question);
    let polite = spoken.first().is_some_and(|w| matches!(w.as_str(), "can" | "could"))
        || matches!(spoken.as_slice(), [do_, you, ..] if do_ == "do" && you == "you");
    let open = spoken.iter().any(|w| OPEN.contains(&w.as_str()));
    if begins(question) { !(polite && open) } else { !open && question.split([',', ':', ';', '.']).any(begins) }
}

/// The question asks for several of a kind: "which colours".
pub(super) fn asks_for_several(question: &str) -> bool {
    let spoken = spoken(question);
    let pairs = spoken.windows(2);
    spoken.iter().any(|w| matches!(w.as_str(), "colours" | "colors"))
        || pairs.into_iter().any(|p| matches!(p, [a, b] if a == "kinds" && b == "of"))
}

/// The sentence has all the words of the question that name something.
pub(super) fn repeats(sentence: &str, question: &str) -> bool {
    let said = spoken(sentence);
    let asked = content(question, question);
    !asked.is_empty() && asked.iter().all(|w| said.iter().any(|s| same_label(s, w) || same_label(w, s)))
}

/// The two that a question offers: "the first or the second?"
pub(super) fn alternatives(question: &str) -> Option<(String, String)> {
    let asked = spoken(question);
    let at = asked.iter().position(|w| w == "or").filter(|_| !asks_how_many(question))?;
    let names = |w: &&String| !matches!(w.as_str(), "the" | "a" | "an" | "in" | "on" | "or");
    let one = asked.get(..at)?.iter().rev().find(names)?;
    let other = asked.get(at..)?.iter().find(names)?;
    Some((one.clone(), other.clone()))
}

/// Which of the two that a question offers the answer takes.
pub(super) fn choice(question: &str, said: &str) -> Option<String> {
    let asked = spoken(question);
    let (one, other) = alternatives(question)?;
    let spoken_answer = spoken(said);
    let place = |word: &String| spoken_answer.iter().position(|w| w == word);
    let than = spoken_answer.iter().position(|w| w == "than");
    match (place(&one), place(&other)) {
        (Some(_), None) => Some(one),
        (None, Some(_)) => Some(other),
        (Some(a), Some(b)) => {
            // "The vase is taller than the lamp" says which is taller, not which is smaller.
            let compared = comparisons(&asked).iter().any(|w| w != "than" && spoken_answer.contains(w));
            let parted = than.is_some_and(|than| a.min(b) < than && than < a.max(b));
            (compared && parted).then_some(if a < b { one } else { other })
        }
        (None, None) => None,
    }
}

/// The question asks for a number of things.
pub(super) fn asks_how_many(question: &str) -> bool {
    spoken(question).windows(2).any(|pair| matches!(pair, [how, many] if how == "how" && many == "many"))
}

/// A bare number may answer the question: it does not ask what something is, or what goes on.
pub(super) fn asks_number(question: &str) -> bool {
    const NUMBERS: &[&str] = &[
        "many", "much", "number", "count", "total", "sum", "amount", "times", "often", "more", "fewer", "less",
        "quantity", "few",
    ];
    !asks_openly(question) || spoken(question).iter().any(|w| NUMBERS.contains(&w.as_str()))
}

/// The question asks which number stands somewhere: that of a bus, a house, a shirt.
pub(super) fn asks_which_number(question: &str) -> bool {
    spoken(question).windows(2).any(|pair| match pair {
        [a, b] => matches!(a.as_str(), "what" | "which") && matches!(b.as_str(), "number" | "numbers"),
        _ => false,
    })
}

/// The question speaks of colours, or of light and dark.
pub(super) fn names_color(question: &str) -> bool {
    const WORDS: &str = "\
        colored coloured colorful colourful gray gold golden silver tan shade hue tone dark darker light \
        bright brighter grayscale greyscale monochrome tint";
    let is_color = |w: &str| matches!(w.trim_end_matches('s'), "color" | "colour") || listed(WORDS, w);
    spoken(question).iter().any(|w| is_color(w))
}

/// The question asks which colour something has.
pub(super) fn asks_color(question: &str) -> bool {
    let color = |w: &str| matches!(w, "color" | "colour" | "colors" | "colours");
    let spoken = spoken(question);
    let asks = spoken.windows(2).any(|pair| match pair {
        [a, b] => (matches!(a.as_str(), "what" | "which") && color(b)) || (color(a) && b == "of"),
        _ => false,
    });
    asks && asks_openly(question) && !asks_how_many(question)
}

/// A question for a colour names a thing that has it, besides the picture itself.
pub(super) fn colored_thing(question: &str) -> bool {
    const WHOLE: &str = "\
        color colors colour colours main dominant dominates dominate dominating overall mostly most \
        prevails prevailing prominent common used frame scan page whole made mainly name list scene \
        background here palette average least one two three four five top be you options";
    let asked = question.split("(A)").next().unwrap_or(question);
    spoken(asked).iter().any(|w| !listed(SILENT, w) && !listed(WHOLE, w))
}

/// The question wants an image: something cut out, drawn, or shown.
pub(super) fn asks_for_image(question: &str) -> bool {
    const MAKING: &str = "\
        crop cut draw mark highlight show annotate outline box boxes zoom enlarge circle frame extract \
        label image picture photo blur resize rotate make give return part region close see isolate magnify \
        display cropped closer detail section trim point locate find where visualize visualise thumbnail";
    let spoken = spoken(question);
    let polite = spoken.get(1).is_some_and(|w| w == "you");
    (polite || !asks_plainly(question)) && spoken.iter().any(|w| listed(MAKING, w))
}

/// The options that a question offers by letters, `(A) a cat, (B) a dog`, in order.
pub(super) fn options(question: &str) -> Vec<(char, String)> {
    static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\(([A-Z])\)").ok());
    let Some(option) = OPTION.as_ref() else { return Vec::new() };
    let marks: Vec<_> = option.captures_iter(question).filter_map(|c| Some((c.get(0)?, c.get(1)?))).collect();
    let ends = marks.iter().skip(1).map(|(mark, _)| mark.start()).chain([question.len()]);
    let options: Vec<(char, String)> = marks
        .iter()
        .zip(ends)
        .filter_map(|((mark, letter), end)| {
            let text = question.get(mark.end()..end)?.trim().trim_end_matches([',', ';', '.', '?', '!']).trim();
            let joined = |text: &str| ["and", "or"].contains(&text);
            let text = match text.rsplit_once(' ') {
                Some((before, last)) if joined(last) => before.trim_end_matches([',', ';', ' ']),
                None if joined(text) => "",
                _ => text,
            };
            Some((letter.as_str().chars().next()?, text.to_owned()))
        })
        .collect();
    let in_order = options.iter().zip('A'..='Z').all(|((letter, _), wanted)| *letter == wanted);
    let all_said = options.iter().all(|(_, text)| !text.is_empty());
    if options.len() > 1 && in_order && all_said { options } else { Vec::new() }
}

/// The question asks what is written.
pub(crate) fn asks_to_read(question: &str) -> bool {
    spoken(question).iter().any(|w| READING.contains(&w.as_str()))
}

/// The yes or no that a sentence begins with, and what follows it.
pub(super) fn lead(sentence: &str) -> Option<(bool, &str)> {
    let sentence = sentence.trim();
    let end = sentence.find(|c: char| !c.is_alphanumeric()).unwrap_or(sentence.len());
    let (word, rest) = (sentence.get(..end)?, sentence.get(end..)?);
    let yes = word.eq_ignore_ascii_case("yes");
    let stop = |c: char| matches!(c, ',' | '.' | ':' | ';' | '!' | '-' | '–' | '—');
    let parted = rest.is_empty() || rest.trim_start().starts_with(stop);
    (parted && (yes || word.eq_ignore_ascii_case("no")))
        .then(|| (yes, rest.trim_start_matches(|c: char| stop(c) || c.is_whitespace())))
}

/// The sentence without the yes or no that it begins with; nothing when that is all it says.
pub(super) fn without_lead(sentence: &str) -> Option<String> {
    let (_, rest) = lead(sentence)?;
    let mut chars = rest.chars();
    let first = chars.next()?;
    Some(first.to_uppercase().chain(chars).collect())
}

/// A label after a number.
pub(super) fn of_number(label: &str, number: f64) -> String {
    if (number - 1.0).abs() < 1e-9 {
        return label.to_owned();
    }
    for (one, many) in [("person", "people"), ("man", "men"), ("child", "children"), ("mouse", "mice")] {
        match label.strip_suffix(one) {
            Some(stem) if stem.is_empty() || stem.ends_with([' ', 'o']) => return format!("{stem}{many}"),
            _ => {}
        }
    }
    if same_label(label, &format!("{label}s")) && !label.ends_with('s') && !is_plural(label) {
        return format!("{label}s");
    }
    if label.ends_with("ss") || label.ends_with("bus") || label.ends_with("ch") || label.ends_with("sh") {
        return format!("{label}es");
    }
    label.to_owned()
}

fn is_plural(label: &str) -> bool {
    matches!(label, "people" | "men" | "women" | "children" | "mice" | "sheep")
}
