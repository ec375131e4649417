//! Weights that are compiled in, converted by `tools/weights/make.py`; their licences are in `tools/weights/NOTICE.txt`.

use super::catalog::nearest;
use crate::error::{Error, ErrorKind, Result};

macro_rules! onnx {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/weights/", $name, ".onnx"))
    };
}

/// The detector's weights: NanoDet for the 80 COCO classes, half precision.
pub static NANODET: &[u8] = onnx!("nanodet");

/// All names, and the bytes of ONNX files.
static WEIGHTS: &[(&str, &[u8])] = &[
    ("nanodet", NANODET),
    ("classifier", onnx!("classifier")),
    ("emotion", onnx!("emotion")),
    ("face_attributes", onnx!("face_attributes")),
    ("faces", onnx!("faces")),
    ("movenet", onnx!("movenet")),
];

/// The ONNX file of this name.
///
/// # Errors
/// `NotFound` with the names that there are.
pub(super) fn compiled_in(name: &str) -> Result<&'static [u8]> {
    let found = WEIGHTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytes)| *bytes).ok_or_else(|| {
        let names: Vec<&str> = WEIGHTS.iter().map(|(name, _)| *name).collect();
        let meant = nearest(name, &names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let all = names.join(", ");
        let message = format!("[model]: no weights `{name}` are compiled in, only {all}{meant}");
        Error::new(ErrorKind::NotFound, message)
    })
}
