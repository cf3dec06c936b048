//! The patch formats of the API: JSON patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge patch and
//! server-side apply (KEP-555).

pub mod json;
pub mod merge;
pub mod strategic;
