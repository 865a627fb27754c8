//! New items, their refinement and their gates.

use std::path::Path;

use pilothouse_contract::card::{Card, Draft, Finding, Severity, Source, Stage, Writer};
use pilothouse_contract::gate::{Holds, SpecGate};
use pilothouse_contract::item::Item;
use pilothouse_contract::layout::Layout;
use pilothouse_contract::project::Project;
use pilothouse_contract::review::Reply;
use pilothouse_contract::{Answer, Event, Fault, ItemId, Oid, RefName, ask, text};

use super::{Caller, Desk};
use crate::coordination::{DraftFacts, Drafting, Input, RefineFacts, Reviewing};
use crate::execution::agents;
use crate::execution::drafting::{laid_at, paths_at};
use crate::execution::repository;
use crate::gates::tip;
use crate::perform::{git_of, now};
use crate::policy::skeleton::{Header, WRITTEN, layout_of, skeleton};
use crate::policy::workflow::{Workflow, is_a_lens};
use crate::ports::git::GitError;

/// What an item can be. The last two are for people to look at after each phase.
const KINDS: [&str; 5] = ["feature", "fix", "migration", "zero-to-one", "boundary-refactor"];
/// An idea is at most so long, in bytes.
const IDEA_MAX: usize = 256 * 1024;

fn in_words(error: &GitError) -> Fault {
    Fault::environment(error.to_string())
}

/// A draft to which nothing happened yet: it is being written.
fn fresh(
    source: Source,
    layout: Layout,
    folder: String,
    branch: RefName,
    head: Oid,
    author: Writer,
    workflow: &Workflow,
) -> Draft {
    Draft {
        source,
        layout,
        folder,
        branch,
        kind: KINDS[0].to_owned(),
        owner: String::new(),
        nights: None,
        lenses: workflow.lenses(),
        policy: workflow.policy(author.agent.clone()),
        author,
        stage: Stage::Drafting,
        why: "its draft is being written".to_owned(),
        head,
        sitting: None,
        unread: None,
        due: None,
        reading: None,
        passes: Vec::new(),
        earlier: 0,
        sat: Vec::new(),
        worktree: None,
        moved: now(),
    }
}

impl Desk {
    async fn workflow(&self, project: &Project) -> Result<Workflow, Fault> {
        repository::workflow_at(&git_of(project), &project.main).await
    }

    /// An item's page, its gates looked at now.
    async fn draft_page(&self, item: ItemId) -> Result<ask::draft::DraftPage, Fault> {
        let item = self.item(item)?;
        let project = self.project(item.project)?;
        let card = self.engine.fleet().cards.get(&item.id).cloned().unwrap_or_else(|| Card::of(item.id));
        let wip = self.workflow(&project).await.map(|it| it.wip()).unwrap_or_default();
        // While somebody writes in it, what was read last counts.
        let commit = match self.engine.unlanded(&item, &project).await? {
            Some(draft) => tip(&git_of(&project), &draft).await?,
            None => project.main.clone(),
        };
        let gates = self.engine.gates_at(&item, &project, &commit, wip).await?;
        let folder = card.draft.as_ref().and_then(|draft| {
            let tree = self.engine.fleet().worktrees.get(&draft.worktree?)?.path.clone();
            let folder = self.engine.inner.trees.path(&tree).join(&draft.folder);
            folder.is_dir().then(|| folder.display().to_string())
        });
        Ok(ask::draft::DraftPage { item, card, folder, gates })
    }

