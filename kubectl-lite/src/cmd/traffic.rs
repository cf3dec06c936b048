//! `kubectl traffic`: a Service, its endpoints, and how many requests each of them has taken.

mod metrics;
mod picture;
mod render;

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Info, pods};
use crate::terminal;
use picture::Picture;
use render::Style;
use shared_types::fields::Fields;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Traffic {
    /// service/NAME
    args: Vec<String>,
    /// How often to look, with --watch
    #[arg(long, default_value = "500ms", value_parser = go_flags::duration)]
    interval: go_flags::Duration,
    /// Go on showing, until ^C
    #[arg(long, short)]
    watch: bool,
}

impl Command for Traffic {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else {
            return Err(CommandError::usage("traffic", "the name of one Service is required, as in service/NAME"));
        };
        if self.interval.negative || self.interval.is_zero() {
            return Err(CommandError::usage("traffic", "--interval must be higher than zero"));
        }
        let name = if name.contains('/') { name.clone() } else { format!("service/{name}") };
        let mut info = pods::named(cx, &name).await?;
        if info.resource.kind != "Service" {
            return Err(CommandError::message(format!("{:?} has no traffic, a Service has", info.reference())));
        }
        if cx.streams.out_is_terminal { self.draw(cx, &mut info).await } else { self.list(cx, &mut info).await }
    }
}

impl Traffic {
    /// Draws the picture, again and again where it is watched.
    async fn draw(&self, cx: &Context<'_>, info: &mut Info) -> Result<(), CommandError> {
        let mut before: Option<(Instant, u64)> = None;
        let mut drawn = 0;
        loop {
            let picture = look(cx, info).await?;
            let now = Instant::now();
            let total = picture.total();
            let rate = before.map(|(then, count)| total.saturating_sub(count) as f64 / (now - then).as_secs_f64());
            before = Some((now, total));
            let lines = render::picture(&picture, rate, Style::of_terminal(terminal::size()));
            if drawn > 0 {
                // Up to where the last picture began, and away with it.
                write!(cx.streams.out(), "\u{1b}[{drawn}A\u{1b}[J")?;
            }
            for line in &lines {
                writeln!(cx.streams.out(), "{line}")?;
            }
            cx.streams.out().flush()?;
            drawn = lines.len();
            if !self.watch {
                return Ok(());
            }
            tokio::time::sleep(self.interval.length).await;
        }
    }

    /// Prints a line for each endpoint; where it is watched, another one when it has changed.
    async fn list(&self, cx: &Context<'_>, info: &mut Info) -> Result<(), CommandError> {
        let mut picture = look(cx, info).await?;
        for line in render::table(&picture.endpoints, true) {
            writeln!(cx.streams.out(), "{line}")?;
        }
        if !picture.counted {
            writeln!(cx.streams.err(), "The server does not count requests.")?;
        }
        if !self.watch {
            return Ok(());
        }
        loop {
            cx.streams.out().flush()?;
            tokio::time::sleep(self.interval.length).await;
            let next = look(cx, info).await?;
            let changed: Vec<_> =
                next.endpoints.iter().filter(|endpoint| !picture.endpoints.contains(endpoint)).cloned().collect();
            for line in render::table(&changed, false) {
                writeln!(cx.streams.out(), "{line}")?;
            }
            picture = next;
        }
    }
}

/// The Service as it is now.
async fn look(cx: &Context<'_>, info: &mut Info) -> Result<Picture, CommandError> {
    info.fetch(cx).await?;
    let slices = cx.resource("endpointslices.discovery.k8s.io").await?;
    let request = Request::get(slices.collection(&info.namespace));
    let request = request.query("labelSelector", format!("kubernetes.io/service-name={}", info.name));
    let slices = cx.client()?.json(request).await?;
    let counters = match cx.client()?.send(Request::get("/metrics").accept("text/plain")).await {
        Ok(answer) => Some(metrics::parse(&String::from_utf8_lossy(&answer.body))),
        // Another server, or one that does not let everybody see.
        Err(CommandError::Api { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Picture::new(&info.object, slices.list("items"), counters.as_deref()))
}
