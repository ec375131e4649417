//! Trying again what failed in passing.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::OpenAiOptions;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

/// Longest wait that is not asked for by the server.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// A failure that may not happen again.
pub(super) struct Passing {
    /// What happened, without the end of the sentence.
    pub(super) what: String,
    /// What the user can do.
    pub(super) way_out: &'static str,
    /// How long the server asks to wait.
    pub(super) after: Option<Duration>,
}

/// Counts the attempts of one call, and waits between them.
pub(super) struct Tries {
    pauses: ExponentialBackoff,
    made: u32,
}

impl Tries {
    pub(super) fn new(options: &OpenAiOptions) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(options.backoff)
            .with_max_delay(MAX_PAUSE.max(options.backoff))
            .with_max_times(options.retries)
            .with_jitter();
        Self { pauses: pauses.build(), made: 0 }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `Network`, saying what happened, how often, and the way out: when no attempt is left, or the wait
    /// would outlast the run.
    pub(super) async fn wait(&mut self, cx: &Cx, passing: Passing) -> Result<()> {
        self.made += 1;
        let Some(pause) = self.pauses.next() else {
            return Err(self.error(&passing, ""));
        };
        // The server's wish, and the jitter that keeps clients from coming back all at once.
        let pause = passing.after.map_or(pause, |after| after.max(pause));
        if pause >= cx.meter().remaining() {
            let wait = format!(", and a wait of {:.1} s is longer than the run may last", pause.as_secs_f32());
            return Err(self.error(&passing, &wait));
        }
        tracing::debug!("{}; trying again in {:.1} s", passing.what, pause.as_secs_f32());
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn error(&self, passing: &Passing, why: &str) -> Error {
        let times = if self.made == 1 { "tried once".to_owned() } else { format!("tried {} times", self.made) };
        let Passing { what, way_out, .. } = passing;
        Error::new(ErrorKind::Network, format!("{what}; {times}{why}; {way_out}"))
    }
}
