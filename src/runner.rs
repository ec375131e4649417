//! Runners: what turns input tensors into output tensors for an expert.

mod batch;
mod exit;
mod ort;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use ndarray::ArrayD;
use serde::Serialize;

pub use self::batch::Batching;
pub use self::exit::close;
pub use self::ort::{LazyFile, OrtModel, OrtRunner, OrtRuntime};

use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tensor {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 32-bit integers.
    I32(ArrayD<i32>),
    /// 64-bit integers.
    I64(ArrayD<i64>),
    /// Bytes.
    U8(ArrayD<u8>),
    /// Yes or no.
    Bool(ArrayD<bool>),
}

impl Tensor {
    /// The shape, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(a) => a.shape(),
            Self::I32(a) => a.shape(),
            Self::I64(a) => a.shape(),
            Self::U8(a) => a.shape(),
            Self::Bool(a) => a.shape(),
        }
    }

    /// The floats.
    ///
    /// # Errors
    /// `Model` when the elements are of another type.
    pub fn into_f32(self) -> Result<ArrayD<f32>> {
        match self {
            Self::F32(array) => Ok(array),
            other => Err(Error::new(ErrorKind::Model, format!("expected f32 elements, got {}", other.type_name()))),
        }
    }

    /// The element type's name, e.g. `f32`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::I32(_) => "i32",
            Self::I64(_) => "i64",
            Self::U8(_) => "u8",
            Self::Bool(_) => "bool",
        }
    }
}

/// Named tensors, in the model's order.
pub type Tensors = Vec<(String, Tensor)>;

/// An input or output of a model, as its file declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The elements' type, as in [`Tensor::type_name`] for those that tensors can have; empty when it is no tensor.
    pub of: String,
    /// The shape, outermost dimension first; nothing where any length will do.
    pub shape: Vec<Option<usize>>,
}

/// The shape as it is written: `f32[1, 3, ?, ?]`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.shape.iter().map(|length| length.map_or_else(|| "?".to_owned(), |n| n.to_string()));
        write!(f, "{}[{}]", self.of, lengths.collect::<Vec<_>>().join(", "))
    }
}

/// What a model's file says of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelFacts {
    /// What it takes, in order.
    pub inputs: Vec<Port>,
    /// What it returns, in order.
    pub outputs: Vec<Port>,
    /// What its makers noted in it, e.g. its labels.
    pub metadata: BTreeMap<String, String>,
}

/// Runs a model on tensors: in process through ONNX Runtime, or behind a server.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Computes the outputs, in the model's order.
    ///
    /// # Errors
    /// `Model` with the input's names and shapes when the model refuses them;
    /// `Cancelled` or `Budget` when the run ends first.
    async fn run(&self, cx: &Cx, inputs: Tensors) -> Result<Tensors>;

    /// What the model's file says of its inputs, outputs and labels; nothing where that is not known.
    ///
    /// # Errors
    /// `Model` when the model cannot be loaded.
    async fn facts(&self) -> Result<ModelFacts> {
        Ok(ModelFacts::default())
    }

    /// The model's own metadata under a key, e.g. an OCR recogniser's characters.
    ///
    /// # Errors
    /// As [`Runner::facts`].
    async fn metadata(&self, key: &str) -> Result<Option<String>> {
        Ok(self.facts().await?.metadata.remove(key))
    }

    /// Loads the model, so that the first run starts at once. Does nothing by default.
    ///
    /// # Errors
    /// Those of fetching the model's files, and `Model` when it cannot be loaded.
    async fn load(&self) -> Result<()> {
        Ok(())
    }
}
