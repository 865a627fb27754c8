//! The layouts, each with the traps that its users' files hold; and what is written.

mod carried;
mod fuzz;
mod layouts;
mod plans;
mod writes;

use pilothouse_contract::layout::{LaidItem, LaidTask};

use super::{Files, Found, Tree, detect, read_all};

/// A repository of texts.
struct Repo {
    files: Files,
    found: Vec<Found>,
    items: Vec<LaidItem>,
}

fn repo(files: &[(&str, &str)]) -> Repo {
    repo_of(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
}

fn repo_of(files: Files) -> Repo {
    let tree: Tree = files.keys().cloned().collect();
    let found = detect(&tree);
    let items = read_all(&found, &files);
    Repo { files, found, items }
}

impl Repo {
    fn item(&self, name: &str) -> &LaidItem {
        let all = || self.items.iter().map(|it| it.name.as_str()).collect::<Vec<_>>();
        self.items.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no {name} among {:?}", all()))
    }

    fn found(&self, name: &str) -> &Found {
        let path = &self.item(name).path;
        self.found.iter().find(|it| it.path == *path).unwrap()
    }

    fn text(&self, path: &str) -> &str {
        std::str::from_utf8(&self.files[path]).unwrap()
    }
}

fn ids(item: &LaidItem) -> Vec<&str> {
    item.tasks.iter().map(|it| it.spec.id.as_str()).collect()
}

fn task<'a>(item: &'a LaidItem, id: &str) -> &'a LaidTask {
    item.tasks
        .iter()
        .find(|it| it.spec.id.as_str() == id)
        .unwrap_or_else(|| panic!("no {id} in {:?}", ids(item)))
}

fn says(item: &LaidItem) -> Vec<(usize, usize, &str)> {
    item.diagnostics.iter().map(|it| (it.remark.line, it.column, it.remark.says.as_str())).collect()
}

fn phases(item: &LaidItem) -> Vec<&str> {
    item.phases.iter().map(|it| it.phase.title.as_str()).collect()
}
