//! Computed prefixes on disk, so that a new process starts at once.
//!
//! A file holds a header that says what it is for, then the keys and values.

use std::io;
use std::path::PathBuf;

use half::f16;
use sha2::{Digest, Sha256};

use super::kv::Kv;
use super::shape::Shape;
use crate::keep::Keep;

/// What a file begins with: its kind and version.
const MAGIC: &[u8; 8] = b"LAVRKV\x02\n";

/// Length of a model's identity.
const IDENTITY: usize = 32;

/// A folder of computed prefixes of one model.
pub(super) struct PrefixFiles {
    files: Keep,
    model: [u8; IDENTITY],
}

impl PrefixFiles {
    /// Keeps the prefixes of a model in `folder`, which is made when it is first needed.
    pub(super) fn new(folder: PathBuf, model: [u8; IDENTITY]) -> Self {
        Self { files: Keep::new(folder, "kv"), model }
    }

    /// Reads the state of a prefix, if it is there and sound.
    pub(super) fn load(&self, shape: &Shape, tokens: &[u32]) -> Option<Kv> {
        let bytes = self.files.load(self.source(tokens))?;
        let numbers = bytes.strip_prefix(self.header(shape, tokens).as_slice())?;
        let side = Kv::new(shape).numbers(tokens.len()).checked_mul(2)?;
        if numbers.len() != side.checked_mul(shape.layers)?.checked_mul(2)? {
            return None;
        }
        let read = |side: &[u8]| side.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        Kv::import(shape, tokens.len(), numbers.chunks_exact(side).map(read))
    }

    /// Writes the state of a prefix.
    pub(super) fn save(&self, shape: &Shape, tokens: &[u32], kv: &Kv) {
        self.files.save(self.source(tokens), |out| {
            let sides =
                kv.export(tokens.len()).ok_or_else(|| io::Error::other("the state does not hold the prefix"))?;
            out.write_all(&self.header(shape, tokens))?;
            for side in sides {
                out.write_all(&side.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
            }
            Ok(())
        });
    }

    fn source(&self, tokens: &[u32]) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.model);
        tokens.iter().for_each(|t| hash.update(t.to_le_bytes()));
        hash
    }

    fn header(&self, shape: &Shape, tokens: &[u32]) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend(self.model);
        for size in [shape.layers, shape.kv_heads, shape.head, tokens.len()] {
            header.extend((size as u64).to_le_bytes());
        }
        header.extend(tokens.iter().flat_map(|t| t.to_le_bytes()));
        header
    }
}
