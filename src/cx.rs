//! `Cx`: what every step of a run shares: budget, cancellation, images, event sink.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::budget::{Budget, Meter};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Frame, Image};
use crate::trace::{Entry, Event, Past};

/// Receives the events of a run as they happen, with the images they mention.
pub trait EventSink: Send + Sync {
    /// Takes one entry. It must not block for long.
    fn event(&self, entry: &Entry, images: &[&Image]);
}

/// Shared by everything that works on one run. Clones are handles to the same run.
#[derive(Clone)]
pub struct Cx {
    meter: Meter,
    cancel: CancellationToken,
    sinks: Arc<Mutex<Vec<Arc<dyn EventSink>>>>,
    images: Arc<Mutex<HashMap<String, Image>>>,
    past: Option<Arc<Past>>,
}

impl Cx {
    /// Starts a run with the given limits; the clock runs from here.
    pub fn new(budget: Budget) -> Self {
        Self::with(budget, CancellationToken::new(), Vec::new())
    }

    /// Starts a run that `cancel` stops and whose events go to `sinks`.
    pub fn with(budget: Budget, cancel: CancellationToken, sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self {
            meter: Meter::start(budget),
            cancel,
            sinks: Arc::new(Mutex::new(sinks)),
            images: Arc::default(),
            past: None,
        }
    }

    /// The same run, which has happened before as far as `past` tells.
    #[must_use]
    pub fn after(self, past: Option<Arc<Past>>) -> Self {
        Self { past, ..self }
    }

    /// What happened in the run before.
    pub(crate) fn past(&self) -> Option<&Past> {
        self.past.as_deref()
    }

    /// What the run has used, and its limits.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The token that stops the run.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Fails with `Cancelled` when the run was stopped, with `Budget` when its time or tokens are used up.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the run was cancelled"));
        }
        self.past().and_then(Past::over).map_or(Ok(()), Err)?;
        self.meter.check()
    }

    /// Waits for `work`, but no longer than the run lasts.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first; else what `work` returns.
    pub async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the run was cancelled")),
            () = tokio::time::sleep_until(self.meter.deadline().into()) => {
                self.meter.check()?;
                Err(Error::new(ErrorKind::Budget, "the wall-clock budget is used up"))
            }
            result = work => result,
        }
    }

    /// Reports an event to all sinks, one event at a time, so that their times never run back.
    pub fn emit(&self, event: Event, images: &[&Image]) {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let t_ms = u64::try_from(self.meter.elapsed().as_millis()).unwrap_or(u64::MAX);
        let entry = Entry { t_ms, event };
        for sink in sinks.iter() {
            sink.event(&entry, images);
        }
    }

    /// Makes an image known to the run and returns the handle that finds it.
    ///
    /// The handle of a root image is its digest. Images cut out of it can have
    /// equal pixels, and so one digest, in several places: their handles say where.
    pub fn keep_image(&self, image: &Image) -> String {
        let handle = handle(image);
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.entry(handle.clone()).or_insert_with(|| image.clone());
        handle
    }

    /// The image with this handle.
    ///
    /// # Errors
    /// `NotFound` when no step of this run made or was given it.
    pub fn image(&self, handle: &str) -> Result<Image> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images
            .get(handle)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no image `{handle}` in this run")))
    }
}

fn handle(image: &Image) -> String {
    let Frame { x, y, scale } = image.frame();
    let place = if image.frame() == Frame::ROOT { String::new() } else { format!("@{x},{y},{scale}") };
    format!("{}{place}", image.digest())
}
