//! `pause`: holds a Pod's place and does nothing.

use super::program::stopped;
use super::{Image, Process, Tree};
use crate::node::runtime::Reference;
use crate::node::runtime::signal::Signal;
use futures_util::future::BoxFuture;
use std::sync::{Arc, LazyLock};

pub fn image(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::new().program("/pause", pause)));
    Image::new(&TREE).entrypoint(&["/pause"])
}

fn pause(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await;
        let _ = process.stderr.write(b"Shutting down, got signal: Terminated\n").await;
        0
    })
}
