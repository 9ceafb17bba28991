//! Requests with any method, headers and body, as exact bytes.

/// A request with Content-Length. Each header is a whole line: `Content-Type: text/plain`.
pub fn request(method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut request = head(method, path, headers);
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// The same request in chunks of `size` bytes.
pub fn chunked(method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>, size: usize) -> Vec<u8> {
    let mut request = head(method, path, headers);
    request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_ref().chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// A batch without a Content-Type.
pub fn batch(body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", "/batch", &[], body)
}

/// A batch with a Content-Type.
pub fn typed_batch(content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", "/batch", &[&format!("Content-Type: {content_type}")], body)
}

/// A single metric as JSON.
pub fn json(path: &str, body: &str) -> Vec<u8> {
    request("POST", path, &["Content-Type: application/json"], body)
}

fn head(method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
    let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}").into_bytes()
}
