//! What a front end sees of a fetch.

/// Watches artefacts being fetched. Every method does nothing by default.
///
/// Calls come from several tasks at once; an artefact is known by its name. An artefact that is
/// already there causes no call at all.
pub trait Progress: Send + Sync {
    /// Fetching of a file of `bytes` bytes begins. Called again for the same name when the next
    /// source is tried: count from zero then.
    fn begin(&self, _name: &str, _bytes: u64) {}
    /// That many more bytes of the final file have arrived (compressed transfers are scaled to it).
    fn advance(&self, _name: &str, _bytes: u64) {}
    /// Something worth a line, e.g. why a source was given up.
    fn note(&self, _name: &str, _text: &str) {}
    /// The file is verified and in place (`ok`), or all sources failed.
    fn finish(&self, _name: &str, _ok: bool) {}
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
