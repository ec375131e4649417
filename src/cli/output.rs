//! What the command line prints: results on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// Prints a line on stdout. A reader that went away (`| head`) is not an error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::from(e).context("stdout")),
        _ => Ok(()),
    }
}

/// Prints JSON on one line on stdout.
pub(super) fn print_json(json: &Json) -> Result<()> {
    print(&json.to_string())
}

/// Prints a line on stderr.
pub(super) fn note(text: &str) {
    // With stderr gone there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error on stderr.
pub(super) fn complain(error: &Error) {
    note(&format!("error: {error}"));
    tracing::debug!("{}", error.for_log());
}

/// Whether a person watches stderr.
pub(super) fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Text from outside as it may stand on a terminal: no control characters.
pub(super) fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}
