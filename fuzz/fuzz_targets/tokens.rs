//! The property `tokens` of `tests/properties`, searched for an input that breaks it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_http_proxy::internals::properties;

fuzz_target!(|data: &[u8]| properties::tokens(data));
