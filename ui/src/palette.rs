//! The palette: whatever can be found or run, and the narrower one that only goes somewhere - to an agent, a worktree, or a
//! file that an agent changed. What is typed finds by its letters in order; what fits best stands first.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::attempt::TouchedFiles;
use pilothouse_contract::board::{Strip, Subject, call_of};
use pilothouse_contract::item::Item;
use pilothouse_contract::project::Project;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{Fleet, ItemId, ProjectId, SessionId, WorktreeId, ask};

use crate::commands::{self, BESIDE, Command, START, Where};
use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{FaultNote, Icon, Key};
use crate::place::{Pane, Tab, View};
use crate::stage::terminal::BESIDE_MOST;
use crate::words::one;

/// So many choices are shown.
const SHOWN: usize = 12;

/// What the palette offers.
#[derive(Clone)]
enum Choice {
    Command(&'static Command),
    Open(Subject, String, String),
    Only(ProjectId, String),
    Beside(SessionId, String),
    /// The run of an item, to be started or let go on: the item's short name and title.
    Start(ItemId, String),
    /// A worktree: its callsign or name, and its branch.
    Worktree(WorktreeId, String, String),
    /// A file that an attempt changed: the task, its callsign, the path.
    File(Subject, String, String),
}

impl Choice {
    fn title(&self) -> String {
        match self {
            Self::Command(it) => it.title.to_owned(),
            Self::Open(_, call, title) | Self::Worktree(_, call, title) => format!("{call} {title}"),
            Self::Only(_, name) => format!("Show only {name}"),
            Self::Beside(session, title) => format!("{BESIDE}{session} {title}"),
            Self::Start(_, title) => format!("{START}{title}"),
            Self::File(_, _, path) => path.clone(),
        }
    }

    /// How closely it fits what was typed: less is closer.
    fn near(&self, typed: &str) -> Option<usize> {
        let whole = closeness(typed, &self.title());
        let Self::File(_, _, path) = self else { return whole };
        // A file is known by its name, and then by where it lies.
        let name = path.rsplit('/').next().unwrap_or(path);
        closeness(typed, name).or(whole.map(|it| it + 50))
    }

    /// Agents before worktrees before files, where they fit as well.
    fn order(&self) -> usize {
        match self {
            Self::Worktree(..) => 1,
            Self::File(..) => 2,
            _ => 0,
        }
    }

    fn run(&self, desk: Desk) {
        let place = desk.place;
        match self {
            Self::Command(command) => (command.run)(desk),
            Self::Open(subject, ..) => place.open_subject(subject.clone()),
            Self::Only(project, _) => place.project.set(Some(*project)),
            Self::Beside(session, _) => {
                commands::look(desk, *session);
                place.beside.update(|all| {
                    all.retain(|it| it != session);
                    all.insert(0, *session);
                    all.truncate(BESIDE_MOST);
                });
            }
            Self::Start(item, _) => crate::project::start(desk, *item),
            Self::Worktree(id, ..) => {
                place.project.set(None);
                place.filter.set(String::new());
                place.view.set(View::Worktrees);
                place.worktree.set(Some(*id));
                place.pane.set(Pane::List);
            }
            Self::File(subject, _, path) => {
                place.open_subject(subject.clone());
                place.tab.set(Tab::Diff);
                place.pane.set(Pane::Stage);
                place.file.set(Some((subject.clone(), path.clone())));
            }
        }
    }

