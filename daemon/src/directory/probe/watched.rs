//! How the server will be watched, proven by asking it so once.

use super::Look;
use crate::directory::Dialect;
use crate::directory::facts::Learnt;
use crate::directory::link::{Fault, Link};
use crate::directory::settings::Way;
use crate::directory::watch::proven;

impl Look<'_> {
    /// Each way in its order, until one works, as the watch itself goes through them.
    pub(super) async fn watched(&mut self, link: &Link, learnt: &Learnt) -> Result<(), Fault> {
        let stated = self.prepared.settings.watch.way;
        let mut barred = Vec::new();
        loop {
            let way = stated.unwrap_or_else(|| Way::offered(self.dialect, &learnt.capabilities, &barred));
            match proven(self.prepared, link, learnt, way).await {
                Ok(()) => {
                    self.ok(format!("the directory can be followed {}: it was asked so", way.words()));
                    self.better(way);
                    return Ok(());
                }
                Err(why) if stated.is_none() && way != Way::Poll => {
                    let what = format!("the directory cannot be followed {}: {why}", way.words());
                    let action = "add it to the server, by the lines below; until then the next way is used";
                    self.warn(what, needed(self.dialect, way), action);
                    let add = self.remedies().watch(way);
                    self.add(add);
                    barred.push(way);
                }
                Err(why) => {
                    let what = format!("the directory cannot be followed {}: {why}", way.words());
                    self.fail(
                        what,
                        "a watch that works",
                        "let the server offer it, or state another directory.watch",
                    );
                    let add = self.remedies().watch(way);
                    self.add(add);
                    return Ok(());
                }
            }
        }
    }

    /// Where the server's product could tell at once and this one does not.
    fn better(&mut self, way: Way) {
        let best = match self.dialect {
            Dialect::Openldap | Dialect::Ds389 => Way::Sync,
            Dialect::ActiveDirectory => Way::Dirsync,
            Dialect::Standard => return,
        };
        let said = self.findings.iter().any(|finding| finding.what.contains("cannot be followed"));
        if way == best || said || self.prepared.settings.watch.way.is_some() {
            return;
        }
        let what = format!("the directory is not offered to be followed {}", best.words());
        let action = "add it to the server, by the lines below: changes and deletions are then told at once; until then \
                      it is asked less well, and what was deleted is found by comparing";
        self.warn(what, needed(self.dialect, best), action);
        let add = self.remedies().watch(best);
        self.add(add);
    }
}

/// What a server needs for a way to work.
fn needed(dialect: Dialect, way: Way) -> &'static str {
    match (dialect, way) {
        (Dialect::Openldap, Way::Sync) => "the overlay syncprov on the database that holds the people",
        (Dialect::Ds389, Way::Sync) => "the plugins Retro Changelog and Content Synchronization",
        (Dialect::ActiveDirectory, Way::Dirsync) => "the right Replicating Directory Changes on the domain",
        _ => "the best way that the server lists",
    }
}