    /// What an item that came with the repository is refined as: on a branch of its own, from where the default branch stands.
    async fn taken_up(&self, item: &Item, project: &Project, workflow: &Workflow) -> Result<Draft, Fault> {
        let (git, folder) = (git_of(project), item.spec.folder.clone());
        if !WRITTEN.contains(&item.spec.layout) {
            let names: Vec<&str> = WRITTEN.iter().map(|it| it.name()).collect();
            let says = format!("{} is in the layout of {}", item.slug, item.spec.layout.name());
            return Err(Fault::refused(says).hint(format!(
                "specs in the layouts {} are refined here; another one is refined by its own tools",
                names.join(", ")
            )));
        }
        let author = workflow.writer(None).map_err(|error| Fault::refused(error.to_string()))?;
        let laid = laid_at(&git, &project.main, &folder).await.map_err(|error| in_words(&error))?;
        if laid.item.is_none() {
            let onto = project.default_branch.short();
            return Err(Fault::refused(format!("{onto} holds nothing of {} in {folder}", item.slug))
                .hint("commit it there first"));
        }
        let source = Source::Repository { path: folder.clone(), title: item.spec.title.clone() };
        let branch = self.free_branch(&git, &item.slug, "spec").await.map_err(|error| in_words(&error))?;
        let head = project.main.clone();
        Ok(Draft {
            stage: Stage::Drafted,
            why: "it came with the repository, and waits for its refinement".to_owned(),
            reading: Some(laid.reading(&head)),
            owner: self.who().to_string(),
            ..fresh(source, item.spec.layout, folder, branch, head, author, workflow)
        })
    }

    /// Whether a writer's program is on this machine.
    fn is_there(writer: &Writer) -> Result<(), Fault> {
        let program = writer.agent.command.first().map(String::as_str).unwrap_or_default();
        if agents::is_there(program) {
            return Ok(());
        }
        Err(Fault::refused(format!("the agent program '{program}' is not on this machine"))
            .hint("install it so that it is on the PATH, or choose another agent with --agent"))
    }
}

impl Answer<ask::draft::New> for Desk {
    async fn answer(&self, call: ask::draft::New) -> Result<ask::draft::DraftPage, Fault> {
        self.see_main(call.project).await?;
        let project = self.project(call.project)?;
        self.engine.as_trusted(&project).await?;
        if call.source.title().trim().is_empty() {
            return Err(Fault::refused("an idea without words says nothing")
                .command("say it in a sentence", "pilothouse spec new \"…\""));
        }
        if call.source.text().len() > IDEA_MAX {
            return Err(Fault::refused(format!("an idea is at most {IDEA_MAX} bytes long"))
                .hint("say in a page what is wanted, and cite where the rest stands"));
        }
        if !KINDS.contains(&call.kind.as_str()) {
            return Err(Fault::refused(format!("an item is no '{}'", text::line(&call.kind, 40)))
                .hint(format!("it is one of {}", KINDS.join(", "))));
        }
        let workflow = self.workflow(&project).await?;
        let refused = |error: crate::policy::workflow::BadWorkflow| Fault::refused(error.to_string());
        let author = workflow.writer(call.agent.as_deref()).map_err(refused)?;
        self.engine.commands_shown(&project, &workflow, &[&author.agent.name])?;
        Self::is_there(&author)?;
        let git = git_of(&project);
        let paths = paths_at(&git, &project.main).await.map_err(|error| in_words(&error))?;
        let layout = call.layout.unwrap_or_else(|| layout_of(&paths));
        if !WRITTEN.contains(&layout) {
            let names: Vec<&str> = WRITTEN.iter().map(|it| it.name()).collect();
            return Err(Fault::refused(format!("no item is begun in the layout of {}", layout.name()))
                .hint(format!("it can be {}; or begin it with that layout's own tools", names.join(", "))));
        }
        let owner = call.owner.clone().unwrap_or_else(|| self.who().to_string());
        let known: Vec<String> = {
            let fleet = self.engine.fleet();
            fleet.items.values().filter(|it| it.project == project.id).map(|it| it.slug.clone()).collect()
        };
        let taken = |path: &str| {
            let below = format!("{path}/");
            paths.range(below.clone()..).next().is_some_and(|it| it.starts_with(&below))
                || known.iter().any(|slug| path.rsplit('/').next() == Some(slug))
                // What somebody has not committed yet is theirs too.
                || Path::new(&project.path).join(path).symlink_metadata().is_ok()
        };
        let number = |name: &str| name.split('-').next().and_then(|it| it.parse().ok());
        let in_git = paths.iter().filter_map(|it| it.strip_prefix("specs/")?.split('/').next());
        let numbers: Vec<u32> = in_git.chain(known.iter().map(String::as_str)).filter_map(number).collect();
        let header = Header { kind: &call.kind, owner: &owner, base: project.main.short() };
        let mut made = skeleton(layout, &call.source, &header, &taken, &numbers);
        let branch = self.free_branch(&git, &made.slug, "spec").await.map_err(|error| in_words(&error))?;
        let files: Vec<(String, Vec<u8>)> =
            made.files.drain(..).map(|(path, text)| (path, text.into_bytes())).collect();
        let scratch =
            self.engine.inner.options.data.join("scratch").join(format!("begin-{}", uuid::Uuid::new_v4()));
        let tree = git.tree_with(&project.main, &files, &scratch).await.map_err(|error| in_words(&error))?;
        let at = now();
        let by = crate::execution::commits::author(&git, at).await;
        let message = format!("Begin the spec of {}\n", made.slug);
        let head =
            git.commit(&tree, &[&project.main], &message, &by).await.map_err(|error| in_words(&error))?;
        let laid = laid_at(&git, &head, &made.folder).await.map_err(|error| in_words(&error))?;
        let draft = Draft {
            kind: call.kind,
            owner,
            nights: call.nights,
            moved: at,
            ..fresh(call.source, layout, made.folder, branch, head, author, &workflow)
        };
        let facts =
            DraftFacts { project: project.id, slug: made.slug, base: project.main, spec: laid.spec(), draft };
        let records = self.act(Input::Drafting(Drafting::Begin(Box::new(facts)))).await?;
        let begun = records.iter().find_map(|it| match &it.event {
            Event::Card { item, .. } => Some(*item),
            _ => None,
        });
        self.draft_page(begun.ok_or_else(|| Fault::bug("the item was begun and not told"))?).await
    }
}

