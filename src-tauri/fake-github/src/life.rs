//! What happens at this GitHub: branches are pushed, pull requests opened, checked, reviewed, queued and landed. Each keeps what
//! GitHub keeps: a new head makes mergeability unknown, what may not land is refused in GitHub's words.

use crate::git;
use crate::world::{Check, Pull, Queued, Repo, Review, Thread, World};

/// Why something was refused: GitHub's word for it, and its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub &'static str, pub String);

fn no(says: impl Into<String>) -> Refused {
    Refused("UNPROCESSABLE", says.into())
}

fn lost(what: &str) -> Refused {
    Refused("NOT_FOUND", format!("Could not resolve to a node with the global id of '{what}'"))
}

impl World {
    /// A person with a token of their own.
    pub fn person(&mut self, login: &str, token: &str) {
        self.users.insert(login.to_owned(), login.to_owned());
        self.tokens.insert(token.to_owned(), login.to_owned());
    }

    /// A repository without anything in git; `main` stands at a commit that nobody made.
    pub fn add_repo(&mut self, full: &str) -> &mut Repo {
        let id = self.number();
        let (owner, name) = full.split_once('/').unwrap_or((full, full));
        self.users.entry(owner.to_owned()).or_insert_with(|| owner.to_owned());
        let tip = oid(id, 0);
        let repo = Repo {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            main: "main".to_owned(),
            branches: [("main".to_owned(), tip)].into(),
            auto_merge: true,
            ..Repo::default()
        };
        self.repos.entry(full.to_owned()).or_insert(repo)
    }

