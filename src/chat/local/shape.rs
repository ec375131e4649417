//! The shape of a model, read from the metadata of its file.

use super::gguf::Gguf;
use super::kv::LANES;
use crate::error::{Error, Result};

/// How rotary positions pair the numbers of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rope {
    /// The first half with the second half (Qwen2).
    Halves,
    /// Each even place with the odd place after it (Llama files in GGUF).
    Neighbours,
}

/// Sizes and constants of a transformer of the Qwen2 or Llama family.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head: usize,
    pub(super) context: usize,
    pub(super) rope: Rope,
    pub(super) rope_base: f32,
    pub(super) epsilon: f32,
}

impl Shape {
    /// Reads and checks the shape.
    pub(super) fn read(file: &Gguf) -> Result<Self> {
        let family = file.text("general.architecture").unwrap_or("unknown");
        let rope = match family {
            "qwen2" => Rope::Halves,
            "llama" => Rope::Neighbours,
            other => return Err(unsupported(&format!("its architecture is `{other}`, not `qwen2` or `llama`"))),
        };
        let number = |key: &str| {
            file.number(&format!("{family}.{key}"))
                .ok_or_else(|| unsupported(&format!("its metadata has no `{family}.{key}`")))
        };
        let real = |key: &str| file.real(&format!("{family}.{key}"));
        let (width, heads) = (number("embedding_length")?, number("attention.head_count")?);
        let shape = Self {
            layers: number("block_count")?,
            width,
            heads,
            kv_heads: number("attention.head_count_kv").unwrap_or(heads),
            head: number("attention.key_length").unwrap_or(width / heads.max(1)),
            context: number("context_length")?,
            rope,
            rope_base: real("rope.freq_base").unwrap_or(10_000.0),
            epsilon: real("attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
        };
        shape.check(number("rope.dimension_count").ok(), file)?;
        Ok(shape)
    }

    /// Query heads that share one key and value head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    fn check(&self, rotated: Option<usize>, file: &Gguf) -> Result<()> {
        let whole = self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads);
        if self.layers == 0 || self.width == 0 || self.context == 0 || !whole {
            return Err(unsupported("its sizes make no sense"));
        }
        if self.head == 0 || !self.head.is_multiple_of(LANES) {
            return Err(unsupported(&format!("a head has {} numbers, not a multiple of {LANES}", self.head)));
        }
        if rotated.is_some_and(|n| n != self.head) || file.has("rope_freqs.weight") {
            return Err(unsupported("it scales its rotary positions"));
        }
        Ok(())
    }
}

fn unsupported(why: &str) -> Error {
    Error::invalid(format!("this model cannot be run here: {why}"))
}
