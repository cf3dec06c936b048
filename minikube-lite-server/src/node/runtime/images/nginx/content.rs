//! The files of the image, and what its entrypoint makes of templates.

use super::super::Tree;
use crate::node::runtime::files::Files;
use crate::node::runtime::process::Process;

const NGINX_CONF: &str = "\
user  nginx;
worker_processes  auto;
error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;
    access_log  /var/log/nginx/access.log;
    sendfile        on;
    keepalive_timeout  65;
    include /etc/nginx/conf.d/*.conf;
}
";

const DEFAULT_CONF: &str = "\
server {
    listen       80;
    listen  [::]:80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
";

const WELCOME: &str = "\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page says that the web server runs and answers. What it serves is in /usr/share/nginx/html, how it serves it
in /etc/nginx.</p>
</body>
</html>
";

const ERROR: &str = "\
<!DOCTYPE html>
<html>
<head>
<title>Error</title>
</head>
<body>
<h1>An error occurred.</h1>
<p>The server could not answer. Its error log says why.</p>
</body>
</html>
";

/// Adds the server with its files to the tools of a distribution.
pub fn add(tree: Tree) -> Tree {
    tree.program("/docker-entrypoint.sh", super::entrypoint)
        .program("/usr/sbin/nginx", super::program)
        .file("/etc/nginx/nginx.conf", NGINX_CONF)
        .file("/etc/nginx/mime.types", "types {\n    text/html  html htm shtml;\n}\n")
        .file("/etc/nginx/conf.d/default.conf", DEFAULT_CONF)
        .file("/usr/share/nginx/html/index.html", WELCOME)
        .file("/usr/share/nginx/html/50x.html", ERROR)
        .directory("/docker-entrypoint.d")
        .directory("/var/cache/nginx")
        .link("/var/log/nginx/access.log", "/dev/stdout")
        .link("/var/log/nginx/error.log", "/dev/stderr")
}

/// Makes `conf.d/NAME` of every `templates/NAME.template`, with the variables of the environment filled in; others stay,
/// because nginx has variables of its own.
pub fn fill_templates(process: &Process) {
    let files = process.world.files();
    for name in files.list("/etc/nginx/templates").unwrap_or_default() {
        let Some(target) = name.strip_suffix(".template") else { continue };
        let Ok(content) = files.read(&format!("/etc/nginx/templates/{name}")) else { continue };
        let content = String::from_utf8_lossy(&content);
        let mut text = String::new();
        let mut rest = content.as_ref();
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (name, left) = braced.unwrap_or_else(|| {
                after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len()))
            });
            match process.env.get(name) {
                Some(value) => {
                    text.push_str(value);
                    rest = left;
                }
                None => {
                    text.push('$');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        // A directory that cannot be written to is left as it is, as the image's own script does.
        let _ = files.write(&format!("/etc/nginx/conf.d/{target}"), text.as_bytes());
    }
}

/// The files that make up the configuration, as `nginx -T` shows them.
pub fn configuration_files(files: &Files, main: &str) -> Vec<String> {
    let included = files.list("/etc/nginx/conf.d").unwrap_or_default();
    let included =
        included.iter().filter(|name| name.ends_with(".conf")).map(|name| format!("/etc/nginx/conf.d/{name}"));
    std::iter::once(main.to_string()).chain(included).collect()
}
