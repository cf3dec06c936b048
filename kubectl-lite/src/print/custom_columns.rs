//! `-o custom-columns`.
