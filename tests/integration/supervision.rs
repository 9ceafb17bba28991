//! Parts of the server that must not end: when one does, the process drains, and says so.

use std::net::TcpListener;
use std::sync::Arc;

use statsd_http_proxy::cli::CommandLine;
use statsd_http_proxy::config::Config;
use statsd_http_proxy::server::{self, Process, ServeError};

use crate::support::client::{Client, post};
use crate::support::receiver::Receiver;

/// Serves in this process, where the accept loop can be given a fault: it waits for `shutdown`.
fn serve(receiver: &Receiver, shutdown: impl Future<Output = ()> + Send + 'static) -> (Client, ServeResult) {
    let flags =
        ["--http-port=0".to_owned(), format!("--statsd-port={}", receiver.port()), "--http-threads=2".to_owned()];
    let line = CommandLine::read(flags.into_iter().map(Into::into), |_| None);
    let config = Config::new(&line).expect("good flags");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = Client::connect(listener.local_addr().expect("an address"));
    let served =
        std::thread::spawn(move || server::serve(Arc::new(config), listener, None, None, Process::default(), shutdown));
    (client, served)
}

type ServeResult = std::thread::JoinHandle<Result<(), ServeError>>;

#[test]
fn the_end_of_the_accept_loop_drains_and_is_an_error() {
    let receiver = Receiver::new();
    let (fault, faulty) = tokio::sync::oneshot::channel::<()>();
    let (mut client, served) = serve(&receiver, async {
        let _ = faulty.await;
        panic!("a bug in the accept loop");
    });
    let request = post("/count/a", "value=7");
    let (first, second) = request.split_at(request.len() - 3);
    assert_eq!(client.send(post("/count/b", "")).answer().status, 200);
    client.send(first);
    fault.send(()).expect("the accept loop runs");
    assert_eq!(client.send(second).answer().status, 200, "what has begun is finished");
    let result = served.join().expect("the panic stays in its task");
    assert!(matches!(result, Err(ServeError::Ended("accept loop"))), "{result:?}");
    assert_eq!(receiver.until("a:7|c"), ["b:1|c"]);
}

#[test]
fn an_end_that_was_asked_for_is_none() {
    let receiver = Receiver::new();
    let (asked, ask) = tokio::sync::oneshot::channel::<()>();
    let (mut client, served) = serve(&receiver, async {
        let _ = ask.await;
    });
    assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    drop(client);
    asked.send(()).expect("the accept loop runs");
    assert!(served.join().expect("no panic").is_ok());
    assert_eq!(receiver.next(), "a:1|c");
}
