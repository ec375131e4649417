//! Fetching, as the terminal shows it.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::{Progress, human_size};

/// A bar for each file when stderr is a terminal, else one line when it begins and one when it ends.
pub(crate) struct Bars {
    /// The bars, when stderr is a terminal.
    screen: Option<MultiProgress>,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    bar: ProgressBar,
    bytes: u64,
    since: Instant,
}

impl Bars {
    pub(crate) fn new() -> Self {
        let screen = std::io::stderr().is_terminal().then(|| {
            let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            screen.set_move_cursor(true);
            screen
        });
        Self { screen, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line above the bars.
    fn line(&self, text: &str) {
        // Nobody can be told that stderr is closed.
        let print = || drop(writeln!(std::io::stderr(), "{text}"));
        match &self.screen {
            Some(screen) => screen.suspend(print),
            None => print(),
        }
    }

    fn bar(&self, name: &str, bytes: u64) -> ProgressBar {
        let Some(screen) = &self.screen else { return ProgressBar::hidden() };
        let bar = screen.add(ProgressBar::new(bytes));
        let look = "{prefix:24!} {bar:30} {decimal_bytes:>10} of {decimal_total_bytes:10} {decimal_bytes_per_sec:>12} {eta:>4}";
        if let Ok(style) = ProgressStyle::with_template(look) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

impl Progress for Bars {
    fn begin(&self, name: &str, bytes: u64) {
        if let Some(running) = self.running().get(name) {
            return running.bar.reset();
        }
        let running = Running { bar: self.bar(name, bytes), bytes, since: Instant::now() };
        self.running().insert(name.to_owned(), running);
        if self.screen.is_none() {
            let size = if bytes == 0 { "of unknown size".to_owned() } else { human_size(bytes) };
            self.line(&format!("fetching {name} ({size})"));
        }
    }

    fn advance(&self, name: &str, bytes: u64) {
        if let Some(running) = self.running().get(name) {
            running.bar.inc(bytes);
        }
    }

    fn note(&self, name: &str, text: &str) {
        self.line(&format!("{name}: {text}"));
    }

    fn finish(&self, name: &str, ok: bool) {
        let Some(running) = self.running().remove(name) else { return };
        running.bar.finish_and_clear();
        if ok {
            let seconds = running.since.elapsed().as_secs_f64();
            let size = if running.bytes == 0 { String::new() } else { format!(" ({})", human_size(running.bytes)) };
            self.line(&format!("fetched {name}{size} in {seconds:.1} s"));
        }
    }
}
