//! The operations: plain code over images, regions, lines and numbers.

mod calculating;
mod charting;
mod choosing;
mod coding;
mod coloring;
mod differing;
mod drawing;
mod facts;
mod finding;
mod heads;
mod judging;
mod measuring;
mod normalizing;
mod outlines;
mod pairing;
mod palettes;
pub mod receipts;
mod relating;
mod shaping;
mod tabulating;
mod zooming;

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::tool::{Args, Catalog, operations};
use lavr::value::{Line, Region, Value};
use serde_json::Value as Json;

/// All operations, with their manifests.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    operations::register(&mut catalog).unwrap();
    catalog
}

/// All operations, those that are off as well.
fn with_off() -> Catalog {
    let mut catalog = catalog();
    operations::off().unwrap().into_iter().for_each(|tool| catalog.add(tool).unwrap());
    catalog
}

/// Calls an operation as an executor does.
fn call<const N: usize>(tool: &str, args: [(&str, Value); N]) -> Result<Value> {
    let catalog = with_off();
    let args: Args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(catalog.get(tool).unwrap().call(&Cx::new(Budget::default()), args))
}

fn region(label: &str, score: f64, bounds: [f64; 4]) -> Region {
    Region { label: label.to_owned(), score, bounds }
}

/// An upright line whose height is 20 pixels.
fn line(text: &str, x: f64, y: f64) -> Line {
    let right = x + 10.0 * text.chars().count() as f64;
    Line { text: text.to_owned(), score: 0.9, polygon: [[x, y], [right, y], [right, y + 20.0], [x, y + 20.0]] }
}

fn list<T>(items: &[T], wrap: fn(T) -> Value) -> Value
where
    T: Clone,
{
    Value::List(items.iter().cloned().map(wrap).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn json(json: Json) -> Value {
    Value::Json(json)
}

/// The signatures of tools in short.
fn signatures(catalog: &Catalog) -> Vec<String> {
    catalog
        .iter()
        .map(|tool| {
            let spec = tool.spec();
            let args: Vec<String> = spec
                .signature
                .args
                .iter()
                .map(|a| format!("{}{}: {}", a.name, if a.required { "" } else { "?" }, a.types_text()))
                .collect();
            format!("{}({}) -> {:?}", spec.name, args.join(", "), spec.signature.returns)
        })
        .collect()
}

#[test]
fn every_signature_is_what_a_planner_is_told() {
    let expected = [
        "find_text(lines: List<Line>, text: Text, mode?: Text) -> Type(List(Line))",
        "key_values(lines: List<Line>) -> Type(Table)",
        "crop(image: Image, region: Region or Line, margin?: Number) -> Type(Image)",
        "filter(items: List<Region> or List<Line>, label?: Text or List<Text>, min_score?: Number, \
         inside?: List<Region> or List<Line> or Region or Line, keep?: Text) -> SameAs(\"items\")",
        "relate(items: List<Region> or List<Line>, relation: Text, \
         to: List<Region> or List<Line> or Region or Line) -> SameAs(\"items\")",
        "color_of(image: Image, region?: Region or Line) -> Type(Labels)",
        "measure(what: Text, image?: Image, region?: Region or Line, \
         to?: List<Region> or List<Line> or Region or Line) -> Type(Number)",
        "count(items: List<Any>, label?: Text or List<Text>) -> Type(Number)",
        "normalize(value: Any, kind?: Text) -> Type(Json)",
        "compare(a: Any, b: Any, op: Text) -> Type(Bool)",
        "calculate(expression: Text, values?: Json) -> Type(Number)",
        "annotate(image: Image, items: List<Region> or List<Line> or Region or Line, title?: Text) -> Type(Image)",
    ];
    assert_eq!(signatures(&catalog()), expected);
}

#[test]
fn operations_that_are_off_are_told_when_they_are_on() {
    let told = signatures(&with_off()).split_off(signatures(&catalog()).len());
    let expected = [
        "read_codes(image: Image) -> Type(List(Line))",
        "image_quality(image: Image) -> Type(Json)",
        "file_facts(image: Image) -> Type(Json)",
        "difference(image: Image, other: Image) -> Type(Json)",
        "palette(image: Image, colors?: Number) -> Type(Json)",
        "read_table(lines: List<Line>) -> Type(Table)",
        "find_shapes(image: Image) -> Type(List(Region))",
        "chart_facts(image: Image, lines?: List<Line>) -> Type(Json)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn use_for_is_short() {
    for tool in with_off().iter() {
        let words = tool.spec().use_for.split_whitespace().count();
        assert!(words <= 18, "`{}` uses {words} words", tool.spec().name);
    }
}
