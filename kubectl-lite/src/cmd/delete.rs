//! `kubectl delete`.

use super::flags::{DryRun, DryRunFlag};
use super::{Command, wait};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Arguments, Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::json;
use std::io::Read as _;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Delete {
    /// TYPE NAME..., TYPE/NAME..., TYPE with -l or --all
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// What becomes of dependents: background, foreground or orphan
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "background", default_missing_value = "background")]
    cascade: String,
    /// Field selector
    #[arg(long, default_value = "")]
    field_selector: String,
    /// Remove the object at once, without waiting for what it runs to end
    #[arg(long)]
    force: bool,
    /// Seconds to end; negative for the object's own, 0 only with --force
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    grace_period: i64,
    /// Objects that do not exist are no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Ask before deleting
    #[arg(long, short)]
    interactive: bool,
    /// One second to end
    #[arg(long)]
    now: bool,
    /// name
    #[arg(long, short, default_value = "")]
    output: String,
    /// A path to delete, instead of resources
    #[arg(long)]
    raw: Option<String>,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// How long to wait; 0 takes a week
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
    /// Wait until the objects are gone
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    wait: bool,
}

/// How long to wait where nobody says.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Command for Delete {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        if let Some(path) = &self.raw {
            let answer = cx.client()?.send(Request::delete(path).absolute()).await?;
            return Ok(cx.streams.out().write_all(&answer.body)?);
        }
        let policy = policy(cx, &self.cascade)?;
        self.check(cx)?;
        let grace = if self.now { 1 } else { self.grace_period };
        // Without --force zero would be dangerous: the least that ends gracefully stands in for it.
        let (grace, wait) = match (grace, self.force) {
            (0, false) => (1, self.wait),
            (..0, true) => (0, self.wait),
            (grace, _) => (grace, self.wait),
        };
        self.all(cx, dry_run, policy, grace, wait).await
    }
}

