//! The volumes of a Pod, as files.

use super::downward::Downward;
use super::expansion::expand;
use super::hosts;
use super::sources::{self, Source, SourceKind, Sources};
use crate::node::runtime::files::{Mount, Tree, Volume};
use crate::node::tokens::{TokenIssuer, TokenWanted};
use bytes::Bytes;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value};
use shared_types::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a token holds where nothing is said, in seconds.
const TOKEN_SECONDS: i64 = 3600;

/// The simulated directories of a node that `hostPath` volumes show, by path.
pub type HostPaths = Arc<Mutex<HashMap<String, Volume>>>;

/// What volumes are made from.
pub struct Makings<'a> {
    pub downward: Downward<'a>,
    pub sources: &'a Sources,
    pub tokens: &'a TokenIssuer,
    pub host_paths: &'a HostPaths,
    pub now: Timestamp,
}

/// The volumes of a Pod.
pub struct PodVolumes {
    volumes: BTreeMap<String, Made>,
    /// What they are taken from.
    pub sources: BTreeSet<Source>,
    /// They tell of labels or annotations, which change.
    pub tells_metadata: bool,
    /// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`.
    etc: Volume,
}

struct Made {
    volume: Volume,
    /// The files of a volume that the node makes and keeps up to date.
    files: Option<Vec<VolumeFile>>,
}

/// A file of a volume: its path there, its content, its mode.
#[derive(Clone, Debug, PartialEq, Eq)]
struct VolumeFile {
    path: Box<str>,
    content: Bytes,
    mode: u32,
}

/// Why volumes cannot be made: their names, and the kubelet's messages.
pub type Failures = Vec<(String, String)>;

