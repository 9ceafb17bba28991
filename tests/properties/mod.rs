//! Properties that hold for every input, one function per fuzz target of `fuzz/`.
//!
//! Each function takes any bytes, and panics if the property does not hold. A unit test replays the seeds of
//! `fuzz/corpus/`, so that known faults are found without a fuzzer.

mod forms;
mod frames;
mod grammar;
mod heads;
mod inflate;
mod input;
mod json;
mod lines;
mod packer;
mod tokens;

pub use forms::forms;
pub use frames::frames;
pub use heads::heads;
pub use inflate::inflate;
pub use json::{assert_agreement, json};
pub use lines::lines;
pub use packer::packer;
pub use tokens::tokens;

/// A property: a function that takes any bytes, and panics if the property does not hold.
pub type Property = fn(&[u8]);

/// All properties, each with the name of its fuzz target and its folder of seeds.
pub const ALL: [(&str, Property); 8] = [
    ("forms", forms),
    ("frames", frames),
    ("heads", heads),
    ("inflate", inflate),
    ("json", json),
    ("lines", lines),
    ("packer", packer),
    ("tokens", tokens),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::ALL;

    #[test]
    fn every_seed_holds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for (name, property) in ALL {
            assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "no fuzz target for {name}");
            let seeds = root.join("corpus").join(name);
            let entries = std::fs::read_dir(&seeds).unwrap_or_else(|error| panic!("{}: {error}", seeds.display()));
            let mut count = 0;
            for entry in entries {
                let path = entry.expect("a folder can be read").path();
                let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let result = std::panic::catch_unwind(|| property(&bytes));
                assert!(result.is_ok(), "{} does not hold", path.display());
                count += 1;
            }
            assert!(count > 0, "no seeds for {name}");
        }
    }

    #[test]
    fn no_bytes_and_any_single_byte_hold() {
        for (_, property) in ALL {
            property(&[]);
            (0..=u8::MAX).for_each(|byte| property(&[byte; 3]));
        }
    }
}
