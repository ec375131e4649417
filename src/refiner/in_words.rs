//! Values in words, as prompts and answers have them.

use serde_json::Value as Json;

use super::text::{plain, quoted};
use crate::tool::color_of::is_color;
use crate::value::{Label, Line, Mask, Point, Region, Table, Value};

/// Most characters of one text in a prompt.
pub(super) const MAX_ONE: usize = 240;
/// Regions up to this many are listed with their places.
const MAX_PLACED: usize = 6;

/// A value in a few words.
pub(super) fn short_text(value: &Value) -> String {
    match value {
        Value::Number(_) => value.to_json().to_string(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Text(text) => quoted(text, MAX_ONE),
        Value::Line(line) => quoted(&line.text, MAX_ONE),
        Value::Region(region) | Value::Mask(Mask { region, .. }) => plain(&region.label),
        Value::Labels(labels) => labels_text(labels),
        Value::Table(table) => format!("{} rows", table.rows.len()),
        Value::List(items) if items.is_empty() => "nothing found".to_owned(),
        Value::List(items) => {
            let (lines, regions) = (lines_of(items), regions_of(items));
            match (lines.len(), regions.is_empty()) {
                (0, false) => counted(&regions),
                (0, true) => labels_of_each(items)
                    .or_else(|| points_of_each(items))
                    .unwrap_or_else(|| format!("{} values", items.len())),
                (1, _) => "1 line of text".to_owned(),
                (n, _) => format!("{n} lines of text"),
            }
        }
        Value::Image(image) => format!("an image of {} x {} pixels", image.width(), image.height()),
        Value::Points(points) => points_text(points),
        Value::Map(_) => "a map".to_owned(),
        other => other.type_name().to_owned(),
    }
}

pub(super) fn texts_of(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .filter_map(|v| match v {
            Value::Line(line) => Some(line.text.as_str()),
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn lines_of(items: &[Value]) -> Vec<&Line> {
    items.iter().filter_map(|v| if let Value::Line(line) = v { Some(line) } else { None }).collect()
}

pub(super) fn regions_of(items: &[Value]) -> Vec<&Region> {
    items.iter().filter_map(Value::region).collect()
}

/// How many of each label, in order of appearance.
pub(super) fn tally(regions: &[&Region]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for region in regions {
        match counts.iter_mut().find(|(label, _)| *label == region.label) {
            Some(entry) => entry.1 += 1,
            None => counts.push((region.label.clone(), 1)),
        }
    }
    counts
}

fn counted(regions: &[&Region]) -> String {
    tally(regions).iter().map(|(label, n)| format!("{n} {}", plain(label))).collect::<Vec<_>>().join(", ")
}

/// Counts by label and, for few regions, where each lies among the others.
pub(super) fn regions_text(regions: &[&Region]) -> Option<String> {
    if regions.is_empty() {
        return None;
    }
    let counts = counted(regions);
    if regions.len() == 1 || regions.len() > MAX_PLACED {
        return Some(counts);
    }
    let mut by_x: Vec<&&Region> = regions.iter().collect();
    by_x.sort_by(|a, b| centre(a).total_cmp(&centre(b)));
    let order: Vec<String> = by_x.iter().map(|r| plain(&r.label)).collect();
    Some(format!("{counts}; from left to right: {}", order.join(", ")))
}

fn centre(region: &Region) -> f64 {
    let [left, _, right, _] = region.bounds;
    (left + right) / 2.0
}

/// A list of plain results: numbers, or yes and no.
pub(super) fn numbers_text(items: &[Value]) -> Option<String> {
    let plain = items.iter().all(|v| matches!(v, Value::Number(_) | Value::Bool(_)));
    (plain && !items.is_empty()).then(|| items.iter().map(short_text).collect::<Vec<_>>().join(", "))
}

/// Classes as alternatives; colours as what a thing has, the most of it first.
pub(super) fn labels_text(labels: &[Label]) -> String {
    let all_colors = labels.iter().all(|l| is_color(&l.label));
    let between = if all_colors { ", then " } else { ", or maybe " };
    labels.iter().take(3).map(|l| plain(&l.label)).collect::<Vec<_>>().join(between)
}

/// The labels of each of several things.
pub(super) fn labels_of_each(items: &[Value]) -> Option<String> {
    let labels = |v: &Value| if let Value::Labels(labels) = v { Some(labels_text(labels)) } else { None };
    let each: Option<Vec<String>> = items.iter().map(labels).collect();
    each.filter(|each| !each.is_empty()).map(|each| each.join("; "))
}

/// Points with their places in pixels, from the left and from the top.
fn points_text(points: &[Point]) -> String {
    let point = |p: &Point| format!("{} at ({:.0}, {:.0})", plain(&p.label), p.x, p.y);
    points.iter().map(point).collect::<Vec<_>>().join(", ")
}

/// The points of each person.
fn points_of_each(items: &[Value]) -> Option<String> {
    let points = |v: &Value| if let Value::Points(points) = v { Some(points_text(points)) } else { None };
    let each: Option<Vec<String>> = items.iter().map(points).collect();
    each.filter(|each| !each.is_empty()).map(|each| each.join("; "))
}

/// The rows of a table: the first cell is the key of the others.
pub(super) fn rows_text(table: &Table) -> Vec<String> {
    let row = |row: &Vec<String>| match row.split_first() {
        Some((key, values)) if !values.is_empty() => format!("{}: {}", plain(key), plain(&values.join(", "))),
        _ => plain(&row.join(", ")),
    };
    table.rows.iter().map(row).collect()
}

/// The sentences of a description, `{"sentences": [{"text", ...}]}`; nothing when the JSON is something else.
pub(super) fn sentences_of(json: &Json) -> Option<Vec<&str>> {
    let sentences = json.get("sentences")?.as_array()?;
    sentences.iter().map(|sentence| sentence.get("text")?.as_str()).collect()
}

/// The sentences of a description for a prompt: those that quote text from the image stand in quotes.
pub(crate) fn told(json: &Json) -> Vec<String> {
    let sentences = json.get("sentences").and_then(Json::as_array).into_iter().flatten();
    let told = |sentence: &Json| {
        let text = sentence.get("text")?.as_str()?;
        let read = sentence.get("lines").and_then(Json::as_array).is_some_and(|lines| !lines.is_empty());
        Some(if read { quoted(text, MAX_ONE) } else { plain(text) })
    };
    sentences.filter_map(told).collect()
}

/// The whole text of a value, as an answer quotes it.
pub(super) fn whole_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Line(line) => line.text.clone(),
        Value::Region(region) | Value::Mask(Mask { region, .. }) => region.label.clone(),
        Value::Labels(labels) => labels_text(labels),
        Value::Table(table) => rows_text(table).join("\n"),
        Value::Json(json) => match sentences_of(json) {
            Some(sentences) => sentences.join(" "),
            None => short_text(value),
        },
        Value::List(items) => {
            let regions = regions_of(items);
            if regions.is_empty() {
                items.iter().map(whole_text).collect::<Vec<_>>().join("\n")
            } else {
                counted(&regions)
            }
        }
        other => short_text(other),
    }
}
