//! What is open for the page: its feed and its viewers. A page that goes, by a reload too, takes them with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pilothouse_client::Order;
use pilothouse_contract::wire::Tag;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::sync::mpsc::UnboundedSender;

/// Something that goes on for the page, and ends with this.
#[derive(Debug)]
pub(crate) struct Task(pub(crate) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session that the page looks at.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// Where its orders go. Closed if it has come to its end.
    pub(crate) orders: UnboundedSender<Order>,
    /// What shows it.
    pub(crate) _task: Task,
}

/// What is open.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// The one feed.
    pub(crate) feed: Option<Task>,
    /// The viewers, by the numbers that the page gave them.
    pub(crate) viewers: HashMap<u32, Viewer>,
}

/// The page of the one window.
#[derive(Debug, Default)]
pub(crate) struct Page(Mutex<Open>);

impl Page {
    /// Looks at what is open, or changes it.
    pub(crate) fn with<T>(&self, does: impl FnOnce(&mut Open) -> T) -> T {
        does(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another page comes: nothing is open for it.
    pub(crate) fn leave(&self) {
        self.with(|open| drop(std::mem::take(open)));
    }
}

/// Sends one message: the tag's byte and what belongs to it. False if the page is gone.
pub(crate) fn send(channel: &Channel<InvokeResponseBody>, tag: Tag, parts: &[&[u8]]) -> bool {
    let mut message = Vec::with_capacity(1 + parts.iter().map(|it| it.len()).sum::<usize>());
    message.push(tag as u8);
    parts.iter().for_each(|part| message.extend_from_slice(part));
    channel.send(InvokeResponseBody::Raw(message)).is_ok()
}
