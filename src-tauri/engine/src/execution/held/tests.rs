//! Sessions and what is held of them, with real holders: told apart from those whose id they have, and named for what they are.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use pilothouse_holder::place::{Held, boot_id};
use pilothouse_holder::wire::{FromHolder, Taken, take_to_holder};

use super::*;

/// So long is waited for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_holder_of_the_first_version_is_told_as_one_hand_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (told, _tells) = mpsc::unbounded_channel();
    let sessions = Sessions::new(folder.path(), folder.path(), Path::new("/nowhere"), told);
    let key = Key { id: SessionId(1), asked: At(1) };
    let place = sessions.place(key);
    place.make().unwrap();
    let asked = Asked {
        version: 1,
        argv: vec!["cat".to_owned()],
        cwd: folder.path().to_owned(),
        mode: place::Mode::Pipe,
        columns: 80,
        rows: 24,
        segment_bytes: 65536,
        log_max: 0,
        socket: sessions.socket(key),
        limit_ms: 0,
        cgroup: None,
        memory_max: 0,
        cpu_max: 0,
        keep_rest: false,
    };
    place.write_asked(&asked).unwrap();
    let lock = place.lock_file().unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let held = Held {
        version: 1,
        holder: std::process::id(),
        pid: u32::MAX,
        boot: boot_id(),
        started_ms: 1,
        replaced: 0,
    };
    place.write_held(&held).unwrap();
    // What such a holder says, and hears until something is typed.
    let listener = UnixListener::bind(&asked.socket).unwrap();
    let holder = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(&FromHolder::Hello(1).frame()).unwrap();
        let (mut heard, mut received, mut piece) = (Vec::new(), Vec::new(), [0; 1024]);
        while !matches!(heard.last(), Some(Taken::Frame(ToHolder::Input(_)))) {
            match take_to_holder(&mut received) {
                Taken::More => {
                    let length = peer.read(&mut piece).unwrap();
                    assert!(length > 0, "the engine went away after {heard:?}");
                    received.extend(&piece[..length]);
                }
                frame => heard.push(frame),
            }
        }
        heard
    });
    sessions.follow(key);
    tokio::time::timeout(PATIENCE, sessions.steady()).await.expect("it is waited for");
    assert_eq!(sessions.trouble(key), Some(Trouble::OneHand { version: 1 }));
    assert!(sessions.pulse(key).is_some_and(|it| it.held && !it.kept));
    sessions.order(key, ToHolder::Input(b"typed".to_vec()));
    // Nothing is said that such a holder does not know.
    let heard = tokio::task::spawn_blocking(|| holder.join().unwrap()).await.unwrap();
    let said = [ToHolder::Hello(VERSION), ToHolder::Input(b"typed".to_vec())].map(Taken::Frame);
    assert_eq!(heard, said);
}

#[test]
fn a_process_that_only_has_the_id_of_one_that_was_left_running_is_not_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place(folder.path().join("s1"));
    let mut child = std::process::Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let began = proc::began(child.id()).unwrap();
    let left = |began| pilothouse_contract::session::Left { pid: child.id(), began, name: "cat".to_owned() };
    let look = proc::Look::now();
    assert!(tree::running(&look, &place, None, &[left(began + 1)]).is_empty());
    let found = tree::running(&look, &place, None, &[left(began)]);
    assert_eq!(found.iter().map(|it| it.pid).collect::<Vec<_>>(), [child.id()]);
    drop(child.stdin.take());
    child.wait().unwrap();
}
