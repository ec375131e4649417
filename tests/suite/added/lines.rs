//! Readers of text with models that are stated: the limits of what goes in, and what may come out.

use std::sync::Arc;

use lavr::error::{ErrorKind, Result};
use lavr::image::{Frame, Image};
use lavr::runner::{LazyFile, Tensor};
use lavr::tool::model::{ModelTool, OcrParts, Parts};
use lavr::tool::{Args, Manifest, Ocr, OcrModels, Tool};
use lavr::value::{Line, Value};
use proptest::prelude::*;

use super::ABOUT;
use super::stated::{Stated, facts, floats};
use crate::experts::cx;

/// What the three models return: the detector where there is text, the classifier, and the recogniser for each step.
#[derive(Clone, Copy)]
struct Returned {
    map: f32,
    direction: [f32; 2],
    step: [f32; 4],
}

const SOUND: Returned = Returned { map: 1.0, direction: [0.9, 0.1], step: [0.0, 0.9, 0.0, 0.1] };

/// A reader with these keys of `[ocr]`, its detector and its recogniser.
fn reader(returned: Returned, ocr: &str) -> (ModelTool, [Arc<Stated>; 2]) {
    reader_of(returned, ocr, move || floats(&[1, 1, 4], returned.step.to_vec()))
}

/// The same with a recogniser that returns this.
fn reader_of(
    returned: Returned,
    ocr: &str,
    recognised: impl Fn() -> Tensor + Send + Sync + 'static,
) -> (ModelTool, [Arc<Stated>; 2]) {
    let Returned { map, direction, .. } = returned;
    let detector = Stated::new(facts(&["x: f32[?, 3, ?, ?]"], &["y: f32[?, 1, ?, ?]"]), move |input| {
        let [_, _, height, width] = *input.shape() else { panic!("{input:?}") };
        let within = |n: usize, all: usize| (0.475..0.525).contains(&(n as f64 / all as f64));
        let number = |n: usize| if within(n % width, width) && within(n / width, height) { map } else { 0.0 };
        vec![("y".to_owned(), floats(&[1, 1, height, width], (0..width * height).map(number).collect()))]
    });
    let classifier = Stated::new(facts(&["x: f32[?, 3, ?, ?]"], &[]), move |input| {
        let count = input.shape()[0];
        vec![("y".to_owned(), floats(&[count, 2], direction.repeat(count)))]
    });
    let mut noted = facts(&["x: f32[?, 3, ?, ?]"], &[]);
    noted.metadata.insert("character".to_owned(), "a\nb\nc".to_owned());
    let recogniser = Stated::new(noted, move |_| vec![("y".to_owned(), recognised())]);
    let [detector, recogniser] = [detector, recogniser].map(Arc::new);
    let tables = "[model]\nfile = \"a.onnx\"\n[head]\ntype = \"ocr\"\n[ocr]\nrecogniser = \"b.onnx\"\n";
    let manifest = Manifest::parse(&format!("{ABOUT}{tables}{ocr}")).unwrap();
    let mut parts = Parts::of(detector.clone());
    let direction = Some(Arc::new(classifier) as _);
    parts.ocr = Some(OcrParts { direction, recogniser: recogniser.clone(), characters: None });
    (ModelTool::new(&manifest, std::path::Path::new("."), parts).unwrap(), [detector, recogniser])
}

async fn lines(tool: &ModelTool, [width, height]: [u32; 2]) -> Result<Vec<Line>> {
    let blank = image::RgbImage::from_pixel(width, height, image::Rgb([200; 3]));
    let args: Args = [("image".to_owned(), Value::Image(Image::from_pixels(blank, Frame::ROOT)))].into_iter().collect();
    let Value::List(items) = tool.call(&cx(), args).await? else { panic!("no list") };
    let line = |value: Value| if let Value::Line(line) = value { line } else { panic!("{value:?}") };
    Ok(items.into_iter().map(line).collect())
}

/// Thin crops must not ask for gigabytes: a failed allocation ends the process.
#[tokio::test]
async fn thin_pictures_are_read_within_bounds_or_refused() {
    for (keys, side, longest) in [("", 736, 2000), ("side = 32\nlongest = 2048\n", 32, 2048)] {
        let most = (8 * (side + 32_usize).pow(2)).max((longest + 32_usize).pow(2));
        let (tool, [detector, _]) = reader(SOUND, keys);
        for size in [[1, 2000], [2000, 1], [3, 2000], [2000, 3], [1, 1990]] {
            let Err(error) = lines(&tool, size).await else {
                // A reader of low pictures enlarges them less.
                assert_eq!(side, 32, "{size:?}");
                let shape = detector.shapes.lock().unwrap().pop().unwrap();
                assert!(shape[2] * shape[3] <= most, "{size:?} goes in as {shape:?}");
                continue;
            };
            let wanted = format!("a picture of {}x{} pixels is too thin to read text from", size[0], size[1]);
            assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(&wanted), "{error}");
        }
        assert!(detector.shapes.lock().unwrap().is_empty(), "what is refused is not looked at");
        let fit = [[30, 2000], [20, 2000], [150, 2000], [2000, 30], [2000, 20], [2000, 250], [250, 2000], [1, 1]];
        for size in fit.into_iter().chain([[2000, 2000], [1999, 333], [29, 600], [600, 7], [5000, 4000]]) {
            lines(&tool, size).await.unwrap_or_else(|e| panic!("{size:?}: {e}"));
            let shape = detector.shapes.lock().unwrap().last().unwrap().clone();
            assert!(shape[2] * shape[3] <= most, "{size:?} goes in as {shape:?}");
        }
    }
    // Within the bounds nothing changes: these are the sizes that rapidocr makes.
    let (tool, [detector, _]) = reader(SOUND, "");
    for (size, [height, width]) in [([250, 2000], [5888, 736]), ([2000, 250], [736, 5888]), ([240, 2000], [6144, 736])]
    {
        lines(&tool, size).await.unwrap();
        let shape = detector.shapes.lock().unwrap().last().unwrap().clone();
        assert_eq!(shape, [1, 3, height, width], "{size:?}");
    }
}

