//! What the demo's page is shown live: events for everyone who watches (server-sent events, HTML standard section 9.2).

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

/// Events kept for a viewer that is slow, of at most some 2 MB; one that falls further behind misses some.
const BACKLOG: usize = 16;

/// Pages that may watch at once: each holds a connection, and gets a copy of everything.
const MAX_VIEWERS: usize = 32;

/// Where events come from.
#[derive(Clone, Debug)]
pub(crate) struct Feed(broadcast::Sender<Bytes>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl Feed {
    /// Shows an event to all who watch.
    pub(crate) fn publish(&self, name: &str, data: &impl Serialize) {
        // Nobody watches: nothing is lost.
        let _ = self.0.send(event(name, data));
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// What is published from now on. `None` if too many watch already.
    pub(crate) fn watch(&self) -> Option<broadcast::Receiver<Bytes>> {
        (self.0.receiver_count() < MAX_VIEWERS).then(|| self.0.subscribe())
    }
}

/// An event as it is sent. JSON has no line break in it.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("numbers and texts are always JSON");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_to_all_who_watch() {
        let feed = Feed::default();
        feed.publish("early", &1);
        assert!(!feed.is_watched());
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| feed.watch().expect("a place")).collect();
        assert!(feed.watch().is_none() && feed.is_watched());
        feed.publish("lines", &["a\nb"]);
        for viewer in &mut viewers {
            assert_eq!(viewer.try_recv().as_deref(), Ok(&b"event: lines\ndata: [\"a\\nb\"]\n\n"[..]));
        }
    }
}
