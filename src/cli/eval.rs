//! `lavr eval`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, ReasonOptions, check_beside, same_file};
use super::progress::Bars;
use super::{Exit, Stop, or_json, output, usage};
use crate::chain::Chain;
use crate::chat::named;
use crate::config::Config;
use crate::demo;
use crate::error::{Error, ErrorKind, Result};
use crate::eval::case::Case;
use crate::eval::compare::{Comparison, compare};
use crate::eval::judge::{self, Metric, Work};
use crate::eval::oracle::Oracle;
use crate::eval::record::Record;
use crate::eval::results::{self, Results};
use crate::eval::run::{Evaluation, Setting};
use crate::eval::summary::{Score, Summary, summary};
use crate::files::read_at_most;
use crate::observation::Failure;
use crate::style::Style;
use crate::tool::added::manifests;
use crate::tool::builtin;
use crate::tool::declared::MAX_BYTES;

/// Seconds that a case may take.
const TIMEOUT: f64 = 300.0;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr eval receipts/questions.jsonl --metric field --out before.jsonl\n  \
    lavr eval receipts/questions.jsonl --metric field --out before.jsonl --resume\n  \
    lavr eval photos/questions.jsonl --metric detection\n  \
    lavr eval requests.jsonl --metric plan --tools tool_desc.json\n  \
    lavr eval --compare before.jsonl after.jsonl\n\n\
    A case is a JSON object on one line: `image` (seen from the file with the cases), `question`, `answer`, and what the\n\
    metric needs: `answer_gt` (vqa), `choices`, `field`, `objects` (detection), `lines` (ocr), `references` (caption).\n\
    Each case becomes a line of RESULTS.jsonl: image, question, answer, truth, score, and how it came about.")]
pub(super) struct EvalArgs {
    /// Cases, one JSON object a line
    #[arg(required_unless_present = "compare")]
    cases: Option<PathBuf>,

    /// How answers are scored
    ///
    /// vqa: VQA accuracy over the annotators. exact: the same text. anls: edit similarity, at least a half.
    /// field: a receipt's company, date, address or total. choice: the right option. number: its first number is the truth.
    /// yesno: accuracy, precision, recall, yes-ratio as POPE has them. caption: CIDEr-D and BLEU-4.
    /// detection: the detector alone, F1 at an overlap of 0.5 and COCO's mAP. ocr: the reader alone, character
    /// error rate and F1 of lines. plan: the plan alone, F1 of tools, links and arguments as TaskBench has them.
    #[arg(long, value_name = "METRIC", required_unless_present = "compare", value_parser = metric())]
    metric: Option<Metric>,

    #[command(flatten)]
    llm: LlmOptions,

    #[command(flatten)]
    reason: ReasonOptions,

    /// Let a case that the evidence does not answer go unanswered. Without this, metrics that expect an answer in any
    /// case (vqa, choice, number, yesno) get a best guess there, as `lavr ask --guess` gives it
    #[arg(long)]
    no_guess: bool,

    /// Wall-clock limit of each case, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = super::options::seconds)]
    timeout: f64,

    /// Run only the first N cases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// How many cases run at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,

    /// Write each case's record here, one JSON object a line
    #[arg(long, value_name = "RESULTS.jsonl")]
    out: Option<PathBuf>,

    /// Go on with the file of --out: cases that are in it are not run again
    #[arg(long, requires = "out")]
    resume: bool,

    /// The truth in place of the experts (`tools`) or of the planner (`plan`), to see what bounds the score
    #[arg(long, value_name = "PART", value_parser = oracle())]
    oracle: Option<Oracle>,

