//! The pages of the window. Today one: whether the engine answers, and what it carries. The panes come next.

mod app;
mod ipc;

fn main() {
    leptos::mount::mount_to_body(app::App);
}
