//! The operations that come with `lavr`: plain code, no models.

use super::annotate::Annotate;
use super::calculate::Calculate;
use super::color_of::ColorOf;
use super::compare::Compare;
use super::count::Count;
use super::crop::Crop;
use super::filter::Filter;
use super::find_text::FindText;
use super::key_values::KeyValues;
use super::measure::Measure;
use super::normalize::Normalize;
use super::relate::Relate;
use super::{Catalog, Manifest, TypedTool};
use crate::error::Result;

/// Adds all operations to a catalog, in the order a planner reads them.
///
/// # Errors
/// `InvalidInput` when the catalog has a tool of the same name already.
pub fn register(catalog: &mut Catalog) -> Result<()> {
    add(catalog, FindText, include_str!("../../tools/find_text.toml"))?;
    add(catalog, KeyValues, include_str!("../../tools/key_values.toml"))?;
    add(catalog, Crop, include_str!("../../tools/crop.toml"))?;
    add(catalog, Filter, include_str!("../../tools/filter.toml"))?;
    add(catalog, Relate, include_str!("../../tools/relate.toml"))?;
    add(catalog, ColorOf, include_str!("../../tools/color_of.toml"))?;
    add(catalog, Measure, include_str!("../../tools/measure.toml"))?;
    add(catalog, Count, include_str!("../../tools/count.toml"))?;
    add(catalog, Normalize, include_str!("../../tools/normalize.toml"))?;
    add(catalog, Compare, include_str!("../../tools/compare.toml"))?;
    add(catalog, Calculate, include_str!("../../tools/calculate.toml"))?;
    add(catalog, Annotate, include_str!("../../tools/annotate.toml"))
}

fn add<T: TypedTool>(catalog: &mut Catalog, tool: T, manifest: &str) -> Result<()> {
    catalog.register(tool, &Manifest::parse(manifest)?)
}
