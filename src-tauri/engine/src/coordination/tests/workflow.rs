//! Which version of `WORKFLOW.md` is in force.

use pilothouse_contract::attention;
use pilothouse_contract::project::{Found, FoundKind};
use pilothouse_contract::workflow::{InForce, NotInForce, Version};

use super::*;

fn version(commit: &str) -> Version {
    Version { commit: commit.into(), hash: format!("hash of {commit}") }
}

fn command(says: &str) -> Found {
    let place = "WORKFLOW.md hooks.before_run".to_owned();
    Found { kind: FoundKind::Workflow, place, says: says.to_owned(), hash: format!("hash of {says}") }
}

/// The default branch stands there by our record.
fn stands(desk: &mut Desk, commit: &str) {
    if let Some(project) = desk.fleet.projects.get_mut(&ProjectId(1)) {
        project.main = commit.into();
    }
}

fn see(desk: &mut Desk, commit: &str, read: Result<Vec<Found>, String>) -> InForce {
    let project = ProjectId(1);
    stands(desk, commit);
    desk.take(Input::WorkflowSeen { project, version: version(commit), read });
    desk.fleet.projects[&project].workflow.clone().unwrap_or_default()
}

#[test]
fn a_version_that_cannot_be_used_waits_and_the_last_good_one_goes_on() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    assert_eq!(see(&mut desk, "c1", Ok(vec![])).good, Some(version("c1")));
    let broken = see(&mut desk, "c2", Err("no such variable".to_owned()));
    assert_eq!(broken.good, Some(version("c1")));
    let says = broken.says().unwrap();
    assert!(says.contains("at c2: no such variable") && says.contains("go on as they were at c1"), "{says}");
    let alarms = attention::alarms(&desk.fleet, &attention::Sights::default());
    let alarm = alarms.iter().find(|it| it.call == "WORKFLOW").unwrap();
    assert_eq!((alarm.asks.as_str(), &alarm.says), ("WORKFLOW.md of x cannot be used", &says));
    let told = desk.records.len();
    desk.now = At(9);
    assert_eq!(see(&mut desk, "c2", Err("no such variable".to_owned())), broken);
    assert_eq!(desk.records.len(), told, "what was seen before is not told again");
    let mended = see(&mut desk, "c3", Ok(vec![]));
    assert_eq!((mended.good, mended.waits), (Some(version("c3")), None));
    let alarms = attention::alarms(&desk.fleet, &attention::Sights::default());
    assert!(!alarms.iter().any(|it| it.call == "WORKFLOW"));
}

#[test]
fn a_version_with_commands_that_nobody_said_yes_to_waits_for_a_yes() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    see(&mut desk, "c1", Ok(vec![]));
    let waits = see(&mut desk, "c2", Ok(vec![command("make")]));
    assert_eq!(waits.good, Some(version("c1")));
    let places = vec!["WORKFLOW.md hooks.before_run".to_owned()];
    assert_eq!(waits.waits.unwrap().why, NotInForce::Untrusted { places });
    desk.take(Input::TrustProject { project: ProjectId(1), found: vec![command("make")] });
    assert_eq!(see(&mut desk, "c2", Ok(vec![command("make")])).good, Some(version("c2")));
    // The same place says something else.
    let other = see(&mut desk, "c3", Ok(vec![command("make all")]));
    assert_eq!(other.good, Some(version("c2")));
    // Fewer commands want no yes.
    assert_eq!(see(&mut desk, "c4", Ok(vec![])).good, Some(version("c4")));
    let late = version("c1");
    desk.take(Input::WorkflowSeen { project: ProjectId(1), version: late, read: Ok(vec![]) });
    let good = desk.fleet.projects[&ProjectId(1)].workflow.clone().and_then(|it| it.good);
    assert_eq!(good, Some(version("c4")), "a look that is late says nothing");
    stands(&mut desk, "c5");
    let none = Version { commit: "c5".into(), hash: String::new() };
    desk.take(Input::WorkflowSeen { project: ProjectId(1), version: none, read: Ok(vec![]) });
    assert_eq!(desk.fleet.projects[&ProjectId(1)].workflow, Some(InForce::default()), "the file is gone");
}
