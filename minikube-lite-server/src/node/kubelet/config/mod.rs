//! What a container is given besides its image: environment variables, files, names of hosts.

pub mod downward;
pub mod env;
pub mod expansion;
pub mod hosts;
pub mod service_links;
pub mod sources;
pub mod volumes;