impl PodVolumes {
    /// Makes the volumes of a Pod.
    ///
    /// # Errors
    /// For each volume that cannot be made, why.
    pub fn make(makings: &Makings<'_>, ip: Ipv4Addr, hostname: &str) -> Result<PodVolumes, Failures> {
        let pod = makings.downward.pod;
        let (mut volumes, mut failures) = (BTreeMap::new(), Vec::new());
        for spec in pod.list("spec.volumes") {
            let name = spec.text("name").to_string();
            match make(spec, makings) {
                Ok(made) => {
                    volumes.insert(name, made);
                }
                Err(why) => failures.push((name, why)),
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        let etc = Tree::at(makings.now)
            .file("/hosts", hosts::hosts(pod, ip, hostname))
            .file("/hostname", format!("{hostname}\n"))
            .file("/resolv.conf", hosts::dns(pod).file());
        let tells_metadata = pod.list("spec.volumes").iter().any(|volume| {
            let projected = volume.list("projected.sources").iter().flat_map(|source| source.list("downwardAPI.items"));
            let paths =
                volume.list("downwardAPI.items").iter().chain(projected).map(|item| item.text("fieldRef.fieldPath"));
            paths
                .into_iter()
                .any(|path| path.starts_with("metadata.labels") || path.starts_with("metadata.annotations"))
        });
        Ok(PodVolumes { volumes, sources: sources::of_volumes(pod), tells_metadata, etc: Volume::of(&etc) })
    }

    /// Brings the files up to date with what they are made from. What has gone meanwhile stays as it is.
    pub fn update(&mut self, makings: &Makings<'_>) {
        for spec in makings.downward.pod.list("spec.volumes") {
            let Some(made) = self.volumes.get_mut(spec.text("name")) else { continue };
            let Some(before) = &made.files else { continue };
            if let Ok(Some(files)) = files_of(spec, makings, before)
                && files != *before
            {
                made.volume.replace_all(&projected(&files, makings.now));
                made.files = Some(files);
            }
        }
    }

    /// What a container sees of them, and the files that every container has.
    ///
    /// # Errors
    /// When the container wants what is not there.
    pub fn mounts(
        &self,
        container: &Value,
        env: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Vec<Mount>, String> {
        let mut mounts = Vec::new();
        for name in ["hosts", "hostname", "resolv.conf"] {
            let path = format!("/etc/{name}");
            if container.list("volumeMounts").iter().all(|mount| mount.text("mountPath") != path) {
                mounts.push(Mount { path, volume: self.etc.clone(), sub_path: name.into(), read_only: false });
            }
        }
        for mount in container.list("volumeMounts") {
            let name = mount.text("name");
            let made = self.volumes.get(name).ok_or_else(|| format!("volume \"{name}\" is not mounted"))?;
            let sub_path = match mount.text("subPathExpr") {
                "" => mount.text("subPath").to_string(),
                expression => expand(expression, |name| env.get(name).map(String::as_str)),
            };
            let sub_path = sub_path.trim_matches('/').to_string();
            // A part of such a volume stays as it is when the container starts.
            let volume = match &made.files {
                Some(files) if !sub_path.is_empty() => Volume::of(&flat(files, now)),
                _ => made.volume.clone(),
            };
            let read_only = mount.flag("readOnly") || made.files.is_some();
            mounts.push(Mount { path: mount.text("mountPath").to_string(), volume, sub_path, read_only });
        }
        Ok(mounts)
    }
}

fn make(spec: &Value, makings: &Makings<'_>) -> Result<Made, String> {
    if let Some(files) = files_of(spec, makings, &[])? {
        return Ok(Made { volume: Volume::of(&projected(&files, makings.now)), files: Some(files) });
    }
    let volume = if spec.has("emptyDir") {
        let limit = Quantity::parse(spec.text("emptyDir.sizeLimit")).ok();
        Volume::empty(limit.and_then(|limit| u64::try_from(limit.value()).ok()).filter(|limit| *limit > 0))
    } else if spec.has("hostPath") {
        let mut paths = makings.host_paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.entry(spec.text("hostPath.path").to_string()).or_insert_with(|| Volume::empty(None)).clone()
    } else {
        let kind = spec.as_object().and_then(|spec| spec.keys().find(|key| *key != "name"));
        let kind = kind.map_or("unknown", CompactString::as_str);
        return Err(format!("volumes of type {kind} are not supported by this node"));
    };
    Ok(Made { volume, files: None })
}

/// The files of a volume that the node makes; `None` for other volumes. Tokens that are among the files from `before`
/// are kept.
fn files_of(spec: &Value, makings: &Makings<'_>, before: &[VolumeFile]) -> Result<Option<Vec<VolumeFile>>, String> {
    let mut files = Vec::new();
    let mode =
        |source: &str| u32::try_from(spec.int(&format!("{source}.defaultMode")).unwrap_or(0o644)).unwrap_or(0o644);
    if spec.has("configMap") {
        let source = spec.at("configMap");
        add_entries(&mut files, SourceKind::ConfigMap, source.text("name"), source, mode("configMap"), makings)?;
    } else if spec.has("secret") {
        let source = spec.at("secret");
        add_entries(&mut files, SourceKind::Secret, source.text("secretName"), source, mode("secret"), makings)?;
    } else if spec.has("downwardAPI") {
        add_downward(&mut files, spec.at("downwardAPI"), mode("downwardAPI"), makings)?;
    } else if spec.has("projected") {
        let mode = mode("projected");
        for source in spec.list("projected.sources") {
            if source.has("configMap") {
                let source = source.at("configMap");
                add_entries(&mut files, SourceKind::ConfigMap, source.text("name"), source, mode, makings)?;
            } else if source.has("secret") {
                let source = source.at("secret");
                add_entries(&mut files, SourceKind::Secret, source.text("name"), source, mode, makings)?;
            } else if source.has("downwardAPI") {
                add_downward(&mut files, source.at("downwardAPI"), mode, makings)?;
            } else if source.has("serviceAccountToken") {
                let source = source.at("serviceAccountToken");
                let path = source.text("path");
                let content = match before.iter().find(|file| &*file.path == path) {
                    Some(file) => file.content.clone(),
                    None => token(source, makings)?.into(),
                };
                files.push(VolumeFile { path: path.into(), content, mode });
            } else {
                let kind = source.as_object().and_then(|source| source.keys().next());
                return Err(format!("no supported projection: {}", kind.map_or("", CompactString::as_str)));
            }
        }
    } else {
        return Ok(None);
    }
    // What comes later lies over what comes earlier.
    files.reverse();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|later, earlier| later.path == earlier.path);
    Ok(Some(files))
}

fn token(source: &Value, makings: &Makings<'_>) -> Result<String, String> {
    let pod = makings.downward.pod;
    let account = match pod.text("spec.serviceAccountName") {
        "" => "default",
        account => account,
    };
    let wanted = TokenWanted {
        namespace: pod.namespace(),
        service_account: account,
        audience: source.text("audience"),
        seconds: source.int("expirationSeconds").unwrap_or(TOKEN_SECONDS),
        pod: (pod.name(), pod.uid()),
    };
    (makings.tokens)(&wanted).map_err(|status| format!("failed to fetch token: {}", status.message))
}

/// Adds the entries of a ConfigMap or Secret: all, or those that `items` name.
fn add_entries(
    files: &mut Vec<VolumeFile>,
    kind: SourceKind,
    name: &str,
    source: &Value,
    mode: u32,
    makings: &Makings<'_>,
) -> Result<(), String> {
    let optional = source.flag("optional");
    let Some(object) = makings.sources.find(kind, name, optional)? else { return Ok(()) };
    let mut add = |path: &str, content: Vec<u8>, mode| {
        files.push(VolumeFile { path: path.into(), content: content.into(), mode });
    };
    if source.list("items").is_empty() {
        for (key, content) in sources::entries(kind, object) {
            add(key, content, mode);
        }
    }
    for item in source.list("items") {
        let key = item.text("key");
        match (sources::entry(kind, object, key), kind) {
            (Some(content), _) => add(item.text("path"), content, item_mode(item, mode)),
            (None, _) if optional => {}
            (None, SourceKind::ConfigMap) => {
                return Err(format!("configmap references non-existent config key: {key}"));
            }
            (None, SourceKind::Secret) => return Err(format!("references non-existent secret key: {key}")),
        }
    }
    Ok(())
}

fn add_downward(files: &mut Vec<VolumeFile>, source: &Value, mode: u32, makings: &Makings<'_>) -> Result<(), String> {
    for item in source.list("items") {
        let content = makings.downward.value(item, None)?.into();
        files.push(VolumeFile { path: item.text("path").into(), content, mode: item_mode(item, mode) });
    }
    Ok(())
}

fn item_mode(item: &Value, default: u32) -> u32 {
    item.int("mode").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(default)
}

/// The files as a kubelet lays them out: in a directory of their own that `..data` leads to, so that all change at once.
fn projected(files: &[VolumeFile], now: Timestamp) -> Tree {
    let version = format!("..{}", now.strftime("%Y_%m_%d_%H_%M_%S.%N"));
    let mut tree = Tree::at(now).directory(&format!("/{version}")).link("/..data", &version);
    let mut links = BTreeSet::new();
    for file in files {
        tree = tree.file_with_mode(&format!("/{version}/{}", file.path), file.content.clone(), file.mode);
        links.insert(file.path.split('/').next().unwrap_or_default());
    }
    links.into_iter().fold(tree, |tree, name| tree.link(&format!("/{name}"), &format!("..data/{name}")))
}

/// The files themselves.
fn flat(files: &[VolumeFile], now: Timestamp) -> Tree {
    files.iter().fold(Tree::at(now), |tree, file| {
        tree.file_with_mode(&format!("/{}", file.path), file.content.clone(), file.mode)
    })
}
