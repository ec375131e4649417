//! Models that are stated and not there: what they take, and what they give.

use std::sync::Mutex;

use async_trait::async_trait;
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::runner::{ModelFacts, Port, Runner, Tensor, Tensors};
use ndarray::{ArrayD, IxDyn};

type Gives = Box<dyn Fn(&Tensor) -> Tensors + Send + Sync>;

/// A model that gives what it is told to of its first input, and keeps the shapes of those.
pub(crate) struct Stated {
    facts: ModelFacts,
    gives: Gives,
    pub(crate) shapes: Mutex<Vec<Vec<usize>>>,
}

impl Stated {
    pub(crate) fn new(facts: ModelFacts, gives: impl Fn(&Tensor) -> Tensors + Send + Sync + 'static) -> Self {
        Self { facts, gives: Box::new(gives), shapes: Mutex::default() }
    }

    /// A model that nobody is to run.
    pub(crate) fn idle(facts: ModelFacts) -> Self {
        Self::new(facts, |_| panic!("it ran"))
    }
}

#[async_trait]
impl Runner for Stated {
    async fn run(&self, _cx: &Cx, inputs: Tensors) -> Result<Tensors> {
        let (_, first) = &inputs[0];
        self.shapes.lock().unwrap().push(first.shape().to_vec());
        Ok((self.gives)(first))
    }

    async fn facts(&self) -> Result<ModelFacts> {
        Ok(self.facts.clone())
    }
}

/// An input or output: `x: f32[1, 3, ?, ?]`.
pub(crate) fn port(text: &str) -> Port {
    let (name, rest) = text.split_once(": ").unwrap();
    let (of, shape) = rest.trim_end_matches(']').split_once('[').unwrap();
    Port { name: name.to_owned(), of: of.to_owned(), shape: shape.split(", ").map(|n| n.parse().ok()).collect() }
}

/// A model of these inputs and outputs.
pub(crate) fn facts(inputs: &[&str], outputs: &[&str]) -> ModelFacts {
    let ports = |texts: &[&str]| texts.iter().map(|text| port(text)).collect();
    ModelFacts { inputs: ports(inputs), outputs: ports(outputs), ..ModelFacts::default() }
}

pub(crate) fn floats(shape: &[usize], numbers: Vec<f32>) -> Tensor {
    Tensor::F32(ArrayD::from_shape_vec(IxDyn(shape), numbers).unwrap())
}
