//! What the server's OpenAPI documents say about kinds and their fields.

pub mod plaintext;
pub mod plaintext_v2;
mod wrap;
