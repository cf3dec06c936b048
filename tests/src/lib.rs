//! End-to-end and golden-output tests live in `tests/`; this library is the harness that they share.
