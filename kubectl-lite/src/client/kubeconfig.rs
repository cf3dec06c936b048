//! The kubeconfig: its files, read, merged, and changed where each stanza lies.
//!
//! Documents stay JSON, so that fields this program does not know survive a change.

use super::failure::TYPE_META;
use crate::context::home;
use crate::errors::CommandError;
use crate::go_format::cannot_unmarshal;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::yaml;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The lists of named stanzas, and the field that holds each stanza.
pub const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

/// Fields of stanzas that name files.
const PATHS: [(&str, &[&str]); 2] =
    [("clusters", &["certificate-authority"]), ("users", &["client-certificate", "client-key", "tokenFile"])];

/// The files that make up the kubeconfig, the most important first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub files: Vec<PathBuf>,
    /// Whether a flag named the one file; it must exist then.
    pub explicit: bool,
}

impl Sources {
    /// The file that takes new stanzas: the first that exists, else the last of the list.
    pub fn default_file(&self) -> PathBuf {
        let existing = self.files.iter().find(|path| path.exists());
        existing.or(self.files.last()).cloned().unwrap_or_default()
    }
}

/// The files that make up the kubeconfig: `--kubeconfig`, else those of `$KUBECONFIG`, else `~/.kube/config`, else the
/// one that a server of ours wrote into its default data folder.
pub fn paths(explicit: Option<&str>) -> Sources {
    if let Some(path) = explicit.filter(|path| !path.is_empty()) {
        return Sources { files: vec![path.into()], explicit: true };
    }
    if let Some(list) = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        let mut files: Vec<PathBuf> = Vec::new();
        for path in std::env::split_paths(&list) {
            if !path.as_os_str().is_empty() && !files.contains(&path) {
                files.push(path);
            }
        }
        return Sources { files, explicit: false };
    }
    let usual = home().map(|home| home.join(".kube").join("config"));
    let files = match (usual, data_folder().map(|folder| folder.join("kubeconfig"))) {
        (Some(usual), Some(own)) if !usual.exists() && own.exists() => vec![own],
        (usual, _) => usual.into_iter().collect(),
    };
    Sources { files, explicit: false }
}

/// The server's default data folder, as the platform has it.
fn data_folder() -> Option<PathBuf> {
    let base = if cfg!(windows) {
        std::env::var_os("APPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library").join("Application Support"))
    } else {
        let set = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        set.or_else(|| home().map(|home| home.join(".local").join("share")))
    };
    base.map(|base| base.join("minikube-lite"))
}

/// The merged kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    /// The merged document (`clusters`, `contexts`, `users`, `current-context`). Names of files in it are absolute.
    pub document: Value,
    /// Each file that exists, as it stands.
    pub(super) files: Vec<(PathBuf, Value)>,
    pub(super) sources: Sources,
}

/// Reads and merges `sources`. Files that do not exist count as empty, except for one that was named by a flag.
///
/// # Errors
/// A file cannot be read, or is not a kubeconfig.
pub fn load(sources: &Sources) -> Result<Kubeconfig, CommandError> {
    if let ([file], true) = (sources.files.as_slice(), sources.explicit)
        && let Err(error) = std::fs::metadata(file)
    {
        return Err(CommandError::message(format!("stat {}: {}", file.display(), os_error(&error))));
    }
    load_lenient(sources)
}

/// [`load`] for commands that may make the file: no file has to exist.
///
/// # Errors
/// A file cannot be read, or is not a kubeconfig.
pub fn load_lenient(sources: &Sources) -> Result<Kubeconfig, CommandError> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in &sources.files {
        match read_file(path) {
            Ok(Some(document)) => files.push((path.clone(), document)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    match problems.as_slice() {
        [] => {}
        [only] => return Err(CommandError::message(only.clone())),
        many => return Err(CommandError::message(format!("[{}]", many.join(", ")))),
    }
    let absolute = files.iter().map(|(path, document)| {
        let mut document = document.clone();
        for_each_path(&mut document, |name| folder(path).join(name));
        document
    });
    let document = merge(absolute);
    Ok(Kubeconfig { document, files, sources: sources.clone() })
}

impl Kubeconfig {
    /// The merged document with names of files as the files themselves have them.
    pub fn as_written(&self) -> Value {
        merge(self.files.iter().map(|(_, document)| document.clone()))
    }
    /// The stanza `name` of a list, such as `contexts`.
    pub fn stanza(&self, list: &str, name: &str) -> Option<&Value> {
        stanza(&self.document, list, name)
    }
    /// The names in a list, sorted.
    pub fn names(&self, list: &str) -> Vec<&str> {
        self.document.list(list).iter().map(|entry| entry.text("name")).collect()
    }
    /// The file that holds the stanza `name` of a list, else the one that takes new stanzas.
    pub fn file_of(&self, list: &str, name: &str) -> PathBuf {
        let holder = self.files.iter().find(|(_, document)| stanza(document, list, name).is_some());
        holder.map(|(path, _)| path.clone()).unwrap_or_else(|| self.default_file())
    }
    /// The file that takes new stanzas.
    pub fn default_file(&self) -> PathBuf {
        self.sources.default_file()
    }
    /// Makes `name` the current context. An empty name is taken out of the file that sets one.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn set_current_context(&self, name: &str) -> Result<(), CommandError> {
        if self.document.text("current-context") == name {
            return Ok(());
        }
        let setter = self.files.iter().find(|(_, document)| !document.text("current-context").is_empty());
        let file = match setter {
            Some((path, _)) if name.is_empty() => path.clone(),
            _ => self.default_file(),
        };
        edit(&file, |document| document.set("current-context", name))
    }
}

/// The stanza `name` of a list of `document`.
pub fn stanza<'a>(document: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let (_, field) = LISTS.iter().find(|(key, _)| *key == list)?;
    document.list(list).iter().find(|entry| entry.text("name") == name).map(|entry| entry.at(field))
}

