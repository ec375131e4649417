//! `read_table`.

use proptest::prelude::*;

use super::list;
use crate::experts::{cx, image, reader, repository};
use lavr::tool::read_table::table;
use lavr::value::{Line, Table, Value};

/// An upright line with a left edge, a width and a middle.
fn at(text: &str, left: f64, width: f64, middle: f64) -> Line {
    let (right, top, bottom) = (left + width, middle - 10.0, middle + 10.0);
    Line { text: text.to_owned(), score: 0.9, polygon: [[left, top], [right, top], [right, bottom], [left, bottom]] }
}

/// A cell of the text's own width, its left edge, middle or right edge at `x`.
fn cell(text: &str, align: f64, x: f64, middle: f64) -> Line {
    let width = 10.0 * text.chars().count() as f64;
    at(text, x - align * width, width, middle)
}

fn turned(lines: &[Line], degrees: f64) -> Vec<Line> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let turn = |line: &Line| Line {
        polygon: line.polygon.map(|[x, y]| [x * cos - y * sin + 500.0, x * sin + y * cos + 300.0]),
        ..line.clone()
    };
    lines.iter().map(turn).collect()
}

#[test]
fn empty_cells_right_aligned_numbers_and_headings() {
    let mut lines = vec![cell("PRICE LIST", 0.5, 300.0, 20.0)];
    let rows =
        [["Item", "Size", "Price"], ["Tea", "", "2.00"], ["Iced chocolate", "large", "12.50"], ["Water", "small", ""]];
    for (n, [item, size, price]) in rows.iter().enumerate() {
        let y = 80.0 + 40.0 * n as f64;
        let cells = [cell(item, 0.0, 50.0, y), cell(size, 0.5, 350.0, y + 2.0), cell(price, 1.0, 600.0, y - 3.0)];
        lines.extend(cells.into_iter().filter(|line| !line.text.is_empty()));
    }
    lines.push(cell("Thank you for coming", 0.5, 300.0, 400.0));
    let wanted = Table { rows: rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect() };
    assert_eq!(table(&lines), wanted);
    for degrees in [-90.0, -6.0, 4.0, 90.0, 180.0] {
        assert_eq!(table(&turned(&lines, degrees)), wanted, "{degrees}");
    }
    assert_eq!(super::call("read_table", [("lines", list(&lines, Value::Line))]).unwrap(), Value::Table(wanted));
}

#[test]
fn heads_beside_their_numbers_and_cells_across_columns() {
    // "Amount" is left of all numbers below it; "Drinks" and the long name reach across.
    let mut lines =
        vec![cell("Name", 0.0, 50.0, 50.0), cell("Amount", 0.0, 300.0, 50.0), cell("Total", 0.0, 500.0, 50.0)];
    for (n, (name, amount, total)) in [("Nut", "1", "10"), ("Bolt", "22", "7"), ("Pin", "3", "100")].iter().enumerate()
    {
        let y = 90.0 + 40.0 * n as f64;
        lines.extend([cell(name, 0.0, 50.0, y), cell(amount, 1.0, 420.0, y), cell(total, 1.0, 550.0, y)]);
    }
    lines.push(cell("A remark that is longer than its column", 0.0, 50.0, 210.0));
    lines.push(cell("5", 1.0, 550.0, 210.0));
    let found = table(&lines);
    let wanted = [
        ["Name", "Amount", "Total"],
        ["Nut", "1", "10"],
        ["Bolt", "22", "7"],
        ["Pin", "3", "100"],
        ["A remark that is longer than its column", "", "5"],
    ];
    assert_eq!(found.rows, wanted);
}

