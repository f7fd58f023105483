//! The sysadmin's own files: read, bounded, and those that nothing will ever use.
//!
//! It knows files, not templates.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::templates::TemplateFault;

/// `None`: there is no such file.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<Option<String>, TemplateFault> {
    let fault = |words: String| TemplateFault::new(path, None, words);
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fault(format!("cannot be read: {e}"))),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| fault(format!("cannot be read: {e}")))?;
    if bytes.len() > limit {
        return Err(fault(format!("is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|e| {
        let good = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        TemplateFault::new(path, Some(line), "is not UTF-8 text")
    })
}

/// Files that no mail will ever use: most likely a slip in the name. What editors and dpkg leave behind is no slip.
pub(crate) fn strays<'a>(folder: &Path, known: impl Iterator<Item = &'a str>) -> Vec<TemplateFault> {
    let known: BTreeSet<PathBuf> = known.map(|name| folder.join(name)).collect();
    let folders = [folder.to_owned(), folder.join("fr"), folder.join("en")];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut faults: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| !known.contains(path) && !folders.contains(path) && !is_leftover(path))
        .map(|path| TemplateFault::new(&path, None, "names no mail that Parvis sends"))
        .collect();
    faults.sort();
    faults
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || name.ends_with('~')
        || [".bak", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp", ".ucf-dist", ".ucf-old"]
            .iter()
            .any(|end| name.ends_with(end))
}
