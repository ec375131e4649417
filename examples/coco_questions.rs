//! Makes yes/no and counting questions of photos whose objects are known, as cases for `lavr eval`.
//!
//! The yes/no questions are sampled as in POPE (Li et al. 2023): for each photo as many labels that are not in it as
//! labels that are, every other one from those most frequent in the whole set ("popular"), else at random.
//! The counting questions ask for each label of a photo.
//!
//!     cargo run --release --example coco_questions -- photos/questions.jsonl presence.jsonl counting.jsonl
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lavr::error::{Error, Result};
use serde_json::{Value as Json, json};

/// Most labels of a photo that are asked about.
const PER_PHOTO: usize = 3;

/// A photo and how many of each thing it shows.
struct Photo {
    file: PathBuf,
    counts: BTreeMap<String, usize>,
    /// Its objects with their boxes, for `lavr eval --oracle tools`.
    objects: Json,
}

impl Photo {
    fn case(&self, question: &str, answer: &Json) -> Json {
        json!({ "image": self.file, "question": question, "answer": answer, "objects": self.objects })
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [cases, presence, counting] = args.as_slice() else {
        return Err(Error::invalid("usage: coco_questions CASES.jsonl PRESENCE.jsonl COUNTING.jsonl"));
    };
    let photos = read(Path::new(cases))?;
    let asked = [(presence, presence_questions(&photos)), (counting, counting_questions(&photos))];
    for (file, cases) in asked {
        let lines: Vec<String> = cases.iter().map(Json::to_string).collect();
        std::fs::write(file, lines.join("\n") + "\n")?;
        println!("{file}: {} questions", cases.len());
    }
    Ok(())
}

fn read(cases: &Path) -> Result<Vec<Photo>> {
    let folder = std::path::absolute(cases)?.parent().map(Path::to_path_buf).unwrap_or_default();
    let photo = |line: &str| {
        let case: Json = serde_json::from_str(line).map_err(|e| Error::invalid(format!("not a case: {e}")))?;
        let mut counts = BTreeMap::new();
        for thing in case["objects"].as_array().into_iter().flatten() {
            if let Some(label) = thing["label"].as_str() {
                *counts.entry(label.to_owned()).or_insert(0) += 1;
            }
        }
        let file = folder.join(case["image"].as_str().unwrap_or_default());
        Ok(Photo { file, counts, objects: case["objects"].clone() })
    };
    std::fs::read_to_string(cases)?.lines().filter(|line| !line.trim().is_empty()).map(photo).collect()
}

fn presence_questions(photos: &[Photo]) -> Vec<Json> {
    let mut spread: BTreeMap<&str, usize> = BTreeMap::new();
    for label in photos.iter().flat_map(|photo| photo.counts.keys()) {
        *spread.entry(label).or_insert(0) += 1;
    }
    let mut popular: Vec<&str> = spread.keys().copied().collect();
    popular.sort_by_key(|label| std::cmp::Reverse(spread.get(label)));
    let mut dice = Dice(17);
    let mut cases = Vec::new();
    for photo in photos {
        let present: Vec<&str> = photo.counts.keys().map(String::as_str).collect();
        let present = dice.pick(present, PER_PHOTO);
        let absent: Vec<&str> = popular.iter().copied().filter(|label| !photo.counts.contains_key(*label)).collect();
        let random = dice.pick(absent.clone(), absent.len());
        let mut chosen: Vec<&str> = Vec::new();
        for n in 0..present.len() {
            let from = if n % 2 == 0 { &absent } else { &random };
            chosen.extend(from.iter().find(|label| !chosen.contains(label)).copied());
        }
        let answers = present.iter().map(|label| (label, "yes")).chain(chosen.iter().map(|label| (label, "no")));
        for (label, answer) in answers {
            let question = format!("Is there {} {label} in the image?", article(label));
            cases.push(photo.case(&question, &json!(answer)));
        }
    }
    cases
}

fn counting_questions(photos: &[Photo]) -> Vec<Json> {
    let ask = |photo: &Photo, label: &str, count: usize| {
        let question = format!("How many {} are in the image?", plural(label));
        photo.case(&question, &json!(count))
    };
    photos.iter().flat_map(|photo| photo.counts.iter().map(|(label, count)| ask(photo, label, *count))).collect()
}

fn article(label: &str) -> &'static str {
    if label.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn plural(label: &str) -> String {
    match label {
        "person" => "people".to_owned(),
        "mouse" => "mice".to_owned(),
        "sheep" | "skis" | "scissors" | "broccoli" => label.to_owned(),
        "knife" => "knives".to_owned(),
        _ if ["s", "sh", "ch", "x"].iter().any(|end| label.ends_with(end)) => format!("{label}es"),
        _ => format!("{label}s"),
    }
}

/// A small generator of numbers that are the same in every run (Marsaglia's xorshift, 2003).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Some of these, at random.
    fn pick<T>(&mut self, from: Vec<T>, most: usize) -> Vec<T> {
        let mut keyed: Vec<(u64, T)> = from.into_iter().map(|item| (self.next(), item)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        keyed.into_iter().take(most).map(|(_, item)| item).collect()
    }
}
