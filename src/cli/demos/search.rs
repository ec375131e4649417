//! `lavr demos search`

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::super::options::open_images;
use super::super::{Exit, Stop, output, usage};
use super::{With, library};
use crate::budget::Budget;
use crate::chain::{Chain, DemoChoice, DemoOrder, Limit};
use crate::config::Config;
use crate::cx::Cx;
use crate::demo::DemoFor;
use crate::error::{Error, Result};
use crate::prompt::{Asked, Chosen};
use crate::task::Task;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr demos search \"How many cows are there?\"\n  \
    lavr demos search \"What does the sign say?\" --demos mine.jsonl -k 4 --choice diverse\n  \
    lavr demos search \"Is it safe?\" --demos mine.jsonl --choice image --image photo.jpg")]
pub(super) struct SearchArgs {
    /// What would be asked
    question: String,

    /// Choose among these files of demos, too (*.jsonl), or folders of them
    #[arg(long, value_name = "FILE|DIR")]
    demos: Vec<PathBuf>,

    /// By what they are chosen
    #[arg(long, value_name = "CHOICE", default_value = "similar", value_parser = choice())]
    choice: DemoChoice,

    /// How many at most, of all there are [default: up to two that resemble the question, besides the fixed ones]
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=Chain::MAX_DEMOS))]
    k: Option<u64>,

    /// What demos that are drawn at random depend on
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,

    /// Who would be shown them
    #[arg(long = "for", value_name = "READER", default_value = "planner", value_parser = reader())]
    to: DemoFor,

    /// The image that would be asked about; repeat for more [default: one that nothing is known of]
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    with: With,

    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn choice() -> impl TypedValueParser<Value = DemoChoice> {
    PossibleValuesParser::new(DemoChoice::NAMES).try_map(|name| name.parse::<DemoChoice>())
}

fn reader() -> impl TypedValueParser<Value = DemoFor> {
    let named = |name: String| DemoFor::ALL.into_iter().find(|to| to.to_string() == name);
    PossibleValuesParser::new(["planner", "first-round", "later-round", "refiner"])
        .try_map(move |name| named(name).ok_or_else(|| Error::invalid("nobody reads demos by this name")))
}

/// Shows which demos would go along, the first choice first.
pub(super) async fn run(args: SearchArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    Task::new(args.question.clone(), Vec::new()).validate().map_err(usage)?;
    if args.choice == DemoChoice::Image && args.images.is_empty() {
        return Err(usage(Error::invalid("`--choice image` looks at an image; give one with --image")));
    }
    let pictures = open_images(&args.images, &Config::default())?;
    let (library, catalog) = library(&args.demos, &args.with)?;
    let chain = Chain {
        demos: args.k.map_or(Limit::Auto, Limit::AtMost),
        demo_choice: args.choice,
        demo_order: DemoOrder::SimilarFirst,
        demo_seed: u64::from(args.seed),
        ..Chain::default()
    };
    let images = pictures.len().max(1);
    let asked = Asked { to: args.to, question: args.question.trim(), images, pictures: &pictures, chain: &chain };
    let chosen = library.choose(&Cx::with(Budget::default(), cancel, Vec::new()), &asked, &catalog).await?;
    if args.json {
        let demos: Vec<Json> = chosen.iter().map(json_of).collect();
        output::print_json(&json!({ "demos": demos }))?;
        return Ok(Exit::Answered);
    }
    for demo in &chosen {
        let likeness = demo.similarity.map_or_else(|| "-".to_owned(), |similarity| format!("{similarity:.2}"));
        output::print(&output::safe(&format!("{likeness:>5}  {}  ({})", demo.question, demo.place)))?;
    }
    if chosen.is_empty() {
        output::note("no demo would go along with this question, besides the fixed ones");
    }
    Ok(Exit::Answered)
}

fn json_of(demo: &Chosen) -> Json {
    let Chosen { place, question, similarity, messages } = demo;
    json!({ "place": place, "question": question, "similarity": similarity, "messages": messages })
}
