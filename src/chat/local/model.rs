//! The forward pass of the Qwen2 and Llama families over quantised weights.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::utils::barrier_pool;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape as Dims};

use super::attention::Attention;
use super::gguf::Gguf;
use super::kv::Kv;
use super::shape::{Rope, Shape};
use super::simd::{Add, Norm, Swiglu, dispatch};
use crate::error::{Error, ErrorKind, Result};

/// A loaded model.
pub(super) struct Model {
    shape: Shape,
    tokens: QTensor,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Linear,
    rotation: Rotation,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    mlp_norm: Vec<f32>,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Model {
    /// Loads the weights and repacks them for this CPU.
    pub(super) fn load(file: &Gguf, context: usize) -> Result<Self> {
        let shape = Shape::read(file)?;
        let head = if file.has("output.weight") { "output" } else { "token_embd" };
        let layers = load_layers(file, shape.layers)?;
        Ok(Self {
            tokens: file.tensor("token_embd.weight")?,
            layers,
            norm: file.floats("output_norm.weight")?,
            head: Linear::load_head(file, head)?,
            rotation: Rotation::new(&shape, context),
            shape,
        })
    }

    /// The model's sizes.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Reads `tokens` after those in `kv`.
    pub(super) fn read(&self, kv: &mut Kv, tokens: &[u32]) -> Result<Vec<f32>> {
        let mut states = self.embed(tokens)?;
        kv.reserve(tokens.len());
        for (n, layer) in self.layers.iter().enumerate() {
            self.attend(n, layer, kv, &mut states)?;
            self.think(layer, &mut states)?;
        }
        kv.advance(tokens.len());
        Ok(states)
    }

    /// Scores of the token that follows, from the states of the tokens read last.
    pub(super) fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        let last = states.len().saturating_sub(self.shape.width);
        self.head.apply(&CpuStorage::F32(self.normed(&states[last..], &self.norm)))
    }

    fn embed(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let ids = candle_core::Tensor::new(tokens, &candle_core::Device::Cpu).map_err(failed)?;
        self.tokens.embedding(&ids).and_then(|t| t.flatten_all()?.to_vec1()).map_err(failed)
    }

    fn attend(&self, n: usize, layer: &Layer, kv: &mut Kv, states: &mut [f32]) -> Result<()> {
        let input = CpuStorage::F32(self.normed(states, &layer.attention_norm));
        let mut queries = layer.query.apply(&input)?;
        let mut keys = layer.key.apply(&input)?;
        let values = layer.value.apply(&input)?;
        let first = kv.len();
        self.rotation.apply(&mut queries, self.shape.heads, first)?;
        self.rotation.apply(&mut keys, self.shape.kv_heads, first)?;
        kv.write(n, &keys, &values);
        let seen = Attention { shape: &self.shape, kv, layer: n, first, queries: &queries }.run();
        let change = layer.output.apply(&CpuStorage::F32(seen))?;
        dispatch(Add { into: states, from: &change });
        Ok(())
    }

    fn think(&self, layer: &Layer, states: &mut [f32]) -> Result<()> {
        let input = CpuStorage::F32(self.normed(states, &layer.mlp_norm));
        let mut gate = layer.gate.apply(&input)?;
        let up = layer.up.apply(&input)?;
        dispatch(Swiglu { gate: &mut gate, up: &up });
        let change = layer.down.apply(&CpuStorage::F32(gate))?;
        dispatch(Add { into: states, from: &change });
        Ok(())
    }

    fn normed(&self, rows: &[f32], weight: &[f32]) -> Vec<f32> {
        dispatch(Norm { rows, weight, epsilon: self.shape.epsilon })
    }
}

/// Loads layers side by side, since repacking takes a second and more.
fn load_layers(file: &Gguf, count: usize) -> Result<Vec<Layer>> {
    let threads = barrier_pool().n_workers() + 1;
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let loading: Vec<_> = (0..count)
            .step_by(share)
            .map(|first| {
                let some = first..count.min(first + share);
                scope.spawn(move || some.map(|n| Layer::load(file, n)).collect::<Result<Vec<_>>>())
            })
            .collect();
        let mut layers = Vec::with_capacity(count);
        for part in loading {
            layers.extend(part.join().unwrap_or_else(|_| Err(Error::internal("loading a layer failed")))?);
        }
        Ok(layers)
    })
}

