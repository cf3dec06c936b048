//! Takes the words of the API out of k8s-openapi: descriptions, types, formats and required fields of every type that our
//! kinds reach, as one compressed document. The server makes its OpenAPI documents from it, so that neither k8s-openapi nor
//! a copy of its text is part of the program.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use k8s_openapi::api::{
    apps::v1 as apps, authentication::v1 as authentication, authorization::v1 as authorization, autoscaling,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    policy::v1 as policy, rbac::v1 as rbac,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut fingerprint = DefaultHasher::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        hash_files(Path::new(source), &mut fingerprint)?;
    }
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    add_kinds(&mut generator);
    add_others(&mut generator);
    let definitions = serde_json::to_vec(&generator.take_definitions(true))?;
    definitions.hash(&mut fingerprint);
    println!("cargo::rustc-env=OPENAPI_FINGERPRINT={:016x}", fingerprint.finish());
    let path = Path::new(&std::env::var("OUT_DIR")?).join("definitions.json.deflate");
    let mut encoder = DeflateEncoder::new(std::fs::File::create(path)?, Compression::best());
    encoder.write_all(&definitions)?;
    encoder.finish()?;
    Ok(())
}

/// What the OpenAPI documents are made from, beside the words. Their hashes follow from it, so that none has to be made
/// before it is asked for.
const SOURCES: &[&str] =
    &["build.rs", "src/http/health.rs", "src/http/openapi", "../shared-types/src/kinds", "../shared-types/src/schema"];

/// Hashes a file, or all files of a folder by name.
fn hash_files(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    if !path.is_dir() {
        std::fs::read(path)?.hash(hasher);
        return Ok(());
    }
    let mut files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    files.iter().try_for_each(|file| hash_files(file, hasher))
}

/// A definition for each type, and for whatever it refers to.
macro_rules! define {
    ($generator:ident: $($type:ty),+ $(,)?) => {
        $(define::<$type>($generator);)+
    };
}

fn define<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// The kinds of the table of kinds.
fn add_kinds(generator: &mut SchemaGenerator) {
    define!(generator: core::Binding, core::ConfigMap, core::Endpoints, core::Event, core::LimitRange, core::Namespace,
        core::Node, core::Pod, core::ResourceQuota, core::Secret, core::ServiceAccount, core::Service);
    define!(generator: apps::Deployment, apps::ReplicaSet, autoscaling::v2::HorizontalPodAutoscaler);
    define!(generator: authentication::SelfSubjectReview, authentication::TokenReview);
    define!(generator: authorization::LocalSubjectAccessReview, authorization::SelfSubjectAccessReview,
        authorization::SelfSubjectRulesReview, authorization::SubjectAccessReview);
    define!(generator: coordination::Lease, discovery::EndpointSlice, events::Event);
    define!(generator: rbac::ClusterRoleBinding, rbac::ClusterRole, rbac::RoleBinding, rbac::Role);
}

/// What subresources take, and what requests and answers are made of.
fn add_others(generator: &mut SchemaGenerator) {
    define!(generator: authentication::TokenRequest, autoscaling::v1::Scale, policy::Eviction);
    define!(generator: meta::APIGroup, meta::APIGroupList, meta::APIResourceList, meta::APIVersions, meta::DeleteOptions,
        meta::ListMeta, meta::Status, meta::WatchEvent<RawExtension>);
}
