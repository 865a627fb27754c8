//! The brief: its facts gathered, from one state of the fleet and the history up to that.

use std::collections::BTreeMap;

use pilothouse_contract::attention::{self, Sights};
use pilothouse_contract::brief::{Brief, PersonsDeed, begin};
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{Answer, Fault, Record, SessionId, ask};

use super::Desk;
use crate::observability::brief::{self, Facts};
use crate::perform::now;

impl Answer<ask::brief::Show> for Desk {
    async fn answer(&self, call: ask::brief::Show) -> Result<Brief, Fault> {
        let store = &self.engine.inner.store;
        let deed = store.last_by_a_person().await?.map(|Record { seq, at, who, event }| PersonsDeed {
            seq,
            at,
            by: who,
            did: event.word().to_owned(),
        });
        let now = now();
        let (since, chosen) = begin(call.since, deed.as_ref().map(|it| it.at), now);
        // What is read of history below is of the same moment.
        let fleet = self.engine.fleet().clone();
        let records = store.records_of_kinds(&brief::KINDS, since, fleet.seq).await?;
        let runs = brief::runs(&fleet, since);
        let first = runs.iter().map(|it| it.started).chain([since]).min().unwrap_or(since);
        let asleep = brief::asleep(&store.records_of_kinds(&brief::SLEEP, first, fleet.seq).await?);
        let agents = || {
            fleet.sessions.values().filter(|it| it.kind == SessionKind::Agent && brief::ran_since(it, since))
        };
        let (mut used, mut prices) = (BTreeMap::new(), BTreeMap::new());
        for run in &runs {
            let of = self.engine.prices(&run.policy);
            let sessions: Vec<SessionId> =
                agents().filter(|it| it.run == Some(run.id)).map(|it| it.id).collect();
            used.extend(store.accounts(&sessions, since, &of).await?);
            prices.insert(run.id, of);
        }
        let sessions: Vec<SessionId> = agents().map(|it| it.id).collect();
        let quiet = store.quiet_runs(&sessions, since).await?;
        let live = fleet.sessions.values().filter(|it| it.end.is_none());
        let pulses =
            live.filter_map(|it| Some((it.id, self.engine.inner.sessions.pulse(it.into())?))).collect();
        let alarms = attention::alarms(&fleet, &Sights { pulses, engine: self.engine.alarms(), now });
        Ok(brief::of(&Facts {
            fleet: &fleet,
            since,
            chosen,
            now,
            deed,
            alarms,
            records,
            asleep,
            used,
            prices,
            quiet,
        }))
    }
}
