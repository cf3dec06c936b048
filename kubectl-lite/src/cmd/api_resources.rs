//! `kubectl api-resources` and `kubectl api-versions`.

use super::Command;
use crate::client::Resource;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::PrintFlags;
use crate::print::table::Layout;
use shared_types::fields::Fields;
use shared_types::json::json;
use std::rc::Rc;

#[derive(clap::Args)]
pub struct ApiResources {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    /// Only this group; empty for the core group
    #[arg(long)]
    api_group: Option<String>,
    /// Use what is kept of the server's answers
    #[arg(long)]
    cached: bool,
    /// Only resources of these categories
    #[arg(long, value_delimiter = ',')]
    categories: Vec<String>,
    /// Only resources that live in namespaces, or with =false only those that do not
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::cli::go_flags::boolean)]
    namespaced: Option<bool>,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// name or kind
    #[arg(long, default_value = "")]
    sort_by: String,
    /// Only resources with all of these verbs
    #[arg(long, value_delimiter = ',')]
    verbs: Vec<String>,
}

impl Command for ApiResources {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if !self.args.is_empty() {
            return Err(CommandError::usage(
                "api-resources",
                format!("unexpected arguments: [{}]", self.args.join(" ")),
            ));
        }
        if !matches!(self.sort_by.as_str(), "" | "name" | "kind") {
            return Err(CommandError::message("--sort-by accepts only name or kind"));
        }
        let format = self.print.format().unwrap_or_default();
        if !matches!(format, "" | "wide" | "name" | "json" | "yaml" | "kyaml") {
            return Err(CommandError::message(format!(
                "unable to match a printer suitable for the output format {format:?}, allowed formats are: \
                 json,kyaml,name,wide,yaml"
            )));
        }
        let found = self.find(cx).await?;
        match format {
            "name" => {
                for resource in &found {
                    writeln!(cx.streams.out(), "{}", resource.group_resource())?;
                }
                Ok(())
            }
            "" | "wide" => self.table(cx, &found, format == "wide"),
            _ => self.objects(cx, &found),
        }
    }
}

impl ApiResources {
    async fn find(&self, cx: &Context<'_>) -> Result<Vec<Rc<Resource>>, CommandError> {
        let served = cx.mapper()?.discovery(cx.client()?, !self.cached).await?;
        let mut found: Vec<Rc<Resource>> = Vec::new();
        for resource in &served.resources {
            let fits = self.api_group.as_ref().is_none_or(|group| *group == resource.group)
                && self.namespaced.is_none_or(|namespaced| namespaced == resource.namespaced)
                && self.verbs.iter().all(|verb| resource.can(verb))
                && self.categories.iter().all(|category| resource.categories.contains(category))
                && !resource.verbs.is_empty();
            // Of several versions the preferred one, which comes first.
            let known = |other: &Rc<Resource>| other.group == resource.group && other.plural == resource.plural;
            if fits && !found.iter().any(known) {
                found.push(resource.clone());
            }
        }
        match self.sort_by.as_str() {
            "name" => found.sort_by(|a, b| a.plural.cmp(&b.plural)),
            "kind" => found.sort_by(|a, b| a.kind.cmp(&b.kind)),
            _ => found.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural))),
        }
        Ok(found)
    }

    fn table(&self, cx: &Context<'_>, found: &[Rc<Resource>], wide: bool) -> Result<(), CommandError> {
        let mut layout = Layout::new();
        let mut row = |cells: &[&str], more: [&str; 2]| {
            let cells = cells.iter().chain(if wide { more.iter() } else { [].iter() });
            layout.row(cells);
        };
        if !self.no_headers {
            row(&["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"], ["VERBS", "CATEGORIES"]);
        }
        for resource in found {
            let namespaced = resource.namespaced.to_string();
            row(
                &[
                    &resource.plural,
                    &resource.short_names.join(","),
                    &resource.api_version(),
                    &namespaced,
                    &resource.kind,
                ],
                [&resource.verbs.join(","), &resource.categories.join(",")],
            );
        }
        layout.write(&mut *cx.streams.out().writer())
    }

    fn objects(&self, cx: &Context<'_>, found: &[Rc<Resource>]) -> Result<(), CommandError> {
        let resources: Vec<_> = found
            .iter()
            .map(|r| {
                let mut resource = json!({
                    "name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "version": r.version,
                    "kind": r.kind, "verbs": r.verbs,
                });
                let lists = [("shortNames", &r.short_names), ("categories", &r.categories)];
                for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                    resource.set(key, json!(list));
                }
                if !r.group.is_empty() {
                    resource.set("group", r.group.clone());
                }
                resource
            })
            .collect();
        let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "", "resources": resources});
        let mut printer = self.print.for_format(crate::print::Order::Sorted)?;
        printer.print(&list, &mut *cx.streams.out().writer())
    }
}

#[derive(clap::Args)]
pub struct ApiVersions {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for ApiVersions {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if !self.args.is_empty() {
            return Err(CommandError::usage(
                "api-versions",
                format!("unexpected arguments: [{}]", self.args.join(" ")),
            ));
        }
        let served = cx.mapper()?.discovery(cx.client()?, true).await;
        let served = served.map_err(|error| {
            CommandError::message(format!("couldn't get available api versions from server: {}", error.text()))
        })?;
        let mut versions: Vec<String> = served.resources.iter().map(|r| r.api_version()).collect();
        versions.sort();
        versions.dedup();
        for version in versions {
            writeln!(cx.streams.out(), "{version}")?;
        }
        Ok(())
    }
}
