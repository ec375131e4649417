//! Borders of the connected parts of a mask.

/// A picture of yes and no, row by row: where something is, such as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` pixels; where there are fewer, rows that are not whole count as off.
    pub on: Vec<bool>,
}

impl Bitmap {
    /// Grows every part by one pixel to the right and down, as OpenCV's `dilate` does with a 2x2 kernel.
    pub(super) fn dilated(&self) -> Self {
        let at = |x: usize, y: usize| self.on.get(y * self.width + x).copied().unwrap_or(false);
        let grown = |x: usize, y: usize| {
            at(x, y) || (x > 0 && at(x - 1, y)) || (y > 0 && at(x, y - 1)) || (x > 0 && y > 0 && at(x - 1, y - 1))
        };
        let on = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y))).map(|(x, y)| grown(x, y));
        Self { width: self.width, height: self.height, on: on.collect() }
    }
}

/// The eight directions, anticlockwise on the screen from "right".
const STEPS: [(isize, isize); 8] = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)];

/// Pixel states while borders are followed.
const OFF: i8 = 0;
const FRESH: i8 = 1;
/// On a border that was followed already.
const SEEN: i8 = 2;
/// The same, and the pixel to the right is off.
const SEEN_RIGHT: i8 = -2;

/// The mask with a rim of pixels that are off, so that no border leaves it.
struct Grid {
    stride: usize,
    cells: Vec<i8>,
}

impl Grid {
    fn of(mask: &Bitmap) -> Self {
        let stride = mask.width + 2;
        let mut cells = vec![OFF; stride * (mask.height + 2)];
        let inner = cells.chunks_exact_mut(stride).skip(1);
        for (row, pixels) in inner.zip(mask.on.chunks_exact(mask.width.max(1))) {
            for (cell, on) in row.iter_mut().skip(1).zip(pixels) {
                *cell = if *on { FRESH } else { OFF };
            }
        }
        Self { stride, cells }
    }

    fn get(&self, cell: usize) -> i8 {
        self.cells.get(cell).copied().unwrap_or(OFF)
    }

    fn set(&mut self, cell: usize, state: i8) {
        if let Some(slot) = self.cells.get_mut(cell) {
            *slot = state;
        }
    }

    fn neighbour(&self, cell: usize, direction: usize) -> usize {
        let (dx, dy) = STEPS[direction % 8];
        cell.wrapping_add_signed(dy * self.stride as isize + dx)
    }

    fn point(&self, cell: usize) -> [i32; 2] {
        [(cell % self.stride) as i32 - 1, (cell / self.stride) as i32 - 1]
    }
}

/// The outer and the hole borders of the mask, at most `limit`; the lowest first, as OpenCV lists them.
///
/// A border is the list of its corner pixels, column and row from the top left: those between two steps in the
/// same direction are left out. Foreground is 8-connected; a hole's border
/// consists of the foreground pixels around it. Outer borders run
/// anticlockwise on the screen from their topmost, then leftmost pixel.
///
/// Source: Suzuki and Abe, "Topological structural analysis of digitized
/// binary images by border following" (1985), algorithm 1 without the
/// hierarchy; start, direction and marks as in OpenCV's `findContours` with
/// `RETR_LIST` and `CHAIN_APPROX_SIMPLE`.
pub fn borders(mask: &Bitmap, limit: usize) -> Vec<Vec<[i32; 2]>> {
    let mut grid = Grid::of(mask);
    let mut found = Vec::new();
    for cell in 1..grid.cells.len() {
        let (before, here) = (grid.get(cell - 1), grid.get(cell));
        if before == OFF && here == FRESH {
            found.push(follow(&mut grid, cell, 4));
        } else if here == OFF && before > OFF {
            found.push(follow(&mut grid, cell - 1, 0));
        }
    }
    found.reverse();
    found.truncate(limit);
    found
}

/// Follows the border that starts at `start`; the pixel in direction `outside` from it is off.
fn follow(grid: &mut Grid, start: usize, outside: usize) -> Vec<[i32; 2]> {
    let clockwise = (1..8).map(|k| (outside + 8 - k) % 8);
    let Some(mut direction) = clockwise.into_iter().find(|d| grid.get(grid.neighbour(start, *d)) != OFF) else {
        grid.set(start, SEEN_RIGHT);
        return vec![grid.point(start)];
    };
    let last = grid.neighbour(start, direction);
    let mut points = Vec::new();
    let mut came_by = (direction + 4) % 8;
    let mut cell = start;
    loop {
        let from = direction;
        // The pixel we came from is on, so one of the eight is.
        let turned = (1..=8).find(|k| grid.get(grid.neighbour(cell, from + k)) != OFF).unwrap_or(8);
        direction = (from + turned) % 8;
        let passed_right = direction != 0 && direction <= from;
        if passed_right {
            grid.set(cell, SEEN_RIGHT);
        } else if grid.get(cell) == FRESH {
            grid.set(cell, SEEN);
        }
        if direction != came_by {
            points.push(grid.point(cell));
            came_by = direction;
        }
        let next = grid.neighbour(cell, direction);
        if next == start && cell == last {
            return points;
        }
        cell = next;
        direction = (direction + 4) % 8;
    }
}
