//! The rows of one file: what is seen of them and a little more is on the page, at the place where it belongs.

use std::sync::Arc;

use leptos::prelude::*;
use pilothouse_contract::ask::change::{Ends, Line, Row};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use super::sheet::{Sheet, Stands};
use super::{Look, PAGE, SPLIT_FROM, toggle_viewed};
use crate::kit::{Icon, Key};
use crate::words::{count, many, one};

/// So many more lines than are seen are on the page, on either side.
const MORE: u32 = 16;
/// The page is laid out anew when it has moved by so many lines.
const STEP: u32 = 8;

/// The part that scrolls.
pub(super) fn scroller() -> Option<web_sys::HtmlElement> {
    document().query_selector("[data-name=diff] .rowscroll").ok().flatten()?.dyn_into().ok()
}

/// Gives the rows the keyboard.
pub(super) fn focus() {
    if let Some(it) = scroller() {
        let _hidden = it.focus();
    }
}

pub(super) fn to_top() {
    if let Some(it) = scroller() {
        it.set_scroll_top(0);
        it.set_scroll_left(0);
    }
}

/// The height of a line and the width of a column.
fn unit(scroller: &web_sys::Element) -> (f64, f64) {
    let probe = scroller.query_selector(".probe").ok().flatten().map(|it| it.get_bounding_client_rect());
    probe.map_or((18.0, 7.2), |it| (it.height().max(1.0), (it.width() / 10.0).max(1.0)))
}

/// Looks what is in sight.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lines that fit on a screen")]
pub(super) fn measure(look: Look) {
    let Some(scroller) = scroller() else { return };
    let (height, width) = unit(&scroller);
    let first = (f64::from(scroller.scroll_top()) / height) as u32 / STEP * STEP;
    let seen = (f64::from(scroller.client_height()) / height) as u32 + 1;
    let frame = (first.saturating_sub(MORE), first + seen + STEP + MORE);
    if look.frame.get_untracked() != frame {
        look.frame.set(frame);
    }
    let roomy = f64::from(scroller.client_width()) / width >= SPLIT_FROM;
    // While it is not on the page it has no width, and that says nothing.
    if scroller.client_width() > 0 && look.roomy.get_untracked() != roomy {
        look.roomy.set(roomy);
    }
}

/// Looks once the page is laid out.
pub(super) fn measure_soon(look: Look) {
    request_animation_frame(move || measure(look));
}

/// Brings a line into sight.
pub(super) fn show(look: Look, line: u32) {
    let Some(scroller) = scroller() else { return };
    let (height, _) = unit(&scroller);
    #[allow(clippy::cast_possible_truncation, reason = "pixels of a page")]
    let (top, bottom) = ((f64::from(line) * height) as i32, (f64::from(line + 1) * height).ceil() as i32);
    let (seen, room) = (scroller.scroll_top(), scroller.client_height());
    if top < seen || bottom > seen + room {
        // Near lines come in at the edge; what is far is shown with what stands above it.
        let near = top >= seen - room && bottom <= seen + 2 * room;
        let to = if !near {
            top - room / 4
        } else if top < seen {
            top
        } else {
            bottom - room
        };
        scroller.set_scroll_top(to.max(0));
    }
    measure(look);
}

/// How many lines a screen holds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lines that fit on a screen")]
pub(super) fn screen() -> u32 {
    scroller().map_or(20, |it| (f64::from(it.client_height()) / unit(&it).0) as u32).max(2)
}

/// Watches how large the part is for as long as it is there.
struct Watch {
    observer: web_sys::ResizeObserver,
    _heed: Closure<dyn Fn()>,
}

