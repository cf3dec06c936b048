//! Building what a `kustomization.yaml` describes: resources, components, generators, and the changes made to them.
//!
//! What is left out: remote resources, plugins, Helm charts, `vars`, custom configurations of transformers.

mod generate;
mod image;
mod patch;
mod references;
mod replacement;
mod resource;
mod transform;

use crate::client::kubeconfig::os_error;
use crate::errors::CommandError;
use resource::Resource;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::yaml;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, String>;

const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Everything that a kustomization may hold.
const FIELDS: [&str; 24] = [
    "apiVersion",
    "bases",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configMapGenerator",
    "generatorOptions",
    "images",
    "kind",
    "labels",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "replicas",
    "resources",
    "secretGenerator",
    "sortOptions",
];

/// Builds the kustomization in `folder`: its objects, in the order in which they are to be created.
///
/// # Errors
/// There is no kustomization, or it asks for something that is not there or not possible.
pub fn build(folder: &str, restriction: Restriction) -> std::result::Result<Vec<Value>, CommandError> {
    let mut roots = Vec::new();
    let mut resources = accumulate(Path::new(folder), restriction, &mut roots).map_err(CommandError::message)?;
    for resource in &mut resources {
        resource.add_hash();
    }
    references::fix(&mut resources);
    resources.sort_by_cached_key(Resource::order);
    Ok(resources.into_iter().map(|resource| resource.object).collect())
}

/// Which files a kustomization may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    /// Those in or below its folder.
    #[default]
    RootOnly,
    None,
}

/// A kustomization, read.
struct Kustomization {
    folder: PathBuf,
    document: Value,
    restriction: Restriction,
}

impl Kustomization {
    fn read(folder: &Path, restriction: Restriction) -> Result<Kustomization> {
        let absolute = folder.canonicalize().map_err(|error| {
            let why = os_error(&error);
            let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
            let (given, path) = (folder.display(), path.display());
            format!(
                "must build at directory: not a valid directory: evalsymlink failure on '{given}' : lstat {path}: {why}"
            )
        })?;
        if !absolute.is_dir() {
            return Err(format!("'{}' must resolve to a directory", folder.display()));
        }
        let present: Vec<PathBuf> =
            FILES.iter().map(|name| absolute.join(name)).filter(|path| path.is_file()).collect();
        let path = match present.as_slice() {
            [path] => path,
            [] => {
                return Err(format!(
                    "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                    absolute.display()
                ));
            }
            _ => return Err(format!("Found multiple kustomization files: {}\n", absolute.display())),
        };
        let text = read_text(path)?;
        let read = yaml::parse_document(&text).map_err(|error| format!("invalid Kustomization: {}", error.bare()))?;
        if let Some(error) = read.strict_error() {
            return Err(format!("invalid Kustomization: {}", error.bare()));
        }
        let document = read.value;
        let Some(fields) = document.as_object().filter(|fields| !fields.is_empty()) else {
            return Err("kustomization.yaml is empty".into());
        };
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(format!("invalid Kustomization: json: unknown field {unknown:?}"));
        }
        if !matches!(document.text("kind"), "" | "Kustomization" | "Component") {
            return Err("kind should be Kustomization or Component".into());
        }
        Ok(Kustomization { folder: absolute, document, restriction })
    }

    fn is_component(&self) -> bool {
        self.document.text("kind") == "Component"
    }

    /// The strings of a list.
    fn strings(&self, field: &str) -> impl Iterator<Item = &str> {
        self.document.list(field).iter().filter_map(Value::as_str)
    }

    /// A file that the kustomization names.
    fn file(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        let real = path.canonicalize().map_err(|error| {
            format!("evalsymlink failure on '{0}' : lstat {0}: {1}", path.display(), os_error(&error))
        })?;
        if self.restriction == Restriction::RootOnly && !real.starts_with(&self.folder) {
            let (file, root) = (real.display(), self.folder.display());
            return Err(format!("security; file '{file}' is not in or below '{root}'"));
        }
        read_text(&real)
    }

    /// The bytes of such a file.
    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        self.file_path(name).and_then(|path| std::fs::read(&path).map_err(|error| os_error(&error)))
    }

    fn file_path(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        match path.is_file() {
            true => Ok(path),
            false => {
                Err(format!("evalsymlink failure on '{0}' : lstat {0}: no such file or directory", path.display()))
            }
        }
    }
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), os_error(&error)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The resources of the kustomization in `folder`, changed as it says. `roots` are the folders on the way to it.
fn accumulate(folder: &Path, restriction: Restriction, roots: &mut Vec<PathBuf>) -> Result<Vec<Resource>> {
    let kustomization = Kustomization::read(folder, restriction)?;
    if kustomization.is_component() {
        return Err(format!("expected kind != 'Component' for path '{}'", folder.display()));
    }
    let mut resources = Vec::new();
    apply(&kustomization, &mut resources, roots)?;
    Ok(resources)
}

