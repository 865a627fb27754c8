//! The store over a real database file.

use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, Fleet, Oid, RefName, SessionId, Who};

use super::{Store, StoreError, TrajectoryRead};
use crate::coordination::{EffectKey, Input, Outcome, ProjectFacts, decide};

fn add(fleet: &mut Fleet, name: &str) -> crate::coordination::Decision {
    let facts = ProjectFacts {
        name: name.to_owned(),
        path: format!("/{name}"),
        git_dir: format!("/{name}/.git"),
        default_branch: RefName::branch("main"),
        main: Oid("1".repeat(40)),
    };
    decide(fleet, EffectKey(1), Input::AddProject(facts), Who::Person("a".to_owned()), At(5)).unwrap()
}

#[tokio::test]
async fn a_decision_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut fleet = store.load().await.unwrap().fleet;
    let decision = add(&mut fleet, "one");
    store.commit(&decision, &fleet, None).await.unwrap();
    store.close().await;
    let again = Store::open(folder.path()).await.unwrap();
    assert_eq!(again.load().await.unwrap().fleet, fleet);
    assert_eq!(again.records_after(0, 10).await.unwrap(), decision.records);
}

#[tokio::test]
async fn an_effect_is_pending_until_its_outcome_is_stored() {
    use crate::coordination::{Decision, Effect, PendingEffect};
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let effect = PendingEffect { key: EffectKey(3), at: At(1), effect: Effect::EndSession { session: SessionId(1) } };
    let decision = Decision { effects: vec![effect.clone()], ..Decision::default() };
    store.commit(&decision, &Fleet::default(), None).await.unwrap();
    assert_eq!(store.load().await.unwrap().pending, [effect]);
    store.commit(&Decision::default(), &Fleet::default(), Some((EffectKey(3), &Outcome::Done, At(2)))).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.pending, []);
    assert_eq!(loaded.next_effect, EffectKey(4), "a number is never given twice");
}

#[tokio::test]
async fn steps_that_are_read_again_replace_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let said = |text: &str| StepKind::Message { text: text.to_owned() };
    let read = TrajectoryRead { file: "log".to_owned(), to: 10, damaged: 0, whole: false };
    let session = SessionId(4);
    store.put_steps(session, &read, &[("a".to_owned(), None, said("one")), ("b".to_owned(), None, said("two"))]).await.unwrap();
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
