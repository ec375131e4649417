//! Where the columns of a table are.

use super::page::Cell;

/// Cells stand below each other when they share more than this part of the narrower one.
const SHARED: f64 = 0.2;

/// The columns from left to right.
pub(super) struct Columns(Vec<Column>);

/// Where the cells of a column stand.
#[derive(Debug, Clone)]
struct Column {
    left: f64,
    right: f64,
    /// The rows that have a cell in it.
    rows: Vec<usize>,
}

impl Column {
    fn shared(&self, cell: &Cell) -> f64 {
        cell.shared((self.left, self.right))
    }

    /// Whether a cell stands in it.
    fn has(&self, cell: &Cell) -> bool {
        self.shared(cell) > SHARED * cell.width().min(self.right - self.left)
    }
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The column of a cell: the first that it shares a good part of its width with, or that it is nearest to.
    pub(super) fn of(&self, cell: &Cell) -> usize {
        let nearest = || {
            let all = self.0.iter().map(|column| column.shared(cell)).enumerate();
            all.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(0, |(n, _)| n)
        };
        self.0.iter().position(|column| column.has(cell)).unwrap_or_else(nearest)
    }
}

/// The columns that the cells of these rows make. Cells that reach across several do not count, unless there are no others.
pub(super) fn columns(rows: &[Vec<Cell>]) -> Columns {
    let all = || rows.iter().enumerate().flat_map(|(n, row)| row.iter().map(move |cell| (n, cell)));
    let mut cells: Vec<(usize, &Cell)> = all().filter(|(row, cell)| !reaches_across(*row, cell, rows)).collect();
    if cells.is_empty() {
        cells = all().collect();
    }
    cells.sort_by(|a, b| a.1.left.total_cmp(&b.1.left));
    let mut columns: Vec<Column> = Vec::new();
    for (row, cell) in cells {
        match columns.last_mut() {
            Some(column) if column.has(cell) => {
                column.right = column.right.max(cell.right);
                column.rows.push(row);
            }
            _ => columns.push(Column { left: cell.left, right: cell.right, rows: vec![row] }),
        }
    }
    Columns(under_their_heads(columns))
}

/// Whether a cell of a row has two cells of another row below or above it.
fn reaches_across(row: usize, cell: &Cell, rows: &[Vec<Cell>]) -> bool {
    let beneath = |other: &&Cell| other.shared((cell.left, cell.right)) > SHARED * other.width().min(cell.width());
    let mut others = rows.iter().enumerate().filter(|(n, _)| *n != row);
    others.any(|(_, other)| other.iter().filter(beneath).count() > 1)
}

/// Joins a head that stands beside its column: it is the only cell of its own, and the next column has no head.
fn under_their_heads(columns: Vec<Column>) -> Vec<Column> {
    let mut joined: Vec<Column> = Vec::new();
    for column in columns {
        match joined.last_mut() {
            Some(last) if are_one(last, &column) => {
                last.right = last.right.max(column.right);
                last.rows.extend(column.rows);
            }
            _ => joined.push(column),
        }
    }
    joined
}

fn are_one(a: &Column, b: &Column) -> bool {
    let (is_head, has_none) = (|column: &Column| column.rows == [0], |column: &Column| !column.rows.contains(&0));
    (is_head(a) && has_none(b)) || (has_none(a) && is_head(b))
}
