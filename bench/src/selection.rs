//! The selection of parts of the benchmark.

use std::error::Error;

/// All parts, or those with a text in their names.
pub struct Selection(Option<String>);

impl Selection {
    /// Reads the arguments, without the name of the program.
    pub fn new(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let text = args.next();
        match args.next() {
            None => Ok(Self(text)),
            Some(_) => Err("usage: bench [TEXT]: runs all, or what has TEXT in its name".into()),
        }
    }

    /// True if the part `name` is selected.
    pub fn includes(&self, name: &str) -> bool {
        self.0.as_deref().is_none_or(|text| name.contains(text))
    }

    /// True if all parts are selected, so that the results are complete.
    pub fn is_whole(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(args: &[&str]) -> Result<Selection, Box<dyn Error>> {
        Selection::new(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn a_text_selects_by_name() {
        let all = selection(&[]).expect("none");
        assert!(all.is_whole() && all.includes("keep-alive"));
        let some = selection(&["batch"]).expect("one");
        assert!(!some.is_whole() && !some.includes("keep-alive") && some.includes("batch of 100, lines"));
        assert!(selection(&["a", "b"]).is_err());
    }
}
