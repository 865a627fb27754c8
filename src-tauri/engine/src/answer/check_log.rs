//! Logs of checks that ran at a forge: asked for when somebody wants to read one, without secrets, and kept nowhere.

use pilothouse_contract::ask::forge::{CheckLog, Log};
use pilothouse_contract::forge::ForgePull;
use pilothouse_contract::{Answer, Fault, text};

use super::Desk;
use crate::policy::redact::redacted;

impl Answer<Log> for Desk {
    async fn answer(&self, call: Log) -> Result<CheckLog, Fault> {
        let all = self.engine.inner.store.forge_pulls().await?;
        let fits = |it: &&ForgePull| it.name() == call.pull || it.full_name() == call.pull;
        let named: Vec<&ForgePull> = all.iter().filter(fits).collect();
        let shown = text::line(&call.pull, 100);
        let it = match named.as_slice() {
            [it] => *it,
            [] => {
                return Err(Fault::missing(format!("no forge tells of an open pull request {shown}"))
                    .command("see which there are", "pilothouse pr list --fresh"));
            }
            [first, ..] => {
                return Err(Fault::refused(format!("several forges have a {shown}"))
                    .hint(format!("name its host: {}", text::line(&first.full_name(), 120))));
            }
        };
        let check = it.checks.iter().find(|check| check.name == call.check);
        let Some(check) = check else {
            let name = text::line(&call.check, 100);
            return Err(Fault::missing(format!("{shown} has no check called '{name}'"))
                .command("see which it has", format!("pilothouse pr checks {shown}")));
        };
        let log = self.engine.check_log(it, &check.name).await?;
        let Some((log, cut)) = log else {
            let says = format!("{} keeps no log of '{}'", it.host, text::line(&check.name, 100));
            let hint = match &check.url {
                Some(url) => format!("it ran elsewhere, or is not over; see {}", text::line(url, 200)),
                None => "it ran elsewhere, or is not over".to_owned(),
            };
            return Err(Fault::missing(says).hint(hint));
        };
        Ok(CheckLog {
            pull: it.full_name(),
            check: check.name.clone(),
            state: check.state,
            url: check.url.clone(),
            text: redacted(&log).into_owned(),
            cut,
        })
    }
}