impl Answer<ask::draft::Refine> for Desk {
    async fn answer(&self, call: ask::draft::Refine) -> Result<ask::draft::DraftPage, Fault> {
        let item = self.item(call.item)?;
        self.see_main(item.project).await?;
        let project = self.project(item.project)?;
        self.engine.as_trusted(&project).await?;
        let workflow = self.workflow(&project).await?;
        let (draft, taken_up) = match self.engine.draft_of(&item) {
            Some(draft) => (draft, None),
            None => {
                let draft = self.taken_up(&item, &project, &workflow).await?;
                (draft.clone(), Some(Box::new(draft)))
            }
        };
        if let Some(bad) = call.lenses.iter().find(|it| !is_a_lens(it)) {
            return Err(Fault::refused(format!("'{}' is no name of a lens", text::line(bad, 60)))
                .hint("write a word or two, at most 60 signs"));
        }
        let by = match &call.agent {
            Some(name) => workflow.writer(Some(name)).map_err(|error| Fault::refused(error.to_string()))?,
            None => refiner(&workflow, &draft, &item)?,
        };
        // The author answers what is found.
        let agents = [by.agent.name.as_str(), draft.author.agent.name.as_str()];
        self.engine.commands_shown(&project, &workflow, &agents)?;
        Self::is_there(&by)?;
        let lenses = if call.lenses.is_empty() { workflow.lenses() } else { call.lenses.clone() };
        let policy = workflow.policy(draft.author.agent.clone());
        let tip = tip(&git_of(&project), &draft).await?;
        let facts = RefineFacts { item: item.id, by, policy, lenses, because: call.because, tip, taken_up };
        self.act(Input::Drafting(Drafting::Refine(Box::new(facts)))).await?;
        self.draft_page(item.id).await
    }
}