/// The stanza `name` of a list for writing, made where it is absent.
pub fn stanza_mut<'a>(document: &'a mut Value, list: &str, name: &str) -> &'a mut Value {
    let field = LISTS.iter().find(|(key, _)| *key == list).map_or("", |(_, field)| field);
    if !document.at(list).is_array() {
        document.set(list, json!([]));
    }
    if !document.list(list).iter().any(|entry| entry.text("name") == name) {
        let entry = json!({"name": name, field: {}});
        if let Value::Array(entries) = document.at_mut(list) {
            entries.push(entry);
        }
    }
    match document.list_mut(list).iter_mut().find(|entry| entry.text("name") == name) {
        Some(entry) => entry.at_mut(field),
        None => unreachable!("added above"),
    }
}

/// Takes the stanza `name` out of a list.
pub fn remove_stanza(document: &mut Value, list: &str, name: &str) {
    if let Value::Array(entries) = document.at_mut(list) {
        entries.retain(|entry| entry.text("name") != name);
    }
}

/// Changes one file: it is read anew, changed and replaced in one step, under a lock, readable by its owner alone where
/// it is made.
///
/// # Errors
/// The file is locked, or cannot be read or written.
pub fn edit(path: &Path, change: impl FnOnce(&mut Value)) -> Result<(), CommandError> {
    let _lock = Lock::take(path)?;
    let mut document = read_file(path)?.unwrap_or_else(|| json!({}));
    change(&mut document);
    normalize(&mut document);
    // A link stays one; what it points to is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let fail = |error: std::io::Error| CommandError::message(format!("open {}: {}", path.display(), os_error(&error)));
    let draft = beside(&target, ".new");
    let result = write_private(&draft, yaml::to_yaml(&document).as_bytes(), target.metadata().ok())
        .and_then(|()| std::fs::rename(&draft, &target));
    result.map_err(|error| {
        // The draft is of no use to anybody; whether it could be removed changes nothing.
        let _ = std::fs::remove_file(&draft);
        fail(error)
    })
}

fn write_private(path: &Path, bytes: &[u8], like: Option<std::fs::Metadata>) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if let Some(like) = like {
        file.set_permissions(like.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    name.into()
}

/// The lock file that kubectl too respects.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Lock, CommandError> {
        let lock = beside(path, ".lock");
        let fail = |path: &Path, verb: &str, error: &std::io::Error| {
            CommandError::message(format!("{verb} {}: {}", path.display(), os_error(error)))
        };
        if let Some(folder) = lock.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| fail(folder, "mkdir", &error))?;
        }
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&lock);
        made.map_err(|error| fail(&lock, "open", &error))?;
        Ok(Lock(lock))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that somebody else has removed is gone too.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The words of the operating system, as Go has them.
pub fn os_error(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::AlreadyExists => "file exists".into(),
        ErrorKind::IsADirectory => "is a directory".into(),
        ErrorKind::NotADirectory => "not a directory".into(),
        _ => error.to_string(),
    }
}

/// `None` where the file does not exist.
fn read_file(path: &Path) -> Result<Option<Value>, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let verb = if error.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
            let path = path.display();
            return Err(format!("error loading config file \"{path}\": {verb} {path}: {}", os_error(&error)));
        }
    };
    let refused = |why: &str| format!("error loading config file \"{}\": {why}", path.display());
    let mut document =
        yaml::parse_document(&String::from_utf8_lossy(&bytes)).map_err(|error| refused(error.bare()))?.value;
    if document.is_null() {
        document = json!({});
    }
    check(&document).map_err(|why| refused(&why))?;
    normalize(&mut document);
    Ok(Some(document))
}

