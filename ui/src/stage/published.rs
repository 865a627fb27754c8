//! What a pull request is on another forge: how it stands there, and its address, which is opened only when somebody asks for it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::pull::Pull;

use crate::ipc;
use crate::kit::Icon;
use crate::words::one;

/// Of one that was sent there; nothing of others.
pub(super) fn section(pull: &Pull) -> Option<AnyView> {
    let it = pull.published.as_ref()?;
    let icon = match (&it.trouble, it.has(&pull.head)) {
        (Some(_), _) => "warning",
        (None, true) => "check",
        (None, false) => "clock",
    };
    let link = it.named.as_ref().map(|named| {
        let url = named.url.clone();
        let open = move |_| {
            let url = url.clone();
            spawn_local(async move {
                // The shell says itself why it could not.
                let _told = ipc::visit(&url).await;
            });
        };
        view! {
            <div class="said"><div class="line"><code class="mono cut">{one(&named.url)}</code><button class="button push" data-size="small" type="button" data-name="open-published" on:click=open>"Open in browser"</button></div></div>
        }
    });
    let says = it.says(&pull.head);
    Some(
        view! {
            <section data-name="published"><h3>"Published"</h3><p class="note"><Icon name=icon/><span>{one(&says)}</span></p>{link}</section>
        }
        .into_any(),
    )
}
