//! Write scopes: which paths a task may write, and whether two tasks might write the same one. When unsure the answer
//! is the careful one: not in scope, may overlap.

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use pilothouse_contract::layout::Layout;
use pilothouse_contract::spec::{Scope, Spec};

const WILD: [char; 4] = ['*', '?', '[', ']'];

/// A glob that was given and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a pattern of paths: {why}")]
pub struct BadGlob {
    /// What was given.
    pub glob: String,
    /// What is wrong with it.
    pub why: String,
}

/// Compiles one glob. `*` stays within a folder, `**` crosses folders, a trailing `/` means everything below.
///
/// # Errors
/// If it is no glob, is absolute, or climbs with `..`.
pub fn glob(text: &str) -> Result<Glob, BadGlob> {
    let (exact, below) = read(text)?;
    Ok(Glob { exact: exact.compile_matcher(), below: below.compile_matcher() })
}

/// What is wrong with a glob, if anything is.
#[must_use]
pub fn bad(text: &str) -> Option<BadGlob> {
    match plain(text) {
        // A path without signs of its own is one; to build what matches it takes longer than all else that is read of a task.
        Ok(()) if !text.contains(['*', '?', '[', ']', '{', '}', '!']) => None,
        Ok(()) => read(text).err(),
        Err(bad) => Some(bad),
    }
}

/// What holds for every path, whatever it matches.
fn plain(text: &str) -> Result<(), BadGlob> {
    let bad = |why: &str| Err(BadGlob { glob: text.to_owned(), why: why.to_owned() });
    if text.is_empty() {
        return bad("it is empty");
    }
    if text.starts_with('/') || text.contains('\\') {
        return bad("paths are relative to the top of the repository, with forward slashes");
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return bad("it may not contain . or .. as a folder");
    }
    Ok(())
}

/// What one glob matches itself, and what lies below that.
fn read(text: &str) -> Result<(globset::Glob, globset::Glob), BadGlob> {
    plain(text)?;
    let bad = |why: &str| BadGlob { glob: text.to_owned(), why: why.to_owned() };
    let build = |text: &str| {
        GlobBuilder::new(text).literal_separator(true).build().map_err(|error| bad(&error.kind().to_string()))
    };
    let bare = text.trim_end_matches('/');
    Ok((build(bare)?, build(&format!("{bare}/**"))?))
}

/// A compiled glob. A path below a matching folder matches too.
#[derive(Debug, Clone)]
pub struct Glob {
    exact: GlobMatcher,
    below: GlobMatcher,
}

impl Glob {
    /// Whether it matches a path relative to the top of the repository.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.exact.is_match(path) || self.below.is_match(path)
    }
}

/// Many globs, asked at once.
#[derive(Debug, Clone)]
pub struct Globs(GlobSet);

impl Globs {
    /// Of these. One that does not compile matches nothing.
    #[must_use]
    pub fn of(globs: &[String]) -> Self {
        let mut set = GlobSetBuilder::new();
        for (exact, below) in globs.iter().filter_map(|text| read(text).ok()) {
            set.add(exact);
            set.add(below);
        }
        // Each of them is a glob.
        Self(set.build().unwrap_or_default())
    }

    /// Whether any of them matches a path relative to the top of the repository.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

/// What of a spec in another layout than ours no agent writes: all items of that layout, for one may no more tick another's tasks than its
/// own. What lies below `specs/` is protected in any case.
#[must_use]
pub fn kept_by_the_engine(spec: &Spec) -> Vec<String> {
    if spec.layout.is_ours() {
        return Vec::new();
    }
    let above = |path: &str| path.rsplit_once('/').map(|(above, _)| format!("{}/", literal(above)));
    let own = literal(&spec.folder);
    match above(&spec.folder) {
        // A file in a folder that holds other things, too, or at the top.
        _ if matches!(spec.layout, Layout::Ralph) => vec![own, literal(&spec.record_at("scope.md"))],
        Some(all) => vec![all],
        None => vec![own],
    }
}

/// A path as a glob that matches nothing else.
fn literal(path: &str) -> String {
    let mut out = String::new();
    for sign in path.chars() {
        if "*?[]{}".contains(sign) {
            out.push('[');
            out.push(sign);
            out.push(']');
        } else {
            out.push(sign);
        }
    }
    out
}

/// Whether any of the globs matches. A glob that does not compile matches nothing.
#[must_use]
pub fn any_matches(globs: &[String], path: &str) -> bool {
    globs.iter().filter_map(|text| glob(text).ok()).any(|glob| glob.matches(path))
}

/// Whether a scope allows a path.
#[must_use]
pub fn allows(scope: &Scope, path: &str) -> bool {
    any_matches(&scope.include, path) && !any_matches(&scope.exclude, path)
}

/// Why two scopes may overlap; nothing if they cannot. Excluded parts are not taken into account, and upper and
/// lower case are taken as one, since some file systems do.
#[must_use]
pub fn overlap(one: Option<&Scope>, other: Option<&Scope>) -> Option<String> {
    let (Some(one), Some(other)) = (one, other) else {
        return Some("a scope is not known".to_owned());
    };
    for a in &one.include {
        for b in &other.include {
            if globs_may_meet(a, b) {
                return Some(if a == b {
                    format!("both may write {a}")
                } else {
                    format!("{a} may meet {b}")
                });
            }
        }
    }
    None
}

/// Whether some path may match both globs, or lie below a match of one and match the other.
#[must_use]
pub fn globs_may_meet(a: &str, b: &str) -> bool {
    Parts::of(a).may_meet(&Parts::of(b))
}

/// A glob in the parts that are compared where globs may meet.
#[derive(Debug, Clone)]
pub struct Parts(Vec<String>);

impl Parts {
    /// Of a glob.
    #[must_use]
    pub fn of(text: &str) -> Self {
        // Alternatives can hold slashes, so a pattern with one is taken as anything from there on.
        let text = text.trim_end_matches('/').to_lowercase();
        let (head, open) = match text.find('{') {
            Some(at) => {
                (text.get(..text.get(..at).and_then(|it| it.rfind('/')).unwrap_or(0)).unwrap_or(""), true)
            }
            None => (text.as_str(), false),
        };
        let mut parts: Vec<String> = head.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        if open {
            parts.push("**".to_owned());
        }
        Self(parts)
    }

