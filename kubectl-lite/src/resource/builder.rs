//! The builder.

use super::defects::{says_what_it_is, undecodable, undecoded};
use super::files::{self, Document, Filenames};
use super::{Arguments, Info, MISSING};
use crate::client::assumed::Assumed;
use crate::client::failure::decode;
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::go_format::cannot_unmarshal;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;
use shared_types::selector::LabelSelector;
use std::rc::Rc;

/// How often kubectl asks discovery for a resource before it gives up.
const TRIES: usize = 4;

/// Says what a command works on, and finds it.
pub struct Builder<'c, 'a> {
    cx: &'c Context<'a>,
    filenames: Filenames,
    arguments: Vec<String>,
    namespace: String,
    /// Objects in files may not be in another namespace.
    enforce: bool,
    all_namespaces: bool,
    label_selector: Option<String>,
    field_selector: Option<String>,
    /// Without names and selectors everything of a type is meant.
    everything: bool,
    single_type: bool,
    subresource: String,
    chunk: i64,
    /// Checks that documents say what they are before anything else is done with them.
    validate: bool,
    local: bool,
    typed: bool,
    nameless: bool,
}

/// What there is to find, before the server is asked.
pub enum Target {
    /// One object by name.
    Named(Info),
    /// All objects of a resource that fit the selectors.
    Collection { resource: Rc<Resource>, namespace: String },
    /// An object from a file.
    Object(Info),
}

impl<'c, 'a> Builder<'c, 'a> {
    /// A builder that works in the context's namespace.
    pub fn new(cx: &'c Context<'a>) -> Result<Builder<'c, 'a>, CommandError> {
        let (namespace, enforce) = cx.namespace()?;
        Ok(Builder {
            cx,
            filenames: Filenames::default(),
            arguments: Vec::new(),
            namespace,
            enforce,
            all_namespaces: false,
            label_selector: None,
            field_selector: None,
            everything: false,
            single_type: false,
            subresource: String::new(),
            chunk: 500,
            validate: false,
            local: false,
            typed: false,
            nameless: false,
        })
    }
    pub fn files(self, filenames: &Filenames) -> Self {
        Builder { filenames: filenames.clone(), ..self }
    }
    pub fn arguments(self, arguments: &[String]) -> Self {
        Builder { arguments: arguments.to_vec(), ..self }
    }
    pub fn all_namespaces(self, all_namespaces: bool) -> Self {
        Builder { all_namespaces, ..self }
    }
    /// Takes objects of files as they are, of whatever kind, without asking the server.
    pub fn local(self, local: bool) -> Self {
        Builder { local, ..self }
    }
    /// An empty selector is none.
    pub fn label_selector(self, selector: &str) -> Self {
        Builder { label_selector: Some(selector.to_string()).filter(|s| !s.is_empty()), ..self }
    }
    pub fn field_selector(self, selector: &str) -> Self {
        Builder { field_selector: Some(selector.to_string()).filter(|s| !s.is_empty()), ..self }
    }
    /// Types without names and selectors mean all their objects.
    pub fn everything(self, everything: bool) -> Self {
        Builder { everything, ..self }
    }
    pub fn single_type(self) -> Self {
        Builder { single_type: true, ..self }
    }
    pub fn subresource(self, subresource: &str) -> Self {
        Builder { subresource: subresource.to_string(), ..self }
    }
    /// How many objects are listed at a time; 0 lists all at once.
    pub fn chunk(self, chunk: i64) -> Self {
        Builder { chunk, ..self }
    }
    pub fn validate(self, validate: bool) -> Self {
        Builder { validate, ..self }
    }
    /// Takes only objects of kinds that kubectl has types for.
    pub fn typed(self) -> Self {
        Builder { typed: true, ..self }
    }
    /// Takes objects of files that have no name as they are, as nothing can be asked about them.
    pub fn nameless(self) -> Self {
        Builder { nameless: true, ..self }
    }
    /// One error of `errors`, or none; only where single objects are named is an error that comes alone told as such.
    ///
    /// # Errors
    /// What `errors` holds.
    pub fn failed(&self, errors: Vec<CommandError>) -> Result<(), CommandError> {
        let named = |arguments: Arguments| !arguments.names.is_empty() || !arguments.pairs.is_empty();
        let named = self.filenames.is_empty() && Arguments::parse(&self.arguments).is_ok_and(named);
        if named { CommandError::all(errors) } else { CommandError::among(errors) }
    }
    /// Looks for categories among the arguments, as kubectl does before anything else.
    pub async fn look_for_categories(&self) -> Result<(), CommandError> {
        for typed in Arguments::parse(&self.arguments)?.types.iter().filter(|typed| !typed.is_empty()) {
            self.cx.mapper()?.category(self.cx.client()?, typed).await?;
        }
        Ok(())
    }
    pub fn has_selector(&self) -> bool {
        self.label_selector.is_some() || self.field_selector.is_some()
    }

