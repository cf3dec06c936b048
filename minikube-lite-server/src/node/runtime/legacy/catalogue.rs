//! What is known about well-known images.

/// An image that the simulation knows by the last part of its name.
pub struct Image {
    pub name: &'static str,
    /// The ports its own program listens on.
    pub ports: &'static [u16],
    /// The exit code of its own program when it is asked to stop (SIGTERM).
    pub stopped: i32,
    /// The exit code of its own program where that ends by itself.
    pub completes: Option<i32>,
    /// Whether it has no program of its own but a shell or tools, so that a container's `args` alone are its command.
    pub tools: bool,
}

/// Of any other image: it runs until it is stopped, and listens on the ports that the container declares.
pub static ANY: Image = service("", &[], 143);

const fn service(name: &'static str, ports: &'static [u16], stopped: i32) -> Image {
    Image { name, ports, stopped, completes: None, tools: false }
}

const fn tools(name: &'static str) -> Image {
    Image { name, ports: &[], stopped: 137, completes: None, tools: true }
}

static IMAGES: &[Image] = &[
    service("nginx", &[80], 0),
    service("httpd", &[80], 0),
    service("caddy", &[80, 443], 0),
    service("traefik", &[80], 0),
    service("whoami", &[80], 2),
    service("http-echo", &[5678], 2),
    service("hello-app", &[8080], 2),
    service("echoserver", &[8080], 0),
    service("echo-server", &[8080], 2),
    service("agnhost", &[8080], 2),
    service("redis", &[6379], 0),
    service("valkey", &[6379], 0),
    service("memcached", &[11211], 0),
    service("postgres", &[5432], 0),
    service("mysql", &[3306], 0),
    service("mariadb", &[3306], 0),
    service("mongo", &[27017], 0),
    service("rabbitmq", &[5672], 0),
    service("tomcat", &[8080], 143),
    service("registry", &[5000], 2),
    service("pause", &[], 0),
    Image { completes: Some(0), ..service("hello-world", &[], 0) },
    tools("busybox"),
    tools("alpine"),
    tools("debian"),
    tools("ubuntu"),
    tools("bash"),
    tools("curl"),
    tools("netshoot"),
    tools("perl"),
    tools("python"),
    tools("node"),
];

/// The image with this short name (`nginx` of `docker.io/library/nginx:1.28`).
pub fn find(short_name: &str) -> &'static Image {
    IMAGES.iter().find(|image| image.name == short_name).unwrap_or(&ANY)
}
