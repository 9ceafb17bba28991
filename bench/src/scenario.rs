//! The scenarios, each with the bytes of its request and its limit.

/// Limit of the CPU time per request on kept-alive connections, as a multiple of the floor's.
const KEEP_ALIVE_LIMIT: f64 = 1.30;

/// The same with a browser's headers and a token.
const BROWSER_LIMIT: f64 = 1.45;

/// The same with one connection per request.
const CLOSE_LIMIT: f64 = 1.40;

/// The line of each request at the StatsD receiver.
pub const LINE: &str = "bench.requests:1|c";

const REQUEST_LINE: &str = "POST /count/bench.requests HTTP/1.1";
const HOST: &str = "Host: metrics.example.com";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const LENGTH: &str = "Content-Length: 7";
const BODY: &str = "value=1";

/// A scenario, the same for every server.
#[derive(Debug)]
pub struct Scenario {
    /// For the table.
    pub name: &'static str,
    /// The whole request, head and body; ASCII.
    pub request: String,
    /// True for TLS, which the floor does not support.
    pub tls: bool,
    /// True for one connection per request.
    pub close: bool,
    /// True if the proxy requires a token, which the request has.
    pub token: bool,
    /// Limit of the proxy's CPU time, as a multiple of the floor's.
    pub limit: Option<f64>,
}

/// All scenarios, in the table's order.
pub fn all(token: &str) -> [Scenario; 4] {
    let browser = browser_request(token);
    [
        Scenario {
            name: "keep-alive",
            request: plain_request(),
            tls: false,
            close: false,
            token: false,
            limit: Some(KEEP_ALIVE_LIMIT),
        },
        Scenario {
            name: "keep-alive, browser's headers, token",
            request: browser.clone(),
            tls: false,
            close: false,
            token: true,
            limit: Some(BROWSER_LIMIT),
        },
        Scenario {
            name: "a connection for each request",
            request: request(&[HOST, FORM, LENGTH, "Connection: close"]),
            tls: false,
            close: true,
            token: false,
            limit: Some(CLOSE_LIMIT),
        },
        Scenario {
            name: "TLS, keep-alive, browser's headers, token",
            request: browser,
            tls: true,
            close: false,
            token: true,
            limit: None,
        },
    ]
}

/// The shortest request, as a script sends it.
pub fn plain_request() -> String {
    request(&[HOST, FORM, LENGTH])
}

/// The headers of Chrome for a `fetch` to another site of the same owner, in Chrome's order.
fn browser_request(token: &str) -> String {
    request(&[
        HOST,
        "Connection: keep-alive",
        LENGTH,
        "sec-ch-ua-platform: \"Windows\"",
        &format!("X-JWT-Token: {token}"),
        "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/140.0.0.0 Safari/537.36",
        "sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"",
        "DNT: 1",
        FORM,
        "sec-ch-ua-mobile: ?0",
        "Accept: */*",
        "Origin: https://www.example.com",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        "Referer: https://www.example.com/",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-US,en;q=0.9",
    ])
}

fn request(headers: &[&str]) -> String {
    format!("{REQUEST_LINE}\r\n{}\r\n\r\n{BODY}", headers.join("\r\n"))
}
