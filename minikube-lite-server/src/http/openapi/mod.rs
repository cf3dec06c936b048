//! OpenAPI: `/openapi/v2` in one piece, and `/openapi/v3` by group and version (KEP-2896).
//!
//! Documents are made when they are first asked for, from the table of kinds and the words of its types, and kept
//! compressed.

mod definitions;
mod operations;
mod protobuf;
mod v2;
mod v3;

use super::query::Query;
use super::respond;
use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use operations::Path;
use sha2::{Digest as _, Sha512};
use shared_types::json::{Object, Value, json};
use shared_types::kinds::KINDS;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::{LazyLock, OnceLock};

const JSON: &str = "application/json";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The same as an answer's content type, where `@` has no place (RFC 6838).
const V2_PROTOBUF_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// A document that is made when it is first asked for, and kept compressed.
struct Document {
    /// Stands for the content: of what all documents are made from, and which document it is.
    hash: String,
    content_type: &'static str,
    make: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    gzip: OnceLock<Bytes>,
}

static V2_JSON: LazyLock<Document> = LazyLock::new(|| Document::new("v2", JSON, || to_bytes(&v2_document())));
static V2_PB: LazyLock<Document> =
    LazyLock::new(|| Document::new("v2 pb", V2_PROTOBUF_ANSWER, || protobuf::encode(&v2_document())));
/// The documents of OpenAPI 3.0 by what comes after `/openapi/v3/`.
static V3: LazyLock<BTreeMap<String, Document>> = LazyLock::new(v3_documents);
static V3_INDEX: LazyLock<Document> = LazyLock::new(|| Document::new("v3", JSON, || to_bytes(&v3_index())));

impl Document {
    fn new(name: &str, content_type: &'static str, make: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Document {
        let digest = Sha512::digest(format!("{} {name}", env!("OPENAPI_FINGERPRINT")));
        let hash = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Document { hash, content_type, make: Box::new(make), gzip: OnceLock::new() }
    }

    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            // Writing to memory does not fail.
            encoder.write_all(&(self.make)()).and_then(|()| encoder.finish()).unwrap_or_default().into()
        })
    }

    fn answer(&self, headers: &HeaderMap, cached: bool) -> Response<Body> {
        let has = |name: HeaderName, wanted: &str| {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains(wanted))
        };
        let etag = format!("\"{}\"", self.hash);
        let mut response = if has(IF_NONE_MATCH, &etag) {
            respond::bytes(304, self.content_type, Vec::new())
        } else if has(ACCEPT_ENCODING, "gzip") {
            let mut response = respond::bytes(200, self.content_type, self.gzip().clone());
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            let mut plain = Vec::new();
            match GzDecoder::new(&self.gzip()[..]).read_to_end(&mut plain) {
                Ok(_) => respond::bytes(200, self.content_type, plain),
                Err(_) => respond::bytes(500, "text/plain; charset=utf-8", Vec::new()),
            }
        };
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.append(VARY, HeaderValue::from_static("Accept"));
        if cached {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
            let year = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(365 * 24);
            if let Ok(expires) = HeaderValue::from_str(&year.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
                headers.insert(EXPIRES, expires);
            }
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        }
        response
    }
}

/// The answer for a path below `/openapi`, if there is a document there.
pub fn answer(path: &str, query: &Query, headers: &HeaderMap) -> Option<Response<Body>> {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    // The first type that we have.
    let accepted = accept.split(',').find_map(|clause| match clause.split(';').next().unwrap_or("").trim() {
        "" | JSON | "*/*" | "application/*" => Some(JSON),
        V2_PROTOBUF | V2_PROTOBUF_ANSWER => Some(V2_PROTOBUF),
        _ => None,
    });
    match (path.strip_prefix("/openapi/")?, accepted) {
        ("v2", Some(V2_PROTOBUF)) => Some(V2_PB.answer(headers, false)),
        ("v2", Some(_)) => Some(V2_JSON.answer(headers, false)),
        ("v3", Some(JSON)) => Some(V3_INDEX.answer(headers, false)),
        ("v2" | "v3", _) => Some(not_acceptable()),
        (rest, accepted) => {
            let document = V3.get(rest.strip_prefix("v3/")?)?;
            let wanted = query.get("hash");
            if accepted != Some(JSON) {
                return Some(not_acceptable());
            }
            if !wanted.is_empty() && wanted != document.hash {
                let mut response = respond::bytes(301, JSON, Vec::new());
                if let Ok(location) = HeaderValue::from_str(&format!("{path}?hash={}", document.hash)) {
                    response.headers_mut().insert(LOCATION, location);
                }
                return Some(response);
            }
            Some(document.answer(headers, !wanted.is_empty()))
        }
    }
}

fn not_acceptable() -> Response<Body> {
    respond::bytes(406, "text/plain; charset=utf-8", Vec::new())
}

fn to_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": super::health::version()["gitVersion"]})
}

