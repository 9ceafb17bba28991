//! A client for few requests, one at a time, which checks the answers.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Size of one read. Answers are shorter, unless there is an error.
const PIECE: usize = 4 * 1024;

/// Bytes of an unexpected answer that are shown.
const SHOWN: usize = 1024;

/// Connects with TCP_NODELAY, so that no request waits for an acknowledgement.
pub fn connect(address: SocketAddr) -> Result<TcpStream, Box<dyn Error>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// Sends one request, and returns the body of the answer; an error unless its status is 200.
pub fn exchange(connection: &mut (impl Read + Write), request: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    connection.write_all(request)?;
    connection.flush()?;
    answer(connection)
}

/// Waits for one answer, and returns its body; an error unless its status is 200.
pub fn answer(connection: &mut impl Read) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut answer = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        if let Some(body) = body(&answer)? {
            return Ok(body.to_vec());
        }
        match connection.read(&mut piece)? {
            0 => return Err(format!("the connection was closed after {:?}", shown(&answer)).into()),
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
}

/// The body of `answer`, if it is complete.
fn body(answer: &[u8]) -> Result<Option<&[u8]>, Box<dyn Error>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = answer.windows(END.len()).position(|bytes| bytes == END) else { return Ok(None) };
    let (head, body) = (&answer[..end], &answer[end + END.len()..]);
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("the answer is {:?}", shown(answer)).into());
    }
    let length = length(&String::from_utf8_lossy(head)).ok_or_else(|| format!("no length in {:?}", shown(answer)))?;
    if body.len() > length {
        return Err(format!("more than one answer: {:?}", shown(answer)).into());
    }
    Ok((body.len() == length).then_some(body))
}

/// The `Content-Length`, in bytes.
fn length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    })
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(SHOWN)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() {
        assert_eq!(answer(&mut &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..]).expect("an answer"), b"");
        let mut pieces = (&b"HTTP/1.1 200 OK\r\nContent-Le"[..]).chain(&b"ngth: 4\r\n\r\nab"[..]).chain(&b"cd"[..]);
        assert_eq!(answer(&mut pieces).expect("an answer"), b"abcd");
    }

    #[test]
    fn what_is_no_whole_200_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\na",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert!(answer(&mut text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
