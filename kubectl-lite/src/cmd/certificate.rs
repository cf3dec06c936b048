//! `kubectl certificate`.

use super::{Command, Entry, command};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

pub static COMMANDS: &[Entry] = &[
    command::<Approve>("approve", "Approve certificate signing requests"),
    command::<Deny>("deny", "Deny certificate signing requests"),
];

#[derive(clap::Args)]
struct Flags {
    /// NAME...
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    /// Change the answer to a request that has one
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
pub struct Approve {
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
pub struct Deny {
    #[command(flatten)]
    flags: Flags,
}

impl Command for Approve {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.flags.answer(cx, "Approved", "KubectlApprove", "approve", "approved").await
    }
}

impl Command for Deny {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.flags.answer(cx, "Denied", "KubectlDeny", "deny", "denied").await
    }
}

impl Flags {
    async fn answer(
        &self,
        cx: &Context<'_>,
        kind: &str,
        reason: &str,
        verb: &str,
        done: &str,
    ) -> Result<(), CommandError> {
        if self.args.is_empty() && self.files.is_empty() {
            return Err(CommandError::message("one or more CSRs must be specified as <name> or -f <filename>"));
        }
        self.print.check()?;
        let arguments: Vec<String> =
            self.args.iter().map(|name| format!("certificatesigningrequests/{name}")).collect();
        let infos = Builder::new(cx)?.files(&self.files).arguments(&arguments).typed().all(true).await?;
        for mut info in infos {
            let answered = |object: &Value| object.list("status.conditions").iter().any(|c| c.text("type") == kind);
            if !answered(&info.object) || self.force {
                let now = shared_types::time::format_time(jiff::Timestamp::now());
                let mut conditions = info.object.list("status.conditions").to_vec();
                conditions.retain(|condition| condition.text("type") != kind);
                conditions.push(json!({
                    "type": kind, "status": "True", "reason": reason, "lastUpdateTime": now,
                    "message": format!("This CSR was {done} by kubectl certificate {verb}."),
                }));
                info.object.set("status.conditions", conditions);
                let request = Request::put(format!("{}/approval", info.path()), &info.object);
                let object = cx.client()?.json(request).await?;
                info.refresh(object);
            }
            let mut printer = self.print.reporter(done, Order::Sorted)?;
            printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())?;
        }
        Ok(())
    }
}
