//! After landings: the desk of changes to look at, verdicts, escapes, reverts, and auto-land.

use pilothouse_contract::after::{class, debt, rates, waiting};
use pilothouse_contract::published::Published;
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::run::Run;
use pilothouse_contract::{Answer, Event, Fault, Oid, ask, text};

use super::Desk;
use crate::coordination::{Afterwards, Input, TakeBackFacts};
use crate::perform::{git_of, now};
use crate::ports::git::{Git, GitError};

fn in_words(error: GitError) -> Fault {
    Fault::environment(error.to_string())
}

impl Answer<ask::after::Desk> for Desk {
    async fn answer(&self, call: ask::after::Desk) -> Result<ask::after::DeskPage, Fault> {
        let fleet = self.engine.fleet();
        let mut waits: Vec<Pull> = waiting(&fleet, call.project).into_iter().cloned().collect();
        // One tour: what lies in one area is read together.
        let area = |it: &Pull| it.review.risk.as_ref().and_then(|it| it.areas.first().cloned());
        waits.sort_by_key(|it| (std::cmp::Reverse(class(it)), area(it), it.moved, it.id));
        Ok(ask::after::DeskPage {
            waits,
            debt: debt(&fleet, call.project, now()),
            rates: rates(&fleet, call.project),
        })
    }
}

impl Answer<ask::after::Sample> for Desk {
    async fn answer(&self, call: ask::after::Sample) -> Result<Pull, Fault> {
        let ask::after::Sample { pull, verdict, minutes, says } = call;
        self.act(Input::Afterwards(Afterwards::Sample { pull, verdict, minutes, says })).await?;
        self.pull(pull)
    }
}

impl Answer<ask::after::Escape> for Desk {
    async fn answer(&self, call: ask::after::Escape) -> Result<Pull, Fault> {
        let ask::after::Escape { pull, says, mended_by } = call;
        self.act(Input::Afterwards(Afterwards::Escape { pull, says, mended_by })).await?;
        self.pull(pull)
    }
}

impl Answer<ask::after::TakeBack> for Desk {
    async fn answer(&self, call: ask::after::TakeBack) -> Result<Run, Fault> {
        let pull = self.pull(call.pull)?;
        self.see_main(pull.project).await?;
        let project = self.project(pull.project)?;
        self.engine.as_trusted(&project).await?;
        let PullState::Landed { commit } = &pull.state else {
            let says = format!("{} has not landed: it is {}", pull.id, pull.state.word());
            return Err(Fault::refused(says));
        };
        let git = git_of(&project);
        let at = now();
        let author = crate::execution::commits::author(&git, at).await;
        let there = pull.published.as_ref().is_some_and(|it| it.landing.is_some());
        if there && pull.commits > 1 && is_copy(&git, commit, &pull.head).await {
            let (name, n) =
                (pull.published.as_ref().map(Published::full_name).unwrap_or_default(), pull.commits);
            let says = format!(
                "{name} landed by a rebase, as up to {n} commits of which {} is only the last: taking that back would leave the others",
                commit.short()
            );
            return Err(
                Fault::refused(says).hint("revert all of them by hand, in a run or a branch of your own")
            );
        }
        // On top of what landed, with the tree of before: merged into the default branch it takes back that change and no other.
        let before = git.commit_of(&format!("{commit}^1")).await.map_err(in_words)?;
        let before =
            before.ok_or_else(|| Fault::environment(format!("{} has nothing before it", commit.short())))?;
        let tree = git.tree_of(&before).await.map_err(in_words)?;
        let message = format!(
            "Revert {}: {}\n\n{}\n\nThis takes back {commit}.\n",
            pull.id,
            text::line(&pull.title, 200),
            text::plain(&call.because, true)
        );
        let head: Oid = git.commit(&tree, &[commit], &message, &author).await.map_err(in_words)?;
        let branch =
            self.free_branch(&git, &format!("revert-{}", pull.id), "item").await.map_err(in_words)?;
        let workflow = crate::execution::repository::workflow_at(&git, &project.main).await?;
        let checks =
            workflow.policy(workflow.writer(None).map_err(|it| Fault::refused(it.to_string()))?.agent);
        let facts = TakeBackFacts {
            pull: pull.id,
            head,
            base: project.main.clone(),
            branch,
            because: call.because,
            checks: checks.checks,
        };
        let records = self.act(Input::Afterwards(Afterwards::TakeBack(Box::new(facts)))).await?;
        let run = records.into_iter().find_map(|it| match it.event {
            Event::RunStarted { run } => Some(*run),
            _ => None,
        });
        run.ok_or_else(|| Fault::bug("a revert was begun and not told"))
    }
}