    /// Compare two files of results, case by case: the difference with its interval, and the cases that flipped
    #[arg(long, num_args = 2, value_names = ["A.jsonl", "B.jsonl"], conflicts_with_all = ["cases", "metric", "out", "resume", "oracle", "limit", "jobs", "tools", "demos", "mode", "chain", "style", "schema", "no_guess", "timeout"])]
    compare: Option<Vec<PathBuf>>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn metric() -> impl TypedValueParser<Value = Metric> {
    PossibleValuesParser::new(Metric::names()).try_map(|name| name.parse::<Metric>())
}

fn oracle() -> impl TypedValueParser<Value = Oracle> {
    PossibleValuesParser::new(Oracle::NAMES).try_map(|name| name.parse::<Oracle>())
}

pub(super) async fn run(args: EvalArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let object = |error: &Error| json!({ "error": Failure::from(error) });
    let json = args.json;
    let result = match args.compare.as_deref() {
        Some([first, second]) => compared(first, second, json),
        _ => evaluate(&args, cancel).await,
    };
    or_json(result, json, object)
}

async fn evaluate(args: &EvalArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let (Some(file), Some(metric)) = (&args.cases, args.metric) else {
        return Err(usage(Error::invalid("give a file of cases and a --metric")));
    };
    let config = args.config().map_err(usage)?;
    if config.declares_tools() && metric != Metric::Plan {
        return Err(usage(Error::invalid(
            "tools that are only declared cannot run; --tools goes with `--metric plan`",
        )));
    }
    if args.oracle.is_some() && metric.work() != Work::Ask {
        return Err(usage(Error::invalid(format!("`--metric {metric}` asks nothing that --oracle could know"))));
    }
    let mut cases = Case::read(file).map_err(usage)?;
    cases.truncate(args.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)));
    for case in &cases {
        metric.check(case).map_err(|e| usage(e.context(format!("cases `{}`", file.display()))))?;
    }
    if let Some(out) = &args.out {
        check_beside("--out", out, config.llm_cache.as_ref()).map_err(usage)?;
    }
    let setting = args.setting(metric, &config).map_err(usage)?;
    let (mut records, mut results) = open(args, &setting, &cases).map_err(usage)?;
    let evaluation = prepare(&config, setting, &cancel).await?;
    let done: HashSet<usize> = records.iter().map(|record| record.line).collect();
    let todo: Vec<&Case> = cases.iter().filter(|case| !done.contains(&case.line)).collect();
    let bar = bar(cases.len(), done.len());
    let left = drive(args, &evaluation, &todo, &cancel, |record| {
        results.as_mut().map_or(Ok(()), |results| results.add(&record))?;
        records.push(record);
        bar.set_message(running_score(&records));
        bar.inc(1);
        Ok(())
    })
    .await;
    bar.finish_and_clear();
    let left = left.map_err(|error| {
        let way_out = if args.out.is_some() { "; go on with --resume" } else { "" };
        Stop::from(Error::new(
            error.kind(),
            format!("{error}; {} of {} cases are done{way_out}", records.len(), cases.len()),
        ))
    })?;
    if left.untold > 0 {
        let (untold, of) = (left.untold, cases.len());
        output::note(&format!("{untold} of {of} cases do not tell what the oracle has to know, and did not run"));
    }
    for error in &left.failed {
        output::note(&format!("error: {error}"));
    }
    records.sort_by_key(|record| record.line);
    let Some(summary) = summary(&records) else {
        return Err(Error::invalid("no case could be run").into());
    };
    if args.json {
        let mut sum = json!(summary);
        sum["untold"] = json!(left.untold);
        sum["not_run"] = json!(left.failed.iter().map(ToString::to_string).collect::<Vec<_>>());
        output::print_json(&sum)?;
    } else {
        output::print(&table(&summary))?;
    }
    if !left.failed.is_empty() {
        let (failed, of) = (left.failed.len(), cases.len());
        output::note(&format!("{failed} of {of} cases could not run; mend them and go on with --out and --resume"));
    }
    Ok(if left.failed.is_empty() && left.untold == 0 { Exit::Answered } else { Exit::Failed })
}

/// The cases that came to no record.
#[derive(Default)]
struct Left {
    /// How many do not tell what the oracle has to know.
    untold: usize,
    /// Why others could not run: an image that is missing or damaged, a plan of their own that is faulty.
    failed: Vec<Error>,
}

