//! Watches the tasks and threads that the server needs. When one of them ends, the process logs it, drains and exits with an
//! error, so that its service manager restarts it: half a server that looks alive is worse than none.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_local};
use tracing::error;

/// Notes the first task or thread that ended, and tells the accept loop, which begins the drain.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor(Arc<watch::Sender<Option<&'static str>>>);

impl Default for Supervisor {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Supervisor {
    /// Runs a task on this worker that must not panic. It may be aborted.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let task = spawn_local(task);
        let abort = task.abort_handle();
        let supervisor = self.clone();
        spawn_local(async move {
            if let Err(end) = task.await
                && end.is_panic()
            {
                supervisor.report(name, "panicked");
            }
        });
        abort
    }

    /// Runs a task on this worker that must neither panic nor return. It may be aborted.
    pub(crate) fn spawn_endless(&self, name: &'static str, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let supervisor = self.clone();
        self.spawn(name, async move {
            task.await;
            supervisor.report(name, "returned");
        })
    }

    /// Runs a thread's work, which must neither panic nor fail.
    pub(crate) fn guard<T, E: std::fmt::Display>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // State that the work shares with others is either atomic, or not used after a panic.
        let result: Result<_, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(work));
        match result {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                self.report(name, &error.to_string());
                Err(error)
            }
            Err(panic) => {
                self.report(name, "panicked");
                resume_unwind(panic)
            }
        }
    }

    /// Notes that `name` has ended although it must not, and logs `how`.
    pub(crate) fn report(&self, name: &'static str, how: &str) {
        error!(
            "the {name} has ended ({how}): draining, then the process ends with an error; this is a bug, please report it"
        );
        self.0.send_if_modified(|failed| failed.replace(name).is_none());
    }

    /// Waits until one of them has ended.
    pub(crate) async fn failed(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// The name of the first that ended; `None` if all run.
    pub(crate) fn failure(&self) -> Option<&'static str> {
        *self.0.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::runtime::{Builder, LocalRuntime};
    use tokio::time::timeout;

    fn runtime() -> LocalRuntime {
        Builder::new_current_thread().enable_all().build_local(Default::default()).expect("a runtime")
    }

    async fn failed(supervisor: &Supervisor) {
        timeout(Duration::from_secs(20), supervisor.failed()).await.expect("the end is noticed");
    }

    #[test]
    fn a_panic_is_noticed() {
        runtime().block_on(async {
            let supervisor = Supervisor::default();
            supervisor.spawn("task", async { panic!("a bug") });
            failed(&supervisor).await;
            assert_eq!(supervisor.failure(), Some("task"));
        });
    }

    #[test]
    fn a_return_is_noticed_where_there_should_be_none() {
        runtime().block_on(async {
            let supervisor = Supervisor::default();
            supervisor.spawn("short task", async {});
            supervisor.spawn_endless("endless task", async {});
            failed(&supervisor).await;
            assert_eq!(supervisor.failure(), Some("endless task"));
        });
    }

    #[test]
    fn an_abort_is_no_failure() {
        runtime().block_on(async {
            let supervisor = Supervisor::default();
            let first = supervisor.spawn_endless("first", std::future::pending());
            first.abort();
            supervisor.spawn_endless("second", async {});
            failed(&supervisor).await;
            assert_eq!(supervisor.failure(), Some("second"));
        });
    }

    #[test]
    fn a_thread_that_fails_or_panics_is_noticed() {
        let supervisor = Supervisor::default();
        assert!(supervisor.guard("thread", || Ok::<_, std::io::Error>(())).is_ok());
        assert_eq!(supervisor.failure(), None);
        let own = supervisor.clone();
        let thread =
            std::thread::spawn(move || own.guard("thread", || -> Result<(), std::io::Error> { panic!("a bug") }));
        assert!(thread.join().is_err());
        assert_eq!(supervisor.failure(), Some("thread"));
        let other = Supervisor::default();
        assert!(other.guard("other", || Err::<(), _>("no socket")).is_err());
        assert_eq!(other.failure(), Some("other"));
    }
}
