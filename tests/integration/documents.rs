//! The documents, held against the table of flags.

use statsd_http_proxy::cli::{FLAGS, Kind};

fn document(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of a document that begin with a flag, in order.
fn rows(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("| `--")).collect()
}

fn default_cell(flag: &statsd_http_proxy::cli::Flag) -> String {
    match flag.kind {
        Kind::Switch => "`false`".to_owned(),
        Kind::Value(_) | Kind::List(_) if flag.default.is_empty() => String::new(),
        Kind::Value(_) | Kind::List(_) => format!("`{}`", flag.default),
    }
}

/// Cells of a Markdown row, without the spaces around them.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split(" |").map(|cell| cell.trim_start_matches('|').trim().to_owned()).collect()
}

#[test]
fn the_readme_has_every_flag() {
    let text = document("README.md");
    let expected: Vec<Vec<String>> =
        FLAGS.iter().map(|f| vec![format!("`--{}`", f.name), default_cell(f), f.help.to_owned()]).collect();
    let found: Vec<Vec<String>> = rows(&text).into_iter().map(cells).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_configuration_page_has_every_flag_with_its_twin() {
    let text = document("docs/configuration.md");
    let expected: Vec<Vec<String>> = FLAGS
        .iter()
        .map(|f| vec![format!("`--{}`", f.name), format!("`{}`", f.env()), default_cell(f), f.help.to_owned()])
        .collect();
    let found: Vec<Vec<String>> = rows(&text).into_iter().map(cells).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_readme_shows_the_latest_benchmark() {
    let readme = document("README.md");
    let results = document("bench/results/latest.md");
    for row in results.lines().filter(|line| line.starts_with('|')) {
        assert!(readme.contains(row), "README.md lacks {row:?}");
    }
    assert!(readme.contains("bench/results/latest.svg"));
}

#[test]
fn every_local_link_leads_somewhere() {
    for path in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/http-api.md",
        "docs/configuration.md",
        "docs/architecture.md",
        "docs/migrating-from-gometric.md",
    ] {
        let text = document(path);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let folder = folder.parent().expect("a document lies in a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{path} links to {link}");
            }
        }
    }
}
