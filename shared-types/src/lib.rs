//! What the client and the server must agree on, and nothing else.
//!
//! Start with [`kinds`], the table of every kind there is; [`fields`] reads and writes nested fields of an object;
//! [`schema`] knows the type of every field. Nothing in this crate knows a server or a client.

pub mod fields;
pub mod go_quote;
pub mod json;
pub mod kinds;
pub mod mask;
pub mod names;
pub mod number;
pub mod patch;
pub mod pod_resources;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod sort;
pub mod spdy;
pub mod status;
pub mod time;
pub mod validation;
pub mod yaml;
