//! What `pilothouse pr` says of a pull request that is on another forge too.

use pilothouse_contract::published::Page;
use pilothouse_contract::pull::Pull;
use pilothouse_contract::text;

use crate::out::short;

/// What would be sent.
pub(super) fn would(page: &Page) -> String {
    let place = &page.place;
    let there = match &page.published {
        Some(it) => format!("Now: {}\n", short(&it.says(&page.head), 200)),
        None => String::new(),
    };
    format!(
        "Nothing was sent. It would be, as {}:\n  {} to the branch {} of {}\n  a pull request into {}, unless one is open\n{there}\nTitle\n  {}\n\n{}",
        short(&page.login, 60),
        page.head.short(),
        short(&place.branch, 100),
        short(&page.remote, 200),
        short(&place.base, 100),
        short(&page.title, 200),
        text::plain(page.body.trim_end(), true)
    )
}

/// What was.
pub(super) fn sent(page: &Page) -> String {
    let Some(it) = &page.published else { return format!("{} is not published", page.pull) };
    let mut says = format!("{} is {}", page.pull, short(&it.says(&page.head), 200));
    if let Some(named) = &it.named {
        says.push_str(&format!("\n{}", short(&named.url, 200)));
    }
    says
}

/// How it stands there, for its page here; nothing of one that was never sent.
pub(super) fn line(pull: &Pull) -> String {
    let Some(it) = &pull.published else { return String::new() };
    let mut says = format!("\nPublished\n  {}\n", short(&it.says(&pull.head), 300));
    if let Some(named) = &it.named {
        says.push_str(&format!("  {}\n", short(&named.url, 200)));
    }
    if let Some(command) = it.command() {
        says.push_str(&format!("  {}\n", short(&command, 200)));
    }
    says
}
