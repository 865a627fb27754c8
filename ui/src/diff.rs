//! What a change changes: its files at the left, and the rows of one of them. However long it is, the page holds what is seen of it
//! and a little more; the rest is asked for when it comes into sight.
//!
//! Refuses to show other people's text in any way but as text.

mod files;
mod keys;
mod rows;
pub(crate) mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::change::{Change, Files, Of, Row, Rows};
use pilothouse_contract::{Fault, FaultCode};

use crate::desk::desk;
use crate::ipc;
use crate::kit::{FaultNote, Key, Reading, heard};
use crate::words::{count, one};

pub(crate) use keys::{
    heed, is_shown, marked, narrow, place_in_words, to_file, to_hunk, toggle_split, toggle_viewed,
};
use sheet::{Sheet, Which};

/// So many rows are asked for at once.
const PAGE: u32 = 200;
/// So many pages of rows are kept.
const PAGES_MAX: usize = 24;
/// So many changes are remembered of which somebody has viewed files.
const VIEWED_MAX: usize = 40;
/// Both sides stand beside each other from so many columns on, unless a person wants it otherwise.
const SPLIT_FROM: f64 = 120.0;

/// What is looked at of a change. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Of what.
    pub(crate) of: RwSignal<Option<Of>>,
    /// Its files.
    change: RwSignal<Option<Arc<Change>>>,
    /// The file that is chosen, by its place in the list.
    file: RwSignal<u32>,
    /// What the list of files is narrowed to.
    filter: RwSignal<String>,
    /// Both sides beside each other, if a person said so or said no.
    wish: RwSignal<Option<bool>>,
    /// Whether there is room for that.
    roomy: RwSignal<bool>,
    /// The files that somebody has viewed.
    viewed: RwSignal<BTreeSet<u32>>,
    /// The chosen file, laid out.
    sheet: RwSignal<Option<Arc<Sheet>>>,
    /// Rows of it, page by page.
    pages: RwSignal<BTreeMap<u32, Arc<Vec<Row>>>>,
    /// Pages that were asked for and are not there yet.
    asked: RwSignal<BTreeSet<u32>>,
    /// The lines of the sheet that the page holds: from, to.
    frame: RwSignal<(u32, u32)>,
    /// The files of the list that the page holds: from, to.
    files_frame: RwSignal<(u32, u32)>,
    /// The marked line of the sheet.
    mark: RwSignal<Option<u32>>,
    /// How many columns both sides are moved to the left.
    shift: RwSignal<u32>,
    /// Why rows could not be read.
    fault: RwSignal<Option<Fault>>,
    /// Counts up whenever the files are to be listed again.
    again: RwSignal<u32>,
}

impl Look {
    /// At nothing.
    pub(crate) fn new() -> Self {
        Self {
            of: RwSignal::new(None),
            change: RwSignal::new(None),
            file: RwSignal::new(0),
            filter: RwSignal::new(String::new()),
            wish: RwSignal::new(crate::place::kept("ph.split").and_then(|it| serde_json::from_str(&it).ok())),
            roomy: RwSignal::new(false),
            viewed: RwSignal::new(BTreeSet::new()),
            sheet: RwSignal::new(None),
            pages: RwSignal::new(BTreeMap::new()),
            asked: RwSignal::new(BTreeSet::new()),
            frame: RwSignal::new((0, 0)),
            files_frame: RwSignal::new((0, 0)),
            mark: RwSignal::new(None),
            shift: RwSignal::new(0),
            fault: RwSignal::new(None),
            again: RwSignal::new(0),
        }
    }

    /// Whether both sides stand beside each other.
    fn split(self) -> bool {
        self.wish.get().unwrap_or_else(|| self.roomy.get())
    }

    /// Another change, or the same one as it is now: the chosen file stays if it is still there.
    fn take(self, of: Of, change: Arc<Change>) {
        let same = self.of.get_untracked() == Some(of);
        let path = self.change.with_untracked(|it| {
            let file = it.as_ref()?.files.get(self.file.get_untracked() as usize)?;
            Some(file.path.clone())
        });
        let at = path.filter(|_| same).and_then(|path| change.files.iter().position(|it| it.path == path));
        self.viewed.set(viewed(of, &change));
        self.of.set(Some(of));
        if !same {
            self.filter.set(String::new());
            self.sheet.set(None);
            self.shift.set(0);
        }
        self.file.set(at.and_then(|it| u32::try_from(it).ok()).unwrap_or(0));
        self.change.set(Some(change));
    }

    /// Has the pages brought that the frame needs.
    fn fetch(self) {
        self.frame.track();
        let Some(sheet) = self.sheet.get() else { return };
        for page in self.seen(&sheet) {
            let known = self.pages.with_untracked(|it| it.contains_key(&page));
            if !known && self.asked.try_update(|it| it.insert(page)) == Some(true) {
                self.bring(&sheet, page);
            }
        }
    }

