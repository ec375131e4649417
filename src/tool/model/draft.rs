//! Drafts: a manifest for a model, guessed from what its file says.

mod known;

use std::fmt::Write as _;

use self::known::{PP_OCR, known, refuse_halves};
use super::names::parse;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{ModelFacts, Port};
use crate::tool::Manifest;

/// Keys under which exporters note labels.
const LABEL_KEYS: [&str; 5] = ["names", "labels", "classes", CHARACTERS, "id2label"];
/// The key under which a recogniser of text notes its characters.
const CHARACTERS: &str = "character";
/// Lengths of vectors that are embeddings, where no labels are noted.
const EMBEDDINGS: [usize; 8] = [128, 192, 256, 384, 512, 768, 1_024, 2_048];
/// How many labels the description names.
const NAMED: usize = 6;

/// A manifest, as far as a model's file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The manifest.
    pub toml: String,
    /// A file of labels that belongs beside it, by name: made-up ones, where the model notes none.
    pub labels: Option<(String, String)>,
    /// What was guessed, and what to check.
    pub guesses: Vec<String>,
}

/// What kind of model it probably is.
#[derive(Default)]
struct Guess {
    /// The keys of `[head]`.
    head: Vec<String>,
    /// The keys of `[input]` besides the size.
    input: Vec<String>,
    /// The side of the input, in pixels, where its models have a usual one.
    side: Option<u32>,
    /// Tables besides these.
    tables: String,
    /// How many classes it tells, where it tells classes.
    classes: Option<usize>,
    /// What these are called, where all such models tell the same and none notes it.
    names: &'static [&'static str],
    /// Whether it reads lines of text that another model finds.
    reads: bool,
    /// Why.
    why: String,
}

/// Drafts the manifest of a tool of this name for a model in this file beside it.
///
/// # Errors
/// `Model` when the model takes no picture. That the draft is no manifest is ruled out, but for an error of our own.
pub fn draft(name: &str, file: &str, facts: &ModelFacts) -> Result<Draft> {
    refuse_halves(facts)?;
    let port = picture_port(facts)?;
    let labels = LABEL_KEYS.iter().find_map(|key| Some((*key, parse(facts.metadata.get(*key)?))));
    let count = labels.as_ref().map(|(_, names)| names.len());
    let guess = known(facts, file).unwrap_or_else(|| guess(facts, port, count));
    let keys = guess.head.iter().filter_map(|line| line.split('#').next());
    let kind = keys.collect::<Vec<_>>().join(" ");
    let first = guess.head.first().map_or("", String::as_str);
    let mut guesses = vec![format!("{first}: {}", guess.why)];
    let usual: Vec<String> = guess.names.iter().map(|name| (*name).to_owned()).collect();
    let known = labels.as_ref().map_or(usual.as_slice(), |(_, names)| names.as_slice());
    let (description, use_for) = words(&kind, known);
    let mut toml = String::new();
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let _ = writeln!(toml, "# Drafted from what {} says. What is marked as guessed has to be checked.", quoted(file));
    let _ = writeln!(toml, "name = {}\nkind = \"expert\"", quoted(name));
    let _ = writeln!(toml, "description = {} # guessed: one sentence that tells what it does", quoted(&description));
    let _ = writeln!(toml, "use_for = {} # guessed: the planner chooses the tool by this", quoted(&use_for));
    toml.push_str("limitations = \"\" # what it cannot do\nlicence = \"LicenseRef-unknown\" # that of the weights\n");
    let (reads, is_ocr) = (guess.reads, kind.contains("\"ocr\""));
    if reads {
        toml.push_str(
            "\n[model]\nfile = \"detector.onnx\" # guessed: the model that finds lines of text, beside this file\n",
        );
        guesses.push("[model] `file`: this model only reads lines; another one has to find them".to_owned());
    } else {
        let _ = writeln!(toml, "\n[model]\nfile = {}", quoted(file));
    }
    if reads {
        toml.push_str("\n[input]\n");
    } else {
        let _ = writeln!(toml, "\n[input] # `{}` is {port}", port.name.escape_debug());
    }
    if facts.inputs.len() > 1 && !is_ocr {
        let _ = writeln!(toml, "name = {}", quoted(&port.name));
    }
    if facts.inputs.len() > 1 && guess.tables.is_empty() {
        guesses.push(
            "the model takes more than a picture, and a manifest gives it nothing else: export it without".to_owned(),
        );
    }
    if sides(port).is_none() && !is_ocr && !guess.input.iter().any(|line| line.contains("within")) {
        let [height, width] =
            facts.metadata.get("imgsz").and_then(|size| pair(size)).unwrap_or([guess.side.unwrap_or(640); 2]);
        let _ = writeln!(toml, "size = [{width}, {height}] # guessed: the model takes any size");
        guesses.push("`size`: the model's file does not state one; use that of its training".to_owned());
    }
    let is_grey = channels(port) == Some(1);
    if is_grey {
        toml.push_str("colour = \"grey\"\n");
    }
    for line in guess.input.iter().filter(|line| !(is_grey && line.starts_with("colour"))) {
        let _ = writeln!(toml, "{line} # guessed");
    }
    guesses
        .push("[input]: the resizing, colours, `scale`, `mean` and `std` of the model's own pre-processing".to_owned());
    toml.push_str("\n[head] # guessed\n");
    for line in &guess.head {
        let _ = writeln!(toml, "{line}");
    }
    if reads {
        let _ = writeln!(toml, "\n[ocr]\nrecogniser = {}", quoted(file));
        if let Some(height) = fixed_height(port) {
            let _ = writeln!(toml, "height = {height}");
        }
    }
    if !guess.tables.is_empty() {
        let _ = write!(toml, "\n{}", guess.tables);
        guesses.push("the tables after [head], and the files that they name".to_owned());
    }
    let labels = write_labels(&mut toml, name, labels.map(|(key, _)| key), &guess, &mut guesses);
    guesses.push("`description`, `use_for`, `limitations` and `licence`".to_owned());
    Manifest::parse(&toml).map_err(|e| Error::internal("the draft is no manifest").with_source(e))?;
    Ok(Draft { toml, labels, guesses })
}

