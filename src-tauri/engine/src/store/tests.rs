//! The store over a real database file.

use std::collections::BTreeSet;

use pilothouse_contract::project::{Line, Project, Trust};
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, Event, Fleet, Oid, ProjectId, Record, RefName, SessionId, Touched, Who};

use super::{OutboxEnd, OutboxRow, Store, StoreError, TrajectoryRead, Used, Written};

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
        removed: false,
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
async fn tokens_are_told_apart_by_when_they_were_used() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let read = TrajectoryRead { file: "log".to_owned(), to: 10, damaged: 0, whole: false };
    let used = |input| StepKind::Tokens { model: "m".to_owned(), input, cached: 2, output: 1 };
    let steps = [
        ("a".to_owned(), Some(At(5)), used(10)),
        ("b".to_owned(), Some(At(9)), used(100)),
        ("c".to_owned(), None, used(1000)),
    ];
    store.put_steps(SessionId(4), &read, &steps).await.unwrap();
    store.put_steps(SessionId(3), &read, &steps).await.unwrap();
    let found = store.used_since(SessionId(4), At(9)).await.unwrap();
    let all = Used { input: 1110, cached: 6, output: 3 };
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(SessionId(4), (all, Used { input: 100, cached: 2, output: 1 }))]
    );
}
