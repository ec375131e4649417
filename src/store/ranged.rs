//! Finds a member of a remote zip file by reading only its directory.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use reqwest::StatusCode;
use zip::CompressionMethod;
use zip::ZipArchive;
use zip::result::ZipError;

use super::web::{self, Ask, Web};
use crate::error::{Error, ErrorKind, Result};

/// How much is read at once, and how often: a directory of 4 MB at most.
const BLOCK: u64 = 64 << 10;
const BLOCKS: usize = 64;

/// Where a member's bytes are in the zip file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) start: u64,
    /// Its length as it lies there.
    pub(super) length: u64,
    /// Its real size.
    pub(super) size: u64,
    /// Compressed with deflate, or not at all.
    pub(super) deflated: bool,
}

/// What a look at a remote zip file gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Found(Member),
    /// There is no such member.
    Absent,
    /// It cannot be told without the whole file.
    Unclear,
}

/// Looks for a member.
pub(super) async fn look(web: &Web, ask: &Ask, name: &str) -> Result<Look> {
    let Some(mut sparse) = tail(web, ask).await? else { return Ok(Look::Unclear) };
    for _ in 0..BLOCKS {
        match find(&mut sparse, name) {
            Ok(look) => return Ok(look),
            Err(error) => {
                let Some(at) = sparse.missing.take() else { return Err(not_a_zip(ask, &error)) };
                if !sparse.fetch(web, ask, at).await? {
                    return Ok(Look::Unclear);
                }
            }
        }
    }
    Ok(Look::Unclear)
}

fn not_a_zip(ask: &Ask, error: &ZipError) -> Error {
    let shown = super::http::shown(&ask.url);
    Error::new(ErrorKind::Integrity, format!("{shown}: not a readable zip file ({error})"))
}

fn find(sparse: &mut Sparse, name: &str) -> Result<Look, ZipError> {
    sparse.position = 0;
    let mut archive = ZipArchive::new(sparse)?;
    let Some(index) = archive.index_for_name(name) else { return Ok(Look::Absent) };
    let member = archive.by_index_raw(index)?;
    let deflated = match member.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        _ => return Ok(Look::Unclear),
    };
    let Some(start) = member.data_start().filter(|_| !member.encrypted()) else { return Ok(Look::Unclear) };
    Ok(Look::Found(Member { start, length: member.compressed_size(), size: member.size(), deflated }))
}

/// The last bytes of the remote file; none when the server does not send parts.
async fn tail(web: &Web, ask: &Ask) -> Result<Option<Sparse>> {
    let response = web.send(&ask.clone().range(format!("bytes=-{BLOCK}"))).await?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {}
        status if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
        status => return Err(web::refused(&ask.url, status)),
    }
    let Some((Some(start), Some(length))) = web::content_range(&response) else { return Ok(None) };
    let bytes = body(ask, response, BLOCK).await?;
    if start.checked_add(bytes.len() as u64) != Some(length) {
        return Ok(None);
    }
    Ok(Some(Sparse { length, position: 0, blocks: BTreeMap::from([(start, bytes)]), missing: None }))
}

async fn body(ask: &Ask, mut response: reqwest::Response, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| web::failed(&ask.url, &error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > most {
            return Err(web::network(&ask.url, "sent more than was asked for"));
        }
    }
    Ok(bytes)
}

/// A file of which only some blocks are known.
struct Sparse {
    length: u64,
    position: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    /// The first byte that was wanted and not known.
    missing: Option<u64>,
}

impl Sparse {
    /// Gets the block that starts at `at`; false when the server stops sending parts.
    async fn fetch(&mut self, web: &Web, ask: &Ask, at: u64) -> Result<bool> {
        let next = self.blocks.range(at..).next().map_or(self.length, |(start, _)| *start);
        let end = next.min(at.saturating_add(BLOCK));
        let range = format!("bytes={at}-{}", end.saturating_sub(1));
        let response = web.send_ok(&ask.clone().range(range)).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT
            || web::content_range(&response) != Some((Some(at), Some(self.length)))
        {
            return Ok(false);
        }
        let bytes = body(ask, response, BLOCK).await?;
        let is_whole = bytes.len() as u64 == end.saturating_sub(at);
        self.blocks.insert(at, bytes);
        Ok(is_whole)
    }

    fn known(&self, at: u64) -> Option<&[u8]> {
        let (start, block) = self.blocks.range(..=at).next_back()?;
        block.get(usize::try_from(at.checked_sub(*start)?).ok()?..).filter(|rest| !rest.is_empty())
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let Some(mut known) = self.known(self.position) else {
            self.missing = Some(self.position);
            return Err(io::Error::other("not read yet"));
        };
        let read = known.read(buffer)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