impl Layer {
    fn load(file: &Gguf, n: usize) -> Result<Self> {
        let part = |name: &str| Linear::load(file, &format!("blk.{n}.{name}"));
        Ok(Self {
            attention_norm: file.floats(&format!("blk.{n}.attn_norm.weight"))?,
            query: part("attn_q")?,
            key: part("attn_k")?,
            value: part("attn_v")?,
            output: part("attn_output")?,
            mlp_norm: file.floats(&format!("blk.{n}.ffn_norm.weight"))?,
            gate: part("ffn_gate")?,
            up: part("ffn_up")?,
            down: part("ffn_down")?,
        })
    }
}

/// A quantised matrix, with its bias if it has one.
struct Linear {
    weight: QTensor,
    bias: Option<Vec<f32>>,
    inputs: usize,
    /// A row alone is computed as two.
    ///
    /// # Why
    /// For one row of this type candle reads the file's blocks, for more it reads repacked ones, and
    /// sums in another order. Then what a token's state is would depend on the tokens read with it,
    /// and a reply on what was asked before. It would also keep both forms in memory.
    paired: bool,
}

impl Linear {
    /// Loads a matrix of a layer. Using it once repacks it; its pages of the file are not needed after that.
    fn load(file: &Gguf, name: &str) -> Result<Self> {
        let mut linear = Self::load_head(file, name)?;
        linear.paired = linear.weight.dtype() == GgmlDType::Q6K;
        if matches!(linear.weight.dtype(), GgmlDType::Q4K | GgmlDType::Q6K) {
            linear.apply(&CpuStorage::F32(vec![0.0; 2 * linear.inputs]))?;
            file.release(&format!("{name}.weight"));
        }
        Ok(linear)
    }

    /// Loads the matrix that scores tokens: it only ever sees one row, so it is not repacked.
    fn load_head(file: &Gguf, name: &str) -> Result<Self> {
        let weight = file.tensor(&format!("{name}.weight"))?;
        let (_, inputs) = weight.shape().dims2().map_err(failed)?;
        let bias = format!("{name}.bias");
        let bias = if file.has(&bias) { Some(file.floats(&bias)?) } else { None };
        Ok(Self { weight, bias, inputs, paired: false })
    }

    /// Multiplies rows of inputs.
    fn apply(&self, rows: &CpuStorage) -> Result<Vec<f32>> {
        let CpuStorage::F32(numbers) = rows else {
            return Err(Error::internal("activations are not single precision"));
        };
        if self.paired && numbers.len() == self.inputs {
            let mut out = self.apply(&CpuStorage::F32([numbers.as_slice(), numbers].concat()))?;
            out.truncate(out.len() / 2);
            return Ok(out);
        }
        let layout = Layout::contiguous(Dims::from((numbers.len() / self.inputs, self.inputs)));
        let (out, _) = self.weight.cpu_fwd(rows, &layout).map_err(failed)?;
        let CpuStorage::F32(mut out) = out else { return Err(Error::internal("a product is not single precision")) };
        if let Some(bias) = &self.bias {
            dispatch(Add { into: &mut out, from: bias });
        }
        Ok(out)
    }
}

/// Rotary positions: cosines and sines for every position of the context.
struct Rotation {
    rope: Rope,
    head: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotation {
    fn new(shape: &Shape, context: usize) -> Self {
        let half = shape.head / 2;
        let speeds: Vec<f32> =
            (0..half).map(|i| 1.0 / shape.rope_base.powf((2 * i) as f32 / shape.head as f32)).collect();
        let angles = || (0..context).flat_map(|p| speeds.iter().map(move |s| p as f32 * s));
        Self {
            rope: shape.rope,
            head: shape.head,
            cos: angles().map(f32::cos).collect(),
            sin: angles().map(f32::sin).collect(),
        }
    }

    /// Rotates `[token][head][number]` of tokens from position `first` on.
    fn apply(&self, rows: &mut [f32], heads: usize, first: usize) -> Result<()> {
        let half = self.head / 2;
        for (t, token) in rows.chunks_exact_mut(heads * self.head).enumerate() {
            let span = (first + t) * half..(first + t + 1) * half;
            let (Some(cos), Some(sin)) = (self.cos.get(span.clone()), self.sin.get(span)) else {
                return Err(Error::internal("a position lies beyond the context"));
            };
            for head in token.chunks_exact_mut(self.head) {
                match self.rope {
                    Rope::Halves => {
                        let (left, right) = head.split_at_mut(half);
                        for (((a, b), c), s) in left.iter_mut().zip(right).zip(cos).zip(sin) {
                            (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
                        }
                    }
                    Rope::Neighbours => {
                        for ((pair, c), s) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                            let [a, b] = *pair;
                            *pair = [a * c - b * s, a * s + b * c];
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// An error of the tensor library.
pub(super) fn failed(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Model, "the embedded LLM failed").with_source(error)
}
