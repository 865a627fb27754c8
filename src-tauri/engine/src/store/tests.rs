//! The store over a real database file.

use std::collections::{BTreeMap, BTreeSet};

use pilothouse_contract::money::Prices;
use pilothouse_contract::pace::Tally;
use pilothouse_contract::project::{Line, Project, Trust};
use pilothouse_contract::trajectory::{StepKind, Tokens};
use pilothouse_contract::{At, Event, Fleet, Oid, ProjectId, Record, RefName, SessionId, Touched, Who};

use super::{OutboxEnd, OutboxRow, QuietRun, Store, StoreError, TrajectoryRead, Written};

fn added() -> Record {
    let project = Project {
        id: ProjectId(1),
        name: "one".to_owned(),
        path: "/one".to_owned(),
        git_dir: "/one/.git".to_owned(),
        default_branch: RefName::branch("main"),
        main: Oid("1".repeat(40)),
        trust: Trust::Undecided,
        line: Line::Open,
        added: At(5),
        held: None,
        fates: Vec::new(),
        workflow: None,
        removed: false,
        auto_land: Vec::new(),
    };
    Record { seq: 1, at: At(5), who: Who::Person("a".to_owned()), event: Event::ProjectAdded { project } }
}

#[tokio::test]
async fn what_was_decided_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut fleet = store.load().await.unwrap().fleet;
    let records = [added()];
    let touched: BTreeSet<Touched> = fleet.apply(&records[0]).into_iter().collect();
    let written = Written { records: &records, effects: &[], fleet: &fleet, touched: &touched, done: None };
    store.commit(&written).await.unwrap();
    store.close().await;
    let again = Store::open(folder.path()).await.unwrap();
    assert_eq!(again.load().await.unwrap().fleet, fleet);
    assert_eq!(again.records_after(0, 10).await.unwrap(), records);
}

#[tokio::test]
async fn what_cannot_be_stored_whole_is_not_stored_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut fleet = Fleet::default();
    let touched: BTreeSet<Touched> = fleet.apply(&added()).into_iter().collect();
    // The same number twice: the second row breaks the whole.
    let records = [added(), added()];
    let written = Written { records: &records, effects: &[], fleet: &fleet, touched: &touched, done: None };
    assert!(store.commit(&written).await.is_err());
    assert_eq!(store.load().await.unwrap().fleet, Fleet::default());
    assert_eq!(store.records_after(0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn an_effect_is_pending_until_its_outcome_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let (fleet, touched) = (Fleet::default(), BTreeSet::new());
    let effects = [OutboxRow { key: 3, at: At(1), kind: "end-session", body: "{}".to_owned() }];
    let written = |effects, done| Written { records: &[], effects, fleet: &fleet, touched: &touched, done };
    store.commit(&written(&effects, None)).await.unwrap();
    let pending = store.load().await.unwrap().pending;
    assert_eq!((pending.len(), pending[0].key, pending[0].body.as_str()), (1, 3, "{}"));
    let end = OutboxEnd { key: 3, at: At(2), outcome: "{}".to_owned() };
    store.commit(&written(&[], Some(end))).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.pending, loaded.next_effect), (vec![], 4), "a number is never given twice");
}

#[tokio::test]
async fn steps_that_are_read_again_replace_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let said = |text: &str| StepKind::Message { text: text.to_owned() };
    let read = TrajectoryRead { file: "log".to_owned(), to: 10, damaged: 0, whole: false };
    let session = SessionId(4);
    store
        .put_steps(
            session,
            &read,
            &[("a".to_owned(), None, said("one")), ("b".to_owned(), None, said("two"))],
        )
        .await
        .unwrap();
    let read = TrajectoryRead { to: 20, ..read };
    store.put_steps(session, &read, &[("a".to_owned(), Some(At(7)), said("ONE"))]).await.unwrap();
    let steps = store.steps(session, 0, 9).await.unwrap();
    let words: Vec<_> = steps.iter().map(|it| (it.ordinal, it.native.as_str(), it.kind.clone())).collect();
    assert_eq!(words, [(0, "a", said("ONE")), (1, "b", said("two"))]);
    assert_eq!(store.trajectory_read(session).await.unwrap(), Some(read));
    assert_eq!(store.trajectories().await.unwrap()[0].steps, 2);
}

