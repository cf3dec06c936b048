//! `kubectl create token`.

use crate::cli::go_flags;
use crate::client::Request;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Token {
    /// SERVICEACCOUNT
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    /// Who the token is meant for; may be repeated
    #[arg(long)]
    audience: Vec<String>,
    /// Kind of the object that the token lives with: Pod, Secret or Node
    #[arg(long, default_value = "")]
    bound_object_kind: String,
    /// Name of the object that the token lives with
    #[arg(long, default_value = "")]
    bound_object_name: String,
    /// UID of the object that the token lives with
    #[arg(long, default_value = "")]
    bound_object_uid: String,
    /// How long the token is good for
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    duration: go_flags::Duration,
}

impl Command for Token {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else {
            let message = format!("exactly one NAME is required, got {}", self.args.len());
            return Err(CommandError::usage("create token", message));
        };
        self.check()?;
        let mut spec = json!({"audiences": null, "boundObjectRef": null, "expirationSeconds": null});
        if !self.audience.is_empty() {
            spec.set("audiences", self.audience.clone());
        }
        if !self.duration.is_zero() {
            spec.set("expirationSeconds", self.duration.length.as_secs());
        }
        if !self.bound_object_kind.is_empty() {
            spec.set(
                "boundObjectRef",
                json!({
                    "kind": self.bound_object_kind, "apiVersion": "v1", "name": self.bound_object_name,
                    "uid": self.bound_object_uid,
                }),
            );
        }
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec,
        });
        let asked = async {
            let (namespace, _) = cx.namespace()?;
            let resource = cx.resource("serviceaccounts").await?;
            let path = format!("{}/token", resource.object(&namespace, name));
            cx.client()?.typed(Request::post(path, &request)).await
        };
        let answer: Value = asked.await.map_err(|error: CommandError| {
            CommandError::message(format!("failed to create token: {}", error.text()))
        })?;
        if answer.text("status.token").is_empty() {
            return Err(CommandError::message("failed to create token: no token in server response"));
        }
        if self.print.is_set() {
            return self.print.for_format(Order::Declared)?.print(&answer, &mut *cx.streams.out().writer());
        }
        Ok(writeln!(cx.streams.out(), "{}", answer.text("status.token"))?)
    }
}

impl Token {
    fn check(&self) -> Result<(), CommandError> {
        let fail = |text: &str| Err(CommandError::message(text));
        if self.duration.negative {
            return fail("--duration must be greater than or equal to 0");
        }
        if self.bound_object_kind.is_empty() {
            if !self.bound_object_name.is_empty() {
                return fail("--bound-object-name can only be set if --bound-object-kind is provided");
            }
            if !self.bound_object_uid.is_empty() {
                return fail("--bound-object-uid can only be set if --bound-object-kind is provided");
            }
            return Ok(());
        }
        if !matches!(self.bound_object_kind.as_str(), "Node" | "Pod" | "Secret") {
            return fail("supported --bound-object-kind values are Node, Pod, Secret");
        }
        if self.bound_object_name.is_empty() {
            return fail("--bound-object-name is required if --bound-object-kind is provided");
        }
        Ok(())
    }
}
