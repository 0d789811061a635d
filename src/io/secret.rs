//! Files that hold a secret: read only when nobody but their owner can.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A file with a secret must not be readable by others.
///
/// # Errors
/// What is wrong and what to do about it.
pub fn owner_only(file: &Path) -> Result<(), String> {
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = file.display();
    Err(format!("{shown} holds a password and others may read it: chmod 600 {shown}"))
}

/// The secret of a file, without the line end behind it.
///
/// # Errors
/// When it cannot be read, or others may.
pub fn read(file: &Path) -> Result<String, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    owner_only(file)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
