//! What is drawn of a log, from where, and that a model that breaks is one session's trouble alone.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use pilothouse_holder::log;
use pilothouse_holder::place::Mode;
use tempfile::TempDir;

use super::super::older::Older;
use super::*;

/// The folder of a session in a terminal of 40 × 10.
struct Told {
    _folder: TempDir,
    place: Place,
}

impl Told {
    /// It said this, and its log ends there.
    fn new(said: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let place = Place(folder.path().join("s1"));
        place.make().unwrap();
        let asked = Asked {
            version: 1,
            argv: vec!["cat".to_owned()],
            cwd: folder.path().to_owned(),
            mode: Mode::Pty,
            columns: 40,
            rows: 10,
            segment_bytes: 1 << 30,
            log_max: 0,
            socket: folder.path().join("none"),
            limit_ms: 0,
            cgroup: None,
            memory_max: 0,
            cpu_max: 0,
            keep_rest: false,
        };
        place.write_asked(&asked).unwrap();
        let file = std::fs::File::create(log::segment(place.folder(), 0)).unwrap();
        file.write_all_at(&log::MAGIC, 0).unwrap();
        file.write_all_at(&asked.segment_bytes.to_le_bytes(), log::AT_CAPACITY).unwrap();
        let told = Self { _folder: folder, place };
        told.says(0, said);
        told
    }

    /// It says this at an offset, and its log ends behind it.
    fn says(&self, at: u64, said: &[u8]) {
        let file = OpenOptions::new().write(true).open(log::segment(self.place.folder(), 0)).unwrap();
        file.write_all_at(said, log::HEADER + at).unwrap();
        file.write_all_at(&(at + said.len() as u64).to_le_bytes(), log::AT_PUBLISHED).unwrap();
    }

    fn open(&self) -> Drawing {
        Drawing::open(self.place.clone(), &self.place.asked().unwrap(), false).unwrap()
    }
}

/// Draws everything there is.
fn drawn(drawing: &mut Drawing) -> Drawn {
    while drawing.draw().unwrap().0 {}
    drawing.drawn(0)
}

#[test]
fn a_size_that_came_after_the_checkpoint_at_the_same_byte_is_drawn_by_the_next_engine_too() {
    let told = Told::new(b"one");
    let mut before = told.open();
    drawn(&mut before);
    before.park();
    // Nothing is said to it, as by a program that does not mind.
    told.place.add_size(3, 20, 5).unwrap();
    let seen = drawn(&mut before);
    assert_eq!((seen.columns, seen.rows), (20, 5));
    assert_eq!(drawn(&mut told.open()), seen);
}

#[test]
fn whoever_looks_at_the_end_sees_the_size_that_holds_from_there_on() {
    let told = Told::new(b"one");
    told.place.add_size(3, 20, 5).unwrap();
    let mut drawing = told.open();
    assert!(drawing.draw().unwrap().0);
    let seen = drawing.drawn(0);
    assert_eq!((seen.offset, seen.columns, seen.rows), (3, 20, 5));
}

#[test]
fn an_engine_goes_on_from_a_checkpoint_however_far_behind_it_lies() {
    let told = Told::new(b"\x1b[?1049h\x1b[31mred");
    let mut before = told.open();
    drawn(&mut before);
    before.park();
    let (at, far) = (before.at, 200 * 1024 * 1024);
    // Nothing is there but holes, which read as zeros that no terminal shows.
    told.says(far, b"!");
    let after = told.open();
    assert_eq!((after.at, after.parked.is_some()), (at, true));
    // Without one, from the beginning: what was said there may hold still.
    std::fs::remove_file(told.place.folder().join("screen")).unwrap();
    assert_eq!(told.open().at, 0);
}

#[test]
fn the_first_checkpoint_of_an_engine_waits_for_nothing() {
    let told = Told::new(&b"all that is said\r\n".repeat(200_000));
    // An engine that does not live for a second leaves the next one less to do all the same.
    drawn(&mut told.open());
    assert!(told.open().at >= CHECKPOINT_BYTES);
}

/// A model that breaks, and says so to whoever calls it.
#[derive(Default)]
struct Breaks(Older);

impl Model for Breaks {
    fn feed(&mut self, _: &[u8]) {
        panic!("a model broke, as this test wants it to");
    }

    fn resize(&mut self, _: u16, _: u16) {}

    fn answers(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn text(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn last_rows(&mut self, _: usize) -> (Vec<pilothouse_contract::rows::Row>, Option<(u16, u16)>) {
        (Vec::new(), None)
    }

    fn snapshot(&mut self, _: usize) -> Vec<u8> {
        Vec::new()
    }

    fn is_alternate(&self) -> bool {
        false
    }

    fn lines_above(&self) -> usize {
        0
    }

    fn reaches(&self, _: usize) -> bool {
        true
    }

    fn hurry(&mut self, _: bool) {}

    fn live(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn older(&mut self) -> &mut Older {
        &mut self.0
    }

    fn size(&self) -> (u16, u16) {
        (40, 10)
    }

    fn claim(&self) -> Option<&Claim> {
        None
    }
}

#[tokio::test]
async fn a_model_that_breaks_outwards_is_one_sessions_trouble_and_stops_no_thread() {
    let [broken, next] = [b"one\r\n".as_slice(), b"two\r\n"].map(Told::new);
    let [broken, next] = [broken.place.clone(), next.place.clone()].map(|it| Screen::new(it, false));
    let breaks = |it: &mut Drawing| {
        it.model = Some(Box::new(Breaks::default()));
        Ok(())
    };
    broken.with(breaks).unwrap();
    // More often than there are threads that draw.
    for _ in 0..2 * turns::THREADS_MAX {
        let fault = broken.caught_up(u64::MAX, None, None, |it| it.drawn(0)).await.unwrap_err();
        assert!(fault.to_string().contains("a defect of Pilothouse"), "{fault}");
        let seen = next.caught_up(u64::MAX, None, None, |it| it.drawn(0)).await.unwrap().unwrap();
        assert_eq!(seen.text[0], "two");
    }
}
