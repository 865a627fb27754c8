//! What a `WORKFLOW.md` says around attempts: shell commands before and after, and words for the agents. The keys and the template are
//! those of the Symphony specification and are read by the crate that keeps to it, so that one file means the same to both.
//!
//! Refuses a template that names what there is not: its words would become empty ones; and one that could be made without end, see
//! [`super::words`].

use std::path::Path;

use pilothouse_contract::attempt::{Attempt, Failure};
use pilothouse_contract::item::Item;
use pilothouse_contract::run::Run;
use pilothouse_symphony::Issue;
use pilothouse_symphony::workflow::{
    Feed, Hooks, RetryKind, TemplateError, check_prompt, example, render, split,
};
use serde_json::json;

use super::words;
use super::workflow::BadWorkflow;

/// What a file says around attempts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conduct {
    /// Shell commands before and after.
    pub hooks: Hooks,
    /// The tracker whose issues are queued, if there is one.
    pub feed: Option<Feed>,
    /// A strict Liquid template of what agents are told; blank is nothing.
    prompt: String,
}

impl Conduct {
    /// Reads a file's text; none is nothing.
    ///
    /// # Errors
    /// If its front matter is no map, a hook is no text, or the template cannot be made for an issue that has everything.
    pub fn read(text: Option<&str>) -> Result<Self, BadWorkflow> {
        let Some(text) = text else { return Ok(Self::default()) };
        let whole = split(Path::new("it"), text).map_err(|error| BadWorkflow(error.to_string()))?;
        let hooks = Hooks::read(&whole.config).map_err(|error| BadWorkflow(error.to_string()))?;
        if !whole.prompt.is_empty() {
            words::modest(&whole.prompt).map_err(BadWorkflow)?;
            check(&whole.prompt).map_err(|error| BadWorkflow(error.to_string()))?;
        }
        let feed = Feed::read(&whole.config).map_err(|error| BadWorkflow(error.to_string()))?;
        Ok(Self { hooks, feed, prompt: whole.prompt })
    }

    /// What trust is a decision about, each with where it is said: the commands that it would run, and which tracker is read with which
    /// secret.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, String)> {
        let mut all = self.hooks.commands();
        all.extend(self.feed.iter().flat_map(|it| it.tracker.told()));
        all
    }

    /// What the agent of an attempt is told; nothing if the file says nothing.
    ///
    /// # Errors
    /// If the template names something that this attempt has not.
    pub fn words(&self, of: &About<'_>) -> Result<Option<String>, BadWorkflow> {
        if self.prompt.is_empty() {
            return Ok(None);
        }
        let said = render(&self.prompt, &of.issue(), of.attempt_number(), of.kind());
        said.map(Some).map_err(|error| BadWorkflow(error.to_string()))
    }
}

/// Whom words and hooks are about: the item is the issue that the template knows.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its run.
    pub run: &'a Run,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// How the one before it failed, if there was one.
    pub before: Option<&'a Failure>,
}

impl About<'_> {
    /// The item as an issue. What no item has is empty, as the specification has it.
    #[must_use]
    pub fn issue(&self) -> Issue {
        let spec = &self.item.spec;
        let task = self.run.task(&self.attempt.task).map(|it| &it.spec);
        let claim = self.run.claim.as_ref();
        let title = if spec.title.trim().is_empty() { &self.item.slug } else { &spec.title };
        Issue {
            id: claim.map_or_else(|| self.item.id.to_string(), |it| it.id.clone()),
            native_ref: Some(json!({
                "run": self.run.id.to_string(),
                "task": self.attempt.task.as_str(),
                "task_title": task.map(|it| it.title.as_str()).unwrap_or_default(),
                "folder": spec.folder,
            })),
            identifier: claim.map_or_else(|| self.item.slug.clone(), |it| it.identifier.clone()),
            title: title.clone(),
            description: Some(spec.summary.clone()).filter(|it| !it.trim().is_empty()),
            priority: None,
            state: self.item.state.word().to_owned(),
            branch_name: Some(self.run.branch.short().to_owned()),
            url: claim.and_then(|it| it.url.clone()),
            assignee_id: None,
            labels: Vec::new(),
            blocked_by: Vec::new(),
            dispatchable: true,
            created_at: None,
            updated_at: None,
        }
    }

    /// Nothing for the first try, then how many there were before.
    fn attempt_number(&self) -> Option<u32> {
        self.attempt.number.checked_sub(1).filter(|it| *it > 0)
    }

    fn kind(&self) -> RetryKind {
        match self.before {
            None => RetryKind::First,
            Some(Failure::HandedOver { .. }) => RetryKind::Continuation,
            Some(_) => RetryKind::Failure,
        }
    }
}

/// Whether a template can be made for an item that has everything.
fn check(template: &str) -> Result<(), TemplateError> {
    let task = json!({ "run": "r1", "task": "T001", "task_title": "title", "folder": "specs/001-x" });
    let issue = Issue { native_ref: Some(task), created_at: None, updated_at: None, ..example() };
    check_prompt(template, &issue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_read_and_told_of_and_a_file_without_any_says_nothing() {
        let text =
            "---\nhooks:\n  after_create: ./prepare\n  timeout_ms: 5000\n---\nHello {{ issue.title }}.";
        let it = Conduct::read(Some(text)).unwrap();
        assert_eq!(it.commands(), [("hooks.after_create".to_owned(), "./prepare".to_owned())]);
        assert_eq!(it.hooks.timeout_ms, 5000);
        assert_eq!(Conduct::read(None).unwrap().commands(), []);
        assert!(Conduct::read(Some("Only words.")).unwrap().commands().is_empty());
    }

    #[test]
    fn what_only_an_item_has_may_be_named() {
        let text = "{{ issue.native_ref.task }} {{ issue.url }} {% if attempt %}{{ attempt }}{% endif %}";
        assert!(Conduct::read(Some(text)).is_ok());
    }

    #[test]
    fn what_names_something_that_there_is_not_is_refused_when_it_is_read() {
        for (text, names) in [
            ("{{ isue.title }}", "isue"),
            ("{{ issue.title | shout }}", "shout"),
            ("{{ issue.native_ref.number }}", "number"),
            ("{% for i in (1..9000000000) %}{% endfor %}", "a range"),
            ("---\nhooks: {after_run: [a]}\n---\n", "hooks.after_run"),
            ("---\n- a\n---\n", "no map"),
        ] {
            let error = Conduct::read(Some(text)).unwrap_err().to_string();
            assert!(error.starts_with("WORKFLOW.md: ") && error.contains(names), "{error}");
        }
    }
}