/// `[labels]`: noted in the model, the usual ones, or in a file with made-up names.
fn write_labels(
    toml: &mut String,
    name: &str,
    key: Option<&str>,
    guess: &Guess,
    guesses: &mut Vec<String>,
) -> Option<(String, String)> {
    let classes = guess.classes?;
    if let Some(key) = key {
        let _ = writeln!(toml, "\n[labels]\nmetadata = \"{key}\"");
        return None;
    }
    if guess.names.len() == classes {
        let _ = writeln!(toml, "\n[labels]\nnames = {:?}", guess.names);
        return None;
    }
    let file = format!("{name}.labels.txt");
    let _ = writeln!(toml, "\n[labels]\nfile = \"{file}\" # one a line, in the order of the classes");
    guesses.push(format!("`{file}`: the model notes no labels; put the real ones in place of the made-up ones"));
    Some((file, (0..classes).map(|n| format!("class {n}\n")).collect()))
}

/// The input that a picture goes into: three or four dimensions, one of which is of one or three channels.
fn picture_port(facts: &ModelFacts) -> Result<&Port> {
    let is_picture = |port: &&Port| {
        let lengths = [port.shape.iter().rev().nth(2), port.shape.last()];
        matches!(port.shape.len(), 3 | 4) && lengths.iter().any(|length| matches!(length, Some(Some(1 | 3) | None)))
    };
    facts.inputs.iter().find(is_picture).ok_or_else(|| {
        let inputs: Vec<String> = facts.inputs.iter().map(|port| format!("`{}` {port}", port.name)).collect();
        let message =
            format!("the model takes no picture (1 x channels x height x width); it takes {}", inputs.join(", "));
        Error::new(ErrorKind::Model, message)
    })
}

fn is_last(port: &Port) -> bool {
    let channels = |length: Option<&Option<usize>>| matches!(length, Some(Some(1 | 3)));
    channels(port.shape.last()) && !channels(port.shape.iter().rev().nth(2))
}

fn sides(port: &Port) -> Option<[usize; 2]> {
    let from_end = |n: usize| *port.shape.iter().rev().nth(n)?;
    if is_last(port) { Some([from_end(2)?, from_end(1)?]) } else { Some([from_end(1)?, from_end(0)?]) }
}

/// Two numbers as exporters note them: `[640, 480]`.
fn pair(text: &str) -> Option<[u32; 2]> {
    let numbers: Vec<u32> = serde_json::from_str(text).ok()?;
    numbers.try_into().ok()
}