/// Whether a definition for a value of several types is that of integers and strings (the other one is of quantities).
fn is_int_or_string(definition: &Value) -> bool {
    definition["description"].as_str().is_some_and(|words| words.starts_with("IntOrString"))
}

/// Groups with their versions, in the order of the table of kinds.
fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for pair in KINDS.iter().filter(|kind| kind.is_described()).map(|kind| (kind.group, kind.version)) {
        if !found.contains(&pair) {
            found.push(pair);
        }
    }
    found
}

/// The documents of discovery itself, by where they lie.
fn discovery_paths() -> BTreeMap<String, Vec<Path>> {
    let versions = "get available API versions";
    let mut all = BTreeMap::new();
    let mut add = |path: &str, id: &str, words: &str, answer: &str| {
        let operation = operations::discovery(format!("/{path}/"), id.to_string(), words, answer);
        all.insert(path.to_string(), vec![operation]);
    };
    add("api", "getCoreAPIVersions", versions, "APIVersions");
    add("apis", "getAPIVersions", versions, "APIGroupList");
    for (group, _) in group_versions().into_iter().filter(|(group, _)| !group.is_empty()) {
        add(&format!("apis/{group}"), &format!("get{group}APIGroup"), "get information of a group", "APIGroup");
    }
    all
}

fn v3_index() -> Value {
    let entry = |(path, document): (&String, &Document)| {
        (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={}", document.hash)}))
    };
    json!({"paths": V3.iter().map(entry).collect::<Object>()})
}

fn v3_documents() -> BTreeMap<String, Document> {
    let document = |name: &str, paths: fn(&str) -> Vec<Path>| {
        let path = name.to_string();
        let make = move || to_bytes(&v3::document(&paths(&path), &definitions::load()));
        (name.to_string(), Document::new(name, JSON, make))
    };
    let mut documents = BTreeMap::new();
    documents.extend(
        discovery_paths().keys().map(|name| document(name, |name| discovery_paths().remove(name).unwrap_or_default())),
    );
    documents.extend(group_versions().into_iter().map(|(group, version)| {
        document(&version_path(group, version), |name| {
            let here = |pair: &(&str, &str)| version_path(pair.0, pair.1) == name;
            let found = group_versions().into_iter().find(here);
            found.map_or_else(Vec::new, |(group, version)| operations::of_version(group, version))
        })
    }));
    documents.insert("version".into(), Document::new("version", JSON, || to_bytes(&version_document())));
    documents
}

/// Where the document of a group and version lies.
fn version_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The document of `/version`.
fn version_document() -> Value {
    let text: Object = super::health::version()
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .map(|field| (field.clone(), json!({"type": "string"})))
        .collect();
    let schema = json!({"type": "object", "properties": text});
    let answer = json!({"200": {"description": "OK", "content": {JSON: {"schema": schema}}}});
    let get =
        json!({"operationId": "getCodeVersion", "description": "get the version information", "responses": answer});
    json!({"openapi": "3.0.0", "info": info(), "paths": {"/version/": {"get": get}}})
}

fn v2_document() -> Value {
    let mut paths: Vec<Path> = discovery_paths().into_values().flatten().collect();
    for (group, version) in group_versions() {
        paths.extend(operations::of_version(group, version));
    }
    v2::document(&paths, &definitions::load())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, query: &str, headers: &[(HeaderName, &'static str)]) -> Option<Response<Body>> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        answer(path, &Query::parse(query), &headers)
    }

    #[test]
    fn the_index_names_every_version_by_its_hash() {
        for (group, version) in group_versions() {
            let path = version_path(group, version);
            let document = &V3[&path];
            let query = format!("hash={}", document.hash);
            let answer = get(&format!("/openapi/v3/{path}"), &query, &[]).unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()[CACHE_CONTROL]),
                (200, &"public, immutable".parse().unwrap())
            );
        }
        let moved = get("/openapi/v3/api/v1", "hash=OLD", &[]).unwrap();
        assert_eq!(moved.status(), 301);
        assert!(get("/openapi/v3/apis/nosuch/v1", "", &[]).is_none());
    }

    #[test]
    fn clients_get_the_form_they_ask_for() {
        let v2 = |accept| get("/openapi/v2", "", &[(ACCEPT, accept)]).unwrap();
        assert_eq!(v2(V2_PROTOBUF).headers()["content-type"], V2_PROTOBUF_ANSWER);
        assert_eq!(v2("application/json, */*").headers()["content-type"], JSON);
        assert_eq!(v2("image/png").status(), 406);
        let zipped = get("/openapi/v3", "", &[(ACCEPT_ENCODING, "gzip, deflate")]).unwrap();
        assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
    }

    #[test]
    fn documents_hold_what_their_paths_refer_to() {
        let definitions = definitions::load();
        let document = v3::document(&operations::of_version("apps", "v1"), &definitions);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for reference in document.to_string().split("\"$ref\":\"#/components/schemas/").skip(1) {
            assert!(schemas.contains_key(reference.split('"').next().unwrap()));
        }
        let spec = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"];
        assert_eq!(spec["strategy"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy");
        let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
        assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
    }
}