/// Adds what a kustomization brings and changes all of it, `resources` included.
fn apply(kustomization: &Kustomization, resources: &mut Vec<Resource>, roots: &mut Vec<PathBuf>) -> Result<()> {
    if roots.contains(&kustomization.folder) {
        return Err(format!(
            "cycle detected: candidate root '{}' contains visited root '{0}'",
            kustomization.folder.display()
        ));
    }
    roots.push(kustomization.folder.clone());
    for name in kustomization.strings("resources").chain(kustomization.strings("bases")) {
        let added = load(kustomization, name, roots).map_err(|why| {
            format!("accumulating resources: accumulation err='accumulating resources from '{name}': {why}'")
        })?;
        for resource in added {
            add(resources, resource)?;
        }
    }
    for name in kustomization.strings("components") {
        let failed = |why: &str| format!("accumulating components: accumulateDirectory: \"{why}\"");
        let component = Kustomization::read(&kustomization.folder.join(name), kustomization.restriction)
            .map_err(|why| failed(&why))?;
        if !component.is_component() {
            let path = component.folder.display();
            return Err(failed(&format!("expected kind 'Component' for path '{path}' but got 'Kustomization'")));
        }
        apply(&component, resources, roots)?;
    }
    generate::run(kustomization, resources)?;
    patch::run(kustomization, resources)?;
    transform::run(kustomization, resources)?;
    replacement::run(kustomization, resources)?;
    roots.pop();
    Ok(())
}

fn load(kustomization: &Kustomization, name: &str, roots: &mut Vec<PathBuf>) -> Result<Vec<Resource>> {
    // A resource is tried as a file and then as a folder; the message tells about both.
    let failed = |file: &str, folder: &str| {
        format!("accumulating resources: accumulation err='accumulating resources from '{name}': {file}': {folder}")
    };
    if name.contains("://") || name.starts_with("git@") || name.starts_with("github.com/") {
        return Err(failed("resources from other machines are not possible", "no such folder"));
    }
    let path = kustomization.folder.join(name);
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    if real.is_dir() {
        let not_file = format!("'{}' must resolve to a file", real.display());
        return accumulate(&real, kustomization.restriction, roots).map_err(|why| failed(&not_file, &why));
    }
    let text = kustomization.file(name).map_err(|why| {
        let folder = match real.is_file() {
            true => format!("must build at directory: '{}': file is not directory", real.display()),
            false => format!("must build at directory: not a valid directory: {why}"),
        };
        failed(&why, &folder)
    })?;
    let not_folder = format!("must build at directory: '{}': file is not directory", real.display());
    read_objects(&text).map_err(|why| failed(&format!("{}: {why}", path.display()), &not_folder))
}

/// The objects of a manifest.
fn read_objects(text: &str) -> Result<Vec<Resource>> {
    let objects = yaml::from_yaml(text).map_err(|error| error.bare().to_string())?;
    let mut resources = Vec::new();
    for object in objects {
        // A list stands for its items.
        let is_list = object.text("kind").ends_with("List") && object.at("items").is_array();
        let items = if is_list { object.list("items").to_vec() } else { vec![object] };
        for item in items {
            if item.text("kind").is_empty() {
                return Err("missing Resource metadata".into());
            }
            if item.name().is_empty() {
                return Err("missing metadata.name in object".into());
            }
            resources.push(Resource::new(item));
        }
    }
    Ok(resources)
}

fn add(resources: &mut Vec<Resource>, resource: Resource) -> Result<()> {
    if resources.iter().any(|known| known.id() == resource.id()) {
        return Err(format!("may not add resource with an already registered id: {}", resource.id()));
    }
    resources.push(resource);
    Ok(())
}

#[cfg(test)]
mod tests;
