//! `ask_image`: a question about images, answered by the whole agent.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::call::{Call, aside};
use super::progress;
use super::refused::Refused;
use super::server::Reach;
use super::{pictures, schema};
use crate::agent::Report;
use crate::answer::Status;
use crate::config::Config;
use crate::image::Image;
use crate::service::Shared;
use crate::service::admission::Turn;
use crate::service::refusal::Refusal;
use crate::service::request::Settings;
use crate::service::run::Run;
use crate::service::told::Told;
use crate::task::{Mode, Task};
use crate::tool::annotate;

/// The tool's name.
pub(super) const NAME: &str = "ask_image";

/// The tool as clients see it.
pub(super) fn tool(reach: Reach) -> Tool {
    let about = "Answers a question about one or more images. An LLM plans, expert vision models (detection, reading of \
                 text, colours, sizes ...) look, and the answer says only what they found; where they found nothing \
                 that answers, it says so. The structured content has the claims with the steps that support them.";
    let text = |about: &str| json!({ "type": "string", "description": about });
    let switch = |about: &str| json!({ "type": "boolean", "description": about });
    let mode = "who decides [default: auto]: `controller` plans once and never after it has seen text from an image; \
                `decision-maker` works in rounds; `auto` begins with a plan, and goes on in rounds where that does not \
                suffice";
    let earlier = "the questions before, oldest first, where this one goes on from them (\"And how many of them wear \
                   hats?\"); questions alone, no answers";
    let place = json!({
        "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4,
        "description": "what \"this\" means in the question: left, top, right and bottom in pixels of the first image",
    });
    let properties = json!({
        "images": { "type": "array", "items": schema::image(reach), "minItems": 1 },
        "question": text("the question; images are \"the first image\", \"the second image\" ..."),
        "earlier": { "type": "array", "items": { "type": "string" }, "description": earlier },
        "mode": { "type": "string", "enum": Mode::NAMES, "description": mode },
        "guess": switch("answer with a best guess, marked as one, where the evidence does not answer"),
        "chain": text("how the run reasons: KEY=VALUE,..., e.g. `votes=3` or `stages=two,critic=on`"),
        "style": text("how the answer is worded: KEY=VALUE,..., e.g. `length=short` or `language=de`"),
        "box": place,
        "annotate": switch("return the images, too, with what the answer rests on drawn into them"),
    });
    let input = schema::object([
        ("type", json!("object")),
        ("properties", properties),
        ("required", json!(["images", "question"])),
        ("additionalProperties", json!(false)),
    ]);
    Tool::new(NAME, about, input).with_annotations(ToolAnnotations::new().read_only(true))
}

/// What a client asks.
struct Asked {
    sources: Vec<String>,
    question: String,
    earlier: Vec<String>,
    annotate: bool,
    settings: Settings,
}

impl Asked {
    fn read(mut arguments: JsonObject) -> Result<Self, Refused> {
        let missing = |name: &str| Refused::call(format!("argument `{name}` is missing"));
        let sources: Option<Vec<String>> = field(&mut arguments, "images")?;
        let sources = sources.filter(|images| !images.is_empty()).ok_or_else(|| missing("images"))?;
        let question = field(&mut arguments, "question")?.ok_or_else(|| missing("question"))?;
        let earlier = field(&mut arguments, "earlier")?.unwrap_or_default();
        let annotate = field(&mut arguments, "annotate")?.unwrap_or(false);
        let settings = serde_json::from_value(Json::Object(arguments));
        let settings = settings.map_err(|e| Refused::call(format!("the arguments do not fit: {e}")))?;
        Ok(Self { sources, question, earlier, annotate, settings })
    }

    /// The configuration of its run, once all is checked that can be without its images.
    fn check(&self, call: &Call) -> Result<Config, Refused> {
        call.check(&self.sources)?;
        let config = self.settings.lay_over(call.shared.whole().clone(), "");
        let config = config.map_err(|e| Refused::call(e.to_string()))?;
        let task = config.task(self.question.as_str(), Vec::new()).with_earlier(&self.earlier);
        task.validate().map_err(|e| Refused::call(e.to_string()))?;
        Ok(config)
    }
}

/// One of the arguments; `null` counts as not given.
fn field<T: DeserializeOwned>(arguments: &mut JsonObject, name: &str) -> Result<Option<T>, Refused> {
    let json = arguments.shift_remove(name).unwrap_or_default();
    serde_json::from_value(json).map_err(|e| Refused::call(format!("argument `{name}`: {e}")))
}

/// Answers a question.
pub(super) async fn ask(call: Call, arguments: JsonObject) -> Result<CallToolResult, Refused> {
    let asked = Asked::read(arguments)?;
    let config = asked.check(&call)?;
    let annotate = asked.annotate;
    let turn = call.turn().await?;
    let (task, turn) = task(&call, asked, config, turn).await?;
    let images = task.images.clone();
    let mut run = Run::begin(&call.shared, task, turn, None);
    while let Some(entry) = call.unless_gone(run.event()).await? {
        if let Some(line) = progress::line(&entry.event, call.reach) {
            call.unless_gone(call.progress.say(line)).await?;
        }
    }
    let report = call.unless_gone(run.report()).await?.map_err(Refused::Run)?;
    let reach = call.reach;
    // Drawing takes a turn of its own kind.
    let decoding = Arc::clone(&call.shared.decoding);
    let permit = if annotate { call.unless_gone(decoding.acquire_owned()).await?.ok() } else { None };
    let answer = move || {
        let _permit = permit;
        result(&report, reach, if annotate { &images } else { &[] })
    };
    call.unless_gone(aside(answer)).await?
}

/// The task, with its images.
async fn task(call: &Call, asked: Asked, config: Config, turn: Turn) -> Result<(Task, Turn), Refused> {
    let (shared, reach) = (Shared::clone(&call.shared), call.reach);
    let make = move || -> Result<_, Refusal> {
        let mut task = config.task(asked.question, reach.open(&asked.sources, &shared)?).with_earlier(asked.earlier);
        if let Some(region) = asked.settings.region() {
            task = task.with_region(region);
        }
        task.validate()?;
        Ok((task, turn))
    };
    call.unless_gone(aside(make)).await??.map_err(Refused::Call)
}

/// A report as the result of a call, with these images as they are seen by it.
fn result(report: &Report, reach: Reach, images: &[Image]) -> CallToolResult {
    let (text, json) = match reach {
        Reach::Machine => (report.answer.text.clone(), report.to_json()),
        Reach::Network => {
            let told = Told::of(report);
            (told.text(&report.answer.text), told.report(report))
        }
    };
    let failed = report.answer.status == Status::Failed;
    let why = report.error.as_ref().map(|failure| reach.told(failure));
    let text = match why {
        Some(why) if failed || text.is_empty() => why,
        _ => text,
    };
    let drawn: Vec<Image> = images.iter().enumerate().map(|(n, image)| draw(report, n, image)).collect();
    let mut content = vec![ContentBlock::text(text)];
    if !failed {
        content.extend(pictures::contents(&drawn.iter().collect::<Vec<_>>()));
    }
    let mut result = if failed { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(json);
    result
}

/// The n-th image (from 0) with what was pointed at, and what the claims rest on.
fn draw(report: &Report, n: usize, image: &Image) -> Image {
    let mut items = report.pointed(n);
    let evidence = report.evidence(n).into_iter().filter(|item| !items.contains(item));
    items.extend(evidence.collect::<Vec<_>>());
    annotate::draw(image, &items)
}
