//! The pages of the window: the engine's truth as a person reads it, and what a person does about it.
//!
//! Refuses any truth of its own: all that is kept here is where the window was.

#![allow(unreachable_pub, reason = "the component macro makes its parts public")]

mod app;
mod board;
mod brief;
mod chrome;
mod commands;
mod desk;
mod diff;
mod instructions;
mod ipc;
mod keys;
mod kit;
mod leaving;
mod lists;
mod mirror;
mod overlays;
mod palette;
mod place;
mod project;
mod pulls;
mod queue;
mod refine;
mod specdesk;
mod stage;
mod trajectories;
mod typing;
mod wall;
mod words;
mod worktrees;

fn main() {
    leptos::mount::mount_to_body(app::App);
}
