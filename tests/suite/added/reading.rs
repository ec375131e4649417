//! Readers of text as manifests describe them, with the real models of `read_text`.

use std::path::Path;

use lavr::error::Result;
use lavr::runner::{LazyFile, OrtModel, Runner as _};
use lavr::tool::Args;
use lavr::value::{Line, Value};

use super::{ABOUT, read};
use crate::experts::{cx, image, reader, repository, runtime};
use crate::real::model_file;

const DETECTOR: &str = "PP-OCRv6_det_small.onnx";
const RECOGNISER: &str = "PP-OCRv6_rec_small.onnx";
const DIRECTION: &str = "ch_ppocr_mobile_v2.0_cls_mobile.onnx";
const INPUT: &str = "[input]\ncolour = \"bgr\"\nmean = 0.5\nstd = 0.5\n";
const HEAD: &str = "[head]\ntype = \"ocr\"\n";

/// What a manifest with these tables reads in a picture, its models beside it.
async fn lines(picture: &Path, tables: &str, files: &[(&str, &[u8])]) -> Result<Vec<Line>> {
    let folder = tempfile::tempdir().unwrap();
    for model in [DETECTOR, RECOGNISER, DIRECTION] {
        std::os::unix::fs::symlink(model_file(model), folder.path().join(model)).unwrap();
    }
    for toy in ["classifier.onnx", "identity.onnx"] {
        std::fs::copy(repository("tests/models").join(toy), folder.path().join(toy)).unwrap();
    }
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().join("my_tool.toml");
    let model = if tables.contains("[model]") { String::new() } else { format!("[model]\nfile = \"{DETECTOR}\"\n") };
    std::fs::write(&path, format!("{ABOUT}\n{model}{tables}")).unwrap();
    let tool = read(&path, &runtime().unwrap())?.tool;
    let args: Args = [("image".to_owned(), Value::Image(image(picture)))].into_iter().collect();
    let Value::List(items) = lavr::tool::Tool::call(&*tool, &cx(), args).await? else { panic!("no list") };
    let line = |value: Value| if let Value::Line(line) = value { line } else { panic!("{value:?}") };
    Ok(items.into_iter().map(line).collect())
}

fn sign() -> std::path::PathBuf {
    repository("tests/images/gallery.jpg")
}

#[tokio::test]
async fn a_reader_of_ones_own_reads_as_the_built_in_one() {
    let picture = sign();
    let built_in = reader().unwrap().lines(&cx(), &image(&picture)).await.unwrap();
    assert!(!built_in.is_empty());
    let noted = format!("{INPUT}{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\ndirection = \"{DIRECTION}\"\n");
    assert_eq!(lines(&picture, &noted, &[]).await.unwrap(), built_in);
    // The characters in a file of one's own, as PaddleOCR's dictionaries are, and no classifier of upside-down lines.
    let runner = runtime().unwrap().runner("rec", OrtModel::File(LazyFile::at(model_file(RECOGNISER))));
    let characters = runner.metadata("character").await.unwrap().unwrap();
    let tables = format!("{INPUT}{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\ncharacters = \"keys.txt\"\n");
    let windows = format!("\u{feff}{}", characters.replace('\n', "\r\n"));
    // The space may be among the characters; then there is no class more.
    for keys in [format!("{characters}\n"), windows, format!("{characters}\n \n")] {
        let read = lines(&picture, &tables, &[("keys.txt", keys.as_bytes())]).await.unwrap();
        assert_eq!(read, built_in);
    }
    // Without [input], the models are fed as those of PP-OCR.
    let plain = format!("{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\ndirection = \"{DIRECTION}\"\n");
    assert_eq!(lines(&picture, &plain, &[]).await.unwrap(), built_in);
    // Keys change what is read.
    let strict = format!("{INPUT}{HEAD}min_score = 1\n[ocr]\nrecogniser = \"{RECOGNISER}\"\n");
    assert!(lines(&picture, &strict, &[]).await.unwrap().len() < built_in.len());
    let blind = format!("{INPUT}{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\nthreshold = 1\n");
    assert_eq!(lines(&picture, &blind, &[]).await.unwrap(), []);
    let small = format!("{INPUT}{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\nlongest = 64\nside = 32\n");
    assert_ne!(lines(&picture, &small, &[]).await.unwrap(), built_in);
}

#[tokio::test]
async fn what_is_wrong_with_a_reader_is_named() {
    let ocr = |more: &str| format!("{INPUT}{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\n{more}");
    let cases = [
        (format!("{INPUT}{HEAD}"), "an ocr model needs [ocr]"),
        (
            format!("[head]\ntype = \"depth\"\n[ocr]\nrecogniser = \"{RECOGNISER}\"\n"),
            "[ocr] has no meaning for type = \"depth\"",
        ),
        (format!("{HEAD}[ocr]\n"), "missing field `recogniser`"),
        (format!("{HEAD}[ocr]\nrecogniser = \"../rec.onnx\"\n"), "../rec.onnx"),
        (format!("{HEAD}[ocr]\nrecogniser = \"none.onnx\"\n"), "none.onnx"),
        (format!("{HEAD}top = 3\n[ocr]\nrecogniser = \"{RECOGNISER}\"\n"), "`top` has no meaning for type = \"ocr\""),
        (format!("[input]\nsize = [640, 640]\n{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\n"), "sizes are in [ocr]"),
        (
            format!("[input]\nname = \"x\"\n{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\n"),
            "an ocr model has only `colour`, `mean` and `std`",
        ),
        (
            format!("[input]\ncolour = \"grey\"\n{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\n"),
            "`colour` of an ocr model",
        ),
        (format!("{HEAD}[labels]\nnames = [\"a\"]\n[ocr]\nrecogniser = \"{RECOGNISER}\"\n"), "[labels] has no meaning"),
        (ocr("heigth = 32\n"), "did you mean `height`?"),
        (ocr("height = 0\n"), "`height` goes from 8 to 128 pixels"),
        (ocr("side = 4096\n"), "go from 8 to 2048 pixels"),
        (ocr("box_threshold = 2\n"), "go from 0 to 1"),
        (ocr("unclip = -1\n"), "`unclip` goes from 0 to 10"),
        (ocr("std = 0\n"), "`std` has numbers other than 0"),
        (ocr("characters = \"missing.txt\"\n"), "missing.txt"),
        (ocr("characters = \"empty.txt\"\n"), "it is empty"),
        (ocr("characters = \"bytes.txt\"\n"), "it is not UTF-8"),
        (ocr("characters = \"few.txt\"\n"), "for 3 characters its last dimension should be 4 or, with a space, 5"),
        (
            format!("{HEAD}[ocr]\nrecogniser = \"classifier.onnx\"\n"),
            "no key `character`: name a file in [ocr] `characters`",
        ),
        (
            format!("[model]\nfile = \"identity.onnx\"\n{HEAD}[ocr]\nrecogniser = \"{RECOGNISER}\"\n"),
            "and not one number for each",
        ),
    ];
    let files: [(&str, &[u8]); 3] = [("empty.txt", b""), ("bytes.txt", &[255, 254, 0]), ("few.txt", b"a\nb\nc\n")];
    for (tables, wanted) in cases {
        let error = lines(&sign(), &tables, &files).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{tables}\n{error}");
    }
}
