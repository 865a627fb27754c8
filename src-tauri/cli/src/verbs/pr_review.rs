//! What `pilothouse pr` says of risk, proofs, findings and their answers, and how answers are typed.

use pilothouse_contract::pull::Pull;
use pilothouse_contract::review::{Finding, Priority, Reply};
use pilothouse_contract::run::touched;
use pilothouse_contract::{Fault, Oid, ask};

use crate::out::short;

/// P0, P1 or P2.
pub(super) fn priority(word: &str) -> Result<Priority, String> {
    Priority::of(word).ok_or_else(|| "it is P0, P1 or P2".to_owned())
}

/// One of the three answers there are.
pub(super) fn reply(
    accept: Option<String>,
    tracker: Option<String>,
    push_back: bool,
) -> Result<Reply, Fault> {
    match (accept, tracker, push_back) {
        (Some(commit), ..) => Ok(Reply::Accepted { commit: Some(Oid(commit)) }),
        (_, Some(tracker), _) => Ok(Reply::Deferred { tracker }),
        (.., true) => Ok(Reply::PushedBack),
        _ => {
            Err(Fault::refused("say which answer it is")
                .hint("--accept COMMIT, --tracker ENTRY, or --push-back"))
        }
    }
}

/// What nobody answered yet, for whoever says yes.
pub(super) fn open(pull: &Pull) -> String {
    let open: Vec<String> = pull.review.unanswered().map(line).collect();
    if open.is_empty() {
        return String::new();
    }
    format!(
        "\nIt lands once each of these is answered (pilothouse pr answer {}):\n{}",
        pull.id,
        open.join("\n")
    )
}

/// Risk, proofs, review and findings.
pub(super) fn show(page: &ask::pull::PullPage) -> String {
    let review = &page.pull.review;
    let mut says = String::new();
    if let Some(risk) = &review.risk {
        says.push_str(&format!("\nRisk\n  {}: {}\n", risk.class.word(), short(&risk.rule, 160)));
        for it in risk.hits.iter().filter(|it| it.rule != risk.rule) {
            says.push_str(&format!("  - {}: {}\n", it.class.word(), short(&it.rule, 160)));
        }
    }
    says.push_str(&format!("\nProof mix\n  {}\n", short(&page.mix.says(), 200)));
    for it in &page.mix.vacuous {
        says.push_str(&format!("  - {}: {}\n", it.task, short(&it.why, 120)));
    }
    let made =
        if page.agent.is_empty() { String::new() } else { format!("made by {}", short(&page.agent, 60)) };
    let deeds = touched(&page.touches);
    let deeds = if deeds.is_empty() { "no person touched it".to_owned() } else { deeds };
    says.push_str(&format!("\nTouched by\n  {made}; {}\n", short(&deeds, 200)));
    says.push_str(&format!("\nReview\n  {}\n", short(&review.says(), 240)));
    for it in &review.rounds {
        let found = review
            .findings
            .iter()
            .filter(|found| found.round == it.number && found.agent == it.by.agent.name)
            .count();
        let dropped =
            if it.dropped == 0 { String::new() } else { format!(", {} below the line", it.dropped) };
        let state = if it.ended.is_some() { "" } else { ", under way" };
        let excuse = it.excuse.as_ref().map_or_else(String::new, |it| {
            format!("; let through by {}: {}", it.by, short(&it.because, 120))
        });
        says.push_str(&format!(
            "  - round {} by {} at {}: {found} found{dropped}{state}{excuse}\n",
            it.number,
            short(&it.by.says(), 60),
            it.head.short()
        ));
    }
    for it in &review.findings {
        says.push_str(&format!("{}\n", line(it)));
        for (head, words) in [("because", &it.why), ("mend", &it.mend)] {
            if !words.is_empty() {
                says.push_str(&format!("      {head}: {}\n", short(words, 200)));
            }
        }
        match &it.answer {
            Some(answer) => says.push_str(&format!(
                "      {} by {}: {}\n",
                short(&answer.reply.to_string(), 160),
                answer.by,
                short(&answer.says, 200)
            )),
            None => says.push_str("      not answered yet\n"),
        }
    }
    says
}

fn line(it: &Finding) -> String {
    let place = it.place();
    let place = if place.is_empty() { String::new() } else { format!(" {}", short(&place, 120)) };
    let by = if it.agent.is_empty() { it.by.to_string() } else { it.agent.clone() };
    format!("  {}. {}{place} ({}): {}", it.number, it.priority.word(), short(&by, 60), short(&it.what, 200))
}

/// What came after the landing.
pub(super) fn after(pull: &Pull) -> String {
    let it = &pull.after;
    let mut says = String::new();
    if let Some(of) = it.takes_back {
        says.push_str(&format!("\nIt takes back {of}.\n"));
    }
    if let Some(by) = it.taken_back {
        says.push_str(&format!("\nIt was taken back by {by}.\n"));
    }
    match (&it.sampled, it.waits()) {
        (Some(it), _) => says.push_str(&format!(
            "\nLooked at by {} for {} minutes: {}. {}\n",
            it.by,
            it.minutes,
            it.verdict.word(),
            short(&it.says, 200)
        )),
        (None, true) => says.push_str(&format!(
            "\nYou are to look at it: pilothouse sample verdict {} fine|fix|revert --minutes N\n",
            pull.id
        )),
        _ => {}
    }
    for it in &it.escapes {
        let mended = it.mended_by.map(|it| format!(", mended by {it}")).unwrap_or_default();
        says.push_str(&format!(
            "Something was wrong with it, by {}{mended}: {}\n",
            it.by,
            short(&it.says, 200)
        ));
    }
    says
}
