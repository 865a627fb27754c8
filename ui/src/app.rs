//! The one page there is.

use leptos::prelude::*;
use pilothouse_contract::ask;

use crate::ipc;

/// Says whether the engine answers, and what it carries.
#[component]
#[allow(unreachable_pub, reason = "the macro makes it public")]
pub(crate) fn App() -> impl IntoView {
    let says = LocalResource::new(|| async {
        let status = ipc::call(ask::engine::Status {}).await?;
        let runs = ipc::call(ask::run::List { project: None }).await?;
        let live = runs.iter().filter(|run| run.state.is_live()).count();
        Ok::<_, pilothouse_contract::Fault>(format!(
            "The engine runs: process {}, {live} of {} runs under way.",
            status.pid,
            runs.len()
        ))
    });
    let words = move || match says.get() {
        None => String::new(),
        Some(Ok(words)) => words,
        Some(Err(fault)) => fault.message,
    };
    view! {
        <main>
            <h1>"Pilothouse"</h1>
            <p>{words}</p>
            <p>"The panes are not built yet. Until then: pilothouse rehearse --headless"</p>
        </main>
    }
}
