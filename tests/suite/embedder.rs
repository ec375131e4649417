//! Text embedders, and what they find in the library of demos.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::embedder::{Kept, MiniLm, TextEmbedder, similarity};
use lavr::error::{Error, ErrorKind, Result};
use lavr::message::Message;
use lavr::plan::Plan;
use lavr::prompt::Prompts;
use lavr::runner::{LazyFile, OrtModel};
use tokio_util::sync::CancellationToken;

use crate::experts::{cx, json, repository, runtime};
use crate::real::{self, model_file};

fn minilm() -> MiniLm {
    let model = OrtModel::File(LazyFile::at(model_file("all-minilm-l6-v2")));
    let runner = runtime().unwrap().runner("text-embedder", model);
    MiniLm::new(Arc::new(runner), LazyFile::at(model_file("all-minilm-l6-v2-tokenizer")))
}

/// Says of each text only whether it holds a word; counts the texts it is given.
struct Word {
    word: &'static str,
    seen: AtomicUsize,
}

impl Word {
    fn new(word: &'static str) -> Arc<Self> {
        Arc::new(Self { word, seen: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl TextEmbedder for Word {
    async fn embed(&self, _cx: &Cx, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        self.seen.fetch_add(texts.len(), Ordering::SeqCst);
        let vector = |text: &&str| if text.contains(self.word) { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
        Ok(texts.iter().map(vector).collect())
    }
}

struct Broken;

#[async_trait]
impl TextEmbedder for Broken {
    async fn embed(&self, _cx: &Cx, _texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        Err(Error::new(ErrorKind::Offline, "there is no model"))
    }
}

/// Gives what it is told to, whatever it is asked; or nothing, ever.
struct Odd(Option<Vec<Vec<f32>>>);

#[async_trait]
impl TextEmbedder for Odd {
    async fn embed(&self, _cx: &Cx, _texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        match &self.0 {
            Some(vectors) => Ok(vectors.clone()),
            None => std::future::pending().await,
        }
    }
}

#[test]
fn vectors_are_those_of_the_original() {
    let embedder = minilm();
    let cases = json(&repository("tests/reference/embedder/minilm.json"));
    let cases = cases.as_array().unwrap();
    let vectors = |name: &str| -> Vec<Vec<f32>> {
        cases.iter().map(|case| serde_json::from_value(case[name].clone()).unwrap()).collect()
    };
    let texts: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
    let ours = real::block_on(embedder.embed(&cx(), &texts)).unwrap();
    for ((ours, int8), (full, text)) in ours.iter().zip(vectors("int8")).zip(vectors("float").iter().zip(texts)) {
        assert_eq!(ours.len(), 384);
        let (same, near) = (similarity(ours, &int8), similarity(ours, full));
        assert!(same > 0.9999, "{text}: {same} to the same model in Python");
        assert!(near > 0.998, "{text}: {near} to the weights of 32 bits");
    }
    assert!(similarity(&ours[0], &ours[1]) > 0.8, "the same question in other words");
    assert!(similarity(&ours[0], &ours[5]) < 0.3, "another question");
}

#[test]
fn odd_texts_have_vectors_too() {
    let long = "word ".repeat(50_000);
    for text in ["", " ", "\u{0}", "日本語の質問", "🦒", &long] {
        let vectors = real::block_on(minilm().embed(&cx(), &[text])).unwrap();
        let length = similarity(&vectors[0], &vectors[0]);
        assert!((length - 1.0).abs() < 1e-4, "{text:.20}: length {length}");
    }
}

#[test]
fn a_tokenizer_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    std::fs::write(&file, "{}").unwrap();
    let model = OrtModel::File(LazyFile::at(model_file("all-minilm-l6-v2")));
    let embedder = MiniLm::new(Arc::new(runtime().unwrap().runner("text-embedder", model)), LazyFile::at(&file));
    let error = real::block_on(embedder.embed(&cx(), &["a"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}

#[test]
fn embeddings_of_many_texts_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..9).map(|n| format!("text {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embed = |word: &Arc<Word>, model: &str, texts: &[&str]| {
        let inner = Arc::<Word>::clone(word);
        let vectors = real::block_on(Kept::new(inner, model, folder.path()).embed(&cx(), texts)).unwrap();
        assert_eq!(vectors.len(), texts.len());
        (vectors, word.seen.swap(0, Ordering::SeqCst))
    };
    let word = Word::new("3");
    let (first, made) = embed(&word, "a", &texts);
    assert_eq!(made, 9);
    assert_eq!(embed(&word, "a", &texts), (first.clone(), 0), "they are read");
    assert_eq!(embed(&word, "b", &texts).1, 9, "another model");
    assert_eq!(embed(&word, "a", &texts[..8]).1, 8, "other texts");
    assert_eq!((embed(&word, "a", &texts[..2]).1, embed(&word, "a", &texts[..2]).1), (2, 2), "a few are made anew");

    let nine = |vector: &str| format!("[{}]", [vector; 9].join(","));
    for damaged in ["[[1.0, 0.0], [2.0]]", "", "{}", &nine("[]"), &nine("[1.0, 1.0]"), &nine("[1e300, 0.0]")] {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::write(entry.unwrap().path(), damaged).unwrap();
        }
        assert_eq!(embed(&word, "a", &texts), (first.clone(), 9), "{damaged}: made again");
    }
    std::fs::write(folder.path().join("other.unfinished"), "of another process").unwrap();
    for model in 0..20 {
        embed(&word, &model.to_string(), &texts);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 17, "old ones go, and nothing else");
}

#[test]
fn embeddings_that_cannot_be_kept_are_used_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let kept = Kept::new(Word::new("a"), "a", file.join("folder"));
    assert_eq!(real::block_on(kept.embed(&cx(), &["a"; 9])).unwrap().len(), 9);
}

/// What is shown along with a question.
fn shown(embedder: Option<Arc<dyn TextEmbedder>>, cx: &Cx, question: &str) -> Result<Vec<Message>> {
    let catalog = real::agent().catalog();
    let library = Prompts::builtin().unwrap().plan_lookup(catalog).unwrap();
    let library = match embedder {
        Some(embedder) => library.with_embedder(embedder),
        None => library,
    };
    real::block_on(library.similar(cx, question, 1, catalog))
}

#[test]
fn meaning_decides_where_words_say_little() {
    let question = "So what is the grand total?";
    let by_meaning = shown(Some(Word::new("banner")), &cx(), "Tell me of the banner, please").unwrap();
    assert!(by_meaning.iter().any(|m| m.content.contains("banner")), "{by_meaning:?}");
    let by_words = shown(None, &cx(), question).unwrap();
    assert_eq!(shown(Some(Arc::new(Broken)), &cx(), question).unwrap(), by_words, "words stand in for a broken one");
    let real = shown(Some(Arc::new(minilm())), &cx(), "On what day will the show open?").unwrap();
    assert!(real.iter().any(|m| m.content.contains("On which day is the exhibition")), "{real:?}");
}

#[test]
fn the_spelling_of_a_word_makes_no_difference() {
    let shown = |question: &str| shown(None, &cx(), question).unwrap();
    assert_eq!(shown("What color is the largest car?"), shown("What colour is the largest car?"));
    assert!(shown("What color is the largest car?").iter().any(|m| m.content.contains("color_of")));
}

#[test]
fn words_stand_in_for_vectors_that_are_none() {
    let question = "So what is the grand total?";
    let by_words = shown(None, &cx(), question).unwrap();
    for odd in [vec![], vec![vec![]; 200], vec![vec![1.0]; 3], vec![vec![f32::NAN, 0.0]; 103]] {
        assert_eq!(shown(Some(Arc::new(Odd(Some(odd)))), &cx(), question).unwrap(), by_words);
    }
}

#[test]
fn an_embedder_that_never_answers_ends_with_the_run() {
    let short = Cx::new(Budget { timeout_ms: 50, ..Budget::default() });
    let error = shown(Some(Arc::new(Odd(None))), &short, "How many cows are there?").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    let cancel = CancellationToken::new();
    let stopped = Cx::with(Budget::default(), cancel.clone(), Vec::new());
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        cancel.cancel();
    });
    let error = shown(Some(Arc::new(Odd(None))), &stopped, "How many cows are there?").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// How many questions are shown a demo whose plan has tools that do for them, by words alone and by meaning, too.
#[test]
fn words_and_meaning_together_choose_better_demos_than_words() {
    let catalog = real::agent().catalog();
    let by_words = Prompts::builtin().unwrap().plan_lookup(catalog).unwrap();
    let by_both = by_words.clone().with_embedder(Arc::new(minilm()));
    let (mut right, mut asked) = ([0; 2], 0);
    for set in ["dev", "auto", "kept"] {
        for case in real::json_lines(&repository(&format!("tests/questions/{set}.jsonl"))) {
            let accepted: Vec<Vec<String>> = serde_json::from_value(case["tools"].clone()).unwrap();
            let (question, images) = (case["question"].as_str().unwrap(), case["images"].as_u64().unwrap() as usize);
            asked += 1;
            for (right, library) in right.iter_mut().zip([&by_words, &by_both]) {
                let shown = real::block_on(library.similar(&cx(), question, images, catalog)).unwrap();
                let does = |message: &Message| {
                    Plan::parse(&message.content).is_ok_and(|plan| {
                        let tools: Vec<String> = plan.steps.iter().map(|step| step.tool.clone()).collect();
                        accepted.contains(&tools)
                    })
                };
                *right += usize::from(shown.iter().any(does));
            }
        }
    }
    println!("of {asked} questions, {} are shown a fitting demo by words, {} by words and meaning", right[0], right[1]);
    assert!(right[1] >= right[0] + 5, "{right:?} of {asked}");
}

#[test]
fn a_run_that_has_ended_ends_the_choice_of_demos() {
    let cancel = CancellationToken::new();
    let stopped = Cx::with(Budget::default(), cancel.clone(), Vec::new());
    cancel.cancel();
    let error = shown(Some(Arc::new(Broken)), &stopped, "How many cows are there?").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