/// The propagation policy that `--cascade` asks for.
///
/// # Errors
/// There is none such.
pub fn policy(cx: &Context<'_>, cascade: &str) -> Result<&'static str, CommandError> {
    let deprecated = |value: &str, new: &str| {
        writeln!(
            cx.streams.err(),
            "warning: --cascade={value} is deprecated (boolean value) and can be replaced with --cascade={new}."
        )
    };
    match cascade {
        "background" => Ok("Background"),
        "foreground" => Ok("Foreground"),
        "orphan" => Ok("Orphan"),
        value => match go_flags::boolean(value) {
            Ok(true) => deprecated(value, "background").map(|()| "Background").map_err(Into::into),
            Ok(false) => deprecated(value, "orphan").map(|()| "Orphan").map_err(Into::into),
            Err(_) => Err(CommandError::message(format!(
                "invalid cascade value ({value}). Must be \"background\", \"foreground\", or \"orphan\""
            ))),
        },
    }
}

impl Delete {
    fn check(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        let fail = |text: &str| Err(CommandError::message(text));
        if !self.output.is_empty() && self.output != "name" {
            return Err(CommandError::message(format!(
                "unexpected -o output mode: {}. We only support '-o name'",
                self.output
            )));
        }
        if self.all && !self.selector.is_empty() {
            return fail("setting 'all' parameter but found a non empty selector. ");
        }
        if self.all && !Arguments::parse(&self.args)?.names.is_empty() {
            return fail("name cannot be provided when a selector is specified");
        }
        if self.now && self.grace_period >= 0 {
            return fail("--now and --grace-period cannot be specified together");
        }
        if self.force && (self.now || self.grace_period > 0) {
            return fail("--force and --grace-period greater than 0 cannot be specified together");
        }
        if self.force {
            writeln!(
                cx.streams.err(),
                "Warning: Immediate deletion does not wait for confirmation that the running resource has been \
                 terminated. The resource may continue to run on the cluster indefinitely."
            )?;
        }
        Ok(())
    }

    async fn all(
        &self,
        cx: &Context<'_>,
        dry_run: DryRun,
        policy: &str,
        grace: i64,
        wait: bool,
    ) -> Result<(), CommandError> {
        let selected = self.all || !self.selector.is_empty() || !self.field_selector.is_empty() || self.all_namespaces;
        let builder = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .all_namespaces(self.all_namespaces)
            .label_selector(&self.selector)
            .field_selector(&self.field_selector)
            .everything(self.all);
        let ignore_not_found = self.ignore_not_found || selected;
        let mut found = builder.infos(false).await?;
        found.retain(|info| !matches!(info, Err(error) if ignore_not_found && error.is_not_found()));
        let objects: Vec<&Info> = found.iter().flatten().collect();
        if self.interactive && !objects.is_empty() && !self.confirmed(cx, &objects)? {
            return Ok(());
        }
        if cx.namespace()?.1 && !self.all_namespaces && objects.iter().any(|info| !info.resource.namespaced) {
            writeln!(
                cx.streams.err(),
                "Warning: deleting cluster-scoped resources, not scoped to the provided namespace"
            )?;
        }
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        let mut count = 0;
        for info in found {
            let info = match info {
                Ok(info) => info,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if dry_run.is_client() {
                cx.client()?.look_up_assumed().await?;
                self.report(cx, &info, dry_run, grace)?;
                count += 1;
                continue;
            }
            match self.one(cx, &info, dry_run, policy, grace).await {
                Ok(uid) => {
                    self.report(cx, &info, dry_run, grace)?;
                    count += 1;
                    deleted.push((info, uid));
                }
                Err(error) if ignore_not_found && error.is_not_found() => count += 1,
                Err(error) => errors.push(info.sourced("deleting", error)),
            }
        }
        if errors.is_empty() && count == 0 && !self.ignore_not_found {
            writeln!(cx.streams.out(), "No resources found")?;
        }
        CommandError::all(errors)?;
        if !wait || dry_run != DryRun::None {
            return Ok(());
        }
        cx.streams.out().flush()?;
        let timeout = if self.timeout.is_zero() { WEEK } else { self.timeout.length };
        let until = Instant::now() + timeout;
        let mut errors = Vec::new();
        for (info, uid) in deleted {
            if let Some(uid) = uid
                && let Err(error) = wait::until_gone(cx, &info, &uid, until).await
            {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }

    fn confirmed(&self, cx: &Context<'_>, found: &[&Info]) -> Result<bool, CommandError> {
        writeln!(cx.streams.out(), "You are about to delete the following {} resource(s):", found.len())?;
        for info in found {
            writeln!(cx.streams.out(), "{}", info.reference())?;
        }
        write!(cx.streams.out(), "Do you want to continue? (y/N): ")?;
        cx.streams.out().flush()?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while cx.streams.input().read(&mut byte)? > 0 && byte[0] != b'\n' {
            answer.push(byte[0]);
        }
        if answer.eq_ignore_ascii_case(b"y") || answer.eq_ignore_ascii_case(b"yes") {
            return Ok(true);
        }
        writeln!(cx.streams.out(), "deletion is cancelled")?;
        Ok(false)
    }

    /// Deletes one object and gives the uid to wait for; none where it is gone already.
    async fn one(
        &self,
        cx: &Context<'_>,
        info: &Info,
        dry_run: DryRun,
        policy: &str,
        grace: i64,
    ) -> Result<Option<String>, CommandError> {
        info.check_name()?;
        let mut options = json!({"propagationPolicy": policy});
        if grace >= 0 {
            options.set("gracePeriodSeconds", grace);
        }
        if dry_run == DryRun::Server {
            options.set("dryRun", json!(["All"]));
        }
        let answer = cx.client()?.json(Request::delete(info.path()).body(&options)).await?;
        // What is gone is answered with a Status, what goes on ending with the object as it is now.
        Ok(if answer.text("kind") == "Status" { None } else { Some(answer.uid().to_string()) })
    }

    fn report(&self, cx: &Context<'_>, info: &Info, dry_run: DryRun, grace: i64) -> Result<(), CommandError> {
        if self.output == "name" {
            return Ok(writeln!(cx.streams.out(), "{}", info.reference())?);
        }
        let operation = if grace == 0 { "force deleted" } else { "deleted" };
        let place = if info.namespace.is_empty() {
            operation.to_string()
        } else {
            format!("{operation} from {} namespace", info.namespace)
        };
        Ok(writeln!(cx.streams.out(), "{} {:?} {}", info.resource.group_kind_lower(), info.name, dry_run.done(&place))?)
    }
}
