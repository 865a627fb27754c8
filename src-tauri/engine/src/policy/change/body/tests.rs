//! Rows against a plain reading of the same diff.

use proptest::prelude::*;

use super::*;

fn diff(lines: &[&str]) -> Body {
    let mut said = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n".to_owned();
    for line in lines {
        said.push_str(line);
        said.push('\n');
    }
    Body::of_diff(said.into_bytes(), Vec::new())
}

/// A row as one reads it: numbers, and what stands on either side.
fn says(row: &Row) -> String {
    let number = |it: Option<u32>| it.map_or("-".to_owned(), |it| it.to_string());
    let line = |it: &Option<Line>| it.as_ref().map_or(String::new(), |it| it.text.clone());
    let mark = if row.is_same() { "=" } else { "|" };
    format!("{} {} {} {mark} {}", number(row.old), number(row.new), line(&row.out), line(&row.line))
}

fn all(body: &Body, split: bool) -> Vec<String> {
    body.rows(split, 0, ROWS_MAX).iter().map(says).collect()
}

#[test]
fn both_sides_stand_below_or_beside_each_other_with_their_numbers() {
    let body = diff(&[" a", "-b 1", "-c", "+b 2", "", "+--- d", "\\ No newline at end of file"]);
    assert_eq!(
        all(&body, false),
        ["1 1  = a", "2 - b 1 | ", "3 - c | ", "- 2  | b 2", "4 3  = ", "- 4  | --- d"]
    );
    assert_eq!(all(&body, true), ["1 1  = a", "2 2 b 1 | b 2", "3 - c | ", "4 3  = ", "- 4  | --- d"]);
    let rows = body.rows(false, 1, 3);
    assert_eq!(rows[0].out.as_ref().unwrap().marks, [(2, 3)]);
    assert_eq!(rows[2].line.as_ref().unwrap().marks, [(2, 3)]);
    assert_eq!(body.rows(true, 4, 9)[0].line.as_ref().unwrap().ends, Ends::Never);
    assert_eq!(body.head(false).notes, ["Its last line had a line end before, and has none now."]);
}

#[test]
fn what_is_unchanged_for_long_is_folded_but_for_what_stands_beside_a_change() {
    let same = |count: usize| vec![" x"; count];
    let lines = [same(9), vec!["-a", "+b"], same(9), vec!["+c"], same(12)].concat();
    let body = diff(&lines);
    let head = body.head(false);
    // Nine between two changes leave three, which are not worth a fold.
    assert_eq!((head.rows, head.gaps, head.hunks), (33, vec![(0, 6), (24, 9)], vec![9]));
    let head = body.head(true);
    assert_eq!((head.rows, head.gaps), (32, vec![(0, 6), (23, 9)]));
}

#[test]
fn line_ends_are_told_once_if_they_are_all_the_same_and_else_where_they_stand() {
    let body = diff(&[" a\r", "-b\r", "+c\r"]);
    assert_eq!(body.head(false).notes, ["Its lines end with CR LF."]);
    assert!(
        body.rows(false, 0, 9).iter().filter_map(|it| it.line.as_ref()).all(|it| it.ends == Ends::Usually)
    );
    let body = diff(&["-b\r", "+b"]);
    assert_eq!(body.head(false).notes, ["Its lines ended with CR LF before, and end with LF now."]);
    let row = &body.rows(true, 0, 1)[0];
    let (out, line) = (row.out.as_ref().unwrap(), row.line.as_ref().unwrap());
    assert_eq!((out.text.as_str(), out.ends, line.ends), ("b", Ends::CrLf, Ends::Usually));
}

#[test]
fn a_file_on_one_side_alone_is_read_without_a_diff() {
    let body = Body::of_one(b"+a\n-b\xff".to_vec(), true, Vec::new());
    assert_eq!(all(&body, false), ["- 1  | +a", "- 2  | -b\u{fffd}"]);
    assert_eq!(
        body.head(true).notes,
        ["Its last line has no line end.", "Not all of it is UTF-8; what is not is shown as \u{fffd}."]
    );
    let body = Body::of_one(Vec::new(), false, Vec::new());
    assert_eq!((body.head(false).rows, body.head(false).notes), (0, vec!["It is empty.".to_owned()]));
}