    fn row(&self) -> AnyView {
        let (icon, title, wher, key) = match self {
            Self::Command(it) => (
                "right",
                it.title.to_owned(),
                String::new(),
                it.keys.first().map(|it| crate::keys::shown(it)),
            ),
            Self::Open(subject, call, title) => {
                let (icon, wher) = match subject {
                    Subject::Task(..) => ("right", "agent"),
                    Subject::Session(_) => ("terminal", "session"),
                    _ => ("file", "open"),
                };
                (icon, format!("{} {}", one(call), one(title)), wher.to_owned(), None)
            }
            Self::Only(_, name) => ("search", format!("Show only {}", one(name)), "project".to_owned(), None),
            Self::Beside(..) => ("terminal", one(&self.title()), "session".to_owned(), None),
            Self::Start(..) => ("right", one(&self.title()), "item".to_owned(), None),
            Self::Worktree(..) => ("branch", one(&self.title()), "worktree".to_owned(), None),
            Self::File(_, call, path) => ("file", one(path), one(call), None),
        };
        view! {
            <Icon name=icon/><span class="cut">{title}</span><span class="where">{wher}</span><span>{key.map(|says| view! { <Key says=says/> })}</span>
        }
        .into_any()
    }
}

/// Whether all letters of what was typed come in this order, and how closely: less is closer.
fn closeness(typed: &str, title: &str) -> Option<usize> {
    let title = title.to_lowercase();
    if let Some(at) = title.find(typed) {
        return Some(at);
    }
    let mut from = 0;
    let mut spread = 100;
    for letter in typed.chars() {
        let at = title.get(from..)?.find(letter)?;
        spread += at;
        from += at + letter.len_utf8();
    }
    Some(spread)
}

/// Sessions whose terminal could stand beside the one that is shown: those that live.
fn could_stand_beside(fleet: &Fleet) -> Vec<Choice> {
    let live = fleet.sessions.values().filter(|it| it.end.is_none() && it.running.is_some());
    let other = live.filter(|it| Some(it.id) != crate::stage::terminal::active());
    other.map(|it| Choice::Beside(it.id, it.title.clone())).collect()
}

/// Everything that can be found or run.
fn everything(desk: Desk) -> Vec<Choice> {
    let open =
        |it: std::sync::Arc<Strip>| Choice::Open(it.subject.clone(), it.call.clone(), it.title.clone());
    let mut all: Vec<Choice> = desk.mirror.strips.get_untracked().into_iter().map(open).collect();
    all.extend(desk.mirror.fleet.with_untracked(|it| {
        let page =
            |it: &Project| Choice::Open(Subject::Project(it.id), "Project".to_owned(), it.name.clone());
        let only = |it: &Project| Choice::Only(it.id, it.name.clone());
        it.listed().flat_map(|it| [page(it), only(it)]).collect::<Vec<_>>()
    }));
    let start = |it: Item| Choice::Start(it.id, format!("{} {}", it.slug, it.spec.title));
    all.extend(commands::startable(desk).into_iter().map(start));
    if crate::stage::terminal::is_shown() {
        all.extend(desk.mirror.fleet.with_untracked(could_stand_beside));
    }
    let here =
        |it: &&'static Command| it.place != Where::Queue && it.id != "palette" && commands::able(desk, it);
    all.extend(commands::all().filter(here).map(Choice::Command));
    all
}

/// The agents and the worktrees.
fn places(desk: Desk) -> Vec<Choice> {
    let agents = desk.mirror.strips.get_untracked().into_iter();
    let agents = agents.filter(|it| matches!(it.subject, Subject::Task(..) | Subject::Session(_)));
    let mut all: Vec<Choice> =
        agents.map(|it| Choice::Open(it.subject.clone(), it.call.clone(), it.title.clone())).collect();
    all.extend(desk.mirror.fleet.with_untracked(|fleet| {
        let there = fleet.worktrees.values().filter(|it| matches!(it.state, WorktreeState::Live));
        let call = |it: &pilothouse_contract::worktree::Worktree| {
            let attempt = it.attempt.and_then(|id| fleet.attempts.get(&id))?;
            let run = fleet.runs.get(&attempt.run)?;
            Some(call_of(fleet.items.get(&run.item), &attempt.task))
        };
        there
            .map(|it| {
                let name = call(it).unwrap_or_else(|| it.id.to_string());
                Choice::Worktree(it.id, name, it.branch.short().to_owned())
            })
            .collect::<Vec<_>>()
    }));
    all
}

/// The files that attempts changed.
fn files(desk: Desk, touched: &[TouchedFiles]) -> Vec<Choice> {
    desk.mirror.fleet.with_untracked(|fleet| {
        let of = |it: &TouchedFiles| {
            let item = fleet.runs.get(&it.run).and_then(|run| fleet.items.get(&run.item));
            let (subject, call) = (Subject::Task(it.run, it.task.clone()), call_of(item, &it.task));
            let file = |path: &String| Choice::File(subject.clone(), call.clone(), path.clone());
            it.paths.iter().map(file).collect::<Vec<_>>()
        };
        touched.iter().flat_map(of).collect()
    })
}

/// Find or run; `begins` is typed there already.
#[component]
pub(crate) fn Palette(begins: &'static str) -> impl IntoView {
    let desk = desk();
    let found = move |typed: &str| {
        let mut all: Vec<(usize, Choice)> =
            everything(desk).into_iter().filter_map(|it| Some((it.near(typed)?, it))).collect();
        // Commands first while nothing is typed; then whatever fits best.
        let late = |it: &Choice| usize::from(typed.is_empty() && !matches!(it, Choice::Command(_)));
        all.sort_by_key(|(near, it)| (late(it), *near));
        all.into_iter().map(|it| it.1).take(SHOWN).collect::<Vec<_>>()
    };
    view! { <Field begins=begins name="palette" asks="Find or run" does="run" found=found note=|| ()/> }
}

/// Go to an agent, a file or a worktree.
#[component]
pub(crate) fn GoTo() -> impl IntoView {
    let desk = desk();
    let touched = RwSignal::new(None::<Result<Vec<TouchedFiles>, pilothouse_contract::Fault>>);
    spawn_local(async move {
        // It may have been closed meanwhile.
        let _gone = touched.try_set(Some(ipc::call(ask::attempt::Touched { item: None }).await));
    });
    let found = move |typed: &str| {
        let files = touched.with(|it| match it {
            Some(Ok(all)) => files(desk, all),
            _ => Vec::new(),
        });
        let all = places(desk).into_iter().chain(files);
        let mut all: Vec<(usize, Choice)> = all.filter_map(|it| Some((it.near(typed)?, it))).collect();
        let near = |near: usize| if typed.is_empty() { 0 } else { near };
        all.sort_by_key(|(it, choice)| (near(*it), choice.order()));
        all.into_iter().map(|it| it.1).take(SHOWN).collect::<Vec<_>>()
    };
    let note = move || {
        touched.with(|it| match it {
            None => Some(view! { <p class="none">"Reading which files were changed"</p> }.into_any()),
            Some(Err(fault)) => Some(view! { <FaultNote fault=fault.clone()/> }.into_any()),
            Some(Ok(_)) => None,
        })
    };
    view! { <Field begins="" name="goto" asks="Go to an agent, a file or a worktree" does="go there" found=found note=note/> }
}

/// The field, what it finds, and the keys that choose.
#[component]
fn Field<V: IntoView + 'static>(
    begins: &'static str,
    name: &'static str,
    asks: &'static str,
    does: &'static str,
    found: impl Fn(&str) -> Vec<Choice> + Copy + Send + Sync + 'static,
    note: impl Fn() -> V + Send + Sync + 'static,
) -> impl IntoView {
    let desk = desk();
    let typed = RwSignal::new(begins.to_owned());
    let chosen = RwSignal::new(0_usize);
    let field = NodeRef::<leptos::html::Input>::new();
    crate::kit::focus_soon(field);
    let found = move || found(&typed.get().to_lowercase());
    let run = move |it: &Choice| {
        desk.place.overlay.set(None);
        it.run(desk);
    };
    let heed = move |event: leptos::ev::KeyboardEvent| {
        let all = untrack(found);
        match event.key().as_str() {
            "ArrowDown" => chosen.update(|it| *it = (*it + 1).min(all.len().saturating_sub(1))),
            "ArrowUp" => chosen.update(|it| *it = it.saturating_sub(1)),
            "Enter" => {
                if let Some(it) = all.get(chosen.get_untracked()) {
                    run(it);
                }
            }
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    };
    let rows = move || {
        let row = |(n, it): (usize, Choice)| {
            let shown = it.row();
            view! { <li role="option" aria-selected=move || (chosen.get() == n).to_string() on:click=move |_| run(&it)>{shown}</li> }
        };
        found().into_iter().enumerate().map(row).collect_view()
    };
    let none = move || found().is_empty().then(|| view! { <p class="none">"Nothing matches."</p> });
    view! {
        <div class="palette" role="dialog" aria-modal="true" aria-label=asks data-name=name>
            <div class="ask"><Icon name="search"/><input node_ref=field type="text" data-name="ask" aria-label=asks placeholder=asks prop:value=move || typed.get()
                on:input=move |event| { typed.set(event_target_value(&event)); chosen.set(0); } on:keydown=heed/></div>
            <ul role="listbox">{rows}</ul>{none}{note}
            <div class="foot"><span><Key says="↑ ↓"/>" choose"</span><span><Key says="↵"/>" "{does}</span><span><Key says="Esc"/>" close"</span></div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_contract::RunId;

    #[test]
    fn letters_in_order_find_and_what_stands_together_is_nearer() {
        assert_eq!(closeness("", "Anything"), Some(0));
        assert_eq!(closeness("land", "Land this"), Some(0));
        assert!(closeness("ltp", "Land this pull").unwrap() > closeness("this", "Land this pull").unwrap());
        assert_eq!(closeness("xyz", "Land this"), None);
    }

    #[test]
    fn a_file_is_found_by_its_name_before_its_folder() {
        let task = |it: &str| pilothouse_contract::TaskId(it.to_owned());
        let file =
            |path: &str| Choice::File(Subject::Task(RunId(1), task("T001")), String::new(), path.to_owned());
        let (name, folder) = (file("a/deep/place/auth.rs"), file("auth/other.rs"));
        assert!(name.near("auth").unwrap() < folder.near("auth").unwrap());
        assert_eq!(file("a.rs").near("zz"), None);
    }
}
