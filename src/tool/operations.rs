//! The operations that come with `lavr`: plain code, no models.

use std::sync::Arc;

use super::annotate::Annotate;
use super::calculate::Calculate;
use super::chart_facts::ChartFacts;
use super::color_of::ColorOf;
use super::compare::Compare;
use super::count::Count;
use super::crop::Crop;
use super::cut_out::CutOut;
use super::depth_of::DepthOf;
use super::difference::Difference;
use super::file_facts::FileFacts;
use super::filter::Filter;
use super::find_shapes::FindShapes;
use super::find_text::FindText;
use super::image_quality::ImageQuality;
use super::key_values::KeyValues;
use super::measure::Measure;
use super::normalize::Normalize;
use super::palette::Palette;
use super::read_codes::ReadCodes;
use super::read_table::ReadTable;
use super::relate::Relate;
use super::{Available, Catalog, Manifest, SharedTool, Typed, TypedTool};
use crate::error::Result;
use crate::signature::ValueType;

/// Adds all operations that are on to a catalog, in the order a planner reads them.
///
/// # Errors
/// `InvalidInput` when the catalog has a tool of the same name already.
pub fn register(catalog: &mut Catalog) -> Result<()> {
    made(Available::Auto)?.into_iter().try_for_each(|tool| catalog.add(tool))
}

/// What can be done with values that only some experts return: the type, and the operation on it.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub(super) fn companions() -> Result<[(ValueType, SharedTool); 2]> {
    let cut_out = Typed::new(CutOut, &Manifest::parse(include_str!("../../tools/cut_out.toml"))?)?;
    let depth_of = Typed::new(DepthOf, &Manifest::parse(include_str!("../../tools/depth_of.toml"))?)?;
    Ok([(ValueType::Mask, Arc::new(cut_out)), (ValueType::Map, Arc::new(depth_of))])
}

/// The operations that are off until they are switched on by name: a small LLM plans worse with a longer list.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn off() -> Result<Vec<SharedTool>> {
    made(Available::Off)
}

/// The operations whose manifests say that they are on, or off.
fn made(available: Available) -> Result<Vec<SharedTool>> {
    let mut made = Made { available, tools: Vec::new() };
    made.add(FindText, include_str!("../../tools/find_text.toml"))?;
    made.add(KeyValues, include_str!("../../tools/key_values.toml"))?;
    made.add(Crop, include_str!("../../tools/crop.toml"))?;
    made.add(Filter, include_str!("../../tools/filter.toml"))?;
    made.add(Relate, include_str!("../../tools/relate.toml"))?;
    made.add(ColorOf, include_str!("../../tools/color_of.toml"))?;
    made.add(Measure, include_str!("../../tools/measure.toml"))?;
    made.add(Count, include_str!("../../tools/count.toml"))?;
    made.add(Normalize, include_str!("../../tools/normalize.toml"))?;
    made.add(Compare, include_str!("../../tools/compare.toml"))?;
    made.add(Calculate, include_str!("../../tools/calculate.toml"))?;
    made.add(Annotate, include_str!("../../tools/annotate.toml"))?;
    made.add(ReadCodes, include_str!("../../tools/read_codes.toml"))?;
    made.add(ImageQuality, include_str!("../../tools/image_quality.toml"))?;
    made.add(FileFacts, include_str!("../../tools/file_facts.toml"))?;
    made.add(Difference, include_str!("../../tools/difference.toml"))?;
    made.add(Palette, include_str!("../../tools/palette.toml"))?;
    made.add(ReadTable, include_str!("../../tools/read_table.toml"))?;
    made.add(FindShapes, include_str!("../../tools/find_shapes.toml"))?;
    made.add(ChartFacts, include_str!("../../tools/chart_facts.toml"))?;
    Ok(made.tools)
}

/// Tools that are on, or off, as they are made.
struct Made {
    available: Available,
    tools: Vec<SharedTool>,
}

impl Made {
    fn add<T: TypedTool>(&mut self, tool: T, manifest: &str) -> Result<()> {
        let manifest = Manifest::parse(manifest)?;
        if manifest.available == self.available {
            self.tools.push(Arc::new(Typed::new(tool, &manifest)?));
        }
        Ok(())
    }
}