    /// The same as [`globs_may_meet`].
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        meet(&self.0, &other.0)
    }

    /// Its fixed beginning, and each folder above that up to the top, which is empty.
    pub fn heads(&self) -> impl Iterator<Item = String> {
        let fixed = self.0.iter().take_while(|it| !it.contains(WILD)).count();
        (0..=fixed).rev().map(|n| self.0.get(..n).unwrap_or_default().join("/"))
    }
}

fn meet(a: &[String], b: &[String]) -> bool {
    match (a.split_first(), b.split_first()) {
        // One ends: whatever the other goes on with lies below it.
        (None, _) | (_, None) => true,
        (Some((x, _)), Some(_)) if x == "**" => any_tail(a, b),
        (Some(_), Some((y, _))) if y == "**" => any_tail(b, a),
        (Some((x, a)), Some((y, b))) => parts_may_meet(x, y) && meet(a, b),
    }
}

/// `with` begins with `**`, which may stand for any number of parts of the other.
fn any_tail(with: &[String], other: &[String]) -> bool {
    let rest = with.get(1..).unwrap_or_default();
    (0..=other.len()).any(|skip| meet(rest, other.get(skip..).unwrap_or_default()))
}

/// Whether two parts of paths may be the same word. Exact for words without wildcards; with wildcards, only the
/// fixed beginnings and ends are compared.
fn parts_may_meet(a: &str, b: &str) -> bool {
    match (a.contains(WILD), b.contains(WILD)) {
        (false, false) => a == b,
        (true, false) => GlobBuilder::new(a).build().map_or(true, |glob| glob.compile_matcher().is_match(b)),
        (false, true) => parts_may_meet(b, a),
        (true, true) => {
            let head = |text: &str| text.split(WILD).next().unwrap_or("").to_owned();
            let tail = |text: &str| text.rsplit(WILD).next().unwrap_or("").to_owned();
            let (ha, hb, ta, tb) = (head(a), head(b), tail(a), tail(b));
            (ha.starts_with(&hb) || hb.starts_with(&ha)) && (ta.ends_with(&tb) || tb.ends_with(&ta))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(include: &[&str]) -> Scope {
        Scope { include: include.iter().map(|it| (*it).to_owned()).collect(), ..Scope::default() }
    }

    #[test]
    fn a_scope_allows_what_it_names_and_what_lies_below() {
        let mut it = scope(&["src/csv.rs", "tests/*.rs", "docs/"]);
        it.exclude.push("tests/secret.rs".to_owned());
        for yes in ["src/csv.rs", "tests/a.rs", "docs/a/b.md"] {
            assert!(allows(&it, yes), "{yes}");
        }
        for no in ["src/csv", "src/csv.rs.bak", "tests/deep/a.rs", "tests/secret.rs", "docsy/a", "Cargo.toml"]
        {
            assert!(!allows(&it, no), "{no}");
        }
    }

    #[test]
    fn scopes_that_cannot_meet_are_told_apart_and_doubt_is_an_overlap() {
        for (a, b, meets) in [
            ("src/a.rs", "src/b.rs", false),
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "SRC/A.rs", true),
            ("src/", "src/a.rs", true),
            ("src", "src/a.rs", true),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/a.md", false),
            ("src/*.rs", "tests/*.rs", false),
            ("src/**/a.rs", "src/x/y/a.rs", true),
            // A path may be a folder, and then a.rs may lie in it.
            ("src/**/a.rs", "src/x/y/b.rs", true),
            ("src/**/a.rs", "tests/b.rs", false),
            ("**", "anything/at/all", true),
            ("src/a*.rs", "src/b*.rs", false),
            ("src/a*.rs", "src/*b.rs", true),
            ("src/{a,b}.rs", "src/c.rs", true),
            ("src/{a,b}.rs", "tests/c.rs", false),
            ("lib/x", "libs/x", false),
        ] {
            assert_eq!(globs_may_meet(a, b), meets, "{a} and {b}");
            assert_eq!(globs_may_meet(b, a), meets, "{b} and {a}");
        }
        assert!(overlap(None, Some(&scope(&["a"]))).is_some());
        assert!(overlap(Some(&scope(&["a"])), Some(&scope(&["b"]))).is_none());
    }

    #[test]
    fn globs_that_leave_the_repository_are_refused() {
        for bad in ["/etc/passwd", "../x", "a/../b", "", "a\\b", "a[", "./a"] {
            assert!(glob(bad).is_err() && super::bad(bad).is_some(), "{bad}");
        }
    }
}
