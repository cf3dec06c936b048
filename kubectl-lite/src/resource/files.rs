//! Reading manifests: files, folders, URLs, standard input.

use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::kustomize::Restriction;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// The flags that name manifests.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Filenames {
    /// Files, folders or URLs with manifests; - is standard input
    #[arg(long = "filename", short = 'f', value_delimiter = ',')]
    pub filenames: Vec<String>,
    /// Folder with a kustomization; not together with -f or -R
    #[arg(long, short = 'k')]
    pub kustomize: Option<String>,
    /// Also use the folders inside the folders given with -f
    #[arg(long, short = 'R')]
    pub recursive: bool,
}

impl Filenames {
    pub fn is_empty(&self) -> bool {
        self.filenames.is_empty() && self.kustomize.is_none()
    }
    /// What commands that need manifests say where there are none, or two kinds of them.
    pub fn require(&self) -> Result<(), CommandError> {
        match (self.filenames.is_empty(), &self.kustomize) {
            (true, None) => Err(CommandError::message("must specify one of -f and -k")),
            (false, Some(_)) => Err(CommandError::message("only one of -f or -k can be specified")),
            (true, Some(_)) if self.recursive => Err(CommandError::message("the -k flag can't be used with -f or -R")),
            _ => Ok(()),
        }
    }
}

/// One document of a manifest.
#[derive(Clone, Debug)]
pub struct Document {
    /// The path, the URL, or `STDIN`.
    pub source: String,
    pub value: Value,
    /// How it is written, where it is JSON that does not say what it is.
    pub json: Option<String>,
}

impl Document {
    fn new(source: &str, value: Value) -> Document {
        Document { source: source.to_string(), value, json: None }
    }
}

/// All documents of the manifests, file by file in order; what cannot be read stands as an error in its place.
pub async fn documents(
    cx: &Context<'_>,
    names: &Filenames,
) -> Result<Vec<Result<Document, CommandError>>, CommandError> {
    let mut found = Vec::new();
    if let Some(folder) = &names.kustomize {
        match crate::kustomize::build(folder, Restriction::RootOnly) {
            Ok(built) => found.extend(built.into_iter().map(|value| Ok(Document::new(folder, value)))),
            Err(error) => found.push(Err(error)),
        }
    }
    for name in &names.filenames {
        if name == "-" {
            let mut bytes = Vec::new();
            cx.streams.input().read_to_end(&mut bytes)?;
            decode("STDIN", bytes, &mut found);
        } else if name.starts_with("http://") || name.starts_with("https://") {
            match read_url(name).await {
                Ok(bytes) => decode(name, bytes, &mut found),
                Err(error) => found.push(Err(error)),
            }
        } else {
            for file in expand(name, names.recursive)? {
                let shown = file.display().to_string();
                match std::fs::read(&file) {
                    Ok(bytes) => decode(&shown, bytes, &mut found),
                    Err(error) => found.push(Err(CommandError::message(format!("open {shown}: {}", go_words(&error))))),
                }
            }
        }
    }
    Ok(found)
}

/// An operating system's error as Go words it.
pub fn go_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "is a directory".into(),
        _ => error.to_string(),
    }
}

/// The files that a path stands for: itself, or the manifests of a folder in order of name.
fn expand(name: &str, recursive: bool) -> Result<Vec<PathBuf>, CommandError> {
    let path = Path::new(name);
    if !path.exists() {
        let matching = glob(name);
        if !matching.is_empty() {
            return Ok(matching);
        }
        return Err(CommandError::message(format!("the path {name:?} does not exist")));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    walk(path, recursive, &mut files)?;
    // A folder's own dot is not part of the names.
    let files: Vec<PathBuf> =
        files.iter().map(|file| file.components().filter(|c| *c != Component::CurDir).collect()).collect();
    if files.is_empty() {
        return Err(CommandError::message(format!(
            "error reading [{name}]: recognized file extensions are [.json .yaml .yml]"
        )));
    }
    Ok(files)
}

fn walk(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if recursive {
                walk(&entry, recursive, files)?;
            }
        } else if entry.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e == *known)) {
            files.push(entry);
        }
    }
    Ok(())
}

