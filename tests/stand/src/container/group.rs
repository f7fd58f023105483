//! Control groups of a container's own: without them, two containers' units of one name would be one group, and one
//! could kill the other's.
//!
//! It must not touch a group that does not bear its own name, nor one in which something runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run;

const PREFIX: &str = "parvis-stand-container-";

/// One group in each hierarchy that systemd uses; removed when dropped.
#[derive(Debug)]
pub(super) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// Makes it, with the name of the container's folder. What dead owners left is removed.
    pub(super) fn new(place: &Path) -> Result<Self> {
        let name = place.file_name().context("a folder without a name")?;
        let roots = hierarchies(&std::fs::read_to_string("/proc/self/mountinfo")?);
        for root in &roots {
            sweep(root, place.parent().unwrap_or(place));
        }
        let group = Self { folders: roots.iter().map(|root| root.join(name)).collect() };
        for folder in &group.folders {
            std::fs::create_dir(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        Ok(group)
    }

    /// Where a process becomes a member.
    pub(super) fn members(&self) -> Vec<String> {
        self.folders.iter().map(|folder| folder.display().to_string()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to bury what was killed.
        let _ = run::until(Duration::from_secs(20), || {
            self.folders.iter().for_each(|folder| remove(folder));
            Ok((!self.folders.iter().any(|folder| folder.exists())).then_some(()))
        });
    }
}

/// Where the second version is mounted, and systemd's own hierarchy of the first.
fn hierarchies(mountinfo: &str) -> Vec<PathBuf> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let wanted =
            kind == "cgroup2" || (kind == "cgroup" && options.split(',').any(|o| o == "name=systemd"));
        wanted.then(|| before.split(' ').nth(4).map(PathBuf::from)).flatten()
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Removes the empty groups of containers whose folder is gone.
fn sweep(root: &Path, places: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && !places.join(entry.file_name()).exists() {
            remove(&entry.path());
        }
    }
}

/// Removes a group and those below it; one in which something runs stays.
fn remove(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchies_of_either_version_are_found() {
        let hybrid = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n\
                      32 25 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            hierarchies(hybrid),
            ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"].map(PathBuf::from)
        );
        let unified = "29 22 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(hierarchies(unified), [PathBuf::from("/sys/fs/cgroup")]);
    }
}
