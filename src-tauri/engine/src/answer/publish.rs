//! Pull requests of ours that are sent to another forge.

use pilothouse_contract::ask::forge::Publish;
use pilothouse_contract::published::Page;
use pilothouse_contract::{Answer, Fault};

use super::Desk;
use crate::coordination::{Input, Outcome, Publishing};

impl Answer<Publish> for Desk {
    async fn answer(&self, call: Publish) -> Result<Page, Fault> {
        let page = self.engine.publish_page(call.pull).await?;
        if call.dry {
            return Ok(page);
        }
        let ask = Publishing::Ask { pull: call.pull, place: page.place.clone() };
        for outcome in self.act_to_end(Input::Publishing(ask)).await? {
            if let Outcome::Published(Err(not)) = outcome {
                return Err(not.fault);
            }
        }
        Ok(Page { published: self.pull(call.pull)?.published, ..page })
    }
}
