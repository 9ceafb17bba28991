//! Runs the examples in the documents.
//!
//! A `console` block has commands, each with its exact output, and a `statsd` block directly after it all lines that
//! StatsD receives; without a `statsd` block it receives none. Each example has its own proxy.

use std::process::{Command, Stdio};

use jsonwebtoken::{EncodingKey, Header};

use crate::support::client::post;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

/// The address of the proxy in the examples.
const ADDRESS: &str = "127.0.0.1:8080";

/// The name of the metric that ends the received lines.
const LAST: &str = "last.good";

/// A `console` block.
#[derive(Debug, Default)]
struct Example {
    /// Its first line.
    line: usize,
    /// The proxy's flags.
    flags: Vec<String>,
    steps: Vec<Step>,
    /// The lines that StatsD receives.
    sent: Vec<String>,
}

/// A command and its output.
#[derive(Debug, Default, Eq, PartialEq)]
struct Step {
    command: String,
    output: String,
}

/// Reads the examples of a page.
fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut may_follow = false;
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            may_follow &= line.is_empty();
            continue;
        };
        let mut block: Vec<&str> = Vec::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => block.push(line),
                None => panic!("the block of line {} has no end", at + 1),
            }
        }
        let mut words = info.split(' ').map(str::to_owned);
        let language = words.next().unwrap_or_default();
        match (language.as_str(), examples.last_mut()) {
            ("statsd", Some(example)) if may_follow => example.sent = block.into_iter().map(str::to_owned).collect(),
            ("statsd", _) => panic!("the statsd block of line {} follows no example", at + 1),
            ("console", _) => {
                let steps = steps(&block);
                assert!(!steps.is_empty(), "the example of line {} has no command", at + 1);
                examples.push(Example { line: at + 1, flags: words.collect(), steps, sent: Vec::new() });
            }
            _ => {
                let unrun = block.iter().any(|line| line.starts_with("$ curl ") && line.contains(ADDRESS));
                assert!(!unrun, "the block of line {} has commands, and is no console block", at + 1);
            }
        }
        may_follow = language == "console";
    }
    examples
}

/// Splits a block into commands. A command continues while its line ends with a backslash or a quote is open.
fn steps(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in block {
        if let Some(command) = line.strip_prefix("$ ").filter(|_| !goes_on) {
            steps.push(Step { command: command.to_owned(), output: String::new() });
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("{line:?} is before the first command"));
        if goes_on {
            step.command = format!("{}\n{line}", step.command);
        } else if !line.starts_with("$ ") {
            step.output.push_str(&without_date(line));
            continue;
        }
        goes_on = line.ends_with('\\') || step.command.matches('\'').count() % 2 == 1;
    }
    steps
}

/// A line with its newline, or nothing for the header `Date`.
fn without_date(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    if line.to_ascii_lowercase().starts_with("date: ") { String::new() } else { format!("{line}\n") }
}

/// Runs a command in bash, and returns what it prints.
fn run(command: &str) -> String {
    // curl has a time limit, so that it cannot block the tests, and ignores the settings of the user.
    let script =
        format!("set -o pipefail\ncurl() {{ command curl -q --max-time 20 --noproxy '*' \"$@\"; }}\n{command}");
    let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output().expect("bash starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("answers are UTF-8").lines().map(without_date).collect()
}

/// Fails if a tool is missing, because skipped examples would not be tested.
fn assert_tools() {
    for tool in ["bash", "curl", "gzip"] {
        let status = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|s| s.success()), "{tool} is missing, which the documents' examples need: install it");
    }
}

impl Example {
    fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(name))
    }

    fn play(&self) {
        let receiver = Receiver::new();
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let proxy = Proxy::start(&receiver, &flags);
        for Step { command, output } in &self.steps {
            let found = run(&command.replace(ADDRESS, &proxy.address.to_string()));
            assert_eq!(&found, output, "line {}: {command}", self.line);
        }
        // A last valid metric ends the list, in the format of the flags.
        let path = format!("{}/count/{LAST}", self.flag("--http-base-path=").unwrap_or_default());
        let mut last = post(&path, "");
        if let Some(secret) = self.flag("--jwt-secret=") {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token =
                jsonwebtoken::encode(&Header::default(), &serde_json::json!({}), &key).expect("a token is made");
            last = last.replacen("\r\n", &format!("\r\nX-JWT-Token: {token}\r\n"), 1);
        }
        proxy.expect(last, 200);
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains(LAST)) {
            lines.extend(receiver.next().lines().map(str::to_owned));
        }
        lines.pop();
        assert_eq!(lines, self.sent, "line {}: what StatsD receives", self.line);
    }
}

/// Runs all examples of a page.
fn play(path: &str) {
    assert_tools();
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let examples = examples(&text);
    assert!(!examples.is_empty(), "{path} has no examples");
    examples.iter().for_each(Example::play);
}

#[test]
fn the_examples_of_the_readme_work() {
    play("README.md");
}

#[test]
fn the_examples_of_the_http_api_work() {
    play("docs/http-api.md");
}

#[test]
fn the_examples_of_the_dialects_work() {
    play("docs/dialects.md");
}

#[test]
fn the_examples_of_the_configuration_work() {
    play("docs/configuration.md");
}

#[test]
fn the_examples_of_the_migration_work() {
    play("docs/migrating-from-gometric.md");
}

#[test]
fn blocks_are_parsed() {
    let page = "text\n```console --a=b --c\n$ one \\\n  two '\n$ three'\nout\n\n$ four\nDate: now\r\nlast\n```\n\n```statsd\nx:1|c\n```\n\
                ```sh\n$ other\n```\n```console\n$ five\n```\n";
    let examples = examples(page);
    assert_eq!(examples.len(), 2);
    assert_eq!((examples[0].line, examples[1].line), (2, 19));
    assert_eq!(examples[0].flags, ["--a=b", "--c"]);
    let step = |command: &str, output: &str| Step { command: command.to_owned(), output: output.to_owned() };
    assert_eq!(examples[0].steps, [step("one \\\n  two '\n$ three'", "out\n\n"), step("four", "last\n")]);
    assert_eq!(examples[0].sent, ["x:1|c"]);
    assert_eq!(examples[1].steps, [step("five", "")]);
    assert!(examples[1].sent.is_empty());
}

#[test]
fn blocks_that_would_not_be_run_are_errors() {
    for page in [
        "```console\n```\n",
        "```console\nout\n```\n",
        "```console\n$ one\n",
        "```statsd\nx:1|c\n```\n",
        "```console\n$ one\n```\ntext\n```statsd\nx:1|c\n```\n",
        "```\n$ curl http://127.0.0.1:8080/heartbeat\n```\n",
    ] {
        assert!(std::panic::catch_unwind(|| examples(page)).is_err(), "{page}");
    }
}
