//! `read_text` reads what rapidocr 3.10.0 reads with its defaults; the references are in `tests/reference/ocr`.

mod geometry;

use std::path::{Path, PathBuf};

use lavr::image::Image;
use lavr::tool::Ocr;
use lavr::value::Line;
use sha2::{Digest, Sha256};

use crate::experts::{cx, evaluation, files, image, json, overlap, reader, repository};

/// Characters of the reference, and how many edits lead from it to what was read.
struct Difference {
    characters: usize,
    edits: usize,
}

impl Difference {
    fn equal(&self) -> f64 {
        1.0 - self.edits as f64 / self.characters.max(1) as f64
    }
}

/// Compares line by line; lines are paired by place, and what has no partner counts in full.
fn compare(read: &[Line], reference: &[Line]) -> Difference {
    let mut free: Vec<&Line> = read.iter().collect();
    let mut edits = 0;
    for wanted in reference {
        let place = |l: &Line| overlap(l.bounds(), wanted.bounds());
        let best = (0..free.len()).max_by(|a, b| place(free[*a]).total_cmp(&place(free[*b])));
        edits += match best.filter(|b| place(free[*b]) > 0.3) {
            Some(best) => strsim::levenshtein(&free.remove(best).text, &wanted.text),
            None => wanted.text.chars().count(),
        };
    }
    edits += free.iter().map(|l| l.text.chars().count()).sum::<usize>();
    Difference { characters: reference.iter().map(|l| l.text.chars().count()).sum(), edits }
}

async fn read(reader: &Ocr, image: &Image) -> Vec<Line> {
    reader.lines(&cx(), image).await.expect("the picture is read")
}

/// Reads every picture that has a reference of this set, and compares.
async fn parity(reader: &Ocr, set: &str, pictures: Vec<PathBuf>) {
    let mut sum = Difference { characters: 0, edits: 0 };
    let mut bad = Vec::new();
    for path in pictures {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let record = json(&repository("tests/reference/ocr").join(format!("{set}_{stem}.json")));
        let reference: Vec<Line> = serde_json::from_value(record["lines"].clone()).expect("lines");
        let image = image(&path);
        let difference = compare(&read(reader, &image).await, &reference);
        let (characters, equal) = (difference.characters, 100.0 * difference.equal());
        let same_pixels = hex::encode(Sha256::digest(image.pixels().as_raw())) == record["pixels"];
        println!("{set} {stem}: {characters} characters, {equal:.2} % equal, same pixels: {same_pixels}");
        if difference.characters > 40 && difference.equal() < 0.95 {
            bad.push(stem);
        }
        sum.characters += difference.characters;
        sum.edits += difference.edits;
    }
    println!("{set}: {} characters, {:.3} % equal", sum.characters, 100.0 * sum.equal());
    assert!(sum.characters > 0, "no reference has text");
    assert!(bad.is_empty(), "under 95 %: {bad:?}");
    assert!(sum.equal() >= 0.99, "{set}: {:.4}", sum.equal());
}

async fn evaluation_parity(set: &str) {
    let (Some(reader), Some(folder)) = (reader(), evaluation(&format!("{set}/images"))) else {
        println!("skipped: LAVR_HOME has no models or LAVR_EVAL_DATA no {set}");
        return;
    };
    parity(&reader, set, files(&folder, &["jpg", "png"])).await;
}

#[tokio::test]
async fn receipts_read_as_the_reference_reads_them() {
    evaluation_parity("receipts").await;
}

#[tokio::test]
async fn photos_read_as_the_reference_reads_them() {
    evaluation_parity("photos").await;
}

#[tokio::test]
async fn our_own_pictures_read_as_the_reference_reads_them() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    parity(&reader, "images", files(&repository("tests/images"), &["jpg", "png"])).await;
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|l| l.text.as_str()).collect()
}

fn picture(name: &str) -> Image {
    image(&repository("tests/images").join(Path::new(name)))
}

#[tokio::test]
async fn columns_are_read_one_after_the_other() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    let lines = read(&reader, &picture("columns.png")).await;
    let texts = texts(&lines);
    assert_eq!(texts.len(), 17, "{texts:?}");
    assert_eq!(texts[0], "ISLAND FERRY NOTES");
    assert_eq!(texts[1], "The ferry leaves from");
    assert_eq!(texts[8], "extra charge on board.");
    assert_eq!(texts[9], "In winter the last boat");
    assert_eq!(texts[16], "all tickets stay valid.");
}

#[tokio::test]
async fn receipts_are_read_row_by_row() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    let lines = read(&reader, &picture("receipt.png")).await;
    let total = lines.iter().position(|l| l.text.to_uppercase().starts_with("TOTAL")).expect("a total");
    assert!(lines[total..].iter().take(2).any(|l| l.text.contains("27.00")), "{:?}", texts(&lines));
}

#[tokio::test]
async fn a_picture_without_text_has_no_lines() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    assert!(read(&reader, &picture("nothing.png")).await.is_empty());
}

#[tokio::test]
async fn polygons_of_a_crop_are_in_the_root_image() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    let whole = picture("columns.png");
    let (left, top, scale) = (380, 100, 2);
    let part = image::imageops::crop_imm(whole.pixels(), left, top, 380, 420).to_image();
    let part = image::imageops::resize(&part, 380 * scale, 420 * scale, image::imageops::FilterType::CatmullRom);
    let frame = lavr::image::Frame { x: left.into(), y: top.into(), scale: scale.into() };
    let lines = read(&reader, &Image::from_pixels(part, frame)).await;
    let reference = read(&reader, &whole).await;
    let first =
        |lines: &[Line]| lines.iter().find(|l| l.text.starts_with("In winter")).map(Line::bounds).expect("a line");
    assert!(overlap(first(&lines), first(&reference)) > 0.8, "{:?} {:?}", first(&lines), first(&reference));
}

#[tokio::test]
async fn upside_down_lines_start_at_their_own_top_left() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    let upright = picture("columns.png");
    let turned = image::imageops::rotate180(upright.pixels());
    let lines = read(&reader, &Image::from_pixels(turned, lavr::image::Frame::ROOT)).await;
    let title = lines.iter().find(|l| l.text == "ISLAND FERRY NOTES").expect("the title");
    let [start, end, ..] = title.polygon;
    assert!(start[0] > end[0], "{:?}", title.polygon);
    assert!(start[1] > f64::from(upright.height()) / 2.0);
}

#[tokio::test]
async fn extreme_sizes_are_read_or_refused_but_never_crash() {
    let Some(reader) = reader() else { return println!("skipped: LAVR_HOME has no models") };
    for (width, height) in [(1, 1), (3000, 1), (1, 3000), (33, 7), (2500, 40)] {
        let blank = image::RgbImage::from_pixel(width, height, image::Rgb([200; 3]));
        let result = reader.lines(&cx(), &Image::from_pixels(blank, lavr::image::Frame::ROOT)).await;
        assert!(result.is_ok_and(|l| l.is_empty()) || width.max(height) == 3000, "{width}x{height}");
    }
}
