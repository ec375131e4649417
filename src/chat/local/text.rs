//! Putting a reply's text together from the bytes of its tokens.

/// Collects bytes and hands out whole characters.
#[derive(Default)]
pub(super) struct Text {
    done: String,
    open: Vec<u8>,
}

impl Text {
    /// Adds bytes; returns the text that became readable.
    pub(super) fn push(&mut self, bytes: &[u8]) -> &str {
        let start = self.done.len();
        self.open.extend_from_slice(bytes);
        let mut used = 0;
        for chunk in self.open.utf8_chunks() {
            self.done.push_str(chunk.valid());
            used += chunk.valid().len();
            let (bad, last) = (chunk.invalid().len(), used + chunk.invalid().len() == self.open.len());
            // Bytes at the very end may be the beginning of a character.
            if bad > 0 && !(last && bad < 4) {
                self.done.push(char::REPLACEMENT_CHARACTER);
                used += bad;
            }
        }
        self.open.drain(..used.min(self.open.len()));
        &self.done[start..]
    }

    /// The whole text; a character that was cut off is left out.
    pub(super) fn finish(self) -> String {
        self.done
    }
}