/// The types of a kubeconfig, as Go's errors name them: those of a list's entry and of its stanza, with the fields that
/// are texts, and those that are bytes.
struct Types {
    list: &'static str,
    entry: &'static str,
    field: &'static str,
    stanza: &'static str,
    texts: &'static [&'static str],
    bytes: &'static [&'static str],
}

const TYPES: [Types; 3] = [
    Types {
        list: "clusters",
        entry: "NamedCluster",
        field: "cluster",
        stanza: "Cluster",
        texts: &["server", "tls-server-name", "certificate-authority", "proxy-url"],
        bytes: &["certificate-authority-data"],
    },
    Types {
        list: "contexts",
        entry: "NamedContext",
        field: "context",
        stanza: "Context",
        texts: &["cluster", "user", "namespace"],
        bytes: &[],
    },
    Types {
        list: "users",
        entry: "NamedAuthInfo",
        field: "user",
        stanza: "AuthInfo",
        texts: &["client-certificate", "client-key", "token", "tokenFile", "as", "as-uid", "username", "password"],
        bytes: &["client-certificate-data", "client-key-data"],
    },
];

/// Whether a document has the form of a kubeconfig.
fn check(document: &Value) -> Result<(), String> {
    if !document.is_object() {
        let why = cannot_unmarshal(document, &format!("Go value of type {TYPE_META}"));
        return Err(format!("couldn't get version/kind; json parse error: {why}"));
    }
    let kind = Some(document.text("kind")).filter(|kind| !kind.is_empty()).unwrap_or("Config");
    let version = Some(document.text("apiVersion")).filter(|version| !version.is_empty()).unwrap_or("v1");
    if (kind, version) != ("Config", "v1") {
        return Err(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \
             \"k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50\""
        ));
    }
    let wrong = |value: &Value, place: String, ty: String| {
        Err(cannot_unmarshal(value, &format!("Go struct field {place} of type {ty}")))
    };
    let text = |holder: &Value, key: &str, place: String, ty: &str| match holder.at(key) {
        Value::Null | Value::String(_) => Ok(()),
        other => wrong(other, format!("{place}.{key}"), ty.to_string()),
    };
    text(document, "current-context", "Config".into(), "string")?;
    for Types { list, entry, field, stanza, texts, bytes } in &TYPES {
        let entries = match document.at(list) {
            Value::Null => continue,
            Value::Array(entries) => entries,
            other => return wrong(other, format!("Config.{list}"), format!("[]v1.{entry}")),
        };
        for item in entries {
            if !matches!(item, Value::Null | Value::Object(_)) {
                return wrong(item, format!("Config.{list}"), format!("v1.{entry}"));
            }
            text(item, "name", format!("{entry}.{list}"), "string")?;
            let value = item.at(field);
            if !matches!(value, Value::Null | Value::Object(_)) {
                return wrong(value, format!("{entry}.{list}.{field}"), format!("v1.{stanza}"));
            }
            for key in *texts {
                text(value, key, format!("{stanza}.{list}.{field}"), "string")?;
            }
            for key in *bytes {
                text(value, key, format!("{stanza}.{list}.{field}"), "[]uint8")?;
                base64(value.text(key))?;
            }
        }
    }
    Ok(())
}

/// Bytes as stanzas hold them.
///
/// # Errors
/// Where they are not base64, as Go says it.
pub fn base64(text: &str) -> Result<Vec<u8>, String> {
    use base64::{DecodeError, Engine as _};
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    base64::engine::general_purpose::STANDARD.decode(&text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) => at,
            // The group that is not whole.
            _ => text.len() - text.len() % 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}

/// Brings a document into the form in which kubectl writes it: lists sorted by name, of several entries of one name the
/// first, and the fields that are always there.
fn normalize(document: &mut Value) {
    document.set("apiVersion", "v1");
    document.set("kind", "Config");
    document.set_default("current-context", "");
    if document.at("preferences").as_object().is_some_and(|preferences| preferences.is_empty()) {
        document.remove("preferences");
    }
    for (list, field) in LISTS {
        let mut entries = document.list(list).to_vec();
        entries.sort_by(|a, b| a.text("name").cmp(b.text("name")));
        entries.dedup_by(|later, first| later.text("name") == first.text("name"));
        for entry in &mut entries {
            let name = entry.text("name").to_string();
            entry.set("name", name);
            let stanza = entry.at_mut(field);
            stanza.map_mut("");
            match list {
                "clusters" => stanza.set_default("server", ""),
                "contexts" => ["cluster", "user"].iter().for_each(|key| stanza.set_default(key, "")),
                _ if stanza.has("exec") => {
                    for key in ["args", "env"] {
                        stanza.at_mut("exec").map_mut("").entry(key).or_insert(Value::Null);
                    }
                    stanza.set_default("exec.provideClusterInfo", false);
                }
                _ => {}
            }
        }
        document.set(list, if entries.is_empty() { Value::Null } else { entries.into() });
    }
}