#[test]
fn nothing_one_line_and_nonsense() {
    assert!(table(&[]).rows.is_empty());
    assert_eq!(table(&[at("alone", 0.0, 50.0, 10.0)]).rows, [["alone"]]);
    let list = [at("a", 0.0, 10.0, 10.0), at("b", 0.0, 10.0, 50.0)];
    assert_eq!(table(&list).rows, [["a"], ["b"]]);
    let nonsense = [at("x", f64::NAN, 10.0, 10.0), at(" ", 0.0, 10.0, 10.0), at("y", 0.0, 0.0, f64::INFINITY)];
    assert!(table(&nonsense).rows.is_empty());
    let same = vec![at("z", 5.0, 0.0, 5.0); 3];
    assert_eq!(table(&same).rows.concat().join(" ").replace(' ', ""), "zzz");
}

#[tokio::test]
async fn photographed_tables_are_read() {
    let Some(reader) = reader() else { return };
    let pages: [(&str, &[&[&str]]); 3] = [
        (
            "departures.jpg",
            &[
                &["Time", "Train", "To", "Platform"],
                &["10:04", "RE 17", "Westbridge", "2"],
                &["10:12", "IC 428", "Port Ellis", "9"],
                &["10:25", "IC 482", "Alderton", "7"],
                &["10:31", "RE 19", "Westbridge", "3"],
                &["10:48", "IC 284", "Marlow", "5"],
                &["11:02", "RE 42", "Kingsford", "4"],
            ],
        ),
        (
            "tables.jpg",
            &[
                &["Table", "Served"],
                &["Daisy", "Menu C"],
                &["Fern", "Menu E"],
                &["Iris", "Menu A"],
                &["Lilac", "Menu F"],
                &["Rose", "Menu B"],
                &["Tulip", "Menu D"],
            ],
        ),
        (
            "courses.jpg",
            &[
                &["Menu", "Main course", "Dessert"],
                &["Menu A", "Baked cod", "Lemon tart"],
                &["Menu B", "Beef pie", "Honey parfait"],
                &["Menu C", "Pumpkin curry", "Rice pudding"],
                &["Menu D", "Duck breast", "Cheese plate"],
                &["Menu E", "Lentil roast", "Fig mousse"],
                &["Menu F", "Salmon", "Cherry sorbet"],
            ],
        ),
    ];
    for (page, wanted) in pages {
        let lines = reader.lines(&cx(), &image(&repository("tests/images").join(page))).await.unwrap();
        assert_eq!(table(&lines).rows, wanted, "{page}");
    }
}

proptest! {
    #[test]
    fn any_grid_is_found_again(
        columns in proptest::collection::vec((0_usize..3, 1_usize..9), 2..6),
        filled in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 6), 1..7),
        degrees in -8.0..8.0_f64, seed in any::<u64>(),
    ) {
        // The head is full; of the other rows at least the first two cells are.
        let width = |n: usize| 10.0 * columns[n].1 as f64;
        let left = |n: usize| (0..n).map(|n| width(n) + 40.0).sum::<f64>();
        let mut wanted = vec![(0..columns.len()).map(|n| "h".repeat(columns[n].1)).collect::<Vec<_>>()];
        for row in &filled {
            let cell = |n: usize| if n < 2 || row[n] { "x".repeat(1 + (n * 7 + seed as usize % 5) % columns[n].1) } else { String::new() };
            wanted.push((0..columns.len()).map(cell).collect());
        }
        let mut lines = Vec::new();
        for (r, row) in wanted.iter().enumerate() {
            for (n, text) in row.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                let align = columns[n].0 as f64 / 2.0;
                lines.push(cell(text, align, left(n) + align * width(n), 40.0 * r as f64));
            }
        }
        let turn = seed as usize % lines.len();
        lines.rotate_left(turn);
        prop_assert_eq!(table(&turned(&lines, degrees)).rows, wanted);
    }

    #[test]
    fn every_line_is_somewhere_and_rows_are_of_one_length(
        places in proptest::collection::vec((0.0..900.0_f64, 1.0..300.0_f64, 0.0..900.0_f64), 0..30),
    ) {
        let lines: Vec<Line> = places.iter().map(|(left, width, middle)| at("w", *left, *width, *middle)).collect();
        let rows = table(&lines).rows;
        prop_assert!(rows.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        prop_assert!(rows.iter().all(|row| row.iter().any(|cell| !cell.is_empty())));
    }
}