/// The files of one folder whose names fit a pattern with `*` and `?`.
fn glob(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let (Some(name), folder) = (path.file_name().and_then(|n| n.to_str()), path.parent()) else { return Vec::new() };
    if !name.contains(['*', '?']) {
        return Vec::new();
    }
    let folder = folder.filter(|f| !f.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(|n| fits(name.as_bytes(), n.as_bytes())))
        .map(|e| folder.map_or_else(|| PathBuf::from(e.file_name()), |f| f.join(e.file_name())))
        .collect();
    found.sort();
    found
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => fits(rest, name) || name.split_first().is_some_and(|(_, tail)| fits(pattern, tail)),
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((p, rest)), Some((n, tail))) => p == n && fits(rest, tail),
        _ => false,
    }
}

/// Reads a manifest over HTTP.
pub async fn read_url(url: &str) -> Result<Vec<u8>, CommandError> {
    let failed = |why: String| CommandError::message(format!("unable to read URL {url:?}, {why}"));
    let access = crate::client::access::Access { server: url.to_string(), ..Default::default() };
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(crate::client::tls::config(&access)?);
    let client = builder.build().map_err(|error| failed(error.to_string()))?;
    let unreachable = |error| crate::client::failure::unreachable(&error, &Request::get(""), url);
    let response = client.get(url).send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(failed(format!("server reported {status}, status code={}", status.as_u16())));
    }
    Ok(response.bytes().await.map_err(unreachable)?.to_vec())
}

/// Splits a manifest into its documents. Text that begins like JSON is read as JSON where it is JSON.
fn decode(source: &str, bytes: Vec<u8>, found: &mut Vec<Result<Document, CommandError>>) {
    let failed = |why: String| Err(CommandError::message(format!("error parsing {source}: {why}")));
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => return found.push(failed("error converting YAML to JSON: yaml: invalid leading UTF-8 octet".into())),
    };
    if text.trim_start().starts_with('{') {
        match json_documents(source, &text) {
            Ok(documents) => {
                found.extend(documents.into_iter().map(Ok));
                return;
            }
            Err(error) if error.is_eof() => return found.push(failed("unexpected EOF".into())),
            // YAML may look so too.
            Err(_) => {}
        }
    }
    for part in shared_types::yaml::documents(&text) {
        match shared_types::yaml::parse_document(part) {
            Ok(document) if document.value.is_null() => {}
            Ok(document) => found.push(Ok(Document::new(source, document.value))),
            Err(error) => return found.push(failed(error.to_string())),
        }
    }
}

/// The values of a text, one after the other.
fn json_documents(source: &str, text: &str) -> Result<Vec<Document>, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut documents = Vec::new();
    let mut begin = 0;
    while let Some(value) = values.next() {
        let mut document = Document::new(source, value?);
        let end = values.byte_offset();
        if ["apiVersion", "kind"].iter().any(|field| document.value.text(field).is_empty()) {
            document.json = text.get(begin..end).map(|text| text.trim().to_string());
        }
        documents.push(document);
        begin = end;
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_manifests_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        for name in ["b.yaml", "a.json", "c.txt", "deep/d.yml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |recursive| -> Vec<String> {
            let files = expand(&folder.path().display().to_string(), recursive).unwrap();
            files.iter().map(|f| f.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(false), ["a.json", "b.yaml"]);
        assert_eq!(names(true), ["a.json", "b.yaml", "deep/d.yml"]);
        assert_eq!(expand("no/such", false).unwrap_err().text(), "the path \"no/such\" does not exist");
    }

    #[test]
    fn patterns_fit() {
        assert!(fits(b"*.yaml", b"a.yaml") && fits(b"a?c*", b"abc") && !fits(b"*.yaml", b"a.yml"));
    }

    #[test]
    fn documents_keep_their_order() {
        let mut found = Vec::new();
        decode("x", b"{\"a\":1}{\"b\":2}".to_vec(), &mut found);
        decode("x", b"---\na: 1\n---\n---\nb: 2\n".to_vec(), &mut found);
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(Result::is_ok));
    }
}
