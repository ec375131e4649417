//! Prompt files: those that are compiled in, and those of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::error::{Error, ErrorKind, Result};

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/prompts");

/// The compiled-in files, by their path.
pub(super) fn builtin_files() -> Result<BTreeMap<String, String>> {
    fn walk(dir: &Dir<'_>, files: &mut BTreeMap<String, String>) -> Result<()> {
        for file in dir.files() {
            let name = file.path().to_string_lossy().replace('\\', "/");
            let text = file.contents_utf8().ok_or_else(|| Error::invalid(format!("`{name}` is not UTF-8")))?;
            files.insert(name, text.to_owned());
        }
        dir.dirs().try_for_each(|dir| walk(dir, files))
    }
    let mut files = BTreeMap::new();
    walk(&BUILTIN, &mut files)?;
    Ok(files)
}

/// The prompt files of a folder, by their path in it.
pub(super) fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(root, &path, files)?;
                continue;
            }
            // What editors and systems leave behind is no prompt.
            if !path.extension().is_some_and(|e| e == "md" || e == "toml") {
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let text = std::fs::read_to_string(&path).map_err(|e| Error::from(e).context(name.clone()))?;
            files.insert(name, text);
        }
        Ok(())
    }
    if !folder.is_dir() {
        return Err(Error::new(ErrorKind::NotFound, "there is no such folder"));
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files)?;
    Ok(files)
}
