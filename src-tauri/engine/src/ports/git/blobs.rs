//! Many files of a commit at once, by two programs and not by two for each.
//!
//! Refuses to follow links and to look into submodules.

use std::collections::{BTreeMap, BTreeSet};

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

    /// How long objects are, in their order; nothing of those that are not there.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn lengths(&self, ids: &[&str]) -> Result<Vec<Option<u64>>, GitError> {
        let asked: String = ids.iter().flat_map(|it| [*it, "\n"]).collect();
        let said = self.run(&["cat-file", "--batch-check=%(objectsize)"], asked.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&said).lines().map(|it| it.parse().ok()).collect())
    }

    /// What files of a commit hold, in their order, by one program for all.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn contents(&self, blobs: &[&Blob]) -> Result<Vec<Vec<u8>>, GitError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        // One that lies there under many names is asked for once.
        let ids: BTreeSet<&str> = blobs.iter().map(|it| it.id.as_str()).collect();
        let asked: String = ids.iter().flat_map(|it| [*it, "\n"]).collect();
        let out = self.run(&["cat-file", "--batch"], asked.as_bytes()).await?;
        let of = unpacked(&out);
        let odd = || GitError::Odd {
            command: "cat-file --batch".to_owned(),
            says: "fewer bytes than it said".to_owned(),
        };
        let whole = |it: &&Blob| of.get(it.id.as_str()).filter(|bytes| bytes.len() as u64 == it.size);
        blobs.iter().map(|it| whole(it).map(|bytes| bytes.to_vec()).ok_or_else(odd)).collect()
    }
}

/// Objects by their ids, out of what `cat-file --batch` said.
fn unpacked(bytes: &[u8]) -> BTreeMap<&str, &[u8]> {
    let mut all = BTreeMap::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|it| *it == b'\n') {
        let (head, behind) = rest.split_at(end);
        let behind = behind.get(1..).unwrap_or_default();
        let mut words = std::str::from_utf8(head).unwrap_or_default().split(' ');
        let (blob, kind, size) = (words.next().unwrap_or_default(), words.next(), words.next());
        let Some(size) = size.filter(|_| kind == Some("blob")).and_then(|it| it.parse::<usize>().ok()) else {
            // What is missing has no bytes behind its line.
            rest = behind;
            continue;
        };
        let Some((object, after)) = behind.split_at_checked(size) else { break };
        all.insert(blob, object);
        rest = after.get(1..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_out_of_a_batch_whatever_they_hold() {
        let said = b"aa blob 3\n\n\nx\nbb missing\ncc blob 0\n\ndd blob 5\nab";
        let all = unpacked(said);
        assert_eq!(all, BTreeMap::from([("aa", b"\n\nx".as_slice()), ("cc", b"".as_slice())]));
    }
}