    /// What the arguments and files name, in order. Of files, those documents that cannot be used stand as errors in
    /// their place.
    ///
    /// # Errors
    /// The arguments contradict each other or name no resource.
    pub async fn targets(&self) -> Result<Vec<Result<Target, CommandError>>, CommandError> {
        let arguments = Arguments::parse(&self.arguments)?;
        if !self.filenames.is_empty() {
            if !arguments.pairs.is_empty() {
                return Err(CommandError::message(
                    "resource/name arguments cannot be provided when a path is specified",
                ));
            }
            if !arguments.is_empty() {
                return Err(CommandError::message(
                    "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well",
                ));
            }
            return self.documents().await;
        }
        if !arguments.pairs.is_empty() {
            return self.pairs(&arguments.pairs).await;
        }
        let resources = self.resources(&arguments.types).await?;
        if self.single_type && resources.len() > 1 {
            return Err(CommandError::message("you may only specify a single resource type"));
        }
        if self.has_selector() {
            if !arguments.names.is_empty() {
                return Err(CommandError::message("name cannot be provided when a selector is specified"));
            }
            if resources.is_empty() {
                return Err(CommandError::message("at least one resource must be specified to use a selector"));
            }
            if !self.subresource.is_empty() {
                return Err(bulk_subresource());
            }
            return Ok(self.collections(resources));
        }
        if !arguments.names.is_empty() {
            let mut targets = Vec::new();
            for resource in resources {
                self.check_named(&resource)?;
                targets.extend(arguments.names.iter().map(|name| Ok(Target::Named(self.named(&resource, name)))));
            }
            return Ok(targets);
        }
        if resources.is_empty() {
            return Err(CommandError::message(MISSING));
        }
        if self.everything {
            if !self.subresource.is_empty() {
                return Err(bulk_subresource());
            }
            return Ok(self.collections(resources));
        }
        Err(CommandError::message("resource(s) were provided, but no name was specified"))
    }

    async fn pairs(&self, pairs: &[(String, String)]) -> Result<Vec<Result<Target, CommandError>>, CommandError> {
        if self.has_selector() {
            return Err(CommandError::message(
                "selectors and the all flag cannot be used when passing resource/name arguments",
            ));
        }
        let mut targets = Vec::new();
        let mut only: Option<Rc<Resource>> = None;
        for (typed, name) in pairs {
            let resource = self.cx.discovered(typed, TRIES).await?;
            self.check_named(&resource)?;
            if self.single_type && only.as_ref().is_some_and(|o| *o != resource) {
                return Err(CommandError::message("you may only specify a single resource type"));
            }
            only = Some(resource.clone());
            targets.push(Ok(Target::Named(self.named(&resource, name))));
        }
        Ok(targets)
    }

    fn check_named(&self, resource: &Resource) -> Result<(), CommandError> {
        if self.all_namespaces && resource.namespaced {
            return Err(CommandError::message("a resource cannot be retrieved by name across all namespaces"));
        }
        Ok(())
    }

    fn named(&self, resource: &Rc<Resource>, name: &str) -> Info {
        let namespace = if resource.namespaced { self.namespace.clone() } else { String::new() };
        Info {
            resource: resource.clone(),
            namespace,
            name: name.to_string(),
            source: String::new(),
            object: Value::Null,
        }
    }

    fn collections(&self, resources: Vec<Rc<Resource>>) -> Vec<Result<Target, CommandError>> {
        let namespace = if self.all_namespaces { String::new() } else { self.namespace.clone() };
        resources
            .into_iter()
            .map(|resource| Ok(Target::Collection { resource, namespace: namespace.clone() }))
            .collect()
    }

    /// The resources of the types, categories among them replaced by what they hold.
    async fn resources(&self, types: &[String]) -> Result<Vec<Rc<Resource>>, CommandError> {
        let (mapper, client) = (self.cx.mapper()?, self.cx.client()?);
        let mut resources: Vec<Rc<Resource>> = Vec::new();
        // Each of them might be a category, which is looked for first.
        let tries = TRIES + types.len();
        for typed in types.iter().filter(|t| !t.is_empty()) {
            let found = match self.cx.discovered(typed, tries).await {
                Ok(resource) => vec![resource],
                Err(error @ CommandError::Undiscovered { .. }) => return Err(error),
                Err(error) => {
                    let category = mapper.category(client, typed).await?;
                    if category.is_empty() {
                        return Err(error);
                    }
                    category
                }
            };
            for resource in found {
                if !resources.contains(&resource) {
                    resources.push(resource);
                }
            }
        }
        Ok(resources)
    }

