//! Which family a model is of, by its name; and which an agent's is, by its command. Reviewers that err alike are no second look.
//!
//! Refuses to guess: what is not known by its name is nobody's, and a person says it.

use pilothouse_contract::card::Writer;
use pilothouse_contract::run::{Adapter, AgentChoice};

/// Beginnings of a model's name, or of a part of it, and whose they are.
const MODELS: [(&str, &str); 30] = [
    ("claude", "anthropic"),
    ("opus", "anthropic"),
    ("sonnet", "anthropic"),
    ("haiku", "anthropic"),
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("codex", "openai"),
    ("chatgpt", "openai"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("llama", "meta"),
    ("mistral", "mistral"),
    ("mixtral", "mistral"),
    ("magistral", "mistral"),
    ("devstral", "mistral"),
    ("codestral", "mistral"),
    ("qwen", "alibaba"),
    ("qwq", "alibaba"),
    ("deepseek", "deepseek"),
    ("grok", "xai"),
    ("kimi", "moonshot"),
    ("glm", "zhipu"),
    ("minimax", "minimax"),
    ("phi", "microsoft"),
    ("nova", "amazon"),
    ("command", "cohere"),
    ("granite", "ibm"),
    ("nemotron", "nvidia"),
];

/// Programs that bring models of one family, where nothing else is said.
const PROGRAMS: [(&str, &str); 6] = [
    ("claude", "anthropic"),
    ("codex", "openai"),
    ("gemini", "google"),
    ("qwen", "alibaba"),
    ("kimi", "moonshot"),
    ("grok", "xai"),
];

/// The family of a model, by its name: `claude-opus-4-1`, `openai/gpt-5`, `qwen3-coder:30b`.
#[must_use]
pub fn of_model(model: &str) -> Option<&'static str> {
    let name = model.to_ascii_lowercase();
    // Whoever serves it stands in front of it, and is not always who made it.
    let name = name.rsplit('/').next().unwrap_or(&name);
    let parts = name.split(|it: char| !it.is_ascii_alphanumeric());
    let known = |part: &str| {
        MODELS.iter().find_map(|(begins, family)| {
            let rest = part.strip_prefix(begins)?;
            rest.chars().all(|it| it.is_ascii_digit() || it == 'o' || it == 'v').then_some(*family)
        })
    };
    parts.filter(|it| !it.is_empty()).find_map(known)
}

/// The family of an agent's model: the one that its command names, else the one that its program brings.
#[must_use]
pub fn of_agent(agent: &AgentChoice) -> Option<String> {
    let words: Vec<&str> = agent.command.iter().map(String::as_str).collect();
    let named = words.iter().enumerate().find_map(|(at, word)| match *word {
        "--model" | "-m" => words.get(at + 1).copied(),
        word => word.strip_prefix("--model="),
    });
    if let Some(model) = named {
        return of_model(model).map(str::to_owned);
    }
    if agent.adapter == Adapter::Rehearsal {
        return Some(
            if agent.name == "rehearsal-critic" { "scripted critic" } else { "scripted" }.to_owned(),
        );
    }
    let program = words.first()?.rsplit('/').next()?;
    PROGRAMS.iter().find(|(name, _)| *name == program).map(|(_, family)| (*family).to_owned())
}

/// Why somebody is no second look at what an author made; nothing if they are.
#[must_use]
pub fn errs_alike(author: &Writer, by: &Writer) -> Option<String> {
    match (&author.family, &by.family) {
        (Some(one), Some(other)) if one != other => None,
        (Some(one), Some(_)) => Some(format!(
            "{} is of the family {one}, as {} is who wrote it: it errs alike",
            by.agent.name, author.agent.name
        )),
        _ => {
            let unknown = if by.family.is_none() { by } else { author };
            Some(format!("nobody knows of which model family {} is", unknown.agent.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(words: &[&str]) -> AgentChoice {
        AgentChoice {
            name: "x".to_owned(),
            adapter: Adapter::Command,
            command: words.iter().map(|it| (*it).to_owned()).collect(),
            resume: Vec::new(),
        }
    }

    #[test]
    fn models_are_known_by_their_names_and_nothing_is_guessed() {
        for (model, family) in [
            ("claude-opus-4-1-20250805", Some("anthropic")),
            ("us.anthropic.claude-sonnet-4", Some("anthropic")),
            ("openai/gpt-5-codex", Some("openai")),
            ("gpt-4o", Some("openai")),
            ("o3-mini", Some("openai")),
            ("models/gemini-2.5-pro", Some("google")),
            ("qwen3-coder:30b", Some("alibaba")),
            ("groq/llama-3.3-70b", Some("meta")),
            ("scripted", None),
            ("commander", None),
            ("", None),
        ] {
            assert_eq!(of_model(model), family, "{model}");
        }
    }

    #[test]
    fn an_agent_is_of_the_model_that_its_command_names_and_else_of_its_program() {
        assert_eq!(of_agent(&agent(&["claude", "-p"])).as_deref(), Some("anthropic"));
        assert_eq!(of_agent(&agent(&["/opt/bin/codex", "exec"])).as_deref(), Some("openai"));
        assert_eq!(of_agent(&agent(&["opencode", "run", "-m", "openai/gpt-5"])).as_deref(), Some("openai"));
        assert_eq!(of_agent(&agent(&["claude", "--model=glm-4.6"])).as_deref(), Some("zhipu"));
        assert_eq!(of_agent(&agent(&["claude", "--model", "mine"])), None, "a model that nobody knows");
        assert_eq!(of_agent(&agent(&["sh", "x.sh"])), None);
    }
}
