//! The instructions of a project, read from its working tree when somebody asks; nothing of them is kept.

use std::path::Path;

use pilothouse_contract::instructions::Graph;
use pilothouse_contract::{Answer, Fault, ask};

use super::Desk;
use crate::execution::instructions;

impl Answer<ask::project::Instructions> for Desk {
    async fn answer(&self, call: ask::project::Instructions) -> Result<Graph, Fault> {
        let project = self.project(call.project)?;
        let look = move || instructions::look(Path::new(&project.path)).map(|it| it.graph());
        tokio::task::spawn_blocking(look).await.map_err(|error| Fault::bug(error.to_string()))?
    }
}