/// A border at the sides is no part of the picture.
#[tokio::test]
async fn lines_of_slim_pictures_lie_in_the_picture() {
    let (tool, [detector, _]) = reader(SOUND, "");
    let found = lines(&tool, [30, 2000]).await.unwrap();
    assert_eq!(*detector.shapes.lock().unwrap(), [[1, 3, 2944, 736]]);
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(line.text, "a");
    let [left, top, right, bottom] = line.bounds();
    assert!(left >= 0.0 && right <= 30.0 && right - left > 15.0, "{line:?}");
    assert!(top > 900.0 && bottom < 1100.0 && bottom - top > 60.0, "{line:?}");
}

#[tokio::test]
async fn what_is_no_probability_is_an_error_that_names_the_model() {
    let faulty = [
        (Returned { map: 7.5, ..SOUND }, "the text detector returned 7.5"),
        (Returned { map: -3.0, ..SOUND }, "the text detector returned -3"),
        (Returned { map: f32::NAN, ..SOUND }, "the text detector returned NaN"),
        (Returned { direction: [-1.0, 4.0], ..SOUND }, "the text direction classifier returned -1"),
        (Returned { step: [1.0, 12.3, 0.5, 0.0], ..SOUND }, "the text recogniser returned 12.3"),
        // The logarithms of a softmax are all below 0.
        (Returned { step: [-7.0, -0.001, -9.0, -8.0], ..SOUND }, "the text recogniser returned -7"),
        (Returned { step: [f32::NAN, 0.9, 0.0, 0.0], ..SOUND }, "the text recogniser returned NaN"),
    ];
    for (returned, part) in faulty {
        let error = lines(&reader(returned, "").0, [64, 64]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Model, "{error}");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("export it with its last sigmoid or softmax"), "{part}: {text}");
    }
    // Half precision may miss 0 and 1 by a little.
    let near = Returned { map: 1.002, direction: [1.001, -0.001], step: [-0.001, 1.001, 0.0, 0.0] };
    assert_eq!(lines(&reader(near, "").0, [64, 64]).await.unwrap()[0].text, "a");
}

/// A recogniser of fixed width refuses a line that is one pixel less wide.
#[tokio::test]
async fn a_line_is_as_wide_as_the_manifest_says_at_least() {
    for (height, width) in [(25, 57), (48, 320), (32, 100), (29, 58)] {
        let (tool, [_, recogniser]) = reader(SOUND, &format!("height = {height}\nwidth = {width}\n"));
        lines(&tool, [64, 64]).await.unwrap();
        assert_eq!(*recogniser.shapes.lock().unwrap(), [[1, 3, height, width]]);
    }
}

/// What the recogniser's best classes say, one class a step: nothing, `a`, `b`, `c` and the space.
fn decoded(classes: &[usize]) -> Option<String> {
    let step = |class: &usize| (0..5).map(|n| if n == *class { 0.9 } else { 0.02 }).collect::<Vec<f32>>();
    let (count, steps) = (classes.len(), classes.iter().flat_map(step).collect::<Vec<f32>>());
    let (tool, _) = reader_of(SOUND, "side = 32\n", move || floats(&[1, count, 5], steps.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(lines(&tool, [128, 128])).unwrap();
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next().map(|line| line.text)
}

#[test]
fn repetitions_merge_unless_nothing_stands_between() {
    assert_eq!(decoded(&[0, 1, 1, 0, 1, 2, 2, 4, 3, 0]).as_deref(), Some("aab c"));
    assert_eq!(decoded(&[]), None);
    assert_eq!(decoded(&[0, 0]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Writing each letter, then "nothing", for any number of steps decodes to the letters.
    #[test]
    fn decoding_undoes_encoding(letters in proptest::collection::vec((1..5usize, 1..4usize, 1..3usize), 0..20)) {
        let steps: Vec<usize> =
            letters.iter().flat_map(|(c, long, gap)| [vec![*c; *long], vec![0; *gap]].concat()).collect();
        let written: String = letters.iter().filter_map(|(c, _, _)| "abc ".chars().nth(c - 1)).collect();
        // A line of nothing but spaces is none.
        let expected = Some(written).filter(|text| !text.trim().is_empty());
        prop_assert_eq!(decoded(&steps), expected);
    }
}

/// What a file says of its size is not asked: a device says 0, and never ends.
#[cfg(unix)]
#[tokio::test]
async fn endless_characters_are_refused() {
    let idle = || Arc::new(Stated::idle(facts(&["x: f32[?, 3, ?, ?]"], &[])));
    let models = OcrModels {
        detector: idle(),
        direction: None,
        recogniser: idle(),
        characters: Some(LazyFile::at("/dev/zero")),
    };
    let blank = Image::from_pixels(image::RgbImage::new(64, 64), Frame::ROOT);
    let error = Ocr::new(models).lines(&cx(), &blank).await.unwrap_err().to_string();
    assert!(error.contains("`/dev/zero`") && error.contains("it has more than 4194304 bytes"), "{error}");
}
