//! Go's text/template, as far as kubectl's templates use it.
