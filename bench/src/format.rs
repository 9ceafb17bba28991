//! A batch as the bytes of a request, in each format.

use std::error::Error;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::metrics::Metric;

/// The format of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// StatsD's lines.
    Lines,
    /// An array of objects.
    Json,
    /// StatsD's lines, compressed.
    GzippedLines,
}

impl Format {
    /// For the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Json => "JSON",
            Self::GzippedLines => "gzipped lines",
        }
    }

    /// The whole request, head and body, with only the necessary headers.
    pub fn request(self, metrics: &[Metric]) -> io::Result<Vec<u8>> {
        let headers = match self {
            Self::Lines => "Content-Type: text/plain\r\n",
            Self::Json => "Content-Type: application/json\r\n",
            Self::GzippedLines => "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
        };
        let body = self.body(metrics)?;
        let head = format!(
            "POST /batch HTTP/1.1\r\nHost: metrics.example.com\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        Ok([head.into_bytes(), body].concat())
    }

    /// The body.
    pub fn body(self, metrics: &[Metric]) -> io::Result<Vec<u8>> {
        match self {
            Self::Lines => Ok(lines(metrics).into_bytes()),
            Self::Json => Ok(json(metrics).into_bytes()),
            Self::GzippedLines => {
                // The default level of the browsers' CompressionStream and of most libraries.
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(lines(metrics).as_bytes())?;
                encoder.finish()
            }
        }
    }
}

/// Returns an error unless `answer` reports all `metrics` of a batch as accepted.
pub fn check_answer(answer: &[u8], metrics: usize) -> Result<(), Box<dyn Error>> {
    let hoped = format!(r#"{{"accepted":{metrics},"rejected":[]}}"#);
    if answer != hoped.as_bytes() {
        return Err(format!("a batch was answered {:?}, not {hoped}", String::from_utf8_lossy(answer)).into());
    }
    Ok(())
}

/// All lines, each with a newline.
fn lines(metrics: &[Metric]) -> String {
    metrics.iter().map(|metric| metric.line() + "\n").collect()
}

fn json(metrics: &[Metric]) -> String {
    let objects: Vec<_> = metrics.iter().map(Metric::json).collect();
    format!("[{}]", objects.join(","))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;
    use crate::metrics;

    fn body(format: Format) -> Vec<u8> {
        format.body(&metrics::page()).expect("memory takes all")
    }

    #[test]
    fn json_means_what_the_lines_mean() {
        let objects: Vec<Value> = serde_json::from_slice(&body(Format::Json)).expect("JSON");
        let lines: String = objects
            .iter()
            .map(|object| {
                let field = match object["type"].as_str() {
                    Some("count") => "c",
                    Some("timing") => "ms",
                    Some("gauge") => "g",
                    Some("set") => "s",
                    other => panic!("{other:?} is no type"),
                };
                format!("{}:{}|{field}\n", object["metric"].as_str().expect("a name"), object["value"])
            })
            .collect();
        assert_eq!(lines.as_bytes(), body(Format::Lines));
    }

    #[test]
    fn json_is_as_short_as_stringify_writes_it() {
        let body = body(Format::Json);
        assert!(!body.iter().any(u8::is_ascii_whitespace));
    }

    #[test]
    fn gzip_holds_the_lines_and_is_the_same_each_time() {
        let mut lines = Vec::new();
        GzDecoder::new(&body(Format::GzippedLines)[..]).read_to_end(&mut lines).expect("gzip");
        assert_eq!(lines, body(Format::Lines));
        assert_eq!(body(Format::GzippedLines), body(Format::GzippedLines));
    }

    #[test]
    fn a_request_states_its_length() {
        let request = Format::Lines.request(&[Metric::shortest(), Metric::shortest()]).expect("memory takes all");
        let text = String::from_utf8(request).expect("ASCII");
        assert!(text.starts_with("POST /batch HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 12\r\n\r\na:1|c\na:1|c\n"), "{text}");
    }

    #[test]
    fn an_answer_must_leave_no_metric_out() {
        assert!(check_answer(br#"{"accepted":2,"rejected":[]}"#, 2).is_ok());
        assert!(check_answer(br#"{"accepted":1,"rejected":[{"index":1}]}"#, 2).is_err());
        assert!(check_answer(b"", 2).is_err());
    }
}
