//! Turning arguments, files and selectors into objects.