impl Watch {
    fn of(part: &web_sys::Element, look: Look) -> Option<Self> {
        let heed = Closure::<dyn Fn()>::new(move || measure(look));
        let observer = web_sys::ResizeObserver::new(heed.as_ref().unchecked_ref()).ok()?;
        observer.observe(part);
        Some(Self { observer, _heed: heed })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

/// A line of the page.
#[derive(Clone)]
struct Shown {
    line: u32,
    stands: Stands,
    sheet: Arc<Sheet>,
    page: Option<Arc<Vec<Row>>>,
    marked: bool,
}

/// The rows.
#[component]
pub(super) fn FileRows(look: Look) -> impl IntoView {
    let part = NodeRef::<leptos::html::Div>::new();
    let watch = StoredValue::new_local(None::<Watch>);
    Effect::new(move |_| {
        if let Some(part) = part.get() {
            watch.set_value(Watch::of(&part, look));
            measure_soon(look);
        }
    });
    let shown = move || {
        let (from, to) = look.frame.get();
        let Some(sheet) = look.sheet.get() else { return Vec::new() };
        let mark = look.mark.get();
        let line = |line: u32| {
            let stands = sheet.at(line)?;
            let page = match stands {
                Stands::Row(row) => look.pages.with(|it| it.get(&(row / PAGE)).cloned()),
                Stands::Fold(..) => None,
            };
            Some(Shown { line, stands, sheet: sheet.clone(), page, marked: mark == Some(line) })
        };
        (from..to.min(sheet.lines())).filter_map(line).collect::<Vec<_>>()
    };
    let key = |it: &Shown| {
        let of = it.page.as_ref().map(|it| Arc::as_ptr(it) as usize);
        (it.line, it.stands, of, it.sheet.which.split, it.marked)
    };
    let lines = move || look.sheet.with(|it| it.as_ref().map_or(0, |it| it.lines()));
    let layout =
        move || look.sheet.with(|it| it.as_ref().map(|it| if it.which.split { "split" } else { "unified" }));
    let digits = move || {
        let rows = look.sheet.with(|it| it.as_ref().map_or(0, |it| it.rows));
        rows.max(1000).to_string().len().to_string()
    };
    let first = move || look.frame.get().0.min(lines()).to_string();
    let says = move || {
        let path = look.sheet.with(|it| it.as_ref().map(|it| one(&it.file.path))).unwrap_or_default();
        format!("Lines of {path}")
    };
    let active = move || look.mark.get().map(|it| format!("change-line-{it}"));
    let clicked = move |event: web_sys::MouseEvent| {
        let row = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
        let row = row.and_then(|it| it.closest("[data-n]").ok().flatten());
        let Some(line) = row.and_then(|it| it.get_attribute("data-n")?.parse().ok()) else { return };
        match look.sheet.with_untracked(|it| it.as_ref().and_then(|it| it.at(line))) {
            Some(Stands::Fold(..)) => super::keys::open(look, line),
            Some(Stands::Row(_)) => look.mark.set(Some(line)),
            None => {}
        }
    };
    let none = move || look.sheet.with(|it| it.as_ref().is_some_and(|it| it.lines() == 0));
    view! {
        <div class="filerows" data-name="diff" data-layout=layout>
            <FileHead look=look/>
            <div class="rowscroll" node_ref=part role="listbox" tabindex="0" data-focus="stage" aria-label=says aria-activedescendant=active on:scroll=move |_| measure(look)>
                {move || none().then(|| view! { <p class="none">"There are no lines to show."</p> })}
                <div class="well diff" role="presentation" on:click=clicked style:--n=move || lines().to_string() style:--digits=digits style:--shift=move || look.shift.get().to_string()>
                    <span class="probe" aria-hidden="true">"0000000000"</span>
                    <div class="shown" role="presentation" style:--first=first><For each=shown key=key let:it>{line_of(&it)}</For></div>
                </div>
            </div>
        </div>
    }
}

/// The file's name, and what rows cannot show of it.
#[component]
fn FileHead(look: Look) -> impl IntoView {
    move || {
        look.sheet.get().map(|it| {
            let at = it.which.file;
            let viewed = move || look.viewed.with(|all| all.contains(&at));
            let notes = it.notes.iter().map(|it| view! { <li>{one(it)}</li> }).collect_view();
            let counts =
                if it.file.binary { String::new() } else { format!("+{} −{}", it.file.added, it.file.removed) };
            view! {
                <div class="file" data-path=it.file.path.clone() data-file-at=at.to_string()>
                    <span class="mono st" title=it.file.status.word()>{it.file.status.letter()}</span>
                    <span class="path mono"><bdi dir="ltr">{super::path_of(&it.file.path)}</bdi></span>
                    <span class="mono n">{counts}</span>
                    <button class="button" data-size="small" type="button" data-name="viewed" aria-pressed=move || viewed().to_string() on:click=move |_| toggle_viewed(look)>
                        {move || viewed().then(|| view! { <Icon name="check"/> })} "Viewed " <Key says=crate::commands::shown("viewed")/></button>
                    <ul class="notes" data-name="notes">{notes}</ul>
                </div>
            }
        })
    }
}

/// A line. Nothing in it listens or changes: a marked line is another one, and the whole listens for all, for thousands of them come and
/// go while somebody scrolls.
fn line_of(it: &Shown) -> AnyView {
    let at = it.line;
    let (marked, selected) = (it.marked.then_some(""), it.marked.to_string());
    let id = format!("change-line-{at}");
    let row = match it.stands {
        Stands::Fold(_, rows) => {
            let says = format!("{} unchanged", count(rows as usize, "line"));
            let spoken = format!("{says}, folded");
            return view! {
                <div class="r fold" role="option" id=id data-n=at.to_string() data-at=marked aria-selected=selected aria-label=spoken data-fold=rows.to_string()>
                    <Icon name="right"/><span>{says}</span></div>
            }
            .into_any();
        }
        Stands::Row(row) => it.page.as_ref().and_then(|page| page.get((row % PAGE) as usize)),
    };
    let Some(row) = row else {
        return view! { <div class="r" role="option" aria-selected="false" aria-label="Being read" data-wait=""></div> }.into_any();
    };
    let number = |it: Option<u32>| it.map(|it| it.to_string()).unwrap_or_default();
    let (old, new) = (number(row.old), number(row.new));
    let line = row.line.as_ref().and(row.new).map(|it| it.to_string());
    let label = spoken(row);
    let cells = if it.sheet.which.split {
        let left = row.out.as_ref().or(row.line.as_ref().filter(|_| row.is_same()));
        let d = |there: bool, sign: &'static str| match (row.is_same(), there) {
            (true, _) => None,
            (false, true) => Some(sign),
            (false, false) => Some("0"),
        };
        let (l, r) = (d(row.out.is_some(), "-"), d(row.line.is_some(), "+"));
        view! {
            <span class="ln" data-d=l>{old}</span><span class="sg" data-d=l>{l.filter(|it| *it != "0")}</span><span class="tx" data-d=l>{left.map(text)}</span>
            <span class="ln" data-d=r>{new}</span><span class="sg" data-d=r>{r.filter(|it| *it != "0")}</span><span class="tx" data-d=r>{row.line.as_ref().map(text)}</span>
        }
        .into_any()
    } else {
        let d = match (&row.out, row.is_same()) {
            (_, true) => None,
            (Some(_), _) => Some("-"),
            (None, _) => Some("+"),
        };
        view! {
            <span class="ln" data-d=d>{old}</span><span class="ln" data-d=d>{new}</span><span class="sg" data-d=d>{d}</span><span class="tx" data-d=d>{row.out.as_ref().or(row.line.as_ref()).map(text)}</span>
        }
        .into_any()
    };
    view! {
        <div class="r" role="option" id=id data-n=at.to_string() data-line=line data-at=marked aria-selected=selected aria-label=label>{cells}</div>
    }
    .into_any()
}

/// A line's text: what differs from its counterpart has a heavier line below it.
fn text(it: &Line) -> AnyView {
    let parts = it
        .parts()
        .map(|(text, differs)| {
            let text = many(text);
            if differs { view! { <u>{text}</u> }.into_any() } else { text.into_any() }
        })
        .collect_view();
    let more = (it.more > 0).then(|| view! { <span class="c">{format!(" … {} more bytes", it.more)}</span> });
    let ends = match it.ends {
        Ends::Usually => None,
        Ends::CrLf => Some(view! { <span class="c" title="This line ends with CR LF">"␍"</span> }.into_any()),
        Ends::Never => Some(view! { <span class="c">" (no line end)"</span> }.into_any()),
    };
    view! { <span class="t">{parts}{more}{ends}</span> }.into_any()
}

/// What is read out of a row.
fn spoken(row: &Row) -> String {
    let side = |word: &str, n: Option<u32>, line: &Option<Line>| {
        let text = line.as_ref().map(|it| one(&it.text)).unwrap_or_default();
        format!("{word} line {}: {text}", n.unwrap_or_default())
    };
    if row.is_same() {
        return side("Unchanged", row.new, &row.line);
    }
    let out = row.out.is_some().then(|| side("Removed", row.old, &row.out));
    let added = row.line.is_some().then(|| side("Added", row.new, &row.line));
    [out, added].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
