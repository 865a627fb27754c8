//! Whether what sessions say is out of the reach of other users. Refuses to make it so by itself: a folder that others may enter
//! may be so on purpose.

use std::path::Path;

/// Refuses a folder that others may look into: what agents say is nobody else's business.
pub(super) fn is_private(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let it = std::fs::metadata(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let wrong = if it.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user".to_owned()
    } else if it.mode() & 0o077 != 0 {
        format!("may be entered by others (mode {:o})", it.mode() & 0o777)
    } else {
        return Ok(());
    };
    let folder = folder.display();
    Err(format!(
        "{folder} {wrong}, and what sessions say is written there; make it yours alone: chmod 700 {folder}"
    ))
}
