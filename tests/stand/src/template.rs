//! Trees that take long to make and are quick to copy: made once in `target/stand`, by whoever needs them first.
//!
//! A tree's key is its recipe: another version of a package or of our text makes another tree. It must not be changed
//! where it lies.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::install::target_directory;
use crate::run::{expect, program};

/// The folder with the tree. `make` is given an empty folder to fill; `recipe` is all that the result depends on.
pub fn template(name: &str, recipe: &[&str], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut key = DefaultHasher::new();
    recipe.hash(&mut key);
    let home = target_directory()?.join("stand");
    std::fs::create_dir_all(&home)?;
    let tree = home.join(format!("{name}-{:016x}", key.finish()));
    if tree.exists() {
        return Ok(tree);
    }
    // Another process may be at it: whoever comes second finds it whole.
    let lock = std::fs::File::create(home.join(format!("{name}.lock")))?;
    lock.lock().with_context(|| format!("failed to wait for the template {name}"))?;
    if !tree.exists() {
        let unfinished = home.join(format!("{name}-unfinished"));
        let _ = std::fs::remove_dir_all(&unfinished);
        std::fs::create_dir(&unfinished)?;
        make(&unfinished).with_context(|| format!("failed to make the template {name}"))?;
        std::fs::rename(&unfinished, &tree)?;
    }
    Ok(tree)
}

/// Which version of a package is installed.
pub fn version(package: &str) -> Result<String> {
    expect(&program("dpkg-query")?, &["-W", "-f", "${Version}", package], b"")
        .with_context(|| format!("{package} is not installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_made_once_for_each_recipe_and_a_failure_leaves_none() {
        let unique = format!("test-{}", std::process::id());
        let made = std::cell::Cell::new(0);
        let fill = |dir: &Path| {
            made.set(made.get() + 1);
            Ok(std::fs::write(dir.join("file"), "x")?)
        };
        assert!(template(&unique, &["one"], |_| anyhow::bail!("no")).is_err());
        let one = template(&unique, &["one"], fill).unwrap();
        assert_eq!(template(&unique, &["one"], fill).unwrap(), one);
        let two = template(&unique, &["two"], fill).unwrap();
        assert!(one != two && made.get() == 2 && one.join("file").is_file());
        for path in [&one, &two] {
            std::fs::remove_dir_all(path).unwrap();
        }
        std::fs::remove_file(one.with_file_name(format!("{unique}.lock"))).unwrap();
    }
}