/// The height of a picture, where it is known and the width is not.
fn fixed_height(port: &Port) -> Option<usize> {
    *port.shape.iter().rev().nth(1)?
}

fn channels(port: &Port) -> Option<usize> {
    let at = if is_last(port) { port.shape.last() } else { port.shape.iter().rev().nth(2) };
    at.copied().flatten()
}

/// Cells of the grids of 8, 16 and 32 pixels.
fn cells(port: &Port) -> Option<usize> {
    let [height, width] = sides(port)?;
    Some([8, 16, 32].iter().map(|stride| (height / stride) * (width / stride)).sum())
}

const YOLO: [&str; 2] = ["resize = \"letterbox\"", "scale = 255"];
const YOLOX: [&str; 4] = ["resize = \"letterbox\"", "place = \"corner\"", "colour = \"bgr\"", "scale = 1"];
const PLAIN: [&str; 2] = ["resize = \"stretch\"", "scale = 255"];
const IMAGENET: [&str; 3] = ["filter = \"bilinear\"", "mean = [0.485, 0.456, 0.406]", "std = [0.229, 0.224, 0.225]"];

fn guess(facts: &ModelFacts, port: &Port, labels: Option<usize>) -> Guess {
    let bytes = port.of == "u8";
    match facts.metadata.get("task").map(String::as_str) {
        None | Some("detect") => {}
        Some("classify") => {
            return Guess {
                head: vec!["type = \"classifier\"".to_owned(), "activation = \"none\"".to_owned()],
                input: owned(&["resize = \"shortest\"", "filter = \"bilinear\"", "scale = 255"]),
                classes: labels,
                why: "its `task` is to classify, and such exports end with scores".to_owned(),
                ..Guess::default()
            };
        }
        Some("segment") => return of_yolo("segmenter", "yolov8_seg", "to segment", labels.or(Some(80))),
        // A pose model's label is the person; its points have usual names.
        Some("pose") => return of_yolo("pose", "yolov8_pose", "to find poses", None),
        Some(task) => return raw(format!("its `task` is `{}`, for which manifests have no head", task.escape_debug())),
    }
    let detector = |family: &str, input: &[&str], classes: Option<usize>, why: String| Guess {
        head: vec!["type = \"detector\"".to_owned(), format!("family = \"{family}\""), "min_score = 0.35".to_owned()],
        input: if bytes { vec!["scale = 1".to_owned()] } else { owned(input) },
        classes: classes.or(labels).or(Some(80)),
        why,
        ..Guess::default()
    };
    let named = |part: &str| facts.outputs.iter().find(|output| output.name.contains(part));
    let last = |port: &Port| port.shape.last().copied().flatten();
    if let (Some(logits), Some(_)) = (named("logits"), named("pred_boxes")) {
        let queries = logits.shape.get(1).copied().flatten();
        let classes = last(logits);
        // DETR has a class for nothing, its kin have not; where labels do not tell, DETR asks 100 queries.
        let has_nothing = labels.zip(classes).map(|(labels, classes)| labels + 1 == classes);
        let why =
            format!("outputs `logits` {logits} and `pred_boxes`; DETR has one class more than labels, RT-DETR has not");
        return if has_nothing.unwrap_or(queries == Some(100)) {
            detector("detr", &IMAGENET, classes.map(|n| n.saturating_sub(1)), why)
        } else {
            detector("rt_detr", &PLAIN, classes, why)
        };
    }
    if named("detection_boxes").is_some() {
        let why = "an output `detection_boxes`, as TensorFlow's have; there, the first label is number 1";
        let mut guess = detector("ssd", &["scale = 1"], None, why.to_owned());
        guess.head.push("first_class = 1".to_owned());
        return guess;
    }
    if facts.outputs.len() == 3 && named("boxes").is_some() && named("scores").is_some() {
        return detector("end_to_end", &YOLO, None, "three outputs: boxes, scores and classes".to_owned());
    }
    let Some(first) = facts.outputs.first() else { return raw("no output at all".to_owned()) };
    let characters = facts.metadata.get(CHARACTERS).map(|text| text.split('\n').count());
    if let (Some(characters), 3, Some(classes)) = (characters, first.shape.len(), last(first))
        && (characters + 1..=characters + 2).contains(&classes)
    {
        if channels(port) == Some(1) {
            let why =
                "it tells which character stands where, but in grey pictures, and readers of text take coloured ones";
            return raw(why.to_owned());
        }
        return Guess {
            reads: true,
            head: owned(&["type = \"ocr\""]),
            input: owned(&PP_OCR),
            classes: None,
            why: format!(
                "`{}` {first} tells which of {characters} characters stands where, as PP-OCR's recognisers",
                first.name
            ),
            ..Guess::default()
        };
    }
    match first.shape.as_slice() {
        [_, _, _] if first.name.contains("depth") => Guess {
            head: owned(&["type = \"depth\""]),
            input: owned(&IMAGENET),
            classes: None,
            why: format!("`{}` {first}: a map of depth", first.name),
            ..Guess::default()
        },
        [_, rows, columns] => {
            let why = |family: &str| format!("`{}` {first}, as {family} writes its boxes down", first.name);
            let shape = (*rows, *columns);
            let numbers = |numbers: usize| shape.0 == Some(numbers) || shape.1 == Some(numbers);
            let boxes = shape.0.max(shape.1);
            let of_grids = |times: usize| boxes.is_some() && boxes == cells(port).map(|cells| times * cells);
            match labels {
                // So many numbers for each box as there are labels, four more, and a share of each grid of a second output.
                Some(labels) if grids(facts).is_some_and(|grids| numbers(labels + 4 + grids)) => {
                    of_yolo("segmenter", "yolov8_seg", "not noted, but there are grids to add up", Some(labels))
                }
                // So many numbers for each box as there are labels, and four or five more.
                Some(labels) if numbers(labels + 4) => detector("yolov8", &YOLO, None, why("YOLOv8")),
                Some(labels) if numbers(labels + 5) && of_grids(1) => detector("yolox", &YOLOX, None, why("YOLOX")),
                Some(labels) if numbers(labels + 5) => detector("yolov5", &YOLO, None, why("YOLOv5")),
                // Boxes of people with across, down and score of 17 points each.
                _ if numbers(56) => {
                    of_yolo("pose", "yolov8_pose", "not noted, but 56 numbers are a box and 17 points", None)
                }
                _ => match shape {
                    (Some(rows), Some(columns)) if columns <= rows && of_grids(1) => {
                        detector("yolox", &YOLOX, columns.checked_sub(5), why("YOLOX"))
                    }
                    (Some(rows), Some(columns)) if columns <= rows && of_grids(3) => {
                        detector("yolov5", &YOLO, columns.checked_sub(5), why("YOLOv5"))
                    }
                    (_, Some(6)) => detector("end_to_end", &YOLO, None, why("YOLOv10") + ": six numbers for each"),
                    (Some(rows), Some(columns)) if rows < columns => {
                        detector("yolov8", &YOLO, rows.checked_sub(4), why("YOLOv8"))
                    }
                    (_, Some(columns)) => detector("yolov5", &YOLO, columns.checked_sub(5), why("YOLOv5")),
                    (Some(rows), None) => detector("yolov8", &YOLO, rows.checked_sub(4), why("YOLOv8")),
                    (None, None) => raw(format!("`{}` {first} tells nothing", first.name)),
                },
            }
        }
        [_, Some(numbers)] | [_, Some(numbers), Some(1), Some(1)] => classes(first, *numbers, port, labels, bytes),
        [_, Some(1), Some(17), Some(3)] => Guess {
            head: owned(&["type = \"pose\"", "family = \"movenet\"", "min_score = 0.3"]),
            input: owned(&["resize = \"letterbox\"", "pad = 0", "filter = \"tensorflow\"", "scale = 1"]),
            classes: None,
            why: format!("`{}` {first}: 17 points of one person, as MoveNet's", first.name),
            ..Guess::default()
        },
        [_, Some(1), _, _] => Guess {
            head: owned(&[
                "type = \"segmenter\"",
                "family = \"salient\" # or type = \"depth\", or \"ocr\" with [ocr], without a family",
            ]),
            input: owned(&IMAGENET),
            classes: None,
            why: format!("`{}` {first}: one grid of numbers, a mask, a map of depth, or places with text", first.name),
            ..Guess::default()
        },
        [_, Some(classes), Some(_), Some(_)] if *classes > 1 => Guess {
            head: owned(&["type = \"segmenter\"", "family = \"semantic\""]),
            input: owned(&IMAGENET),
            classes: Some(*classes),
            why: format!("`{}` {first}: a grid for each class", first.name),
            ..Guess::default()
        },
        _ => raw(format!("`{}` {first} is of no family that is known", first.name)),
    }
}

