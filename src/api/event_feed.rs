//! Live events for all pages that watch (server-sent events, HTML standard section 9.2).

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

/// Events kept for a viewer that is slow, of at most some 2 MB; one that falls further behind misses some.
const MAX_KEPT_EVENTS: usize = 16;

/// Pages that may watch at once: each holds a connection, and gets a copy of everything.
const MAX_VIEWERS: usize = 32;

/// Where events come from.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Bytes>,
    /// What a page is told first.
    hello: Bytes,
}

impl Feed {
    /// A feed whose pages are told `hello` first.
    pub(crate) fn new(hello: &impl Serialize) -> Self {
        Self { sender: broadcast::channel(MAX_KEPT_EVENTS).0, hello: event("hello", hello) }
    }

    /// Shows an event to all who watch.
    pub(crate) fn publish(&self, name: &str, data: &impl Serialize) {
        // Nobody watches: nothing is lost.
        let _ = self.sender.send(event(name, data));
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// The first event, and what is published from now on. `None` if too many watch already.
    pub(crate) fn watch(&self) -> Option<(Bytes, broadcast::Receiver<Bytes>)> {
        (self.sender.receiver_count() < MAX_VIEWERS).then(|| (self.hello.clone(), self.sender.subscribe()))
    }
}

/// An event as it is sent. JSON has no line break in it.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("numbers and texts are always JSON");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_to_all_who_watch() {
        let feed = Feed::new(&0);
        feed.publish("early", &1);
        assert!(!feed.is_watched());
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| feed.watch().expect("a place").1).collect();
        assert!(feed.watch().is_none() && feed.is_watched());
        feed.publish("lines", &["a\nb"]);
        for viewer in &mut viewers {
            assert_eq!(viewer.try_recv().as_deref(), Ok(&b"event: lines\ndata: [\"a\\nb\"]\n\n"[..]));
        }
    }
}