/// Runs cases, some at a time, and hands over each record.
///
/// A case that cannot run leaves the others to go on; where that is not the case's fault, it ends the run.
async fn drive<'a>(
    args: &EvalArgs,
    evaluation: &'a Evaluation,
    todo: &[&'a Case],
    cancel: &'a CancellationToken,
    mut take: impl FnMut(Record) -> Result<()>,
) -> Result<Left> {
    let jobs = usize::try_from(args.jobs).unwrap_or(1);
    let run = |case: &'a Case| async move {
        evaluation.run(case, cancel).await.map_err(|e| e.context(format!("line {}", case.line)))
    };
    let mut running = futures::stream::iter(todo.iter().copied().map(run)).buffer_unordered(jobs);
    let mut left = Left::default();
    while let Some(result) = running.next().await {
        match result {
            Ok(Some(record)) => take(record)?,
            Ok(None) => left.untold += 1,
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                left.failed.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

impl EvalArgs {
    fn config(&self) -> Result<Config> {
        let mut config = self.llm.config()?;
        self.reason.set(&mut config)?;
        config.budget.timeout_ms = (self.timeout * 1000.0) as u64;
        Ok(config)
    }

    fn setting(&self, metric: Metric, config: &Config) -> Result<Setting> {
        Ok(Setting {
            metric,
            mode: config.mode,
            guess: metric.expects_answer() && !self.no_guess,
            chain: config.chain.clone(),
            style: config.style.clone(),
            budget: config.budget.clone(),
            images: config.images.clone(),
            oracle: self.oracle,
            llm: named::shown(&config.llm),
            options: self.options(config)?,
        })
    }

    /// What is set besides, where it is not the default: other prompts or tools give other results.
    fn options(&self, config: &Config) -> Result<Json> {
        let mut options = serde_json::Map::new();
        // What can be read only once is left to whoever plans with it.
        let names = config.tools.iter().filter_map(|path| builtin::name_of(path));
        let mut digests: Vec<String> = names.map(str::to_owned).collect();
        for path in config.tools.iter().filter(|path| path.is_file() || path.is_dir()) {
            for file in manifests(path)? {
                let bytes = read_at_most(&file, MAX_BYTES)
                    .map_err(|e| Error::invalid(format!("tools `{}`: {e}", file.display())).with_source(e))?;
                digests.push(format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
            }
        }
        if !digests.is_empty() {
            options.insert("tools".to_owned(), json!(digests.join(" ")));
        }
        if let Some(folder) = &config.prompts {
            options.insert("prompts".to_owned(), json!(digest_of(folder)?));
        }
        if !config.demos.is_empty() {
            let mut digests = Vec::new();
            for file in config.demos.iter().map(|path| demo::files(path)).collect::<Result<Vec<_>>>()?.concat() {
                let bytes =
                    std::fs::read(&file).map_err(|e| Error::from(e).context(format!("demos `{}`", file.display())))?;
                digests.push(format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
            }
            options.insert("demos".to_owned(), json!(digests.join(" ")));
        }
        if config.show_images {
            options.insert("show_images".to_owned(), json!(true));
        }
        if config.chain != Chain::default() {
            options.insert("chain".to_owned(), json!(config.chain.to_string()));
        }
        if config.style != Style::default() {
            options.insert("style".to_owned(), json!(config.style.to_string()));
        }
        if let Some(schema) = &config.style.schema {
            options.insert("schema".to_owned(), schema.clone());
        }
        if self.timeout.to_bits() != TIMEOUT.to_bits() {
            options.insert("timeout".to_owned(), json!(self.timeout));
        }
        Ok(if options.is_empty() { Json::Null } else { Json::Object(options) })
    }
}

/// The digest of all files of a folder: their names and contents, in the order of the names.
fn digest_of(folder: &Path) -> Result<String> {
    let place = |e: std::io::Error| Error::from(e).context(format!("--prompts `{}`", folder.display()));
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).map_err(place)? {
            let path = entry.map_err(place)?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().as_bytes());
        digest.update(Sha256::digest(read_at_most(&file, MAX_BYTES).map_err(place)?));
    }
    Ok(format!("sha256:{}", hex::encode(digest.finalize())))
}

async fn prepare(config: &Config, setting: Setting, cancel: &CancellationToken) -> Result<Evaluation, Stop> {
    let builder = cancel.run_until_cancelled(config.builder(Arc::new(Bars::new()))).await;
    let stopped = || Err(Error::new(ErrorKind::Cancelled, "stopped before the first case"));
    let builder = builder.unwrap_or_else(stopped).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => usage(error),
        _ => error.into(),
    })?;
    Ok(Evaluation::new(setting, builder)?)
}

/// The records that are there already, and the file that new ones go to.
fn open(args: &EvalArgs, setting: &Setting, cases: &[Case]) -> Result<(Vec<Record>, Option<Results>)> {
    let Some(path) = &args.out else { return Ok((Vec::new(), None)) };
    if args.cases.as_ref().is_some_and(|cases| same_file(cases, path)) {
        return Err(Error::invalid(format!("--out `{}` is the file of cases; give another one", path.display())));
    }
    if !args.resume {
        return Ok((Vec::new(), Some(Results::create(path)?)));
    }
    let (mut records, results) = Results::resume(path)?;
    let name = path.display();
    let options = reread(&setting.options);
    for record in &records {
        let same = record.options == options
            && record.metric == setting.metric
            && record.oracle == setting.oracle
            && (record.mode.is_empty() || record.guess == setting.guess)
            && (record.llm.is_empty() || record.llm == setting.llm)
            && (record.mode.is_empty() || record.mode == setting.mode.to_string());
        if !same {
            return Err(Error::invalid(format!(
                "results `{name}` were made otherwise (--metric {} --mode {} --llm {}{}{}); give another --out",
                record.metric,
                record.mode,
                record.llm,
                if record.guess || !record.metric.expects_answer() { "" } else { " --no-guess" },
                if record.options.is_null() { String::new() } else { format!(", with {}", record.options) }
            )));
        }
    }
    let is_other = |record: &&Record| {
        cases.iter().find(|case| case.line == record.line).is_some_and(|case| {
            let truth = reread(&judge::truth(setting.metric, case));
            case.question != record.question || case.shown_image() != record.image || truth != record.truth
        })
    };
    if let Some(record) = records.iter().find(is_other) {
        return Err(Error::invalid(format!(
            "results `{name}` are of other cases: line {} asked `{}` of {}, and the truth was {}; give another --out",
            record.line, record.question, record.image, record.truth
        )));
    }
    // With a lower --limit than before, the rest stays in the file.
    records.retain(|record| cases.iter().any(|case| case.line == record.line));
    Ok((records, Some(results)))
}