    async fn documents(&self) -> Result<Vec<Result<Target, CommandError>>, CommandError> {
        let mut targets = Vec::new();
        for document in files::documents(self.cx, &self.filenames).await? {
            match document {
                Ok(document) => self.flatten(document, &mut targets).await?,
                Err(error) => targets.push(Err(error)),
            }
        }
        if let Some(selector) = &self.label_selector {
            let selector = LabelSelector::parse(selector).map_err(|why| {
                CommandError::message(format!("the provided selector {} is not valid: {why}", quote(selector)))
            })?;
            targets.retain(|target| match target {
                Ok(Target::Object(info)) => selector.matches(info.object.map("metadata.labels")),
                _ => true,
            });
        }
        Ok(targets)
    }

    /// A document as one object, or as the objects of the list that it is.
    async fn flatten(
        &self,
        document: Document,
        targets: &mut Vec<Result<Target, CommandError>>,
    ) -> Result<(), CommandError> {
        if self.validate
            && let Err(error) = says_what_it_is(&document)
        {
            targets.push(Err(error));
            return Ok(());
        }
        // What has items is a list, whatever it calls itself.
        if document.value.at("items").is_array() {
            let mut list = document.value;
            set_list_item_kind(&mut list);
            let items = list.list("items").to_vec();
            if let Some(item) = items.iter().find(|item| !item.is_object() && !item.is_null()) {
                let why = cannot_unmarshal(item, "Go value of type map[string]interface {}");
                targets.push(Err(undecoded(&document.source, &why)));
                return Ok(());
            }
            for value in items {
                if value.text("kind").is_empty() {
                    targets.push(Err(CommandError::Raw(
                        "unable to get type info from the object \"*unstructured.Unstructured\": Object 'Kind' is missing \
                         in 'object has no kind field '"
                            .into(),
                    )));
                    continue;
                }
                let item = Document { source: document.source.clone(), value, json: None };
                targets.push(self.object(item).await?);
            }
            return Ok(());
        }
        targets.push(self.object(document).await?);
        Ok(())
    }

    async fn object(&self, document: Document) -> Result<Result<Target, CommandError>, CommandError> {
        if let Some(why) = undecodable(&document, self.typed) {
            return Ok(Err(undecoded(&document.source, &why)));
        }
        let Document { source, mut value, .. } = document;
        let (api_version, kind) = (value.text("apiVersion").to_string(), value.text("kind").to_string());
        if self.local {
            let resource = Rc::new(Resource::named(&api_version, &kind));
            let (namespace, name) = (value.namespace().to_string(), value.name().to_string());
            return Ok(Ok(Target::Object(Info { resource, namespace, name, source, object: value })));
        }
        let file = source.clone();
        self.cx.assume(if self.validate { Assumed::Schemas { file } } else { Assumed::Kinds { file } })?;
        let Some(resource) = self.cx.mapper()?.kind(self.cx.client()?, &api_version, &kind).await? else {
            return Ok(Err(CommandError::message(format!(
                "resource mapping not found for name: {:?} namespace: {:?} from {source:?}: no matches for kind {kind:?} \
                 in version {api_version:?}\nensure CRDs are installed first",
                value.name(),
                value.namespace(),
            ))));
        };
        // Objects are asked for in the version that they say they have.
        let resource = match api_version.as_str() {
            "" => Rc::new(Resource { version: String::new(), ..Resource::clone(&resource) }),
            _ => resource,
        };
        let mut namespace = value.namespace().to_string();
        if !resource.namespaced {
            namespace.clear();
        } else if namespace.is_empty() {
            namespace = self.namespace.clone();
            value.set("metadata.namespace", namespace.clone());
        } else if self.enforce && namespace != self.namespace {
            return Ok(Err(CommandError::message(format!(
                "the namespace from the provided object {namespace:?} does not match the namespace {:?}. You must pass \
                 '--namespace={namespace}' to perform this operation.",
                self.namespace
            ))));
        }
        let name = value.name().to_string();
        Ok(Ok(Target::Object(Info { resource, namespace, name, source, object: value })))
    }

