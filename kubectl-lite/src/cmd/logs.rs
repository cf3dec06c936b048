//! `kubectl logs`.

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods::{self, Preference};
use crate::resource::{Builder, Info, MISSING};
use futures_util::future::try_join_all;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// How often kubectl asks discovery for Pods.
const TRIES: usize = 4;

#[derive(clap::Args)]
pub struct Logs {
    /// POD or TYPE/NAME [CONTAINER]
    args: Vec<String>,
    /// All containers of the Pod
    #[arg(long)]
    all_containers: bool,
    /// All Pods of the object
    #[arg(long)]
    all_pods: bool,
    /// Container
    #[arg(long, short)]
    container: Option<String>,
    /// Go on as more is printed
    #[arg(long, short)]
    follow: bool,
    /// Go on with other logs after one that fails
    #[arg(long)]
    ignore_errors: bool,
    #[arg(long, hide = true)]
    insecure_skip_tls_verify_backend: bool,
    /// At most so many bytes
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    limit_bytes: i64,
    /// How many logs may be followed at the same time
    #[arg(long, default_value_t = 5, value_parser = go_flags::int::<i64>)]
    max_log_requests: i64,
    /// How long to wait for a Pod
    #[arg(long, default_value = "20s", value_parser = go_flags::duration)]
    pod_running_timeout: go_flags::Duration,
    /// Show Pod and container before each line
    #[arg(long)]
    prefix: bool,
    /// Of the container that ran before
    #[arg(long, short)]
    previous: bool,
    /// Label selector of Pods
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Not older than, such as 5s, 2m or 3h
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    since: go_flags::Duration,
    /// Not older than this time (RFC 3339)
    #[arg(long, default_value = "")]
    since_time: String,
    /// The last so many lines; -1 for all, which is usual without a selector (with one: 10)
    #[arg(long, value_parser = go_flags::int::<i64>)]
    tail: Option<i64>,
    /// Show when each line was printed
    #[arg(long)]
    timestamps: bool,
}

/// How many lines are shown of each of many Pods.
const TAIL_OF_MANY: i64 = 10;

/// One container's log.
struct Source {
    pod: String,
    container: String,
    request: Request,
}

impl Command for Logs {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let usage = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";
        match (self.args.len(), self.selector.is_empty()) {
            (0, true) | (3.., _) => return Err(CommandError::usage("logs", usage)),
            (1, false) => return Err(CommandError::usage("logs", "only a selector (-l) or a POD name is allowed")),
            _ => {}
        }
        pods::timeout(self.pod_running_timeout).map_err(CommandError::message)?;
        let options = self.options()?;
        let found = self.pods(cx).await?;
        let mut sources = Vec::new();
        for pod in &found {
            sources.extend(self.sources(cx, pod, &options).await?);
        }
        if self.follow && sources.len() > 1 {
            if i64::try_from(sources.len()).is_ok_and(|count| count > self.max_log_requests) {
                return Err(CommandError::message(format!(
                    "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, use \
                     --max-log-requests to increase the limit",
                    sources.len(),
                    self.max_log_requests
                )));
            }
            try_join_all(sources.iter().map(|source| self.show(cx, source, true))).await?;
            return Ok(());
        }
        for source in &sources {
            self.show(cx, source, false).await?;
        }
        Ok(())
    }
}

impl Logs {
    /// The container that is named.
    fn named_container(&self) -> &str {
        self.args.get(1).or(self.container.as_ref()).map_or("", String::as_str)
    }

