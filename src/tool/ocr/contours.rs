//! Borders of the connected parts of a mask.

/// A picture of yes and no, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mask {
    /// Columns.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// `width * height` pixels.
    pub(super) on: Vec<bool>,
}

impl Mask {
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
    fn of(mask: &Mask) -> Self {
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
/// A border is the list of its corner pixels: those between two steps in the
/// same direction are left out. Foreground is 8-connected; a hole's border
/// consists of the foreground pixels around it. Outer borders run
/// anticlockwise on the screen from their topmost, then leftmost pixel.
///
/// Source: Suzuki and Abe, "Topological structural analysis of digitized
/// binary images by border following" (1985), algorithm 1 without the
/// hierarchy; start, direction and marks as in OpenCV's `findContours` with
/// `RETR_LIST` and `CHAIN_APPROX_SIMPLE`.
pub(super) fn borders(mask: &Mask, limit: usize) -> Vec<Vec<[i32; 2]>> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(width: usize, height: usize, on: impl Fn(usize, usize) -> bool) -> Mask {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Mask { width, height, on: pixels.map(|(x, y)| on(x, y)).collect() }
    }

    /// What OpenCV 5.0.0 returns for a rectangle with a hole and a single pixel in the corner.
    #[test]
    fn borders_are_those_of_opencv() {
        let mask = mask(14, 12, |x, y| {
            let hole = (5..8).contains(&x) && (4..6).contains(&y);
            (x, y) == (0, 0) || ((3..12).contains(&x) && (2..9).contains(&y) && !hole)
        });
        let hole = vec![[4, 4], [5, 3], [7, 3], [8, 4], [8, 5], [7, 6], [5, 6], [4, 5]];
        let outer = vec![[3, 2], [3, 8], [11, 8], [11, 2]];
        assert_eq!(borders(&mask, 9), [hole.clone(), outer, vec![[0, 0]]]);
        assert_eq!(borders(&mask, 1), [hole]);
    }

    proptest! {
        #[test]
        fn borders_end_and_stay_on_the_mask(
            width in 1..12usize,
            on in proptest::collection::vec(any::<bool>(), 1..120),
        ) {
            let height = on.len() / width;
            prop_assume!(height > 0);
            let mask = mask(width, height, |x, y| on[y * width + x]);
            let found = borders(&mask, usize::MAX);
            prop_assert_eq!(found.is_empty(), !mask.on.contains(&true));
            for [x, y] in found.concat() {
                prop_assert!(mask.on[y as usize * width + x as usize]);
            }
        }
    }
}
