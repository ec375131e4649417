//! `read_table`: arranges lines of text into rows and columns.

mod columns;
mod page;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::columns::columns;
use self::page::{Cell, rows};
use super::TypedTool;
use crate::cx::Cx;
use crate::error::Result;
use crate::value::{Line, Table};

/// A row below the last that is filled belongs to the table when it is no farther away than so many usual steps.
const STEPS: f64 = 1.5;

/// Arranges lines into a table by where they stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadTable;

/// The arguments of [`ReadTable`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTableArgs {
    /// the lines that read_text returned
    lines: Vec<Line>,
}

#[async_trait]
impl TypedTool for ReadTable {
    const NAME: &'static str = "read_table";
    type Args = ReadTableArgs;
    type Output = Table;

    async fn call(&self, _cx: &Cx, args: ReadTableArgs) -> Result<Table> {
        Ok(table(&args.lines))
    }
}

/// Lines in rows and columns, as they stand on the page; every row has a cell for each column, empty where there is
/// nothing.
///
/// The page may be turned: the text's own direction tells which way is up. Lines of one height are a row; columns are
/// where cells of several rows stand below each other, be they aligned left, right or centred. A cell that reaches across
/// several columns stands in the first of them. Headings above the first row with two cells are left out, and what is far
/// below the last. A text of several lines makes several rows. Rules and colours are not looked at.
pub fn table(lines: &[Line]) -> Table {
    let rows = within(rows(lines));
    let columns = columns(&rows);
    let filled = |row: &Vec<Cell>| {
        let mut cells = vec![String::new(); columns.len()];
        for cell in row {
            let Some(place) = cells.get_mut(columns.of(cell)) else { continue };
            if !place.is_empty() {
                place.push(' ');
            }
            place.push_str(&cell.text);
        }
        cells
    };
    Table { rows: rows.iter().map(filled).collect() }
}

/// The rows of the table alone, without what stands above and below; all where no row has two cells.
fn within(mut rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    let Some(first) = rows.iter().position(|row| row.len() > 1) else { return rows };
    rows.drain(..first);
    let last = rows.iter().rposition(|row| row.len() > 1).unwrap_or(0);
    let heights: Vec<f64> = rows.iter().map(|row| middle(row)).collect();
    let mut steps: Vec<f64> = heights.windows(2).take(last).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let step = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    let below = heights.windows(2).skip(last).take_while(|pair| pair[1] - pair[0] <= STEPS * step).count();
    rows.truncate(last + 1 + below);
    rows
}

fn middle(row: &[Cell]) -> f64 {
    row.iter().map(|cell| cell.middle).sum::<f64>() / row.len().max(1) as f64
}
