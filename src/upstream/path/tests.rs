//! A path whose socket is replaced, and the daemon that is away.

use std::os::unix::net::{UnixDatagram, UnixListener};

use tokio::runtime::Builder;
use tokio::time::timeout;

use super::*;
use crate::statsd::packer::Push;
use crate::upstream::resolver::Endpoint;

/// Longer than any step takes that ends.
const LONG: Duration = Duration::from_secs(60);

/// A path to `location`, and what keeps its target known.
fn path(location: Location, target: Target) -> (Path, watch::Sender<Target>) {
    let (sender, target) = watch::channel(target);
    let outage = Arc::new(Outage::new("statsd".to_owned()));
    (Path::new(Address::new(location, None), target, outage, Arc::default()), sender)
}

fn block_on(future: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().expect("an event loop").block_on(future);
}

fn fill(queue: &RefCell<Packer>) {
    while queue.borrow_mut().push(1, |out| out.resize(out.len() + 8000, b'x')) == Push::Taken {}
}

#[test]
fn who_waits_for_a_connection_goes_on_with_the_one_that_replaces_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("statsd.sock");
    // It reads nothing. What is written to a Unix socket stays in the buffer of the writer, so that its space never grows.
    let _daemon = UnixListener::bind(&socket).expect("a socket");
    let (path, _target) = path(Location::UnixStream(socket), Target::Local);
    let queue = RefCell::new(Packer::new(1432));
    block_on(async {
        fill(&queue);
        assert_eq!(path.send_all(&queue), Flush::Blocked);
        let started = Instant::now();
        let replace = async {
            tokio::task::yield_now().await;
            path.start_anew(&queue);
        };
        timeout(LONG, async { tokio::join!(biased; path.writable_or_given_up(&queue), replace) })
            .await
            .expect("an end");
        assert!(started.elapsed() < KEEP, "the wait was for the connection that was replaced");
        assert!(path.socket.borrow().is_some(), "the new connection was given up with the old one");
    });
}

#[test]
fn only_a_datagram_to_a_known_address_finds_out_whether_a_daemon_is_back() {
    let at = Target::At("127.0.0.1:9".parse().expect("an address"));
    let socket = || "/run/statsd.sock".into();
    for (location, target, is_probed) in [
        (Location::Udp(Endpoint::default()), at, true),
        (Location::Udp(Endpoint::default()), Target::Unresolved, false),
        (Location::Udp(Endpoint::default()), Target::Unknown, false),
        (Location::Tcp(Endpoint::default()), at, false),
        (Location::UnixStream(socket()), Target::Local, false),
        (Location::UnixDatagram(socket()), Target::Local, false),
    ] {
        let (path, _target) = path(location, target);
        assert_eq!([path.takes_probe(), path.takes_probe()], [is_probed, false], "{:?}", path.address);
    }
}

#[test]
fn a_unix_socket_that_appears_is_found_without_a_metric() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("statsd.sock");
    let (path, _target) = path(Location::UnixDatagram(socket.clone()), Target::Local);
    let queue = RefCell::new(Packer::new(1432));
    block_on(async {
        fill(&queue);
        assert!(matches!(path.send_all(&queue), Flush::NoPath(..)));
        path.drop_all(&queue, Trouble::NoTimeLeft);
        assert!(path.is_away());
        let _daemon = UnixDatagram::bind(&socket).expect("a socket");
        let is_back = async {
            while path.is_away() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let back = async {
            tokio::select! {
                () = path.watch(&queue) => {}
                () = path.outage.report() => {}
                () = is_back => {}
            }
        };
        timeout(LONG, back).await.expect("the daemon is back");
        assert_eq!(path.delivery.totals().sent, 0);
    });
}
