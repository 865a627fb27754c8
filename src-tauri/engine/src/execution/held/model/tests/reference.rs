//! The recordings that the emulator is published with, six of them of vttest: each played to our model must come to the grid that
//! stands beside it, and the painting of that must come to it once more. Where our model differs on purpose, it is said here why.

use std::path::{Path, PathBuf};
use std::process::Command;

use alacritty_terminal::term::cell::Cell;
use serde_json::Value;

use super::*;

/// What our model does otherwise on purpose: why, whether a cell that was to be this one is of that kind, and how many there are in
/// all recordings.
type Otherwise = (&'static str, fn(&Cell) -> bool, usize);
const OTHERWISE: [Otherwise; 1] = [(
    "the emulator leaves the sign of the tabulator in the cell that it began in, which nobody wrote there and everybody would copy",
    |wants| wants.c == '\t',
    96,
)];

/// Where cargo put what the emulator was published with.
fn recordings() -> PathBuf {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let asked = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    let output =
        Command::new(env!("CARGO")).args(asked).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|it| it["name"] == "alacritty_terminal").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("tests/ref")
}

/// A cell in words. A link without a name is named by a count of all that there ever were, which says nothing.
fn said(cell: &Cell) -> String {
    let link = cell.hyperlink().map(|it| {
        let id = if it.id().ends_with("_alacritty") { String::new() } else { it.id().to_owned() };
        (id, it.uri().to_owned())
    });
    format!(
        "{:?}{:?} {:?} on {:?}, {:?}, below {:?}, {link:?}",
        cell.c,
        cell.zerowidth().unwrap_or_default(),
        cell.fg,
        cell.bg,
        cell.flags,
        cell.underline_color()
    )
}

/// The rows of a grid, the lowest one first.
fn rows_of(mut grid: Value) -> Vec<Vec<Cell>> {
    let rows: Vec<Value> = serde_json::from_value(grid["raw"]["inner"].take()).unwrap();
    rows.into_iter().map(|mut row| serde_json::from_value(row["inner"].take()).unwrap()).collect()
}

/// Which cells of a model are not as a grid has them, whose rows are counted from the lowest one upwards. What is so on purpose
/// is counted.
fn otherwise(model: &Alacritty, expected: &[Vec<Cell>], counts: &mut [usize]) -> Vec<String> {
    let grid = model.term.grid();
    let all = (-(grid.history_size() as i32)..grid.screen_lines() as i32)
        .flat_map(|line| (0..grid.columns()).map(move |column| (line, column)));
    all.filter_map(|(line, column)| {
        let row = &expected[(grid.screen_lines() as i32 - 1 - line) as usize];
        assert_eq!(row.len(), grid.columns());
        let (is, wants) = (&grid[Line(line)][Column(column)], &row[column]);
        if is == wants || said(is) == said(wants) {
            return None;
        }
        if let Some(at) = OTHERWISE.iter().position(|it| it.1(wants)) {
            counts[at] += 1;
            return None;
        }
        Some(format!("{line},{column}: {}, not {}", said(is), said(wants)))
    })
    .collect()
}

#[test]
fn recordings_of_the_emulator_come_to_the_grids_beside_them_and_so_do_their_paintings() {
    let (mut names, mut wrong) = (Vec::new(), Vec::new());
    let (mut played, mut painted) = ([0; OTHERWISE.len()], [0; OTHERWISE.len()]);
    for entry in std::fs::read_dir(recordings()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let document = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let value = |file: &str| serde_json::from_str::<Value>(&document(file)).unwrap();
        let number = |value: &Value, name: &str| value[name].as_u64().unwrap() as usize;
        let size = value("size.json");
        let (columns, rows) = (number(&size, "columns") as u16, number(&size, "screen_lines") as u16);
        let lines = number(&value("config.json"), "history_size");
        let expected = rows_of(value("grid.json"));

        let mut model = Alacritty::keeping(columns, rows, lines);
        model.feed(&std::fs::read(folder.join("alacritty.recording")).unwrap());
        let mut again = Alacritty::keeping(columns, rows, lines);
        again.feed(&model.snapshot(usize::MAX));
        same(&mut model, &mut again, &name);
        for (which, model, counts) in [("played", &model, &mut played), ("painted", &again, &mut painted)] {
            let cells = otherwise(model, &expected, counts);
            if !cells.is_empty() {
                let first: Vec<_> = cells.iter().take(5).map(String::as_str).collect();
                wrong.push(format!("{name}, {which}: {} cells\n  {}", cells.len(), first.join("\n  ")));
            }
        }
        names.push(name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(names.iter().filter(|it| it.starts_with("vttest_")).count(), 6, "{names:?}");
    assert_eq!(names.len(), 45, "{names:?}");
    for (at, (why, _, count)) in OTHERWISE.iter().enumerate() {
        assert_eq!((played[at], painted[at]), (*count, *count), "{why}");
    }
}
