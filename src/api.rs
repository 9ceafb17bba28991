//! The HTTP interface: serves a request from its head to its answer.

pub(crate) mod access;
pub(crate) mod client_script;
pub(crate) mod context;
pub(crate) mod cors;
pub(crate) mod endpoints;
pub(crate) mod event_feed;
pub(crate) mod kept_head;
pub(crate) mod long_batch;
pub(crate) mod pipeline;
pub(crate) mod policy;
pub(crate) mod refusals;
pub(crate) mod request_log;
pub(crate) mod requester;
pub(crate) mod responses;
pub(crate) mod routes;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod site;
pub(crate) mod unwanted_body;
