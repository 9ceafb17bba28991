//! Live events for pages (server-sent events, HTML standard section 9.2).

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

/// The events that are kept for a slow page, some 2 MB at most. A page that falls further behind misses events.
const MAX_KEPT_EVENTS: usize = 16;

/// The most pages that receive events at once: each holds a connection, and gets a copy of each event.
const MAX_VIEWERS: usize = 32;

/// Sends events to pages.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Bytes>,
    /// The first event that each page gets.
    hello: Bytes,
}

impl Feed {
    /// A feed whose pages get `hello` as their first event.
    pub(crate) fn new(hello: &impl Serialize) -> Self {
        Self { sender: broadcast::channel(MAX_KEPT_EVENTS).0, hello: event("hello", hello) }
    }

    /// Sends an event to all pages.
    pub(crate) fn publish(&self, name: &str, data: &impl Serialize) {
        // An error means that there is no page.
        let _ = self.sender.send(event(name, data));
    }

    /// True if a page receives events.
    pub(crate) fn has_subscribers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// The first event, and a receiver of those that are published from now on. `None` if [`MAX_VIEWERS`] receive already.
    pub(crate) fn subscribe(&self) -> Option<(Bytes, broadcast::Receiver<Bytes>)> {
        (self.sender.receiver_count() < MAX_VIEWERS).then(|| (self.hello.clone(), self.sender.subscribe()))
    }
}

/// The bytes of an event. JSON contains no line break.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("numbers and texts are always JSON");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subscriber_gets_an_event() {
        let feed = Feed::new(&0);
        feed.publish("early", &1);
        assert!(!feed.has_subscribers());
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| feed.subscribe().expect("fewer than the most").1).collect();
        assert!(feed.subscribe().is_none() && feed.has_subscribers());
        feed.publish("lines", &["a\nb"]);
        for viewer in &mut viewers {
            assert_eq!(viewer.try_recv().as_deref(), Ok(&b"event: lines\ndata: [\"a\\nb\"]\n\n"[..]));
        }
    }
}
