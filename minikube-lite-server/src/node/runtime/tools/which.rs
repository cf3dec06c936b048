//! `which`, and busybox itself

use super::options::Options;
use super::{BUSYBOX, Outcome, program};
use crate::node::runtime::files;
use crate::node::runtime::process::Process;
use futures_util::future::BoxFuture;

program!(which, run);

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "a", &[])?;
    let mut code = 0;
    for name in &options.operands {
        match process.world.find(name, &process.cwd, process.env.get("PATH").map(String::as_str)) {
            Ok(executable) if executable.path.starts_with('/') => {
                process.print(format!("{}\n", executable.path)).await?
            }
            _ => code = 1,
        }
    }
    Ok(code)
}

/// `busybox APPLET ...`
pub fn busybox(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let names = BUSYBOX.iter().map(|(path, program)| (files::file_name(path), *program));
        let Some(name) = process.args().first().cloned() else {
            let names: Vec<&str> = names.map(|(name, _)| name).filter(|name| *name != "busybox").collect();
            let text =
                format!("BusyBox v1.37.0 multi-call binary.\n\nCurrently defined functions:\n\t{}\n", names.join(", "));
            return i32::from(process.print(text).await.is_err());
        };
        let found = names.into_iter().find(|(other, _)| *other == name && name != "busybox");
        let Some((_, program)) = found else {
            let _ = process.stderr.write(format!("{name}: applet not found\n").as_bytes()).await;
            return 127;
        };
        process.argv.remove(0);
        program(process).await
    })
}