    /// The parameters of `PodLogOptions` but for the container.
    fn options(&self) -> Result<Vec<(&'static str, String)>, CommandError> {
        let mut options = Vec::new();
        for (name, on) in [
            ("follow", self.follow),
            ("insecureSkipTLSVerifyBackend", self.insecure_skip_tls_verify_backend),
            ("previous", self.previous),
            ("timestamps", self.timestamps),
        ] {
            if on {
                options.push((name, "true".to_string()));
            }
        }
        if !self.since_time.is_empty() {
            let time: jiff::Timestamp = self.since_time.parse().map_err(|_| {
                CommandError::message(format!(
                    "parsing time {0:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {0:?} as \"2006\"",
                    self.since_time
                ))
            })?;
            options.push(("sinceTime", time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        }
        if self.limit_bytes != 0 {
            options.push(("limitBytes", self.limit_bytes.to_string()));
        }
        if !self.since.is_zero() {
            let seconds = self.since.length.as_secs_f64().round();
            options.push(("sinceSeconds", format!("{}{seconds}", if self.since.negative { "-" } else { "" })));
        }
        match self.tail {
            None if !self.selector.is_empty() => options.push(("tailLines", TAIL_OF_MANY.to_string())),
            None | Some(-1) => {}
            Some(lines) => options.push(("tailLines", lines.to_string())),
        }
        Ok(options)
    }

    /// What can only be wrong once the object is there.
    fn check(&self) -> Result<(), CommandError> {
        let fail = |text: &str| Err(CommandError::message(text));
        if !self.since_time.is_empty() && !self.since.is_zero() {
            return fail("at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        let container = self.named_container();
        if self.all_containers && !container.is_empty() {
            return fail(&format!("--all-containers=true should not be specified with container name {container}"));
        }
        if self.container.is_some() && self.args.len() == 2 {
            return fail("only one of -c or an inline [CONTAINER] arg is allowed");
        }
        if self.limit_bytes < 0 {
            return fail("--limit-bytes must be greater than 0");
        }
        if self.since.negative && self.since.length.as_secs_f64().round() > 0.0 {
            return fail("--since must be greater than 0");
        }
        if self.tail.is_some_and(|lines| lines < -1) {
            return fail("--tail must be greater than or equal to -1");
        }
        Ok(())
    }

    /// The Pods that are meant.
    async fn pods(&self, cx: &Context<'_>) -> Result<Vec<Value>, CommandError> {
        let Some(name) = self.args.first() else {
            let (namespace, _) = cx.namespace()?;
            let builder = Builder::new(cx)?.label_selector(&self.selector);
            let resource = cx.discovered("pods", TRIES).await?;
            let pods = builder.list(&resource, &namespace).await;
            let pods = pods.map_err(|error| not_found_in(cx, error))?;
            if pods.is_empty() {
                writeln!(cx.streams.err(), "No resources found in {namespace} namespace.")?;
            }
            self.check()?;
            return Ok(pods);
        };
        if name.is_empty() {
            return Err(CommandError::message(MISSING));
        }
        let info = self.named(cx, name).await?;
        self.check()?;
        if info.resource.kind == "Pod" {
            return Ok(vec![info.object]);
        }
        let selector = pods::selector(&info).map_err(|why| {
            CommandError::message(format!("cannot get the logs from {}: {why}", pods::go_type(&info)))
        })?;
        let timeout = self.pod_running_timeout.length;
        let mut found = pods::of_selector(cx, &info.namespace, &selector, timeout, Preference::Telling).await?;
        if !self.all_pods && found.len() > 1 {
            writeln!(cx.streams.err(), "Found {} pods, using pod/{}", found.len(), found[0].name())?;
            found.truncate(1);
        }
        Ok(found)
    }

    async fn named(&self, cx: &Context<'_>, name: &str) -> Result<Info, CommandError> {
        pods::named(cx, name).await.map_err(|error| not_found_in(cx, error))
    }

    /// The logs of a Pod's containers that are meant.
    async fn sources(
        &self,
        cx: &Context<'_>,
        pod: &Value,
        options: &[(&'static str, String)],
    ) -> Result<Vec<Source>, CommandError> {
        let names: Vec<String> = if self.all_containers {
            let lists = ["spec.initContainers", "spec.containers", "spec.ephemeralContainers"];
            let all = lists.iter().flat_map(|list| pod.list(list));
            all.map(|container| container.text("name").to_string()).collect()
        } else {
            vec![self.container_of(cx, pod)?]
        };
        let resource = cx.resource("pods").await?;
        let source = |container: String| {
            let mut request = Request::get(format!("{}/log", resource.object(pod.namespace(), pod.name())));
            request = request.accept("*/*").query("container", container.clone());
            request.query.extend_from_slice(options);
            Source { pod: pod.name().to_string(), container, request }
        };
        Ok(names.into_iter().map(source).collect())
    }

    fn container_of(&self, cx: &Context<'_>, pod: &Value) -> Result<String, CommandError> {
        let wanted = self.named_container();
        // Unlike other commands, this one does without an annotation that is wrong.
        let annotated = pod.annotation(pods::DEFAULT_CONTAINER).unwrap_or_default();
        let container = if wanted.is_empty() && !annotated.is_empty() && pods::container(pod, annotated).is_none() {
            writeln!(cx.streams.err(), "Default container name {annotated:?} not found in pod {}", pod.name())?;
            pods::first_container(cx, pod, self.all_pods)?
        } else {
            pods::container_or_default(cx, pod, wanted, self.all_pods)?
        };
        Ok(container.text("name").to_string())
    }

    /// Prints one log. `among` others it only gives out whole lines.
    async fn show(&self, cx: &Context<'_>, source: &Source, among: bool) -> Result<(), CommandError> {
        match self.copy(cx, source, among).await {
            // What `| head` does ends everything.
            Err(error @ CommandError::Exit(_)) => Err(error),
            Err(error) if self.ignore_errors => Ok(writeln!(cx.streams.out(), "error: {}", error.text())?),
            result => result,
        }
    }

    async fn copy(&self, cx: &Context<'_>, source: &Source, among: bool) -> Result<(), CommandError> {
        let mut pieces = cx.client()?.watch(source.request.clone()).await?;
        let prefixed = self.prefix || self.all_pods;
        let prefix = if prefixed { format!("[pod/{}/{}] ", source.pod, source.container) } else { String::new() };
        let mut begun = Vec::new();
        let out = cx.streams.out();
        while let Some(piece) = pieces.piece().await? {
            if prefixed || among {
                // A line is held back until its end is there.
                let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
                    begun.extend_from_slice(&piece);
                    continue;
                };
                begun.extend_from_slice(&piece[..=end]);
                write_lines(&mut *out.writer(), &prefix, &begun)?;
                begun.clear();
                begun.extend_from_slice(&piece[end + 1..]);
            } else {
                out.write_all(&piece)?;
            }
            if self.follow {
                out.flush()?;
            }
        }
        write_lines(&mut *out.writer(), &prefix, &begun)?;
        Ok(())
    }
}

/// Prints what a container has printed so far.
///
/// # Errors
/// There is no log, or it breaks off.
pub async fn so_far(cx: &Context<'_>, pod: &Value, container: &str) -> Result<(), CommandError> {
    let resource = cx.resource("pods").await?;
    let request = Request::get(format!("{}/log", resource.object(pod.namespace(), pod.name())));
    let mut pieces = cx.client()?.watch(request.accept("*/*").query("container", container)).await?;
    while let Some(piece) = pieces.piece().await? {
        cx.streams.out().write_all(&piece)?;
    }
    Ok(())
}

/// What is said where the server does not know what the logs are asked of.
fn not_found_in(cx: &Context<'_>, error: CommandError) -> CommandError {
    let status = match &error {
        CommandError::Undiscovered { error, .. } => error.status(),
        error => error.status(),
    };
    match status {
        Some(status) if status.reason == "NotFound" && !status.message.starts_with("namespaces") => {
            let namespace = cx.namespace().map(|(namespace, _)| namespace).unwrap_or_default();
            let message = &status.message;
            CommandError::message(format!("error from server (NotFound): {message} in namespace {namespace:?}"))
        }
        _ => error,
    }
}

/// Writes each line with `prefix` before it.
fn write_lines(out: &mut dyn std::io::Write, prefix: &str, lines: &[u8]) -> std::io::Result<()> {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        out.write_all(prefix.as_bytes())?;
        out.write_all(line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::stream::fake::{Reply, kubectl, pod, serve};
    use shared_types::json::json;

    async fn server() -> String {
        serve(|asked| match asked.line.as_str() {
            "GET /api/v1/namespaces/default/pods" => {
                let list =
                    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod("a"), pod("b")]});
                Reply::Object(list)
            }
            "GET /api/v1/namespaces/default/pods/a" => Reply::Object(pod("a")),
            "GET /api/v1/namespaces/default/pods/a/log" => Reply::Pieces(match asked.has("follow=true") {
                true => vec![b"a1\na", b"2", b"\n", b"rest"],
                false => vec![b"\xff\x00\n"],
            }),
            "GET /api/v1/namespaces/default/pods/b/log" => {
                assert!(asked.has("tailLines=10"), "{asked:?}");
                Reply::Failure(400, "no log yet")
            }
            other => panic!("{other}"),
        })
        .await
    }

    #[tokio::test]
    async fn logs_of_many_pods_come_by_lines() {
        let ran = kubectl(&server().await, &["logs", "-f", "-l", "x=y", "--prefix", "--ignore-errors"], b"").await;
        let mut lines: Vec<String> = ran.out.text().lines().map(str::to_string).collect();
        lines.sort();
        assert_eq!(lines, ["[pod/a/c] a1", "[pod/a/c] a2", "[pod/a/c] rest", "error: no log yet"]);
        assert_eq!((ran.err.text().as_str(), ran.code), ("", 0));
        let ran = kubectl(&server().await, &["logs", "-f", "-l", "x=y"], b"").await;
        assert_eq!((ran.err.text().as_str(), ran.code), ("Error from server (BadRequest): no log yet\n", 1));
    }

    #[tokio::test]
    async fn logs_are_bytes() {
        let ran = kubectl(&server().await, &["logs", "a"], b"").await;
        assert_eq!((ran.out.bytes().as_slice(), ran.code), (&b"\xff\x00\n"[..], 0));
    }

    #[test]
    fn each_line_gets_its_prefix() {
        let mut out = Vec::new();
        write_lines(&mut out, "[p] ", b"one\n\ntwo").unwrap();
        assert_eq!(out, b"[p] one\n[p] \n[p] two");
        out.clear();
        write_lines(&mut out, "[p] ", b"").unwrap();
        assert!(out.is_empty());
    }
}
