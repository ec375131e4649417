//! The model file: a GGUF mapped into memory, its metadata and its tensors.
//!
//! # Why the file is mapped
//! Quantised weights are repacked for the CPU's vector units before use; after that the bytes
//! of the file are dead weight. Mapped pages can be handed back, a read buffer cannot: this
//! halves the memory of a loaded model. It is also why this is the one file with `unsafe`.
#![allow(unsafe_code, reason = "mapping a file, and reading its bytes as quantised blocks")]

use std::fs::File;
use std::io::Cursor;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::k_quants as kq;
use candle_core::quantized::{GgmlDType, GgmlType, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, Device};
use half::{bf16, f16};
use memmap2::{Mmap, UncheckedAdvice};
use sha2::{Digest, Sha256};

use super::q4_1;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of each tensor that go into the identity of a model.
const SAMPLE: usize = 4096;

/// A GGUF file, mapped read-only.
pub(super) struct Gguf {
    content: Content,
    map: Arc<Mmap>,
}

impl Gguf {
    /// Maps the file and reads its header.
    ///
    /// The file must not change while it is mapped; the model store only ever replaces files whole.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let place = || format!("model file {}", path.display());
        let file = File::open(path).map_err(|e| Error::from(e).context(place()))?;
        // SAFETY: the map is read-only and private to this process. Its bytes are only read as
        // plain numbers, for which every bit pattern is valid. The one hazard left is that
        // another process shortens the file while it is mapped; artefacts are written beside
        // their place and renamed into it, so a path that was opened keeps its bytes.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::from(e).context(place()))?;
        let content = Content::read(&mut Cursor::new(&map[..])).map_err(|e| {
            Error::new(ErrorKind::InvalidInput, "this is not a GGUF file that can be read")
                .with_source(e)
                .context(place())
        })?;
        Ok(Self { content, map: Arc::new(map) })
    }

    /// The parsed header.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// A metadata value, if the file has it.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// A text from the metadata.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).and_then(|v| v.to_string().ok()).map(String::as_str)
    }

    /// A whole number from the metadata.
    pub(super) fn number(&self, key: &str) -> Option<usize> {
        self.value(key).and_then(|v| v.to_u64().ok()).and_then(|n| usize::try_from(n).ok())
    }

    /// A real number from the metadata.
    pub(super) fn real(&self, key: &str) -> Option<f32> {
        self.value(key).and_then(|v| v.to_f32().ok())
    }

    /// Whether the file holds this tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// A tensor whose blocks stay in the mapped file.
    pub(super) fn tensor(&self, name: &str) -> Result<QTensor> {
        let info = self.content.tensor_infos.get(name).ok_or_else(|| broken(&format!("it has no tensor `{name}`")))?;
        let (start, len) = self.span(name)?;
        let storage = QStorage::Cpu(blocks_of(info.ggml_dtype, &self.map, start, len)?);
        QTensor::new(storage, info.shape.clone())
            .map_err(|e| broken(&format!("tensor `{name}` is damaged")).with_source(e))
    }

    /// A small tensor as plain numbers.
    pub(super) fn floats(&self, name: &str) -> Result<Vec<f32>> {
        self.tensor(name)?
            .dequantize(&Device::Cpu)
            .and_then(|t| t.flatten_all()?.to_vec1::<f32>())
            .map_err(|e| broken(&format!("tensor `{name}` cannot be read")).with_source(e))
    }

    /// Hands the pages of a tensor back to the system; they are read from the file again when needed.
    pub(super) fn release(&self, name: &str) {
        #[cfg(unix)]
        if let Ok((start, len)) = self.span(name) {
            // SAFETY: for a read-only map of a file, `MADV_DONTNEED` drops pages that are read
            // back, with the same content, on the next access. `span` checked the range.
            let dropped = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
            if let Err(error) = dropped {
                tracing::debug!(%error, name, "the pages of a tensor were not handed back");
            }
        }
    }

    /// A digest that tells models apart: the header, the size and a sample of every tensor.
    pub(super) fn identity(&self) -> [u8; 32] {
        let header = usize::try_from(self.content.tensor_data_offset).unwrap_or(0).min(self.map.len());
        let mut hash = Sha256::new();
        hash.update(self.map.len().to_le_bytes());
        hash.update(&self.map[..header]);
        let mut names: Vec<&String> = self.content.tensor_infos.keys().collect();
        names.sort();
        for name in names {
            if let Ok((start, len)) = self.span(name) {
                hash.update(&self.map[start..start + len.min(SAMPLE)]);
            }
        }
        hash.finalize().into()
    }

    /// Where a tensor's bytes are: checked to lie inside the file.
    fn span(&self, name: &str) -> Result<(usize, usize)> {
        let damaged = || broken(&format!("tensor `{name}` lies outside the file; it may be cut off"));
        let info = self.content.tensor_infos.get(name).ok_or_else(damaged)?;
        let block = info.ggml_dtype.block_size();
        let elements = info.shape.elem_count();
        if !elements.is_multiple_of(block) {
            return Err(damaged());
        }
        let len = (elements / block).checked_mul(info.ggml_dtype.type_size()).ok_or_else(damaged)?;
        let start = self.content.tensor_data_offset.checked_add(info.offset).ok_or_else(damaged)?;
        let start = usize::try_from(start).map_err(|_| damaged())?;
        match start.checked_add(len) {
            Some(end) if end <= self.map.len() => Ok((start, len)),
            _ => Err(damaged()),
        }
    }
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the model file is not usable: {what}"))
}