#[test]
fn a_line_that_nobody_reads_to_its_end_is_cut_between_two_characters() {
    let body = Body::of_one("ä".repeat(LINE_MAX).into_bytes(), true, Vec::new());
    let line = body.rows(false, 0, 1)[0].line.clone().unwrap();
    assert_eq!((line.text.len(), line.more as usize), (LINE_MAX, LINE_MAX));
    let body = Body::of_one(format!("x{}", "ä".repeat(LINE_MAX)).into_bytes(), true, Vec::new());
    let line = body.rows(false, 0, 1)[0].line.clone().unwrap();
    assert!(!line.text.contains('\u{fffd}') && line.text.len() + line.more as usize == 2 * LINE_MAX + 1);
}

proptest! {
    /// Whatever the diff: each row of a page is the row that it has in the whole, both layouts tell the same lines with the same
    /// numbers, and a fold holds nothing that changed.
    #[test]
    fn pages_layouts_and_folds_agree(kinds in prop::collection::vec(0_u8..8, 0..80), at in 0_u32..90, most in 0_u32..40) {
        let lines: Vec<String> = kinds.iter().enumerate().map(|(n, it)| match it {
            0 => format!("-{n}"),
            1 => format!("+{n}"),
            _ => format!(" {n}"),
        }).collect();
        let body = diff(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        for split in [false, true] {
            let whole = body.rows(split, 0, ROWS_MAX);
            let head = body.head(split);
            prop_assert_eq!(whole.len(), head.rows as usize);
            prop_assert!(head.hunks.iter().all(|it| !whole[*it as usize].is_same()));
            let within = head.gaps.iter().filter(|it| it.0 > 0 && it.0 + it.1 < head.rows).count();
            prop_assert_eq!(head.hunks.len(), if whole.iter().all(Row::is_same) { 0 } else { within + 1 });
            let page = body.rows(split, at, most);
            let from = (at as usize).min(whole.len());
            let to = (at as usize + most as usize).min(whole.len());
            prop_assert_eq!(page, whole.get(from..to.max(from)).unwrap().to_vec());
            for (from, count) in body.head(split).gaps {
                prop_assert!((from..from + count).all(|it| whole[it as usize].is_same()));
            }
        }
        let lines_of = |split: bool| {
            let rows = body.rows(split, 0, ROWS_MAX);
            let mut old: Vec<_> = rows.iter().filter_map(|it| Some((it.old?, it.out.clone().or(it.line.clone())?.text))).collect();
            let mut new: Vec<_> = rows.iter().filter_map(|it| Some((it.new?, it.line.clone()?.text))).collect();
            old.sort();
            new.sort();
            (old, new)
        };
        prop_assert_eq!(lines_of(false), lines_of(true));
    }

    /// Whatever bytes stand there: each has its row, and every line of it can be shown.
    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(prop::sample::select(b"-+ \\\r\n@a\xc3\xa4\0".to_vec()), 0..200)) {
        let _listed = super::super::read(&bytes);
        let lines = bytes.split_inclusive(|it| *it == b'\n').filter(|it| !it.starts_with(b"\\")).count();
        let body = Body::of_diff([b"@@ -1 +1 @@\n", bytes.as_slice()].concat(), Vec::new());
        prop_assert_eq!(body.rows(false, 0, ROWS_MAX).len(), lines);
        prop_assert_eq!(body.rows(true, 0, ROWS_MAX).len(), body.head(true).rows as usize);
        let one = Body::of_one(bytes.clone(), true, Vec::new());
        prop_assert_eq!(one.rows(true, 0, ROWS_MAX).len(), bytes.split_inclusive(|it| *it == b'\n').count());
    }
}
