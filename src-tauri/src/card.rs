//! Whether there is a graphics card, and what the webview does without one.
//!
//! Without a card, compositing layers is work for the processor: all of the window, on every core, for every frame. Then
//! the webview draws what changed and no more, which takes half the time (`benches/README.md`).

use std::path::Path;

/// WebKitGTK's own name for it, read when the webview starts.
const PLAIN: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Begins this program again without compositing where there is no card. Comes back where there is one, or where the
/// person said what they want.
pub(crate) fn heed() {
    use std::os::unix::process::CommandExt;

    if std::env::var_os(PLAIN).is_some() || usable(Path::new("/dev/dri")) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    // Only an environment that it starts with reaches every part of the webview. What cannot be begun again goes on.
    let _slower = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(PLAIN, "1")
        .env(pilothouse_client::UNSET, PLAIN)
        .exec();
}

/// Whether there is a card that this user may use.
fn usable(nodes: &Path) -> bool {
    let nodes = std::fs::read_dir(nodes).into_iter().flatten().flatten();
    let mut renders = nodes.filter(|it| it.file_name().to_string_lossy().starts_with("renderD"));
    renders.any(|it| std::fs::File::options().read(true).write(true).open(it.path()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_counts_if_it_may_be_used() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!usable(&folder.path().join("none")));
        std::fs::write(folder.path().join("card0"), "").unwrap();
        assert!(!usable(folder.path()), "what shows pictures does not draw them");
        std::fs::write(folder.path().join("renderD128"), "").unwrap();
        assert!(usable(folder.path()));
    }
}