/// Blocks of a tensor that stay in the mapped file.
struct Mapped<T> {
    map: Arc<Mmap>,
    start: usize,
    count: usize,
    blocks: PhantomData<fn() -> T>,
}

fn blocks_of(dtype: GgmlDType, map: &Arc<Mmap>, start: usize, len: usize) -> Result<Box<dyn QuantizedType>> {
    match dtype {
        GgmlDType::F32 => Mapped::<f32>::over(map, start, len),
        GgmlDType::F16 => Mapped::<f16>::over(map, start, len),
        GgmlDType::BF16 => Mapped::<bf16>::over(map, start, len),
        GgmlDType::Q4_0 => Mapped::<kq::BlockQ4_0>::over(map, start, len),
        GgmlDType::Q4_1 => Mapped::<kq::BlockQ4_1>::over(map, start, len),
        GgmlDType::Q5_0 => Mapped::<kq::BlockQ5_0>::over(map, start, len),
        GgmlDType::Q5_1 => Mapped::<kq::BlockQ5_1>::over(map, start, len),
        GgmlDType::Q8_0 => Mapped::<kq::BlockQ8_0>::over(map, start, len),
        GgmlDType::Q2K => Mapped::<kq::BlockQ2K>::over(map, start, len),
        GgmlDType::Q3K => Mapped::<kq::BlockQ3K>::over(map, start, len),
        GgmlDType::Q4K => Mapped::<kq::BlockQ4K>::over(map, start, len),
        GgmlDType::Q5K => Mapped::<kq::BlockQ5K>::over(map, start, len),
        GgmlDType::Q6K => Mapped::<kq::BlockQ6K>::over(map, start, len),
        other => Err(broken(&format!("weights of type {other:?} are not supported"))),
    }
}

impl<T: GgmlType + 'static> Mapped<T> {
    fn over(map: &Arc<Mmap>, start: usize, len: usize) -> Result<Box<dyn QuantizedType>> {
        let size = size_of::<T>();
        let inside = start.checked_add(len).is_some_and(|end| end <= map.len());
        let aligned = (map.as_ptr() as usize).wrapping_add(start).is_multiple_of(align_of::<T>());
        if !inside || !aligned || !len.is_multiple_of(size) {
            return Err(broken("a tensor is not where the header says"));
        }
        Ok(Box::new(Self { map: Arc::clone(map), start, count: len / size, blocks: PhantomData }))
    }

    fn bytes(&self) -> &[u8] {
        &self.map[self.start..self.start + self.count * size_of::<T>()]
    }

    fn blocks(&self) -> &[T] {
        let bytes = self.bytes();
        // SAFETY: `over` is only called with the block types listed in `blocks_of`: `repr(C)`
        // structs of integers and half floats, or floats, valid for every bit pattern and
        // without padding. It checked alignment and length; the slice lives as long as the map.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), self.count) }
    }
}

impl<T: GgmlType + 'static> QuantizedType for Mapped<T> {
    fn dtype(&self) -> GgmlDType {
        T::DTYPE
    }

    fn matmul_t(&self, mkn: (usize, usize, usize), lhs: &[f32], dst: &mut [f32]) -> candle_core::Result<()> {
        if T::DTYPE == GgmlDType::Q4_1 {
            q4_1::multiply(mkn, lhs, self.bytes(), dst);
            return Ok(());
        }
        kq::matmul(mkn, lhs, self.blocks(), dst)
    }

    fn matmul_t_f16(&self, mkn: (usize, usize, usize), lhs: &[f16], dst: &mut [f16]) -> candle_core::Result<()> {
        kq::matmul_f16(mkn, lhs, self.blocks(), dst)
    }

    fn embedding(&self, ids: &[u32], rows: usize, hidden: usize) -> candle_core::Result<CpuStorage> {
        let width = hidden / T::BLCK_SIZE;
        let mut out = vec![0f32; ids.len() * hidden];
        for (id, dst) in ids.iter().zip(out.chunks_exact_mut(hidden)) {
            let row = (*id as usize) * width;
            match self.blocks().get(row..row + width) {
                Some(src) if (*id as usize) < rows => T::to_float(src, dst),
                _ => candle_core::bail!("token {id} is outside the vocabulary of {rows}"),
            }
        }
        Ok(CpuStorage::F32(out))
    }

    fn dequantize(&self, elements: usize) -> candle_core::Result<CpuStorage> {
        let mut out = vec![0f32; elements];
        T::to_float(self.blocks(), &mut out);
        Ok(CpuStorage::F32(out))
    }

    fn storage_size_in_bytes(&self) -> usize {
        self.size()
    }

    fn as_ptr(&self) -> *const u8 {
        self.blocks().as_ptr().cast()
    }

    fn block_size(&self) -> usize {
        T::BLCK_SIZE
    }

    /// Nothing: mapped weights are read-only, and nothing quantises into them.
    fn from_float(&mut self, _: &[f32]) {}

    /// Nothing, as above.
    fn from_float_imatrix(&mut self, _: &[f32], _: &[f32], _: usize) {}

    fn size(&self) -> usize {
        self.count * size_of::<T>()
    }
}
