//! Reading files whose size nobody vouches for.

use std::fs::File;
use std::io::{Error, Read, Result};
use std::path::Path;

/// Reads a file, refusing one that is longer: what a file says of its size is not asked, since a device says 0.
pub(crate) fn read_at_most(file: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::read_at_most;

    #[test]
    fn what_is_longer_than_the_limit_is_refused() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("a");
        std::fs::write(&file, "12345")?;
        assert_eq!(read_at_most(&file, 5)?, b"12345");
        assert!(read_at_most(&file, 4).is_err_and(|e| e.to_string().contains("more than 4 bytes")));
        #[cfg(unix)]
        assert!(read_at_most(std::path::Path::new("/dev/zero"), 4).is_err(), "endless");
        Ok(())
    }
}
