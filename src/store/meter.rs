//! Turns bytes on the wire into bytes of the final file, for whoever watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::progress::Progress;

/// Counts one attempt at one artefact.
pub(super) struct Meter<'a> {
    progress: &'a dyn Progress,
    name: &'a str,
    total: u64,
    done: AtomicU64,
    resumed: AtomicBool,
}

impl<'a> Meter<'a> {
    pub(super) fn begin(progress: &'a dyn Progress, name: &'a str, total: u64) -> Self {
        progress.begin(name, total);
        Self { progress, name, total, done: AtomicU64::new(0), resumed: AtomicBool::new(false) }
    }

    /// A share of the file that one transfer stands for, about `bytes` of it.
    pub(super) fn share(&self, bytes: u64) -> Share<'_> {
        Share { meter: self, bytes: AtomicU64::new(bytes), done: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, text: &str) {
        self.progress.note(self.name, text);
    }

    /// Notes that an earlier attempt's bytes are used.
    pub(super) fn set_resumed(&self) {
        self.resumed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_resumed(&self) -> bool {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Everything is there.
    pub(super) fn fill(&self) {
        self.advance(u64::MAX);
    }

    fn advance(&self, bytes: u64) {
        let before = self.done.load(Ordering::Relaxed);
        let bytes = bytes.min(self.total.saturating_sub(before));
        self.done.fetch_add(bytes, Ordering::Relaxed);
        if bytes > 0 {
            self.progress.advance(self.name, bytes);
        }
    }
}

/// One transfer's share of the final file.
pub(super) struct Share<'a> {
    pub(super) meter: &'a Meter<'a>,
    bytes: AtomicU64,
    done: AtomicU64,
}

impl Share<'_> {
    /// Corrects how many bytes of the final file the transfer stands for.
    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// `sent` of `whole` bytes have been transferred. Going back (a restart) shows once it is overtaken.
    pub(super) fn at(&self, sent: u64, whole: Option<u64>) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let reached = match whole {
            Some(whole) if whole > 0 => {
                u64::try_from(u128::from(bytes) * u128::from(sent.min(whole)) / u128::from(whole)).unwrap_or(bytes)
            }
            _ => sent.min(bytes),
        };
        let before = self.done.fetch_max(reached, Ordering::Relaxed);
        self.meter.advance(reached.saturating_sub(before));
    }
}
