//! What runs take: asked for, and told by the quiet wrapper inside sessions.

use pilothouse_contract::ask::took::{Quiet, Show, Took};
use pilothouse_contract::{Answer, Fault};

use super::{Caller, Desk};

impl Answer<Show> for Desk {
    async fn answer(&self, call: Show) -> Result<Took, Fault> {
        let missing = || format!("there is no run {}", call.run);
        let run = self.look(|fleet| fleet.runs.get(&call.run).cloned(), missing)?;
        Ok(self.engine.took(&run).await?)
    }
}

impl Answer<Quiet> for Desk {
    async fn answer(&self, call: Quiet) -> Result<(), Fault> {
        // What the caller says of itself counts only if its ancestry says the same.
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for programs inside the session that they speak of"));
        }
        Ok(self.engine.note_quiet(&call).await?)
    }
}
