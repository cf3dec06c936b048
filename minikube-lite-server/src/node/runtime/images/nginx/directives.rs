//! The directives that nginx knows beside those that `config` acts on, so that a mistyped one is told from a real one.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It makes no difference that a client could see here.
    Ignored,
    /// It would make one, and the simulation leaves it out.
    Unsupported,
}

/// Looks a directive up. `None`: nginx has none of this name.
pub fn find(name: &str) -> Option<Known> {
    // Whole families of settings.
    let families = ["client_", "gzip", "keepalive_", "open_file_cache", "proxy_", "ssl_", "types_hash_", "worker_"];
    if IGNORED.contains(&name) || families.iter().any(|family| name.starts_with(family)) {
        return Some(Known::Ignored);
    }
    let families =
        ["auth_", "fastcgi_", "grpc_", "limit_", "uwsgi_", "scgi_", "secure_link", "js_", "perl_", "sub_filter"];
    if UNSUPPORTED.contains(&name) || families.iter().any(|family| name.starts_with(family)) {
        return Some(Known::Unsupported);
    }
    None
}

static IGNORED: &[&str] = &[
    "absolute_redirect",
    "aio",
    "allow",
    "charset",
    "chunked_transfer_encoding",
    "connection_pool_size",
    "debug_points",
    "directio",
    "disable_symlinks",
    "env",
    "error_log",
    "etag",
    "events",
    "expires",
    "http2",
    "ignore_invalid_headers",
    "include",
    "index",
    "keepalive",
    "large_client_header_buffers",
    "least_conn",
    "lingering_close",
    "lingering_time",
    "lingering_timeout",
    "load_module",
    "lock_file",
    "log_format",
    "log_not_found",
    "log_subrequest",
    "master_process",
    "max_ranges",
    "merge_slashes",
    "msie_padding",
    "msie_refresh",
    "multi_accept",
    "output_buffers",
    "pcre_jit",
    "pid",
    "port_in_redirect",
    "postpone_output",
    "preserve_host",
    "read_ahead",
    "recursive_error_pages",
    "request_pool_size",
    "reset_timedout_connection",
    "resolver",
    "resolver_timeout",
    "satisfy",
    "send_lowat",
    "send_timeout",
    "sendfile",
    "sendfile_max_chunk",
    "server_name_in_redirect",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "ssl",
    "ssl_certificate",
    "subrequest_output_buffer_size",
    "tcp_nodelay",
    "tcp_nopush",
    "thread_pool",
    "timer_resolution",
    "types",
    "underscores_in_headers",
    "use",
    "user",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
    "zone",
];

static UNSUPPORTED: &[&str] = &[
    "add_after_body",
    "add_before_body",
    "addition_types",
    "ancient_browser",
    "autoindex_exact_size",
    "autoindex_format",
    "autoindex_localtime",
    "break",
    "dav_access",
    "dav_methods",
    "empty_gif",
    "geo",
    "hash",
    "if",
    "if_modified_since",
    "image_filter",
    "ip_hash",
    "mail",
    "map",
    "map_hash_bucket_size",
    "memcached_pass",
    "mirror",
    "mp4",
    "random",
    "random_index",
    "real_ip_header",
    "real_ip_recursive",
    "referer_hash_bucket_size",
    "rewrite",
    "rewrite_log",
    "set",
    "set_real_ip_from",
    "slice",
    "split_clients",
    "ssi",
    "stream",
    "userid",
    "valid_referers",
    "xslt_stylesheet",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_known_ignored_or_unsupported() {
        assert_eq!(find("sendfile"), Some(Known::Ignored));
        assert_eq!(find("proxy_read_timeout"), Some(Known::Ignored));
        assert_eq!(find("rewrite"), Some(Known::Unsupported));
        assert_eq!(find("fastcgi_pass"), Some(Known::Unsupported));
        assert_eq!(find("lisen"), None);
    }
}