    /// Finds everything: named objects are read where `fetch` says so (those from files too), collections are listed.
    /// What fails stands as an error in its place.
    pub async fn infos(&self, fetch: bool) -> Result<Vec<Result<Info, CommandError>>, CommandError> {
        let mut infos = Vec::new();
        for target in self.targets().await? {
            match target {
                Err(error) => infos.push(Err(error)),
                Ok(Target::Named(mut info) | Target::Object(mut info)) => {
                    let known = self.nameless && info.stands_for_itself();
                    if fetch
                        && !known
                        && let Err(error) = self.fetch(&mut info).await
                    {
                        infos.push(Err(error));
                        continue;
                    }
                    infos.push(Ok(info));
                }
                Ok(Target::Collection { resource, namespace }) => match self.list(&resource, &namespace).await {
                    Err(error) => infos.push(Err(error)),
                    Ok(items) => infos.extend(items.into_iter().map(|object| {
                        Ok(Info {
                            resource: resource.clone(),
                            namespace: object.namespace().to_string(),
                            name: object.name().to_string(),
                            source: String::new(),
                            object,
                        })
                    })),
                },
            }
        }
        Ok(infos)
    }

    /// [`Builder::infos`] for commands that end at the first failure.
    pub async fn all(&self, fetch: bool) -> Result<Vec<Info>, CommandError> {
        self.infos(fetch).await?.into_iter().collect()
    }

    async fn fetch(&self, info: &mut Info) -> Result<(), CommandError> {
        if self.subresource.is_empty() {
            return info.fetch(self.cx).await;
        }
        let path = format!("{}/{}", info.path(), self.subresource);
        let object = info.read(self.cx, Request::get(path)).await?.json()?;
        info.refresh(object);
        Ok(())
    }

    /// The request for a collection under this builder's selectors.
    pub fn list_request(&self, resource: &Resource, namespace: &str) -> Request {
        Request::get(resource.collection(namespace))
            .query("labelSelector", self.label_selector.clone().unwrap_or_default())
            .query("fieldSelector", self.field_selector.clone().unwrap_or_default())
    }

    /// Lists a collection, a page at a time, and gives each page to `take`.
    pub async fn pages(
        &self,
        request: Request,
        resource: &Resource,
        mut take: impl FnMut(&[u8]) -> Result<String, CommandError>,
    ) -> Result<(), CommandError> {
        let limit = if self.chunk > 0 { self.chunk.to_string() } else { String::new() };
        let mut token = String::new();
        loop {
            let page = request.clone().query("limit", limit.clone()).query("continue", token);
            let answer = self.cx.client()?.send(page).await.map_err(|error| self.explain(resource, error))?;
            token = take(answer.object()?)?;
            if token.is_empty() {
                return Ok(());
            }
        }
    }

    /// Lists a collection under this builder's selectors.
    pub async fn list(&self, resource: &Resource, namespace: &str) -> Result<Vec<Value>, CommandError> {
        let mut items = Vec::new();
        self.pages(self.list_request(resource, namespace), resource, |body| {
            let mut list = decode(body)?;
            set_list_item_kind(&mut list);
            let token = list.text("metadata.continue").to_string();
            if let Some(Value::Array(page)) = list.remove("items") {
                items.extend(page);
            }
            Ok(token)
        })
        .await?;
        Ok(items)
    }

    /// Says what was looked for where the server finds fault with it.
    pub fn explain(&self, resource: &Resource, error: CommandError) -> CommandError {
        let CommandError::Api { mut status, doing } = error else { return error };
        if status.reason == "BadRequest" || status.reason == "NotFound" {
            let what = resource.gvr_text();
            status.message = if self.has_selector() {
                format!(
                    "Unable to find {what:?} that match label selector {:?}, field selector {:?}: {}",
                    self.label_selector.as_deref().unwrap_or_default(),
                    self.field_selector.as_deref().unwrap_or_default(),
                    status.message
                )
            } else {
                format!("Unable to list {what:?}: {}", status.message)
            };
        }
        CommandError::Api { status, doing }
    }
}

fn bulk_subresource() -> CommandError {
    CommandError::message("subresource cannot be used when bulk resources are specified")
}

/// Gives the items of a list the `apiVersion` and kind that they stand for, where they have none.
pub fn set_list_item_kind(list: &mut Value) {
    let api_version = list.text("apiVersion").to_string();
    let kind = list.text("kind").strip_suffix("List").unwrap_or_default().to_string();
    if kind.is_empty() {
        return;
    }
    for item in list.list_mut("items") {
        item.set_default("apiVersion", api_version.clone());
        item.set_default("kind", kind.clone());
    }
}
