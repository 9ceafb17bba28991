//! How much of what was written to a TCP connection its peer's host has acknowledged.

use std::os::fd::AsFd;
use std::sync::LazyLock;

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;

/// The first release of Linux whose `tcp_info` is as long as [`TcpInfo`]. An older one returns less, at which nix panics.
const SINCE: (u32, u32) = (4, 1);

/// The beginning of Linux's `tcp_info`, which only ever grows at its end.
#[derive(Clone, Copy)]
#[repr(C)]
struct TcpInfo {
    bytes: [u8; 8],
    counters: [u32; 24],
    pacing_rates: [u64; 2],
    bytes_acked: u64,
}

/// The socket option.
#[derive(Clone, Copy)]
struct GetTcpInfo;

// nix has no `TCP_INFO`, but the macro by which it makes its own options.
nix::getsockopt_impl!(GetTcpInfo, libc::IPPROTO_TCP, libc::TCP_INFO, TcpInfo, GetStruct<TcpInfo>);

static IS_KNOWN: LazyLock<bool> = LazyLock::new(|| {
    let system = rustix::system::uname();
    release(&system.release().to_string_lossy()).is_some_and(|release| release >= SINCE)
});

/// The bytes that the peer's host of a TCP connection has acknowledged. The kernel says so after its end, too, until the socket
/// is closed. `None` where it does not say.
pub(crate) fn acknowledged_bytes(socket: &impl AsFd) -> Option<u64> {
    if !*IS_KNOWN {
        return None;
    }
    let info = getsockopt(socket, GetTcpInfo).ok()?;
    // The SYN counts as one.
    Some(info.bytes_acked.saturating_sub(1))
}

/// The first two numbers of a release such as `6.1.0-18-amd64`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_peer_has_read_before_its_end_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a listener");
        let (mut server, _) = listener.accept().expect("a client");
        client.write_all(b"hello").expect("a peer");
        server.read_exact(&mut [0; 5]).expect("five bytes");
        assert_eq!(acknowledged_bytes(&client), Some(5));
        drop(server);
        // The kernel takes it, and the peer's answers with a reset.
        let _ = client.write(b"more");
        let _ = client.write(b"more");
        assert_eq!(acknowledged_bytes(&client), Some(5));
        assert_eq!(acknowledged_bytes(&std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port")), None);
    }

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(release("4.4.0"), Some((4, 4)));
        assert_eq!(release("5.15"), Some((5, 15)));
        assert_eq!(release("linux"), None);
        assert!(release("3.10.0-1160.el7") < Some(SINCE) && release("4.1.0") >= Some(SINCE));
    }
}