    fn bring(self, sheet: &Arc<Sheet>, page: u32) {
        let Some(of) = self.of.get_untracked() else { return };
        let Which { from, to, file, split } = sheet.which.clone();
        let (which, sheet) = (sheet.which.clone(), Arc::clone(sheet));
        spawn_local(async move {
            let call = Rows { of, from, to, file, split, at: page * PAGE, most: PAGE, head: false };
            let told = ipc::call(call).await;
            // Somebody may look at another file by now.
            let still = self.sheet.try_with_untracked(|it| it.as_ref().is_some_and(|it| it.which == which));
            if still != Some(true) {
                return;
            }
            self.asked.update(|it| it.retain(|it| *it != page));
            match told {
                Ok(told) => {
                    self.fault.set(None);
                    // Of what is not seen, what is farthest is asked for again when somebody comes back to it.
                    let seen = self.seen(&sheet);
                    let near = seen.first().copied().unwrap_or(page);
                    self.pages.update(|all| {
                        all.insert(page, Arc::new(told.rows));
                        while all.len() > PAGES_MAX {
                            let others = all.keys().copied().filter(|it| !seen.contains(it));
                            let Some(far) = others.max_by_key(|it| it.abs_diff(near)) else { break };
                            let _gone = all.remove(&far);
                        }
                    });
                }
                Err(fault) => self.failed(fault),
            }
        });
    }

    /// The pages of the rows that are seen.
    fn seen(self, sheet: &Sheet) -> BTreeSet<u32> {
        let (from, to) = self.frame.get_untracked();
        let page = |line| match sheet.at(line)? {
            sheet::Stands::Row(row) => Some(row / PAGE),
            sheet::Stands::Fold(..) => None,
        };
        (from..to).filter_map(page).collect()
    }

    /// What is no longer so is listed again; anything else is said.
    fn failed(self, fault: Fault) {
        if fault.code == FaultCode::Refused {
            self.again.update(|it| *it += 1);
        } else {
            self.fault.set(Some(fault));
        }
    }

    /// Has the chosen file laid out.
    fn lay(self) {
        let split = self.split();
        let (Some(change), Some(of)) = (self.change.get(), self.of.get_untracked()) else { return };
        let at = self.file.get();
        let Some(file) = change.files.get(at as usize).cloned() else { return };
        let which = Which { from: change.from.clone(), to: change.to.clone(), file: at, split };
        if self.sheet.with_untracked(|it| it.as_ref().is_some_and(|it| it.which == which)) {
            return;
        }
        let Which { from, to, .. } = which.clone();
        spawn_local(async move {
            let call = Rows { of, from, to, file: at, split, at: 0, most: PAGE, head: true };
            let told = ipc::call(call).await;
            // Somebody may want something else by now, and has asked for it.
            let wanted = untrack(|| {
                let change = self.change.get();
                self.file.get() == at
                    && self.of.get() == Some(of)
                    && self.split() == which.split
                    && change.is_some_and(|it| it.from == which.from && it.to == which.to)
            });
            if !wanted {
                return;
            }
            match told {
                Ok(page) => {
                    let Some(head) = page.head else { return };
                    // The same file of a change that went on stays where it is read.
                    let before = self.sheet.get_untracked().filter(|it| it.file.path == file.path);
                    let stays = before.as_ref().is_some_and(|it| it.which.split == which.split);
                    let sheet = Sheet::new(which, file, &head);
                    let row_of = |sheet: &Sheet, line: u32| match sheet.at(line)? {
                        sheet::Stands::Row(row) | sheet::Stands::Fold(row, _) => Some(row),
                    };
                    let marked = self.mark.get_untracked();
                    let mark = before
                        .as_ref()
                        .filter(|_| stays)
                        .and_then(|before| Some(sheet.line_of(row_of(before, marked?)?)));
                    // Laid out otherwise, rows have other numbers: one reads on near the same place, and nothing is marked, for a mark
                    // would stand at another line.
                    let (from, to) = self.frame.get_untracked();
                    let seen = before.as_ref().filter(|_| !stays && (from > 0 || marked.is_some())).and_then(
                        |before| {
                            let at = marked.unwrap_or_else(|| from.midpoint(to));
                            Some(sheet.line_like(before, row_of(before, at)?))
                        },
                    );
                    self.fault.set(None);
                    self.asked.set(BTreeSet::new());
                    self.pages.set(BTreeMap::from([(0, Arc::new(page.rows))]));
                    self.mark.set(mark);
                    self.sheet.set(Some(Arc::new(sheet)));
                    match seen {
                        Some(line) => request_animation_frame(move || rows::show(self, line)),
                        None if !stays => rows::to_top(),
                        None => {}
                    }
                    rows::measure_soon(self);
                }
                Err(fault) => self.failed(fault),
            }
        });
    }