    /// Opens a pull request; its head is where its branch stands, or a commit that nobody made.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn open(
        &mut self,
        repo: &str,
        by: &str,
        from: &str,
        onto: &str,
        title: &str,
    ) -> Result<u64, Refused> {
        let (now, fresh) = (self.now(), self.number());
        let root = self.root.clone();
        let it = self.repo_mut(repo).ok_or_else(|| lost(repo))?;
        if it
            .pulls
            .values()
            .any(|pull| pull.state == "OPEN" && pull.head_ref == from && pull.base_ref == onto)
        {
            let says = format!("A pull request already exists for {}:{from}.", it.owner);
            return Err(no(says));
        }
        if it.has_git {
            git::read_branches(&root, it);
            if !it.branches.contains_key(from) {
                return Err(no("Head sha can't be blank, Head ref must be a branch"));
            }
        }
        let head = it.branches.entry(from.to_owned()).or_insert_with(|| oid(fresh, 1)).clone();
        let number = it.pulls.keys().last().copied().unwrap_or_default() + 1;
        let size = git::size(&root, it, onto, &head).unwrap_or((1, 10, 2));
        let pull = Pull {
            number,
            title: title.to_owned(),
            author: by.to_owned(),
            state: "OPEN".to_owned(),
            head_ref: from.to_owned(),
            head,
            base_ref: onto.to_owned(),
            size,
            created: now,
            updated: now,
            ..Pull::default()
        };
        it.pulls.insert(number, pull);
        Ok(number)
    }

    /// A branch comes to a new place, as by a push.
    pub fn push(&mut self, repo: &str, branch: &str, to: &str) {
        let now = self.now();
        let Some(it) = self.repo_mut(repo) else { return };
        it.branches.insert(branch.to_owned(), to.to_owned());
        let mut moved = Vec::new();
        for pull in it.pulls.values_mut().filter(|pull| pull.state == "OPEN") {
            if pull.head_ref == branch && pull.head != to {
                pull.head = to.to_owned();
                pull.threads.iter_mut().for_each(|it| it.outdated = true);
                pull.updated = now;
                moved.push(pull.number);
            }
            if pull.head_ref == branch || pull.base_ref == branch {
                pull.mergeable = None;
            }
        }
        it.queue.retain(|it| !moved.contains(&it.pull));
    }

    /// Reads from git where branches stand, after somebody pushed.
    pub fn read_git(&mut self, repo: &str) {
        let root = self.root.clone();
        let Some(it) = self.repo_mut(repo) else { return };
        let before = it.branches.clone();
        git::read_branches(&root, it);
        let moved: Vec<(String, String)> =
            it.branches.clone().into_iter().filter(|(name, tip)| before.get(name) != Some(tip)).collect();
        for (branch, tip) in moved {
            self.push(repo, &branch, &tip);
            let Some(it) = self.repo(repo).cloned() else { return };
            for pull in it.pulls.values().filter(|it| it.head_ref == branch && it.state == "OPEN") {
                if let Some(size) = git::size(&root, &it, &pull.base_ref, &tip)
                    && let Some(pull) = self.pull_mut(repo, pull.number)
                {
                    pull.size = size;
                }
            }
        }
    }

    /// A check of a pull request's head begins, or ends with a conclusion. Returns its number.
    pub fn check(&mut self, repo: &str, number: u64, name: &str, conclusion: Option<&str>) -> u64 {
        let (now, fresh) = (self.now(), self.number());
        let Some(pull) = self.pull_mut(repo, number) else { return 0 };
        let head = pull.head.clone();
        // The state of a check does not touch `updatedAt`, there as here.
        let open =
            pull.checks.iter_mut().find(|it| it.commit == head && it.name == name && it.conclusion.is_none());
        let id = if let Some(check) = open {
            check.id
        } else {
            pull.checks.push(Check {
                id: fresh,
                name: name.to_owned(),
                commit: head,
                status: "IN_PROGRESS".to_owned(),
                started: now,
                ..Check::default()
            });
            fresh
        };
        if let Some(conclusion) = conclusion {
            if let Some(check) = pull.checks.iter_mut().find(|it| it.id == id) {
                check.status = "COMPLETED".to_owned();
                check.conclusion = Some(conclusion.to_owned());
                check.ended = Some(now);
            }
            let log = format!(
                "2026-11-30T00:00:00.0000000Z {name}\n2026-11-30T00:00:01.0000000Z ended: {conclusion}\n"
            );
            if let Some(repo) = self.repo_mut(repo) {
                repo.logs.entry(id).or_insert(log);
            }
            self.settle(repo);
        }
        id
    }

    /// Somebody reviews a pull request.
    pub fn review(&mut self, repo: &str, number: u64, by: &str, state: &str, body: &str) {
        let (now, id) = (self.now(), self.number());
        self.users.entry(by.to_owned()).or_insert_with(|| by.to_owned());
        if let Some(pull) = self.pull_mut(repo, number) {
            pull.wanted.remove(by);
            pull.updated = now;
            let commit = pull.head.clone();
            let (author, state, body) = (by.to_owned(), state.to_owned(), body.to_owned());
            pull.reviews.push(Review { id, author, state, body, at: now, commit });
        }
        self.settle(repo);
    }

    /// Somebody begins a thread at a line. Returns its number.
    pub fn thread(&mut self, repo: &str, number: u64, by: &str, path: &str, line: u64, says: &str) -> u64 {
        let (now, id, comment) = (self.now(), self.number(), self.number());
        self.users.entry(by.to_owned()).or_insert_with(|| by.to_owned());
        if let Some(pull) = self.pull_mut(repo, number) {
            pull.updated = now;
            let comments = vec![(comment, by.to_owned(), says.to_owned(), now)];
            pull.threads.push(Thread {
                id,
                path: path.to_owned(),
                line,
                resolved: None,
                outdated: false,
                comments,
            });
        }
        id
    }

    /// Works out what was asked for: GitHub does that after the answer in which it says that it does not know.
    pub fn reckon(&mut self, repo: &str, number: u64) {
        let root = self.root.clone();
        let Some(it) = self.repo(repo) else { return };
        let Some(pull) = it.pulls.get(&number).filter(|it| it.mergeable.is_none() && it.state == "OPEN")
        else {
            return;
        };
        let clashes = git::clashes(&root, it, &it.tip(&pull.base_ref), &pull.head).unwrap_or(pull.clashes);
        if let Some(pull) = self.pull_mut(repo, number) {
            pull.mergeable = Some(if clashes { "CONFLICTING" } else { "MERGEABLE" }.to_owned());
        }
        self.settle(repo);
    }

    fn open_at(&self, repo: &str, number: u64, expected: Option<&str>) -> Result<(&Repo, &Pull), Refused> {
        let it = self.repo(repo).ok_or_else(|| lost(repo))?;
        let pull = it.pulls.get(&number).ok_or_else(|| lost(repo))?;
        if pull.state != "OPEN" {
            return Err(no(format!("Pull request is {}", pull.state.to_lowercase())));
        }
        match expected {
            Some(expected) if expected != pull.head => {
                Err(no("Head branch was modified. Review and try the merge again."))
            }
            _ => Ok((it, pull)),
        }
    }

    /// Lands a pull request.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn merge(
        &mut self,
        repo: &str,
        number: u64,
        expected: Option<&str>,
        method: &str,
    ) -> Result<String, Refused> {
        let (it, pull) = self.open_at(repo, number, expected)?;
        if it.has_queue {
            return Err(no("Changes must be made through the merge queue"));
        }
        match it.merge_state(pull) {
            "DIRTY" => return Err(no("Pull Request is not mergeable")),
            "DRAFT" => return Err(no("Pull Request is still a draft")),
            "BLOCKED" => {
                return Err(no("Repository rule violations found: required checks or reviews are missing"));
            }
            _ => {}
        }
        self.land(repo, number, method)
    }

    fn land(&mut self, repo: &str, number: u64, method: &str) -> Result<String, Refused> {
        let (now, fresh, root) = (self.now(), self.number(), self.root.clone());
        let (it, pull) = self.open_at(repo, number, None)?;
        let commit = match git::land(&root, it, pull, method) {
            Some(commit) => commit.map_err(|_| no("Pull Request is not mergeable"))?,
            None => oid(fresh, 2),
        };
        let base = pull.base_ref.clone();
        if let Some(pull) = self.pull_mut(repo, number) {
            pull.state = "MERGED".to_owned();
            pull.merged = Some(now);
            pull.updated = now;
            pull.merge_commit = Some(commit.clone());
            pull.auto = None;
        }
        if let Some(it) = self.repo_mut(repo) {
            it.queue.retain(|it| it.pull != number);
        }
        self.push(repo, &base, &commit);
        Ok(commit)
    }

    /// Puts a pull request into the queue.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn enqueue(&mut self, repo: &str, number: u64, expected: Option<&str>) -> Result<(), Refused> {
        let (now, id) = (self.now(), self.number());
        let (it, pull) = self.open_at(repo, number, expected)?;
        if !it.has_queue {
            return Err(no("Merge queue is not enabled for this branch"));
        }
        if it.place(number).is_some() {
            return Err(no("Pull request is already in the queue"));
        }
        if !matches!(it.merge_state(pull), "CLEAN" | "UNSTABLE") {
            return Err(no("Pull request is not mergeable: its requirements are not met"));
        }
        let head = pull.head.clone();
        if let Some(it) = self.repo_mut(repo) {
            let state = if it.queue.is_empty() { "AWAITING_CHECKS" } else { "QUEUED" }.to_owned();
            it.queue.push(Queued { id, pull: number, head, since: now, state });
        }
        Ok(())
    }

    /// Takes a pull request out of the queue.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn dequeue(&mut self, repo: &str, number: u64) -> Result<(), Refused> {
        let it = self.repo_mut(repo).ok_or_else(|| lost(repo))?;
        let before = it.queue.len();
        it.queue.retain(|it| it.pull != number);
        if it.queue.len() == before { Err(no("Pull request is not in the queue")) } else { Ok(()) }
    }

    /// The checks of the first in the queue passed: it lands.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn queue_goes_on(&mut self, repo: &str) -> Result<Option<u64>, Refused> {
        let Some(first) = self.repo(repo).and_then(|it| it.queue.first()).map(|it| it.pull) else {
            return Ok(None);
        };
        self.land(repo, first, "MERGE")?;
        if let Some(next) = self.repo_mut(repo).and_then(|it| it.queue.first_mut()) {
            next.state = "AWAITING_CHECKS".to_owned();
        }
        Ok(Some(first))
    }

    /// Lets a pull request land by itself once it can.
    ///
    /// # Errors
    /// In GitHub's words.
    pub fn auto_merge(
        &mut self,
        repo: &str,
        number: u64,
        expected: Option<&str>,
        method: &str,
    ) -> Result<(), Refused> {
        let now = self.now();
        let (it, pull) = self.open_at(repo, number, expected)?;
        if !it.auto_merge {
            return Err(no("Auto merge is not allowed for this repository"));
        }
        if it.merge_state(pull) == "CLEAN" {
            return Err(no("Pull request is in clean status"));
        }
        if let Some(pull) = self.pull_mut(repo, number) {
            pull.auto = Some((method.to_owned(), now));
        }
        Ok(())
    }

    /// Whatever may land by itself does.
    fn settle(&mut self, repo: &str) {
        let Some(it) = self.repo(repo) else { return };
        let ready: Vec<(u64, String)> = it
            .pulls
            .values()
            .filter(|pull| pull.state == "OPEN" && it.merge_state(pull) == "CLEAN")
            .filter_map(|pull| Some((pull.number, pull.auto.clone()?.0)))
            .collect();
        for (number, method) in ready {
            let done = if self.repo(repo).is_some_and(|it| it.has_queue) {
                self.enqueue(repo, number, None)
            } else {
                self.land(repo, number, &method).map(drop)
            };
            // What cannot be done now is tried again at the next change.
            if done.is_err() {
                return;
            }
        }
    }
}

/// A commit that nobody made.
#[must_use]
pub fn oid(n: u64, kind: u8) -> String {
    format!("{kind:02x}{n:038x}")
}
