//! Tasks that should live as long as the daemon: when one of them ends, whoever waits is told which.

use std::collections::HashMap;
use std::future::Future;
use tokio::task::{Id, JoinSet};

/// Tasks with their names. They are aborted when this is dropped.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A task that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub name: &'static str,
    pub why: String,
}

impl Tasks {
    /// Starts one.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the next that ends; for ever where none is left.
    pub async fn first(&mut self) -> Ended {
        let (id, why) = match self.set.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, "it returned".to_owned()),
            Some(Err(error)) => (error.id(), error.to_string()),
            None => std::future::pending().await,
        };
        Ended { name: self.names.remove(&id).unwrap_or_default(), why }
    }

    /// Waits until all have ended.
    pub async fn all(&mut self) {
        while self.set.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_returns_or_panics_is_told_by_its_name() {
        let mut tasks = Tasks::default();
        tasks.start("the one that lives", std::future::pending());
        tasks.start("the one that returns", async {});
        assert_eq!(
            tasks.first().await,
            Ended { name: "the one that returns", why: "it returned".to_owned() }
        );
        tasks.start("the one that panics", async { assert_eq!(1, 2, "on purpose") });
        let ended = tasks.first().await;
        assert_eq!(ended.name, "the one that panics");
        assert!(ended.why.contains("panicked"), "{}", ended.why);
    }
}
