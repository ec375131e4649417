//! The model store (being written).
use serde::{Deserialize, Serialize};
/// One file a tool needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artefact {
    /// Its name.
    pub name: String,
}
