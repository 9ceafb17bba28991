//! A client that writes exact bytes, and parses answers strictly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::PATIENCE;

/// One answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A connection.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the proxy accepts"))
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
        stream.set_nodelay(true).expect("TCP has no delay");
        Self { reader: BufReader::new(stream) }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Writes all bytes. Ignores a peer that has already closed: the answer shows it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.reader.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Shuts down the sending side.
    pub fn finish(&mut self) -> &mut Self {
        let _ = self.stream().shutdown(Shutdown::Write);
        self
    }

    /// The next answer, or `None` when the connection is closed before its first byte.
    pub fn try_answer(&mut self) -> Option<Answer> {
        let (mut answer, body) = self.read_answer(true)?;
        answer.body = String::from_utf8(body).expect("answers are UTF-8");
        Some(answer)
    }

    /// The next answer, with a binary body.
    pub fn answer_in_bytes(&mut self) -> (Answer, Vec<u8>) {
        self.read_answer(true).expect("an answer before the close")
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer before the close")
    }

    /// The next answer, to a HEAD request.
    pub fn answer_to_head(&mut self) -> Answer {
        self.read_answer(false).expect("an answer before the close").0
    }

    fn read_answer(&mut self, has_body: bool) -> Option<(Answer, Vec<u8>)> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("reading an answer: {error}"),
        }
        let status =
            line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a header line");
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |v| v.parse().expect("a content length"));
        // Neither has a body, for any Content-Length (RFC 9112 section 6.3).
        let has_body = has_body && status != 204 && status != 304;
        let mut body = vec![0; if has_body { length } else { 0 }];
        self.reader.read_exact(&mut body).expect("the whole body");
        Some((answer, body))
    }

    /// True if the proxy closes in time without sending more bytes.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A request with a form, on a connection that stays open.
pub fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends one request on a new connection, and reads its answer.
pub fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    Client::connect(address).send(request).answer()
}
