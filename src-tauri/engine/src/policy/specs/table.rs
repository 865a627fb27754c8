//! Tables in Markdown, cell by cell with the bytes where each stands.
//!
//! Refuses to cut a cell where a bar is escaped or stands in code.

use pilothouse_contract::layout::Span;

use super::lines::Line;

/// One cell: its words without blanks around them, and where these stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) struct Cell<'a> {
    pub(in crate::policy) text: &'a str,
    pub(in crate::policy) span: Span,
}

/// The cells of a row; nothing if the line is none.
pub(in crate::policy) fn row<'a>(line: &Line<'a>) -> Option<Vec<Cell<'a>>> {
    let body = line.text.trim();
    if body.len() < 2 || !body.starts_with('|') {
        return None;
    }
    let begins = line.span.from + (line.text.len() - line.text.trim_start().len());
    let mut cells = Vec::new();
    let (mut from, mut escaped, mut code) = (1, false, false);
    // A backtick that nothing closes is a sign like any other.
    let mut ticks = body.matches('`').count();
    for (at, sign) in body.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '`' => {
                code = !code && ticks > 1;
                ticks = ticks.saturating_sub(1);
            }
            '|' if !code => {
                cells.push(cell(body, from, at, begins));
                from = at + 1;
            }
            _ => {}
        }
    }
    if !body.get(from..).unwrap_or_default().trim().is_empty() {
        cells.push(cell(body, from, body.len(), begins));
    }
    Some(cells)
}

fn cell(body: &str, from: usize, to: usize, begins: usize) -> Cell<'_> {
    let whole = body.get(from..to).unwrap_or_default();
    let text = whole.trim();
    let at = begins + from + (whole.len() - whole.trim_start().len());
    Cell { text, span: Span { from: at, to: at + text.len() } }
}

/// Whether a row is the rule below a table's head.
pub(in crate::policy) fn is_rule(cells: &[Cell<'_>]) -> bool {
    !cells.is_empty()
        && cells.iter().all(|it| !it.text.is_empty() && it.text.bytes().all(|it| matches!(it, b'-' | b':')))
}