/// A value as it comes back from a file: a number may differ in its last bit.
fn reread(json: &Json) -> Json {
    serde_json::from_str(&json.to_string()).unwrap_or_default()
}

fn bar(cases: usize, done: usize) -> ProgressBar {
    let target = if output::watched() { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(cases as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {bar:30} {elapsed} (about {eta} left) {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_position(done as u64);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn running_score(records: &[Record]) -> String {
    let mean = records.iter().map(|record| record.score).sum::<f64>() / records.len().max(1) as f64;
    format!("score {:.1}", mean * 100.0)
}

/// A summary for people.
fn table(summary: &Summary) -> String {
    let mut lines = vec![format!("{} cases by `{}`, with 95 % intervals", summary.cases, summary.metric)];
    lines.extend(summary.scores.iter().map(|score| score_line(score, summary.cases)));
    if !summary.causes.is_empty() {
        let wrong: usize = summary.causes.values().sum();
        lines.push(format!("{wrong} wrong:"));
        let mut causes: Vec<_> = summary.causes.iter().collect();
        causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        lines.extend(causes.iter().map(|(cause, count)| format!("  {count:>4}  {}", cause.in_words())));
    }
    let [median, most] = summary.seconds;
    lines.push(format!("seconds a case: median {median:.1}, 90 % under {most:.1}"));
    let [calls, reused] = summary.llm_calls;
    if reused > 0 {
        lines.push(format!("  {reused} of {calls} LLM calls were answered from the file of --llm-cache, in no time"));
    }
    let [median, most] = summary.tokens;
    if most > 0.0 {
        lines.push(format!("tokens a case: median {median:.0}, 90 % under {most:.0}; {:.1} rounds", summary.rounds));
    }
    if let Some(cost) = summary.cost_usd {
        lines.push(format!("cost: ${cost:.4}"));
    }
    lines.join("\n")
}

fn score_line(score: &Score, cases: usize) -> String {
    let Score { name, interval, cases: own } = score;
    let percent = |value: f64| value * 100.0;
    let of = if *own == cases { String::new() } else { format!("  of {own}") };
    format!(
        "  {name:<18} {:>6.1}  [{:.1}, {:.1}]{of}",
        percent(interval.estimate),
        percent(interval.low),
        percent(interval.high)
    )
}

fn compared(first: &Path, second: &Path, json: bool) -> Result<Exit, Stop> {
    let (a, b) = (results::read(first).map_err(usage)?, results::read(second).map_err(usage)?);
    let comparison = compare(&a, &b).map_err(usage)?;
    if json {
        output::print_json(&json!(comparison))?;
    } else {
        output::print(&output::safe(&difference(&comparison)))?;
    }
    Ok(Exit::Answered)
}

/// A comparison for people.
fn difference(comparison: &Comparison) -> String {
    let Comparison { cases, unpaired, first, second, difference, flipped } = comparison;
    let percent = |value: f64| value * 100.0;
    let mut lines = vec![format!(
        "{cases} cases in both: {:.1} -> {:.1}, difference {:+.1} [{:+.1}, {:+.1}]",
        percent(*first),
        percent(*second),
        percent(difference.estimate),
        percent(difference.low),
        percent(difference.high)
    )];
    if *unpaired > 0 {
        lines.push(format!("{unpaired} cases are in one file only"));
    }
    for flip in flipped {
        let sign = if flip.scores[1] > flip.scores[0] { '+' } else { '-' };
        let [a, b] = &flip.answers;
        lines.push(format!("{sign} line {}: {}\n    {a} -> {b}  (truth: {})", flip.line, flip.question, flip.truth));
    }
    lines.join("\n")
}
