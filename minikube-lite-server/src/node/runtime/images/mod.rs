//! The images that the simulated registries have: each a tree of files and programs, and how a container of it starts.
//!
//! One file for each image. An image that nobody has written here is [`any`]'s: its program runs until it is stopped and
//! answers HTTP on the ports that the container declares. Authors bring more in an [`ImagesFile`].

mod agnhost;
mod any;
mod bases;
mod databases;
pub mod described;
mod echo_server;
mod hello_app;
mod hello_world;
mod http;
mod http_echo;
mod httpd;
mod nginx;
mod others;
mod pause;
mod program;
mod redis;
mod scripts;
mod serving;
mod site_files;
mod times;
mod whoami;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use super::Reference;
use super::files::Tree;
use super::images_file::ImagesFile;
use super::process::{Process, Program};
use super::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

/// What a container is made of and how it starts, unless its Pod says otherwise (the OCI image configuration).
#[derive(Clone)]
pub struct Image {
    /// The files and programs, shared by all containers.
    pub tree: Arc<Tree>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: String,
    /// What asks the program to stop.
    pub stop_signal: Signal,
    /// The ports that the image declares; a container listens where its program does.
    pub exposed: Vec<u16>,
    /// What runs in place of a program that the tree does not have.
    pub fallback: Option<Program>,
    /// How long the container takes to start.
    pub start_delay: Duration,
    /// The memory its program takes, in bytes, and how long after its start. A container with a lower limit is OOMKilled.
    pub memory: Option<(u64, Duration)>,
}

impl Image {
    /// An image of files with nothing else said.
    pub fn new(tree: &Arc<Tree>) -> Image {
        const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Image {
            tree: tree.clone(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            env: vec![("PATH".into(), PATH.into())],
            working_dir: "/".into(),
            stop_signal: Signal::Term,
            exposed: Vec::new(),
            fallback: None,
            start_delay: Duration::ZERO,
            memory: None,
        }
    }
    fn entrypoint(self, words: &[&str]) -> Image {
        Image { entrypoint: words.iter().map(ToString::to_string).collect(), ..self }
    }
    fn cmd(self, words: &[&str]) -> Image {
        Image { cmd: words.iter().map(ToString::to_string).collect(), ..self }
    }
    fn env(mut self, name: &str, value: impl Into<String>) -> Image {
        self.env.push((name.into(), value.into()));
        self
    }
    fn working_dir(self, path: &str) -> Image {
        Image { working_dir: path.into(), ..self }
    }
    fn exposes(self, ports: &[u16]) -> Image {
        Image { exposed: ports.to_vec(), ..self }
    }
    fn stops_by(self, stop_signal: Signal) -> Image {
        Image { stop_signal, ..self }
    }
}

/// The image of a reference that [`resolves`](Reference::resolve): the author's own, or else a well-known one, or else a
/// default one.
pub fn find(reference: &Reference, file: Option<&ImagesFile>) -> Arc<Image> {
    if let Some(image) = file.and_then(|file| file.find(reference)) {
        return image;
    }
    let known = KNOWN.iter().find(|(name, _)| *name == reference.short_name());
    Arc::new(known.map_or_else(any::image, |(_, image)| image(reference)))
}

/// Asks the registry. An image that an author has described has the tags that the author says.
///
/// # Errors
/// What the pull of an image fails with that the registry does not have.
pub fn resolve(reference: &Reference, file: Option<&ImagesFile>) -> Result<(), String> {
    match file {
        Some(file) if file.find(reference).is_some() => Ok(()),
        Some(file) if file.lacks(reference) => Err(reference.no_such_tag()),
        _ => reference.resolve(),
    }
}

/// Makes the image of a reference with a certain name.
type Make = fn(&Reference) -> Image;

/// The well-known images, by the last part of their name.
static KNOWN: &[(&str, Make)] = &[
    ("agnhost", agnhost::image),
    ("alpine", bases::alpine),
    ("bash", bases::bash),
    ("busybox", bases::busybox),
    ("caddy", others::image),
    ("curl", bases::curl),
    ("debian", bases::debian),
    ("dnsutils", bases::dnsutils),
    ("echo-server", echo_server::others),
    ("echoserver", echo_server::kubernetes),
    ("hello-app", hello_app::image),
    ("hello-world", hello_world::image),
    ("http-echo", http_echo::image),
    ("httpd", httpd::image),
    ("jessie-dnsutils", bases::dnsutils),
    ("mariadb", databases::mariadb),
    ("memcached", databases::memcached),
    ("mongo", databases::mongo),
    ("mysql", databases::mysql),
    ("netshoot", bases::netshoot),
    ("nginx", nginx::image),
    ("node", scripts::node),
    ("pause", pause::image),
    ("perl", scripts::perl),
    ("postgres", databases::postgres),
    ("python", scripts::python),
    ("rabbitmq", databases::rabbitmq),
    ("redis", redis::image),
    ("registry", others::image),
    ("tomcat", others::image),
    ("traefik", others::image),
    ("ubuntu", bases::ubuntu),
    ("valkey", redis::valkey),
    ("whoami", whoami::image),
];

/// The version that a tag means: `1.28.0` for `1.28-alpine`, where `versions` has the latest first. The numbers of a tag
/// that is none of these are completed with zeros.
fn version(tag: &str, versions: &[&str]) -> String {
    let digits =
        tag.trim_start_matches('v').split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    let latest = versions.first().copied().unwrap_or_default();
    let numbers = digits.trim_matches('.');
    if numbers.is_empty() {
        return latest.to_string();
    }
    let is_of =
        |version: &&&str| version.strip_prefix(numbers).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match versions.iter().find(is_of) {
        Some(version) => (*version).to_string(),
        None => {
            numbers.split('.').chain(["0", "0"]).take(3.max(numbers.split('.').count())).collect::<Vec<_>>().join(".")
        }
    }
}
