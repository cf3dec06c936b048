//! `hello-world`: says that it works, and ends.

use super::{Image, Process, Tree};
use crate::node::runtime::Reference;
use futures_util::future::BoxFuture;
use std::sync::{Arc, LazyLock};

const TEXT: &str = "
Hello from Docker!
If you can read this, a container of the image \"hello-world\" has run: the image was found, the container was started from
it, and its only program wrote these lines.

";

pub fn image(_: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::new().program("/hello", hello)));
    Image::new(&TREE).cmd(&["/hello"])
}

fn hello(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { i32::from(process.print(TEXT).await.is_err()) })
}
