//! The files of a change: a list of any length, of which the page holds what is seen.

use leptos::prelude::*;
use pilothouse_contract::ask::change::File;
use wasm_bindgen::JsCast;

use super::Look;
use crate::words::one;

/// So many more files than are seen are on the page, on either side.
const MORE: u32 = 12;

impl Look {
    /// The files that the list shows, by their place in the change.
    pub(super) fn listed(self) -> Vec<u32> {
        let filter = self.filter.get().to_lowercase();
        self.change.with(|it| {
            let files = it.iter().flat_map(|it| it.files.iter().enumerate());
            let fits = |it: &File| {
                filter.is_empty()
                    || it.path.to_lowercase().contains(&filter)
                    || it.old.as_ref().is_some_and(|it| it.to_lowercase().contains(&filter))
            };
            files.filter(|it| fits(it.1)).filter_map(|it| u32::try_from(it.0).ok()).collect()
        })
    }
}

fn part(css: &str) -> Option<web_sys::HtmlElement> {
    document().query_selector(&format!("[data-name=files] {css}")).ok().flatten()?.dyn_into().ok()
}

/// The height of a row.
fn row_height(list: &web_sys::Element) -> f64 {
    let probe = list.query_selector(".probe").ok().flatten();
    probe.map_or(24.0, |it| it.get_bounding_client_rect().height()).max(1.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows that fit on a screen")]
pub(super) fn measure(look: Look) {
    let Some(list) = part(".filescroll") else { return };
    let height = row_height(&list);
    let first = (f64::from(list.scroll_top()) / height) as u32;
    let seen = (f64::from(list.client_height()) / height) as u32 + 1;
    let frame = (first.saturating_sub(MORE), first + seen + MORE);
    if look.files_frame.get_untracked() != frame {
        look.files_frame.set(frame);
    }
}

/// Brings the chosen file into sight.
pub(super) fn keep_in_sight(look: Look) {
    request_animation_frame(move || {
        let Some(list) = part(".filescroll") else { return };
        let chosen = look.file.get_untracked();
        let Some(nth) = untrack(|| look.listed()).iter().position(|it| *it == chosen) else { return };
        let height = row_height(&list);
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "pixels of a page")]
        let (top, bottom) = ((nth as f64 * height) as i32, ((nth + 1) as f64 * height).ceil() as i32);
        if top < list.scroll_top() {
            list.set_scroll_top(top);
        } else if bottom > list.scroll_top() + list.client_height() {
            list.set_scroll_top(bottom - list.client_height());
        }
        measure(look);
    });
}

/// Puts the keyboard into the field that narrows the list.
pub(crate) fn narrow() {
    if let Some(field) = part("input") {
        let _hidden = field.focus();
    }
}

/// The list.
#[component]
pub(super) fn FileList(look: Look) -> impl IntoView {
    let listed = Memo::new(move |_| look.listed());
    Effect::new(move |_| {
        let _moved = (look.file.get(), listed.with(Vec::len));
        keep_in_sight(look);
    });
    let frame = Memo::new(move |_| {
        let (from, to) = look.files_frame.get();
        listed.with(|all| {
            let end = (to as usize).min(all.len());
            let from = (from as usize).min(end);
            let chosen = look.file.get();
            let line = |at: &u32| {
                let viewed = look.viewed.with(|all| all.contains(at));
                look.change.with(|it| {
                    let change = it.as_ref()?;
                    Some((*at, change.to.clone(), *at == chosen, viewed))
                })
            };
            (from, all.get(from..end).unwrap_or_default().iter().filter_map(line).collect::<Vec<_>>())
        })
    });
    let heed = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            event.stop_propagation();
            look.filter.set(String::new());
            super::rows::focus();
        }
        "Enter" | "ArrowDown" => {
            event.prevent_default();
            event.stop_propagation();
            // The first that fits is shown, unless the chosen one is among them.
            let chosen = look.file.get_untracked();
            let first = listed.with_untracked(|all| all.first().copied().filter(|_| !all.contains(&chosen)));
            if let Some(first) = first {
                look.file.set(first);
            }
            super::rows::focus();
        }
        _ => {}
    };
    let clicked = move |event: web_sys::MouseEvent| {
        let line = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
        let line = line.and_then(|it| it.closest("[data-file]").ok().flatten());
        if let Some(at) = line.and_then(|it| it.get_attribute("data-file")?.parse().ok()) {
            look.file.set(at);
        }
    };
    let active = move || format!("change-file-{}", look.file.get());
    view! {
        <div class="filelist" data-name="files">
            <div class="input filter"><crate::kit::Icon name="search"/>
                <input type="text" data-name="narrow-files" aria-label="Narrow the files" placeholder="Narrow" title=format!("Narrow the files ({})", crate::commands::shown("narrow-files")) prop:value=move || look.filter.get()
                    on:input=move |event| { look.filter.set(event_target_value(&event)); keep_in_sight(look); } on:keydown=heed/></div>
            {move || listed.with(Vec::is_empty).then(|| view! { <p class="none">{format!("No file matches '{}'.", one(&look.filter.get()))}</p> })}
            <div class="filescroll" role="listbox" on:click=clicked tabindex="0" aria-label="Files of the change" aria-activedescendant=active on:scroll=move |_| measure(look)>
                <div class="probe" aria-hidden="true"></div>
                <div class="spacer" role="presentation" style:--n=move || listed.with(Vec::len).to_string()>
                    <div class="shown" role="presentation" style:--first=move || frame.with(|it| it.0.to_string())>
                        <For each=move || frame.get().1 key=Clone::clone let:it>{line_of(look, &it)}</For>
                    </div>
                </div>
            </div>
        </div>
    }
}

/// A line of the list: the place of its file, of which head, whether it is chosen and whether it was viewed. Another of these is another line;
/// nothing in it listens.
fn line_of(look: Look, (at, _, chosen, viewed): &(u32, pilothouse_contract::Oid, bool, bool)) -> AnyView {
    let (file, total) = look.change.with_untracked(|it| {
        let files = it.as_ref().map(|it| it.files.as_slice()).unwrap_or_default();
        (files.get(*at as usize).cloned(), files.len())
    });
    let Some(it) = file else { return ().into_any() };
    let counts = if it.binary { "binary".to_owned() } else { format!("+{} −{}", it.added, it.removed) };
    let path = one(&it.path);
    let seen = if *viewed { ", viewed" } else { "" };
    let says = format!("{path}, {}, {counts}{seen}", it.status.word());
    view! {
        <div class="fileline" role="option" id=format!("change-file-{at}") data-file=at.to_string() data-status=it.status.letter() data-viewed=viewed.then_some("") aria-setsize=total.to_string() aria-posinset=(at + 1).to_string()
            aria-selected=chosen.to_string() aria-label=says title=path>
            <span class="mono st" title=it.status.word()>{it.status.letter()}</span>
            <span class="path"><bdi dir="ltr">{super::path_of(&it.path)}</bdi></span>
            <span class="mono n">{counts}</span>
            <span class="seen">{viewed.then(|| view! { <crate::kit::Icon name="check"/> })}</span>
        </div>
    }
    .into_any()
}