#[tokio::test]
async fn a_newer_database_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&store.write)
        .await
        .unwrap();
    store.close().await;
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_called_damaged_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pilothouse.db");
    std::fs::write(&path, "this is a letter to my aunt, and longer than a header. ".repeat(20)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn history_is_found_by_kind_and_time_and_the_last_person_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let started = |seq, at, who| Record { seq, at: At(at), who, event: Event::EngineStarted { restarts: 0 } };
    let notice = |seq, at| Record {
        seq,
        at: At(at),
        who: Who::Engine,
        event: Event::Notice { project: None, says: "x".to_owned() },
    };
    assert_eq!(store.last_by_a_person().await.unwrap(), None);
    const DAY: i64 = 86_400_000;
    let by_a_person = Record { seq: 2, at: At(20 * DAY), ..added() };
    let records = [
        started(1, 10 * DAY, Who::Engine),
        by_a_person.clone(),
        notice(3, 20 * DAY + 1),
        started(4, 20 * DAY + 2, Who::Policy("p".to_owned())),
        notice(5, 20 * DAY + 3),
    ];
    let (fleet, touched) = (Fleet::default(), BTreeSet::new());
    let written = Written { records: &records, effects: &[], fleet: &fleet, touched: &touched, done: None };
    store.commit(&written).await.unwrap();
    assert_eq!(store.last_by_a_person().await.unwrap(), Some(by_a_person));
    let seqs = async |kinds: &[&str], since, upto| {
        let found = store.records_of_kinds(kinds, At(since), upto).await.unwrap();
        found.iter().map(|it| it.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&["notice", "engine-started"], 0, 9).await, [1, 3, 4, 5]);
    assert_eq!(seqs(&["notice", "engine-started"], 20 * DAY + 1, 4).await, [3, 4], "that moment counts in");
    assert_eq!(seqs(&["engine-started"], 20 * DAY, 9).await, [4]);
}

#[tokio::test]
async fn tokens_are_told_apart_by_when_they_were_used_and_each_call_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let read = TrajectoryRead { file: "log".to_owned(), to: 10, damaged: 0, whole: false };
    let used = |input| StepKind::Tokens {
        model: "m".to_owned(),
        tokens: Tokens { input, cached: 2, cache_write: 7, cache_write_1h: 0, output: 1 },
    };
    let told = StepKind::Cost { micros: Some(5), models: BTreeMap::new() };
    let steps = [
        ("a".to_owned(), Some(At(5)), used(10)),
        ("b".to_owned(), Some(At(9)), used(100)),
        ("c".to_owned(), None, used(1000)),
        ("cost".to_owned(), Some(At(9)), told),
        // The same call in a later line of the log.
        ("b".to_owned(), Some(At(9)), used(100)),
    ];
    for session in [3, 4, 5] {
        store.put_steps(SessionId(session), &read, &steps).await.unwrap();
    }
    let prices = Prices::default();
    let found = store.accounts(&[SessionId(4), SessionId(5)], At(9), &prices).await.unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [SessionId(4), SessionId(5)]);
    let it = &found[&SessionId(4)];
    let tokens = |input, n| Tokens { input, cached: 2 * n, cache_write: 7 * n, cache_write_1h: 0, output: n };
    assert_eq!((it.all.tokens(), it.late.tokens()), (tokens(1110, 3), tokens(100, 1)));
    assert!(
        it.all.cost(&prices).told && !it.late.cost(&prices).told,
        "a count of all says nothing of a part"
    );
    let spent = store.spent(SessionId(3), 9, &prices).await.unwrap();
    assert_eq!((spent.tokens, spent.micros), (1110 + 21 + 3, Some(5)));
    assert_eq!(
        store.spent(SessionId(9), 9, &prices).await.unwrap().micros,
        None,
        "nobody knows, which is not nothing"
    );
}

#[tokio::test]
async fn what_ran_quietly_is_counted_once_however_often_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let run = |session, number, at| QuietRun {
        session: SessionId(session),
        number,
        at: At(at),
        command: "cargo test".to_owned(),
        exit: None,
        ms: 1200,
        whole: 9000,
        shown: 90,
        tests: (number == 2).then_some(Tally { passed: 11, failed: 1 }),
    };
    assert!(store.put_quiet(&run(1, 1, 5)).await.unwrap());
    assert!(!store.put_quiet(&run(1, 1, 5)).await.unwrap());
    assert!(store.put_quiet(&run(1, 2, 9)).await.unwrap() && store.put_quiet(&run(2, 1, 9)).await.unwrap());
    let of = async |sessions: &[SessionId], since| store.quiet_runs(sessions, At(since)).await.unwrap();
    assert_eq!(of(&[SessionId(1)], 0).await, [run(1, 1, 5), run(1, 2, 9)]);
    assert_eq!(of(&[SessionId(1), SessionId(2)], 6).await, [run(1, 2, 9), run(2, 1, 9)]);
}