/// The first document that has a stanza, or sets a value, wins.
fn merge(documents: impl Iterator<Item = Value>) -> Value {
    let mut merged = json!({});
    for document in documents {
        let Value::Object(fields) = document else { continue };
        for (key, value) in fields {
            let is_list = LISTS.iter().any(|(list, _)| *list == key);
            match (is_list, merged.at_mut(&key)) {
                (true, Value::Array(all)) => all.extend(value.as_array().into_iter().flatten().cloned()),
                (_, place) if place.is_null() || place == "" => *place = value,
                _ => {}
            }
        }
    }
    normalize(&mut merged);
    merged
}

fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())
}

fn for_each_path(document: &mut Value, change: impl Fn(&str) -> PathBuf) {
    for (list, fields) in PATHS {
        let field = LISTS.iter().find(|(key, _)| *key == list).map_or("", |(_, field)| field);
        for entry in document.list_mut(list) {
            for name in fields {
                let path = entry.at(field).text(name).to_string();
                if !path.is_empty() {
                    entry.at_mut(field).set(name, change(&path).to_string_lossy().into_owned());
                }
            }
            // A plugin that is named by a path; a bare name is looked for on the PATH.
            let command = entry.at(field).text("exec.command").to_string();
            if command.contains('/') {
                entry
                    .at_mut(field)
                    .set("exec.command", change(command.trim_start_matches("./")).to_string_lossy().into_owned());
            }
        }
    }
}

/// How the kubeconfig `file` names another file: relative to its own folder where that lies below it.
pub fn relative_to(file: &Path, other: &str) -> String {
    let absolute = std::path::absolute(other).unwrap_or_else(|_| other.into());
    let path = absolute.strip_prefix(folder(file)).unwrap_or(&absolute);
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_first_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        let a = "clusters: [{name: z, cluster: {server: one, certificate-authority: ca.crt}}]\n";
        let b =
            "clusters: [{name: z, cluster: {server: two}}, {name: a, cluster: {server: three}}]\ncurrent-context: c\n";
        let files = vec![write(folder.path(), "a", a), write(folder.path(), "b", b), folder.path().join("missing")];
        let config = load(&Sources { files: files.clone(), explicit: false }).unwrap();
        assert_eq!(config.names("clusters"), ["a", "z"]);
        let cluster = config.stanza("clusters", "z").unwrap();
        assert_eq!(cluster.text("server"), "one");
        assert_eq!(cluster.text("certificate-authority"), folder.path().join("ca.crt").to_str().unwrap());
        assert_eq!(config.document.text("current-context"), "c");
        assert_eq!(config.as_written().list("clusters")[1].text("cluster.certificate-authority"), "ca.crt");
        assert_eq!(config.file_of("clusters", "a"), files[1]);
        assert_eq!(config.file_of("users", "new"), files[0]);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "a", "mine: 1\nusers: [{name: u, user: {token: t, odd: 2}}]\n");
        edit(&path, |document| stanza_mut(document, "contexts", "c").set("user", "u")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "apiVersion: v1\nclusters: null\ncontexts:\n- context:\n    cluster: \"\"\n    user: u\n  name: c\n\
                        current-context: \"\"\nkind: Config\nmine: 1\nusers:\n- name: u\n  user:\n    odd: 2\n    token: t\n";
        assert_eq!(text, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(beside(&path, ".lock"), "").unwrap();
        let locked = edit(&path, |_| ()).unwrap_err().text();
        assert_eq!(locked, format!("open {}.lock: file exists", path.display()));
    }

    #[test]
    fn files_that_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "bad", "apiVersion: v1\nkind: Config\nclusters: {{{\n");
        let error = load(&Sources { files: vec![path.clone()], explicit: true }).unwrap_err().text();
        let expected = format!(
            "error loading config file \"{}\": yaml: line 3: did not find expected node content",
            path.display()
        );
        assert_eq!(error, expected);
        let missing = folder.path().join("missing");
        let error = load(&Sources { files: vec![missing.clone()], explicit: true }).unwrap_err().text();
        assert_eq!(error, format!("stat {}: no such file or directory", missing.display()));
    }
}