    /// The file whose rows are shown, if it is the one that is chosen and of the change that is listed.
    fn on_show(self) -> Option<u32> {
        let which = self.sheet.with_untracked(|it| it.as_ref().map(|it| it.which.clone()))?;
        let listed = self
            .change
            .with_untracked(|it| it.as_ref().is_some_and(|it| it.from == which.from && it.to == which.to));
        (listed && which.file == self.file.get_untracked()).then_some(which.file)
    }

    /// The row of a line, if the page has it.
    fn row(self, row: u32) -> Option<Row> {
        self.pages.with_untracked(|all| all.get(&(row / PAGE))?.get((row % PAGE) as usize).cloned())
    }
}

/// Under what the viewed files of a change are kept: they count for just that head.
fn viewed_key(of: Of, change: &Change) -> String {
    let of = match of {
        Of::Pull(id) => id.to_string(),
        Of::Attempt(id) => id.to_string(),
    };
    format!("{of} {} {}", change.from.short(), change.to.short())
}

type Viewed = Vec<(String, BTreeSet<u32>)>;

fn all_viewed() -> Viewed {
    crate::place::kept("ph.viewed").and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default()
}

fn viewed(of: Of, change: &Change) -> BTreeSet<u32> {
    let key = viewed_key(of, change);
    all_viewed().into_iter().find(|it| it.0 == key).map(|it| it.1).unwrap_or_default()
}

fn keep_viewed(of: Of, change: &Change, files: &BTreeSet<u32>) {
    let key = viewed_key(of, change);
    let mut all = all_viewed();
    all.retain(|it| it.0 != key);
    all.push((key, files.clone()));
    let old = all.len().saturating_sub(VIEWED_MAX);
    if let Ok(text) = serde_json::to_string(all.get(old..).unwrap_or_default()) {
        crate::place::keep("ph.viewed", &text);
    }
}

/// A change. It is listed again whenever what `again` reads changes.
#[component]
pub(crate) fn Diff(of: Of, again: impl Fn() + 'static) -> impl IntoView {
    let desk = desk();
    let look = desk.diff;
    let (last, fault) = heard(move || {
        again();
        let _once_more = look.again.get();
        ipc::call(Files { of })
    });
    Effect::new(move |_| {
        if let Some(change) = last.get() {
            look.take(of, Arc::new(change));
        }
    });
    Effect::new(move |_| look.lay());
    Effect::new(move |_| look.fetch());
    // Whoever went to a file wants to see it, however far down it stands.
    Effect::new(move |_| {
        let (Some((subject, path)), Some(change)) = (desk.place.file.get(), look.change.get()) else {
            return;
        };
        let Some(at) = change.files.iter().position(|it| it.path == path) else { return };
        if look.of.get_untracked() == Some(of) && untrack(|| desk.on_stage()) == Some(subject) {
            desk.place.file.set(None);
            look.file.set(u32::try_from(at).unwrap_or(0));
        }
    });
    let there = Memo::new(move |_| {
        look.change.with(|it| it.as_ref().map(|it| it.files.len())).filter(|_| look.of.get() == Some(of))
    });
    let body = move || match there.get() {
        None if fault.with(Option::is_some) => ().into_any(),
        None => view! { <Reading what="the diff"/> }.into_any(),
        Some(0) => view! { <p class="none">"Nothing was changed."</p> }.into_any(),
        Some(files) => view! {
            <Bar look=look/>
            <div class="change" data-files=(files == 1).then_some("one")>
                {(files > 1).then(|| view! { <files::FileList look=look/> })}
                <rows::FileRows look=look/>
            </div>
        }
        .into_any(),
    };
    view! {
        <div class="changepane">
            {move || fault.get().or_else(|| look.fault.get()).map(|fault| view! { <FaultNote fault=fault/> })}
            {body}
        </div>
    }
}

/// What there is of it in all, and how it is shown.
#[component]
fn Bar(look: Look) -> impl IntoView {
    let says = move || {
        look.change.with(|it| {
            it.as_ref().map(|it| {
                let (added, removed) = it.size();
                (count(it.files.len(), "file"), format!("+{added} −{removed}"))
            })
        })
    };
    let viewed = move || {
        let n = look.viewed.with(BTreeSet::len);
        (n > 0).then(|| format!("{n} viewed"))
    };
    let split = Memo::new(move |_| look.split());
    view! {
        <div class="files">
            <span>{move || says().map(|it| it.0)}</span><span class="mono">{move || says().map(|it| it.1)}</span><span data-name="viewed-count">{viewed}</span>
            <button class="button push" data-size="small" type="button" data-name="split" aria-pressed=move || split.get().to_string() title="Both sides beside each other, or below each other" on:click=move |_| toggle_split(look)>
                {move || if split.get() { "Split" } else { "Unified" }} " " <Key says=crate::commands::shown("split-diff")/></button>
        </div>
    }
}

/// A path, its folder quieter than its name.
fn path_of(path: &str) -> AnyView {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |it| it);
    let folder = if folder.is_empty() { String::new() } else { format!("{}/", one(folder)) };
    view! { <span class="quiet">{folder}</span><b>{one(name)}</b> }.into_any()
}
