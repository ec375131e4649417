//! The model store: every kind of source, and everything that can go wrong on the way.

pub mod archives;
mod configured;
mod failures;
mod listed;
mod manifests;
mod registries;
mod servers;
mod transfers;

use std::path::Path;
use std::sync::Mutex;

use lavr::store::{Artefact, Progress, Store, StoreOptions, parse_artefacts};
use sha2::{Digest, Sha256};

/// Bytes that do not compress away and differ by seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}

/// An artefact with this content; `sources` is the TOML of the list.
fn artefact(content: &[u8], sources: &str) -> Artefact {
    let sha256 = hex::encode(Sha256::digest(content));
    let size = content.len();
    let toml = format!(
        "[[artefacts]]\nname = \"thing\"\nfile = \"thing.bin\"\nsize = {size}\nsha256 = \"{sha256}\"\n\
         licence = \"MIT\"\nsources = [{sources}]\n"
    );
    parse_artefacts(&toml).unwrap().remove(0)
}

/// A store whose environment is exactly these variables, in which no Python is run.
fn store(home: &Path, vars: &[(&str, &str)]) -> Store {
    let vars = [("LAVR_PIP", "never"), ("PIP_CONFIG_FILE", "/dev/null")].iter().chain(vars);
    Store::open(StoreOptions::from_vars(vars.copied()).unwrap().with_home(home)).unwrap()
}

fn sha256(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).unwrap()))
}

/// Keeps what a front end would show.
#[derive(Default)]
struct Watcher {
    done: Mutex<u64>,
    notes: Mutex<Vec<String>>,
    ends: Mutex<Vec<bool>>,
}

impl Progress for Watcher {
    fn begin(&self, _name: &str, _bytes: u64) {
        *self.done.lock().unwrap() = 0;
    }

    fn advance(&self, _name: &str, bytes: u64) {
        *self.done.lock().unwrap() += bytes;
    }

    fn note(&self, _name: &str, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }

    fn finish(&self, _name: &str, ok: bool) {
        self.ends.lock().unwrap().push(ok);
    }
}

impl Watcher {
    fn notes(&self) -> String {
        self.notes.lock().unwrap().join("\n")
    }
}
