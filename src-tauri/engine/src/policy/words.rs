//! The template that a `WORKFLOW.md` ends with, before it is made: that whoever wrote it cannot have the engine count, copy or nest
//! without end. Anybody who may push can write one, and it is made as soon as it is seen.
//!
//! Refuses: counted ranges, tags that keep what they made, filters that multiply what they are given, and more of the rest than words
//! for an agent need.

/// A template is at most so long, in bytes.
const TEMPLATE_MAX: usize = 64 * 1024;
/// It has at most so many places where something is put in or decided.
const PLACES_MAX: usize = 512;
/// Each of them is at most so long, in bytes.
const PLACE_MAX: usize = 2000;
/// What is named in one of them is looked up with so many brackets at most.
const BRACKETS_MAX: usize = 8;
/// So many blocks can stand in each other.
const BLOCKS_MAX: usize = 64;
/// What an item has is gone through so often at most.
const LOOPS_MAX: usize = 4;

/// The tags that keep nothing. Without those that do, what is made is no longer than what the template says it with.
const TAGS: [&str; 17] = [
    "if",
    "elsif",
    "else",
    "endif",
    "unless",
    "endunless",
    "case",
    "when",
    "endcase",
    "for",
    "endfor",
    "break",
    "continue",
    "raw",
    "endraw",
    "comment",
    "endcomment",
];
/// Those that begin a block.
const BLOCKS: [&str; 6] = ["if", "unless", "case", "for", "raw", "comment"];
/// What each of these makes can be as long as the product of what it is given, or as wide as a number says.
const FILTERS: [&str; 3] = ["replace", "split", "date"];

/// Whether a template can be made with little. What else is wrong with it says whoever reads it.
///
/// # Errors
/// In words, if not.
pub fn modest(template: &str) -> Result<(), String> {
    if template.len() > TEMPLATE_MAX {
        return Err(format!("the words for agents are at most {TEMPLATE_MAX} bytes long"));
    }
    let (mut places, mut blocks, mut loops) = (0, 0, 0);
    // Every place begins at one of these, wherever else they stand; looked at are all of them.
    for (at, _) in template.match_indices('{') {
        let rest = template.get(at + 1..).unwrap_or_default();
        let (end, is_tag) = match rest.as_bytes().first() {
            Some(b'{') => ("}}", false),
            Some(b'%') => ("%}", true),
            _ => continue,
        };
        places += 1;
        if places > PLACES_MAX {
            return Err(format!("the words for agents have at most {PLACES_MAX} tags and variables"));
        }
        let Some(bare) = bare(rest.get(1..).unwrap_or_default(), end)? else { continue };
        if bare.matches('[').count() > BRACKETS_MAX {
            return Err(format!("a tag or variable has at most {BRACKETS_MAX} brackets"));
        }
        if let Some(filter) = bare.split('|').skip(1).map(word).find(|it| FILTERS.contains(it)) {
            return Err(format!("the filter '{filter}' is not for the words for agents: leave it out"));
        }
        if !is_tag {
            continue;
        }
        let tag = word(&bare);
        if !tag.is_empty() && !TAGS.contains(&tag) {
            let known = TAGS.iter().filter(|it| !it.starts_with("end")).copied().collect::<Vec<_>>();
            return Err(format!(
                "the tag '{}' is not for the words for agents: there are {}",
                pilothouse_contract::text::line(tag, 40),
                known.join(", ")
            ));
        }
        if bare.contains("..") {
            return Err("a range like (1..9) is not for the words for agents: go through what the issue has"
                .to_owned());
        }
        blocks += usize::from(BLOCKS.contains(&tag));
        loops += usize::from(tag == "for");
    }
    if blocks > BLOCKS_MAX {
        return Err(format!("the words for agents have at most {BLOCKS_MAX} blocks like if"));
    }
    if loops > LOOPS_MAX {
        return Err(format!("the words for agents have at most {LOOPS_MAX} times for"));
    }
    Ok(())
}

/// What stands in a place up to its end, without what is quoted; nothing if it has no end.
fn bare(rest: &str, end: &str) -> Result<Option<String>, String> {
    let mut quote = None;
    let mut out = String::new();
    for (at, it) in rest.char_indices() {
        if quote.is_none() && rest.get(at..).is_some_and(|it| it.starts_with(end)) {
            return Ok(Some(out));
        }
        if at > PLACE_MAX {
            return Err(format!("a tag or variable is at most {PLACE_MAX} bytes long"));
        }
        match quote {
            Some(open) if it == open => quote = None,
            Some(_) => {}
            None if matches!(it, '"' | '\'') => {
                quote = Some(it);
                out.push(it);
            }
            None => out.push(it),
        }
    }
    Ok(None)
}

/// The first word of a text; the hyphens that take space away are none of it.
fn word(text: &str) -> &str {
    let text = text.trim_start_matches(|it: char| it == '-' || it.is_whitespace());
    let end = text.find(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '_' | '-')));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_agents_go_through_what_an_issue_has() {
        for text in [
            "Only words... and more.",
            "{%- if issue.title == \"a..b | split %}\" -%}{{ issue.title | upcase }}{%- endif -%}",
            "{% for it in issue.labels %}{{ it }}{% else %}none{% endfor %} | split | {{ issue.labels | join: ', ' }}",
            "{% comment %}why{% endcomment %}{{ issue.native_ref[\"task\"] | default: 'x' }} { % {",
        ] {
            assert_eq!(modest(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_grows_without_end_is_refused_in_words() {
        let nested = "{% if attempt %}".repeat(BLOCKS_MAX + 1);
        let loops = "{% for it in issue.native_ref %}".repeat(LOOPS_MAX + 1);
        let long = "x".repeat(TEMPLATE_MAX + 1);
        let deep = format!("{{{{ {}", "a[".repeat(20));
        let places = "{{ a }}".repeat(PLACES_MAX + 1);
        let wide = format!("{{{{ '{}' }}}}", "x".repeat(PLACE_MAX));
        for (text, names) in [
            ("{% for i in (1..9000000000) %}{% endfor %}", "a range"),
            ("{%-for i in (\"%}\" .. 9) -%}{% endfor %}", "a range"),
            ("{% raw %}{{ ' }}{% endraw %}{% for i in (1..9) %}", "a range"),
            ("{% tablerow i in issue.labels %}", "'tablerow'"),
            ("{% assign a = a | append: a %}", "'assign'"),
            ("{%- capture a -%}", "'capture'"),
            ("{{ '}}' | replace: 'a', 'aa' }}", "'replace'"),
            ("{% if issue.title |\n split : '' %}", "'split'"),
            ("{{ 0 | date: '%999999999Y' }}", "'date'"),
            (&nested, "blocks"),
            (&loops, "times for"),
            (&long, "bytes long"),
            (&format!("{deep} }}}}"), "brackets"),
            (&places, "tags and variables"),
            (&wide, "bytes long"),
        ] {
            let says = modest(text).unwrap_err();
            assert!(says.contains(names), "{text}: {says}");
        }
    }
}
