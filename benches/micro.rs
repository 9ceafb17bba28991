//! Microbenchmarks of the pure modules: `make microbench`, or `make microbench FILTER=lines`.
//!
//! They show which step a change makes slower. `make bench` measures the cost of a whole request.

use std::fmt::Write as _;
use std::io::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN, REFERER, USER_AGENT};
use http::request::Parts;
use statsd_http_proxy::internals::{
    Coding, ContentType, DEFAULT_PACKET_SIZE, DIALECTS, Dialect, Encoding, Fields, Kind, Members, Packer, Push, Secret,
    Verifier, check_head, decode_key, encoding, frame_meter, inflate, metric_key, pack_batch, urlencoded, write_single,
};

/// Metrics in each batch.
const METRICS: usize = 100;

fn main() {
    divan::main();
}

fn server(dialect: &str) -> Encoding {
    encoding(Dialect::find(dialect).unwrap_or(DIALECTS[0]), "shop", &["env=prod"])
}

/// A batch of lines, each with this end.
fn lines(end: &str) -> Bytes {
    let mut text = String::new();
    for i in 0..METRICS {
        let _ = writeln!(text, "page.load.{i}:{}{end}", i * 7 % 1000);
    }
    text.into()
}

fn json_batch() -> Bytes {
    let mut text = String::from("[");
    for i in 0..METRICS {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"metric":"page.load.{i}","type":"timing","value":{i}.5,"tags":{{"page":"cart"}}}}"#
        );
    }
    text.push(']');
    text.into()
}

fn bench_batch(bencher: Bencher<'_, '_>, dialect: &str, content_type: ContentType, body: &Bytes) {
    let encoding = server(dialect);
    let mut packer = Packer::new(DEFAULT_PACKET_SIZE);
    bencher.counter(ItemsCount::new(METRICS)).bench_local(|| {
        let read = pack_batch(&encoding, content_type, black_box(body.clone()), &mut packer);
        packer.pop(packer.len());
        read
    });
}

#[divan::bench(args = ["|c", "|ms|@0.5", "|c|#page:cart,os:linux", ":1:2:3|ms"])]
fn batch_of_lines(bencher: Bencher<'_, '_>, end: &str) {
    bench_batch(bencher, "statsd", ContentType::Unnamed, &lines(end));
}

#[divan::bench(args = DIALECTS.map(|dialect| dialect.name))]
fn batch_of_json(bencher: Bencher<'_, '_>, dialect: &str) {
    bench_batch(bencher, dialect, ContentType::Json, &json_batch());
}

#[divan::bench(args = ["value=1", "value=12.5&sampleRate=1", "x=1&y=2&value=%31%32"])]
fn single_from_form(bencher: Bencher<'_, '_>, body: &str) {
    let encoding = server("statsd");
    bencher.bench(|| {
        let params = urlencoded(black_box(body.as_bytes()));
        write_single(&encoding, Kind::Count, black_box("page.load.cart"), &params, Members::Integers)
    });
}

#[divan::bench(args = ["/count/page.load.cart", "/count/page%2Eload%20cart", "/heartbeat", "/nowhere"])]
fn route_and_key(bencher: Bencher<'_, '_>, path: &str) {
    bencher.bench(|| metric_key(black_box(path)).and_then(decode_key));
}

#[divan::bench(args = [8, 64, 1400])]
fn packer_push(bencher: Bencher<'_, '_>, length: usize) {
    let line = vec![b'x'; length];
    let mut packer = Packer::new(DEFAULT_PACKET_SIZE);
    bencher.counter(ItemsCount::new(METRICS)).bench_local(|| {
        for _ in 0..METRICS {
            let pushed = packer.push(1, |out| out.extend_from_slice(black_box(&line)));
            assert_eq!(pushed, Push::Taken);
        }
        packer.pop(packer.len())
    });
}

/// The head of a browser's request.
fn browser_head() -> Parts {
    let request = Request::post("/count/page.load.cart")
        .header(HOST, "metrics.example.com")
        .header(ORIGIN, "https://shop.example.com")
        .header(REFERER, "https://shop.example.com/cart")
        .header(USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
    request.body(()).expect("a request").into_parts().0
}

#[divan::bench]
fn head_check(bencher: Bencher<'_, '_>) {
    let head = browser_head();
    bencher.bench(|| {
        let head = black_box(&head);
        check_head(head, &Fields::of(&head.headers))
    });
}

fn token(secret: &[u8], sub: usize) -> HeaderValue {
    let payload = format!(r#"{{"sub":"{sub}"}}"#);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    HeaderValue::try_from(token).expect("a token is a header value")
}

/// A single token is found in the cache; of 5000, each must be verified.
#[divan::bench(args = [1, 5000])]
fn token_check(bencher: Bencher<'_, '_>, tokens: usize) {
    let secret = b"a secret of thirty-two bytes, ok";
    let verifier = Verifier::new(&Secret::new(secret.to_vec()));
    let mut next = 0;
    let headers: Vec<HeaderMap> = (0..tokens)
        .map(|sub| HeaderMap::from_iter([("x-jwt-token".parse().expect("a name"), token(secret, sub))]))
        .collect();
    bencher.bench_local(|| {
        next = (next + 1) % headers.len();
        verifier.check(black_box(&headers[next]), None)
    });
}

#[divan::bench(args = [6, 1000])]
fn inflate_lines(bencher: Bencher<'_, '_>, batches: usize) {
    let plain = lines("|c").repeat(batches);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish()).expect("writing to a Vec cannot fail");
    bencher
        .counter(BytesCount::new(plain.len()))
        .bench(|| inflate(Coding::Gzip, [black_box(&compressed[..])], plain.len()));
}

#[divan::bench]
fn frames_of_requests(bencher: Bencher<'_, '_>) {
    let mut stream = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for _ in 0..METRICS {
        stream.extend_from_slice(b"\0\0\x28\x01\x04\0\0\0\x01");
        stream.resize(stream.len() + 40, b'h');
        stream.extend_from_slice(b"\0\0\x07\0\x01\0\0\0\x01value=1");
    }
    bencher
        .counter(ItemsCount::new(METRICS))
        .with_inputs(frame_meter)
        .bench_local_values(|mut meter| meter.count(black_box(&stream), |_| true).is_ok());
}