/// Whether what landed is one commit of a pull request made anew on another one, as a forge's rebase does it: with its author's time and its
/// words. A merge has two parents, and what was squashed has a time of its own.
async fn is_copy(git: &Git, landed: &Oid, head: &Oid) -> bool {
    let second = format!("{landed}^2");
    if !matches!(git.commit_of(&second).await, Ok(None)) {
        return false;
    }
    let words =
        async |it: &Oid| git.text(&["log", "-1", "--format=%an%n%ae%n%at%n%B", it.as_str()]).await.ok();
    let landed = words(landed).await;
    landed.is_some() && landed == words(head).await
}

impl Answer<ask::after::AutoLand> for Desk {
    async fn answer(&self, call: ask::after::AutoLand) -> Result<ask::after::AutoLandPage, Fault> {
        let ask::after::AutoLand { project, class, on, seen } = call;
        let all = rates(&self.engine.fleet(), Some(project));
        let now = all
            .iter()
            .find(|it| it.class == class)
            .map(pilothouse_contract::after::Rates::says)
            .unwrap_or_default();
        if on && seen != now {
            return Err(Fault::refused(format!(
                "that is switched on only in sight of how it went so far: {now}"
            ))
            .hint("say that you saw just that"));
        }
        self.act(Input::Afterwards(Afterwards::AutoLand { project, class, on, seen })).await?;
        Ok(ask::after::AutoLandPage { project: self.project(project)?, rates: all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_rebased_is_known_and_neither_what_was_squashed_nor_a_merge_is() {
        let folder = tempfile::tempdir().unwrap();
        let run = |args: &[&str], time: &str| {
            let output = std::process::Command::new("git")
                .current_dir(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(args)
                .env("GIT_AUTHOR_DATE", time)
                .env("GIT_COMMITTER_DATE", time)
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let commit = |says: &str, time: &str| {
            std::fs::write(folder.path().join(says), says).unwrap();
            run(&["add", "."], time);
            run(&["commit", "--quiet", "-m", says], time);
            run(&["rev-parse", "HEAD"], time)
        };
        run(&["init", "--quiet", "-b", "main"], "@1 +0000");
        commit("begin", "@1 +0000");
        run(&["switch", "--quiet", "-c", "item"], "@2 +0000");
        commit("one", "@2 +0000");
        let head = Oid(commit("two", "@3 +0000"));
        run(&["switch", "--quiet", "main"], "@4 +0000");
        let base = commit("other", "@4 +0000");
        let git = Git::at(&folder.path().join(".git"));
        // With that committer's time git keeps the author's own.
        std::process::Command::new("git")
            .current_dir(folder.path())
            .args(["-c", "user.name=f", "-c", "user.email=f@g", "cherry-pick", "main..item"])
            .output()
            .unwrap();
        let rebased = Oid(run(&["rev-parse", "HEAD"], "@5 +0000"));
        assert_eq!(run(&["rev-parse", "HEAD~2"], "@5 +0000"), base);
        assert!(is_copy(&git, &rebased, &head).await);
        run(&["reset", "--quiet", "--hard", &base], "@6 +0000");
        run(&["merge", "--quiet", "--squash", "item"], "@6 +0000");
        run(&["commit", "--quiet", "-m", "two"], "@6 +0000");
        let squashed = Oid(run(&["rev-parse", "HEAD"], "@6 +0000"));
        assert!(!is_copy(&git, &squashed, &head).await);
        run(&["reset", "--quiet", "--hard", &base], "@3 +0000");
        run(&["merge", "--quiet", "--no-ff", "-m", "two", "item"], "@3 +0000");
        let merged = Oid(run(&["rev-parse", "HEAD"], "@3 +0000"));
        assert!(!is_copy(&git, &merged, &head).await);
    }
}
