//! Forges: what they told, who is logged in, and a question now.

use pilothouse_contract::ask::forge::{ForgePage, Join, Leave, List, Refresh};
use pilothouse_contract::{Answer, Fault};

use super::Desk;
use crate::integration::forge::tokens::Source;

impl Answer<List> for Desk {
    async fn answer(&self, call: List) -> Result<ForgePage, Fault> {
        self.engine.forge_page(call.project).await
    }
}

impl Answer<Join> for Desk {
    async fn answer(&self, call: Join) -> Result<(), Fault> {
        if Source::of(&call.source).is_none() {
            return Err(Fault::refused(format!("a token cannot be kept in '{}'", call.source)));
        }
        self.engine.inner.store.join_forge(&call.host, &call.login, &call.source).await?;
        self.engine.inner.forges.changed().await;
        Ok(())
    }
}

impl Answer<Leave> for Desk {
    async fn answer(&self, call: Leave) -> Result<(), Fault> {
        self.engine.inner.store.leave_forge(&call.host).await?;
        self.engine.inner.forges.changed().await;
        Ok(())
    }
}

impl Answer<Refresh> for Desk {
    async fn answer(&self, call: Refresh) -> Result<ForgePage, Fault> {
        self.engine.refresh_forges(call.host.as_deref()).await;
        self.engine.forge_page(None).await
    }
}
