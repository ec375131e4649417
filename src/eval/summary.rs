//! Summaries: what many records come to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::cause::Cause;
use super::judge::Metric;
use super::metric::detection::{Object, Scene, average_precision};
use super::metric::plan::PlanCounts;
use super::metric::yesno::Pope;
use super::metric::{Counts, caption};
use super::record::Record;
use super::stat::{Bootstrap, Interval, interval, mean_interval, percentile};
use crate::value::Region;

/// What many records come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The metric.
    pub metric: Metric,
    /// How many cases there are.
    pub cases: usize,
    /// The scores, the one that counts first; intervals are 95 % bootstraps over cases.
    pub scores: Vec<Score>,
    /// Why cases are wrong, and how many.
    pub causes: BTreeMap<Cause, usize>,
    /// Seconds a case took: the median, and what 90 % stay under.
    pub seconds: [f64; 2],
    /// Tokens a case took, prompts (computed) and replies: the median, and what 90 % stay under.
    pub tokens: [f64; 2],
    /// LLM calls, and how many of them were answered from earlier ones: these took no time.
    /// Left out of the JSON when there were none.
    #[serde(skip_serializing_if = "none_reused")]
    pub llm_calls: [u64; 2],
    /// Rounds of planning, on average.
    pub rounds: f64,
    /// What all cases cost in US dollars, where prices are known.
    pub cost_usd: Option<f64>,
}

fn none_reused([_, reused]: &[u64; 2]) -> bool {
    *reused == 0
}

/// One score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// What it is.
    pub name: String,
    /// How many cases it is of.
    pub cases: usize,
    /// The score, with its interval.
    #[serde(flatten)]
    pub interval: Interval,
}

/// Sums records up; nothing without records.
pub fn summary(records: &[Record]) -> Option<Summary> {
    let metric = records.first()?.metric;
    let mut causes = BTreeMap::new();
    for cause in records.iter().filter_map(|record| record.cause) {
        *causes.entry(cause).or_insert(0) += 1;
    }
    let of = |value: &dyn Fn(&Record) -> f64| -> [f64; 2] {
        let values: Vec<f64> = records.iter().map(value).collect();
        [50.0, 90.0].map(|percent| percentile(&values, percent).unwrap_or_default())
    };
    let costs: Vec<f64> = records.iter().filter_map(|record| record.usage.cost_usd).collect();
    Some(Summary {
        metric,
        cases: records.len(),
        scores: scores(metric, records),
        causes,
        seconds: of(&|record| record.ms as f64 / 1000.0),
        tokens: of(&|record| (record.usage.prompt_tokens + record.usage.completion_tokens) as f64),
        llm_calls: [
            records.iter().map(|record| record.usage.llm_calls).sum(),
            records.iter().map(|record| record.usage.reused_calls).sum(),
        ],
        rounds: records.iter().map(|record| record.rounds as f64).sum::<f64>() / records.len() as f64,
        cost_usd: (!costs.is_empty()).then(|| costs.iter().sum()),
    })
}

fn scores(metric: Metric, records: &[Record]) -> Vec<Score> {
    match metric {
        Metric::Field => fields(records),
        Metric::Yesno => presence(records),
        Metric::Detection => detection(records),
        Metric::Ocr => reading(records),
        Metric::Caption => captions(records),
        Metric::Plan => plans(records),
        _ => mean(metric.name(), records, |record| Some(record.score)).into_iter().collect(),
    }
}

fn mean(name: &str, records: &[Record], score: impl Fn(&Record) -> Option<f64>) -> Option<Score> {
    let values: Vec<f64> = records.iter().filter_map(score).collect();
    let interval = mean_interval(&values, &Bootstrap::default())?;
    Some(Score { name: name.to_owned(), cases: values.len(), interval })
}

/// A score that is made of all cases at once.
fn whole<T>(name: &str, parts: &[T], estimate: impl Fn(&[&T]) -> f64) -> Option<Score> {
    let of_drawn = |drawn: &[usize]| estimate(&drawn.iter().filter_map(|n| parts.get(*n)).collect::<Vec<_>>());
    // Without any truth there is no such score.
    let interval = interval(parts.len(), &Bootstrap::default(), of_drawn).filter(|i| i.estimate.is_finite())?;
    Some(Score { name: name.to_owned(), cases: parts.len(), interval })
}

fn details<T: serde::de::DeserializeOwned>(records: &[Record], key: &str) -> Vec<T> {
    records.iter().filter_map(|record| detail(record, key)).collect()
}

fn detail<T: serde::de::DeserializeOwned>(record: &Record, key: &str) -> Option<T> {
    serde_json::from_value(record.detail.get(key)?.clone()).ok()
}