/// Who refines where nobody is named: whoever of those that are known is of another family, and on this machine.
fn refiner(workflow: &Workflow, draft: &Draft, item: &Item) -> Result<Writer, Fault> {
    let all = workflow.reviewers();
    let other = |it: &&Writer| {
        it.family.is_some()
            && draft.author.family.is_some()
            && it.family != draft.author.family
            && Desk::is_there(it).is_ok()
    };
    all.iter().find(other).cloned().ok_or_else(|| {
        let author = draft.author.says();
        Fault::refused(format!(
            "no agent is known that is of another model family than {author}, who wrote {}",
            item.slug
        ))
        .hint("add one under agents: in WORKFLOW.md, with its family, and name it as reviewer:")
        .command("or name one", format!("pilothouse spec refine {} --agent NAME", item.slug))
    })
}

impl Answer<ask::draft::Show> for Desk {
    async fn answer(&self, call: ask::draft::Show) -> Result<ask::draft::DraftPage, Fault> {
        self.draft_page(call.item).await
    }
}

impl Answer<ask::draft::Override> for Desk {
    async fn answer(&self, call: ask::draft::Override) -> Result<ask::draft::DraftPage, Fault> {
        let item = self.item(call.item)?;
        self.see_main(item.project).await?;
        let page = self.draft_page(call.item).await?;
        let stand = page.gates.iter().find(|it| it.gate == call.gate);
        let stand = stand.ok_or_else(|| Fault::bug("a gate was not looked at"))?;
        let (word, looks_at) = (call.gate.word(), call.gate.looks_at());
        if call.gate == SpecGate::G4 {
            return Err(Fault::refused(format!("{word} ({looks_at}) is not overridden: it is a yes"))
                .command("say it by starting the run", format!("pilothouse run start {}", item.slug)));
        }
        if stand.holds == Holds::Yes {
            return Err(Fault::refused(format!("{word} ({looks_at}) holds: there is nothing to override")));
        }
        let input = Drafting::Override {
            item: item.id,
            gate: call.gate,
            tree: stand.tree.clone(),
            because: call.because,
        };
        self.act(Input::Drafting(input)).await?;
        self.draft_page(item.id).await
    }
}

impl Answer<ask::draft::Finding> for Desk {
    async fn answer(&self, call: ask::draft::Finding) -> Result<(), Fault> {
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for programs inside the session that they speak of"));
        }
        if self.sits_at_pull(call.session) {
            let said = super::reviews::said(&call)?;
            let input = Reviewing::Says { session: call.session, lens: call.lens, said };
            return self.act(Input::Reviewing(input)).await.map(drop);
        }
        let severity = Severity::of(&call.severity);
        if severity.is_none() && call.severity != "nothing" {
            let says = format!("'{}' is no severity of a finding on a spec", text::line(&call.severity, 40));
            return Err(Fault::refused(says).hint("it is low, medium, high or critical; or nothing"));
        }
        let (lens, at, proposes) = (call.lens, call.at, call.proposes);
        let found = |severity: Severity| Finding {
            number: 0,
            lens: lens.clone(),
            severity,
            says: call.says.clone(),
            at: at.clone(),
            proposes: proposes.clone(),
            verdict: None,
        };
        let found = severity.map(found);
        let input =
            Drafting::Says { session: call.session, lens: lens.clone(), found, says: call.says.clone() };
        self.act(Input::Drafting(input)).await.map(drop)
    }
}

impl Answer<ask::draft::Settle> for Desk {
    async fn answer(&self, call: ask::draft::Settle) -> Result<(), Fault> {
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for programs inside the session that they speak of"));
        }
        if self.sits_at_pull(call.session) {
            let reply = match (call.verdict.accepted, call.tracker) {
                (true, _) => Reply::Accepted { commit: None },
                (false, Some(tracker)) => Reply::Deferred { tracker },
                (false, None) => Reply::PushedBack,
            };
            let (session, finding, says) = (call.session, call.finding, call.verdict.because);
            let input = Reviewing::Settles { session, finding, reply, says };
            return self.act(Input::Reviewing(input)).await.map(drop);
        }
        if call.tracker.is_some() {
            return Err(Fault::refused("a finding on a spec is not deferred: accept it or reject it"));
        }
        let input = Drafting::Settles { session: call.session, finding: call.finding, verdict: call.verdict };
        self.act(Input::Drafting(input)).await.map(drop)
    }
}
