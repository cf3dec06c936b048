//! The images that have tools and a shell but no server: distributions, and images of single tools. The other images build
//! on their trees.

use super::{Image, Tree, version};
use crate::node::runtime::{Reference, shell, tools};
use std::sync::{Arc, LazyLock};

static BUSYBOX: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(busybox_tree()));
static ALPINE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(alpine_tree()));
static DEBIAN: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(debian_tree()));

pub fn busybox(_: &Reference) -> Image {
    Image::new(&BUSYBOX).cmd(&["sh"])
}

pub fn alpine(_: &Reference) -> Image {
    Image::new(&ALPINE).cmd(&["/bin/sh"])
}

pub fn debian(_: &Reference) -> Image {
    Image::new(&DEBIAN).cmd(&["bash"])
}

pub fn ubuntu(_: &Reference) -> Image {
    static UBUNTU: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let release =
            "PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n";
        Arc::new(debian_tree().file("/etc/os-release", release))
    });
    Image::new(&UBUNTU).cmd(&["/bin/bash"])
}

/// `bash`, on Alpine.
pub fn bash(reference: &Reference) -> Image {
    static BASH: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(with_bash(alpine_tree())));
    let image = Image::new(&BASH).env("_BASH_VERSION", version(&reference.tag, &["5.3.3", "5.2.37", "4.4.23"]));
    image.cmd(&["bash"])
}

/// `curlimages/curl`: its arguments are those of curl.
pub fn curl(_: &Reference) -> Image {
    static CURL: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let tree = alpine_with_curl().program("/entrypoint.sh", curl_entrypoint).directory("/home/curl_user");
        Arc::new(tree)
    });
    Image::new(&CURL).entrypoint(&["/entrypoint.sh"]).cmd(&["curl"]).working_dir("/home/curl_user")
}

/// Without a program in front, the arguments are curl's.
fn curl_entrypoint(process: super::Process) -> futures_util::future::BoxFuture<'static, i32> {
    Box::pin(async move {
        let mut argv = process.args().to_vec();
        let known = argv.first().is_some_and(|first| {
            !first.starts_with('-')
                && process.world.find(first, &process.cwd, process.env.get("PATH").map(String::as_str)).is_ok()
        });
        if !known {
            argv.insert(0, "curl".into());
        }
        super::program::exec(process, argv).await
    })
}

/// `nicolaka/netshoot`: all tools for looking at a network.
pub fn netshoot(_: &Reference) -> Image {
    static NETSHOOT: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let tree =
            with_bash(alpine_with_curl()).link("/bin/zsh", "bash").program("/usr/bin/getent", tools::getent::run);
        Arc::new(with_bind(tree))
    });
    Image::new(&NETSHOOT).cmd(&["zsh"]).working_dir("/root")
}

/// Images of Debian for looking at names, of which Kubernetes' documentation uses one.
pub fn dnsutils(_: &Reference) -> Image {
    static DNSUTILS: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(with_bind(debian_tree())));
    Image::new(&DNSUTILS).cmd(&["sleep", "3600"])
}

fn busybox_tree() -> Tree {
    Tree::linux().programs(tools::busybox())
}

pub fn alpine_tree() -> Tree {
    let release = "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME=\"Alpine Linux v3.22\"\n";
    busybox_tree().file("/etc/alpine-release", "3.22.1\n").file("/etc/os-release", release)
}

pub fn debian_tree() -> Tree {
    let release =
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n";
    let tree = Tree::linux().programs(tools::coreutils());
    tree.file("/etc/debian_version", "12.11\n").file("/etc/os-release", release)
}

pub fn alpine_with_curl() -> Tree {
    alpine_tree().program("/usr/bin/curl", tools::curl::run)
}

pub fn debian_with_curl() -> Tree {
    debian_tree().program("/usr/bin/curl", tools::curl::run)
}

/// With the tools of BIND, which come before busybox's on the path.
pub fn with_bind(tree: Tree) -> Tree {
    let tree = tree.program("/usr/bin/dig", tools::bind::dig).program("/usr/bin/host", tools::bind::host);
    tree.program("/usr/bin/nslookup", tools::bind::nslookup)
}

fn with_bash(tree: Tree) -> Tree {
    tree.program("/bin/bash", shell::bash).program("/usr/bin/bash", shell::bash)
}
