//! A gigabyte that is compressed to a megabyte.

use std::io;

use flate2::read::GzDecoder;

use crate::support::client::{Client, post};
use crate::support::coding::{gzip, gzip_bomb};

use super::{coded, start};

const BOMBS: u64 = 10;

#[test]
fn a_gigabyte_of_zeros_costs_almost_nothing() {
    let bomb = gzip_bomb(954);
    assert!((900_000..1_048_576).contains(&bomb.len()), "under the cap as it comes: {} bytes", bomb.len());
    let size = io::copy(&mut GzDecoder::new(&bomb[..]), &mut io::sink()).expect("sound gzip, to its checksum");
    assert!(size >= 1_000_000_000, "{size} bytes come out");

    let (receiver, proxy) = start(&[]);
    let mut good = Client::connect(proxy.address);
    let mut sent = Vec::new();
    let mut send_good = |i: u64| {
        assert_eq!(good.send(post("/count/beside", &format!("value={i}"))).answer().status, 200);
        assert_eq!(good.send(coded("/batch", "gzip", gzip(format!("beside:{i}|g")))).answer().status, 200);
        sent.extend([format!("beside:{i}|c"), format!("beside:{i}|g")]);
    };
    // The allocator keeps the buffers of the largest valid batch, in huge pages if the kernel has them. Compared with
    // that, a decompression bomb must cost nothing.
    proxy.expect(coded("/batch", "gzip", gzip("\n".repeat(1024 * 1024))), 200);
    send_good(0);
    let (memory, ticks) = (proxy.peak_memory_kib(), proxy.cpu_ticks());
    for i in 1..=BOMBS {
        let mut client = Client::connect(proxy.address);
        let answer = client.send(coded("/batch", "gzip", &bomb)).answer();
        assert_eq!((answer.status, answer.body.as_str()), (413, "Request body too large\n"));
        assert!(client.is_closed());
        send_good(i);
    }
    let milliseconds = (proxy.cpu_ticks() - ticks) * 10 / BOMBS;
    let growth = proxy.peak_memory_kib() - memory;
    assert!(milliseconds < 20, "{milliseconds} ms of CPU time for each bomb");
    assert!(growth < 2048, "{growth} KiB more than the largest good batch takes");
    proxy.assert_sent(&receiver, &sent.iter().map(String::as_str).collect::<Vec<_>>());
}
