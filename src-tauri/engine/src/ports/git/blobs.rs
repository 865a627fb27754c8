//! Many files of a commit at once, by two programs and not by two for each.
//!
//! Refuses to follow links and to look into submodules.

use pilothouse_contract::Oid;

use super::{Git, GitError};

/// A plain file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its path.
    pub path: String,
    /// The name of its object.
    pub id: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Git {
    /// The plain files of a commit below some paths, in order. Links and submodules are none.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn blobs(&self, commit: &Oid, below: &[&str]) -> Result<Vec<Blob>, GitError> {
        let mut args = vec!["--literal-pathspecs", "ls-tree", "-r", "-l", "-z", commit.as_str(), "--"];
        args.extend(below);
        let entry = |it: &String| {
            let (head, path) = it.split_once('\t')?;
            let mut words = head.split_ascii_whitespace();
            let plain = words.next()?.starts_with("100") && words.next()? == "blob";
            let (id, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            plain.then(|| Blob { path: path.to_owned(), id, size })
        };
        Ok(self.list(&args).await?.iter().filter_map(entry).collect())
    }

    /// What files of a commit hold, in their order, by one program for all.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn contents(&self, blobs: &[&Blob]) -> Result<Vec<Vec<u8>>, GitError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let asked: String = blobs.iter().map(|it| format!("{}\n", it.id)).collect();
        let out = self.run(&["cat-file", "--batch"], asked.as_bytes()).await?;
        let odd = || GitError::Odd {
            command: "cat-file --batch".to_owned(),
            says: "fewer bytes than it said".to_owned(),
        };
        let mut rest = out.as_slice();
        let mut all = Vec::with_capacity(blobs.len());
        for it in blobs {
            let end = rest.iter().position(|it| *it == b'\n').ok_or_else(odd)?;
            let size = usize::try_from(it.size).map_err(|_| odd())?;
            let bytes = rest.get(end + 1..end + 1 + size).ok_or_else(odd)?;
            all.push(bytes.to_vec());
            rest = rest.get(end + 2 + size..).ok_or_else(odd)?;
        }
        Ok(all)
    }
}
