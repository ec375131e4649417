//! One transfer to one file, continued where an earlier attempt stopped.

use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{ETAG, LAST_MODIFIED};
use reqwest::{Response, StatusCode};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::meter::Share;
use super::web::{self, Ask, Web};
use crate::error::{Error, ErrorKind, Result};

/// How often in a row a transfer may break without getting on by [`PROGRESS`] bytes.
const BREAKS: u32 = 5;
const PROGRESS: u64 = 256 << 10;

/// What of a remote file is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want {
    /// All of it, which must have this size.
    Exactly(u64),
    /// All of it, at most this much.
    UpTo(u64),
    /// `length` bytes from `start` on, by a range request.
    Span {
        /// The first byte.
        start: u64,
        /// How many.
        length: u64,
    },
}

impl Want {
    fn first(self) -> u64 {
        if let Self::Span { start, .. } = self { start } else { 0 }
    }

    fn length(self) -> Option<u64> {
        match self {
            Self::Exactly(length) | Self::Span { length, .. } => Some(length),
            Self::UpTo(_) => None,
        }
    }

    fn most(self) -> u64 {
        match self {
            Self::Exactly(most) | Self::UpTo(most) | Self::Span { length: most, .. } => most,
        }
    }

    fn range(self, have: u64) -> Option<String> {
        match self {
            Self::Span { start, length } => {
                let last = start.saturating_add(length).saturating_sub(1);
                Some(format!("bytes={}-{last}", start.saturating_add(have)))
            }
            _ if have > 0 => Some(format!("bytes={have}-")),
            _ => None,
        }
    }
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything wanted is in the file.
    Complete,
    /// The server does not send parts of files.
    NoRanges,
}

/// Why an attempt stopped: for good, or so that another may go on.
enum Stop {
    Final(Error),
    Broken(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

pub(super) struct Transfer<'a> {
    pub(super) web: &'a Web,
    pub(super) ask: Ask,
    pub(super) path: &'a Path,
    pub(super) want: Want,
    pub(super) share: &'a Share<'a>,
}

impl Transfer<'_> {
    /// Transfers what is missing in the file.
    pub(super) async fn run(&self) -> Result<Ended> {
        if self.have().await? > 0 {
            self.share.meter.set_resumed();
        }
        let mut breaks = 0;
        loop {
            let before = self.have().await?;
            let error = match self.attempt(before).await {
                Ok(ended) => return Ok(ended),
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Broken(error)) => error,
            };
            let gained = self.have().await?.saturating_sub(before);
            breaks = if gained >= PROGRESS { 0 } else { breaks + 1 };
            if breaks >= BREAKS {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(300) * breaks).await;
        }
    }

    async fn have(&self) -> Result<u64> {
        match fs::metadata(self.path).await {
            Ok(data) => Ok(data.len()),
            Err(error) if error.kind() == IoKind::NotFound => Ok(0),
            Err(error) => Err(self.disk(error)),
        }
    }

    async fn attempt(&self, mut have: u64) -> Result<Ended, Stop> {
        if have > self.want.most() {
            have = self.restart().await?;
        }
        if self.want.length() == Some(have) {
            self.share.at(1, Some(1));
            return Ok(Ended::Complete);
        }
        let mut ask = self.ask.clone();
        ask.range = self.want.range(have);
        ask.if_range = if have > 0 { fs::read_to_string(self.validator()).await.ok() } else { None };
        let response = self.web.send(&ask).await?;
        let is_span = matches!(self.want, Want::Span { .. });
        match response.status() {
            StatusCode::PARTIAL_CONTENT if self.continues(&response, have) => {}
            StatusCode::PARTIAL_CONTENT => {
                self.restart().await?;
                return Err(Stop::Broken(self.fault("sent another range than asked for")));
            }
            status if status.is_success() && is_span => return Ok(Ended::NoRanges),
            status if status.is_success() => have = self.restart().await?,
            StatusCode::RANGE_NOT_SATISFIABLE if is_span => return Ok(Ended::NoRanges),
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return self.past_the_end(&response, have).await,
            status => return Err(web::refused(&self.ask.url, status).into()),
        }
        self.receive(response, have).await
    }

    fn continues(&self, response: &Response, have: u64) -> bool {
        let start = web::content_range(response).and_then(|(start, _)| start);
        start == Some(self.want.first().saturating_add(have))
    }

    /// The server has nothing after what we have: it is complete, or it is of something else.
    async fn past_the_end(&self, response: &Response, have: u64) -> Result<Ended, Stop> {
        let whole = web::content_range(response).and_then(|(_, whole)| whole);
        if whole == Some(have) && self.want.length().is_none() {
            return Ok(Ended::Complete);
        }
        self.restart().await?;
        Err(Stop::Broken(self.fault("what was there does not fit to what the server has")))
    }

    async fn receive(&self, response: Response, mut have: u64) -> Result<Ended, Stop> {
        let announced = response.content_length().map(|rest| rest.saturating_add(have));
        self.measure(announced)?;
        if have == 0 {
            self.keep_validator(&response).await;
        }
        let whole = self.want.length().or(announced);
        let file = File::options().create(true).append(true).open(self.path).await.map_err(|e| self.disk(e))?;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        let mut stream = response.bytes_stream();
        let mut broken = None;
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => {
                    have = have.saturating_add(chunk.len() as u64);
                    self.measure(Some(have).filter(|have| *have > self.want.most()))?;
                    file.write_all(&chunk).await.map_err(|e| self.disk(e))?;
                    self.share.at(have, whole);
                }
                Err(error) => {
                    broken = Some(web::failed(&self.ask.url, &error));
                    break;
                }
            }
        }
        file.flush().await.map_err(|e| self.disk(e))?;
        match broken {
            Some(error) => Err(Stop::Broken(error)),
            None if whole.is_some_and(|whole| have < whole) => Err(Stop::Broken(self.fault("the answer ended early"))),
            None => Ok(Ended::Complete),
        }
    }

    /// Refuses an answer whose length is wrong, before its bytes are transferred if it says so itself.
    fn measure(&self, length: Option<u64>) -> Result<()> {
        let Some(length) = length else { return Ok(()) };
        let wrong = match self.want {
            Want::Exactly(wanted) => length != wanted,
            Want::UpTo(most) | Want::Span { length: most, .. } => length > most,
        };
        if !wrong {
            return Ok(());
        }
        let shown = super::http::shown(&self.ask.url);
        let most = self.want.most();
        Err(Error::new(ErrorKind::Integrity, format!("{shown}: has {length} bytes instead of {most}")))
    }

    /// Drops what is there.
    async fn restart(&self) -> Result<u64> {
        for path in [self.path.to_owned(), self.validator()] {
            match fs::remove_file(&path).await {
                Err(error) if error.kind() != IoKind::NotFound => return Err(self.disk(error)),
                _ => {}
            }
        }
        Ok(0)
    }

    fn validator(&self) -> PathBuf {
        self.path.with_extension("tag")
    }

    /// Keeps what tells later whether the server still has the same file. Without it the digest will.
    async fn keep_validator(&self, response: &Response) {
        let headers = response.headers();
        let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        if let Some(tag) = strong.or_else(|| headers.get(LAST_MODIFIED)) {
            drop(fs::write(self.validator(), tag.as_bytes()).await);
        }
    }

    fn fault(&self, what: &str) -> Error {
        web::network(&self.ask.url, what)
    }

    fn disk(&self, error: std::io::Error) -> Error {
        disk_fault(self.path, error)
    }
}

/// A local failure, which no other source would mend.
pub(super) fn disk_fault(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
}
