//! Whether there is a graphics card, and what the webview does without one.
//!
//! Without a card, compositing layers is work for the processor: all of the window, on every core, for every frame. Then
//! the webview draws what changed and no more, which takes half the time (`benches/README.md`).

use std::path::Path;

/// WebKitGTK's own name for it, read when the webview starts.
const PLAIN: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Tells the webview to do without compositing where there is no card, unless the person said what they want. To be called
/// first of all: an environment may be changed only while there is one thread.
pub(crate) fn heed() {
    if std::env::var_os(PLAIN).is_some() || usable(Path::new("/dev/dri")) {
        return;
    }
    // What cannot be set leaves the window slower, and nothing worse.
    let _slower =
        glib::setenv(PLAIN, "1", true).and_then(|()| glib::setenv(pilothouse_client::UNSET, PLAIN, true));
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