fn fields(records: &[Record]) -> Vec<Score> {
    let field = |record: &Record| record.detail.get("field").and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut all: Vec<Score> = mean("field", records, |record| Some(record.score)).into_iter().collect();
    let mut names: Vec<String> = records.iter().map(field).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |record: &Record| field(record) == name;
        all.extend(mean(&name, records, |record| of(record).then_some(record.score)));
        let similar = |record: &Record| record.detail.get("anls").and_then(Json::as_f64).filter(|_| of(record));
        all.extend(mean(&format!("{name} anls"), records, similar));
    }
    all
}

fn presence(records: &[Record]) -> Vec<Score> {
    let pair = |record: &Record| {
        (
            record.detail.get("said").and_then(Json::as_bool),
            record.detail.get("truth").and_then(Json::as_bool) == Some(true),
        )
    };
    let pairs: Vec<(Option<bool>, bool)> = records.iter().map(pair).collect();
    let pope = |drawn: &[&(Option<bool>, bool)]| Pope::of(drawn.iter().map(|pair| **pair));
    let all = [
        whole("accuracy", &pairs, |drawn| pope(drawn).accuracy()),
        whole("precision", &pairs, |drawn| pope(drawn).counts().precision()),
        whole("recall", &pairs, |drawn| pope(drawn).counts().recall()),
        whole("f1", &pairs, |drawn| pope(drawn).counts().f1()),
        whole("yes-ratio", &pairs, |drawn| pope(drawn).yes_ratio()),
    ];
    all.into_iter().flatten().collect()
}

fn detection(records: &[Record]) -> Vec<Score> {
    let counts: Vec<Counts> = details(records, "counts");
    let image = |record: &Record| Some((detail(record, "found")?, detail(record, "truth")?));
    let images: Vec<(Vec<Region>, Vec<Object>)> = records.iter().filter_map(image).collect();
    let precision = |drawn: &[&(Vec<Region>, Vec<Object>)]| {
        let scenes: Vec<Scene<'_>> = drawn.iter().map(|(found, truth)| Scene { found, truth }).collect();
        average_precision(&scenes)
    };
    let sum = |drawn: &[&Counts]| drawn.iter().copied().copied().sum::<Counts>();
    let all = [
        whole("f1@0.5", &counts, |drawn| sum(drawn).f1()),
        whole("precision", &counts, |drawn| sum(drawn).precision()),
        whole("recall", &counts, |drawn| sum(drawn).recall()),
        whole("mAP@[.5:.95]", &images, |drawn| precision(drawn).map_or(f64::NAN, |p| p.mean)),
        whole("AP@0.5", &images, |drawn| precision(drawn).map_or(f64::NAN, |p| p.at_50)),
    ];
    all.into_iter().flatten().collect()
}

fn reading(records: &[Record]) -> Vec<Score> {
    let edits: Vec<super::metric::ocr::Edits> = details(records, "edits");
    let lines: Vec<Counts> = details(records, "lines");
    let rate =
        |drawn: &[&super::metric::ocr::Edits]| drawn.iter().copied().copied().sum::<super::metric::ocr::Edits>().rate();
    let all = [
        whole("character error rate", &edits, rate),
        whole("line f1", &lines, |drawn| drawn.iter().copied().copied().sum::<Counts>().f1()),
    ];
    all.into_iter().flatten().collect()
}

fn captions(records: &[Record]) -> Vec<Score> {
    let references =
        |record: &Record| -> Vec<String> { serde_json::from_value(record.truth.clone()).unwrap_or_default() };
    let pairs: Vec<(String, Vec<String>)> =
        records.iter().map(|r| (r.answer.as_str().unwrap_or_default().to_owned(), references(r))).collect();
    let case = |(said, references): &(String, Vec<String>)| -> caption::Bleu {
        caption::Bleu::of(caption::Case { caption: said, references })
    };
    let cases: Vec<caption::Case<'_>> =
        pairs.iter().map(|(caption, references)| caption::Case { caption, references }).collect();
    let cider = caption::cider_d(&cases);
    let bleu: Vec<caption::Bleu> = pairs.iter().map(case).collect();
    let all = [
        whole("CIDEr-D", &cider, |drawn| drawn.iter().copied().sum::<f64>() / drawn.len() as f64),
        whole("BLEU-4", &bleu, |drawn| drawn.iter().copied().copied().sum::<caption::Bleu>().score()),
    ];
    all.into_iter().flatten().collect()
}

fn plans(records: &[Record]) -> Vec<Score> {
    let counts: Vec<PlanCounts> = details(records, "counts");
    let f1 = |of: fn(PlanCounts) -> Counts| {
        move |drawn: &[&PlanCounts]| of(drawn.iter().copied().copied().sum::<PlanCounts>()).f1()
    };
    let all = [
        whole("node f1", &counts, f1(|c| c.nodes)),
        whole("edge f1", &counts, f1(|c| c.links)),
        whole("argument name f1", &counts, f1(|c| c.argument_names)),
        whole("argument value f1", &counts, f1(|c| c.argument_values)),
        mean("valid plans", records, |record| Some(f64::from(u8::from(!record.plan.is_null())))),
    ];
    all.into_iter().flatten().collect()
}
