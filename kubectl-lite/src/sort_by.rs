//! `--sort-by`.