/// How many grids a second output has.
fn grids(facts: &ModelFacts) -> Option<usize> {
    facts
        .outputs
        .iter()
        .find(|output| output.shape.len() == 4)
        .and_then(|output| output.shape.get(1).copied().flatten())
}

/// What ultralytics' exports say of themselves.
fn of_yolo(kind: &str, family: &str, task: &str, classes: Option<usize>) -> Guess {
    Guess {
        head: vec![format!("type = \"{kind}\""), format!("family = \"{family}\""), "min_score = 0.35".to_owned()],
        input: owned(&YOLO),
        classes,
        why: format!("its `task` is {task}; ultralytics' exports note it"),
        ..Guess::default()
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn raw(why: String) -> Guess {
    Guess { head: vec!["type = \"raw\"".to_owned()], why, ..Guess::default() }
}

/// A row of numbers: classes, or an embedding.
fn classes(output: &Port, numbers: usize, port: &Port, labels: Option<usize>, bytes: bool) -> Guess {
    let embeds = labels != Some(numbers) && EMBEDDINGS.contains(&numbers);
    let mut input: Vec<String> = Vec::new();
    if let Some([height, width]) = sides(port).filter(|[height, width]| height == width && *height >= 96) {
        // 256 for 224, as in torchvision.
        let short = (height.min(width) * 8).div_ceil(7);
        input.extend(["resize = \"shortest\"".to_owned(), format!("short = {short}")]);
    }
    match (bytes, channels(port)) {
        (true, _) => input.push("scale = 1".to_owned()),
        (false, Some(1)) => input.push("scale = 255".to_owned()),
        (false, _) => input.extend(IMAGENET.map(str::to_owned)),
    }
    let head = if embeds {
        vec!["type = \"embedder\"".to_owned()]
    } else {
        vec![
            "type = \"classifier\"".to_owned(),
            "activation = \"softmax\" # or \"none\", where the model ends with it".to_owned(),
        ]
    };
    Guess {
        head,
        input,
        classes: (!embeds).then_some(numbers),
        why: format!("`{}` {output}: one row of numbers", output.name),
        ..Guess::default()
    }
}

/// What it does and what to use it for.
fn words(kind: &str, labels: &[String]) -> (String, String) {
    let shown: Vec<&str> = labels.iter().map(String::as_str).filter(|name| !name.is_empty()).take(NAMED).collect();
    let more = if labels.len() > shown.len() { format!(" ... ({} in all)", labels.len()) } else { String::new() };
    let listed = if shown.is_empty() { "certain things".to_owned() } else { format!("{}{more}", shown.join(", ")) };
    if kind.contains("\"sam\"") {
        let text = "Finds the outline of what is at a point or in a box.";
        (text.to_owned(), "the exact outline of a thing whose place is known".to_owned())
    } else if kind.contains("\"owlvit\"") || kind.contains("\"grounding_dino\"") {
        let text = "Finds things that are named in any words, with a box around each.";
        (text.to_owned(), "finding things that no other detector knows".to_owned())
    } else if kind.contains("segmenter") {
        (format!("Finds the outlines of these things: {listed}."), format!("the exact outlines of {listed}"))
    } else if kind.contains("pose") {
        let text = "Finds the joints of people: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.";
        (text.to_owned(), "where a person's hands, feet or other joints are".to_owned())
    } else if kind.contains("\"ocr\"") {
        let text = "Reads the printed text in an image, line by line, in reading order.";
        (text.to_owned(), "reading what signs, labels, documents or screens say".to_owned())
    } else if kind.contains("depth") {
        ("Tells how near each place of an image is.".to_owned(), "which of several things is nearer".to_owned())
    } else if kind.contains("detector") {
        (format!("Finds these things, with a box around each: {listed}."), format!("finding {listed}"))
    } else if kind.contains("classifier") {
        (format!("Says which of these an image shows: {listed}."), format!("whether an image shows {listed}"))
    } else if kind.contains("embedder") {
        let text = "Makes a vector of an image that is near those of similar images.";
        (text.to_owned(), "comparing images by what they show".to_owned())
    } else {
        ("Runs a model on an image and returns its outputs.".to_owned(), "the model's raw outputs".to_owned())
    }
}
