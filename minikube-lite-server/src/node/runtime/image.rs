//! Names of images, and which of them the simulated registries know.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A parsed image reference (the grammar of `distribution/reference`): `nginx:1.28` is
/// `docker.io/library/nginx:1.28`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Registry and path: `docker.io/library/nginx`.
    pub repository: String,
    /// `1.28`; `latest` where the name has neither tag nor digest, empty where it has a digest only.
    pub tag: String,
    /// `sha256:...`; empty without.
    pub digest: String,
}

impl Reference {
    /// Reads an image name. The error is what a kubelet says of a name it cannot use.
    pub fn parse(image: &str) -> Result<Reference, String> {
        let refuse = |why: &str| {
            Err(format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid \
                 reference format{why}"
            ))
        };
        let (name, digest) = image.split_once('@').unwrap_or((image, ""));
        let slash = name.rfind('/').map_or(0, |i| i + 1);
        let (path, tag) = match name[slash..].split_once(':') {
            Some((last, tag)) => (&name[..slash + last.len()], Some(tag)),
            None => (name, None),
        };
        let (registry, rest) = match path.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", path),
        };
        let component = |part: &str, upper: bool| {
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (upper && c.is_ascii_uppercase());
            part.starts_with(letter) && part.ends_with(letter) && part.chars().all(|c| letter(c) || "._-".contains(c))
        };
        if !rest.split('/').all(|part| component(part, true)) || !registry.chars().all(|c| c.is_ascii_graphic()) {
            return refuse("");
        }
        let repository = match registry {
            "docker.io" if !rest.contains('/') => format!("docker.io/library/{rest}"),
            _ => format!("{registry}/{rest}"),
        };
        if !rest.split('/').all(|part| component(part, false)) {
            let shown = repository.strip_prefix("docker.io/").unwrap_or(&repository);
            return refuse(&format!(": repository name ({shown}) must be lowercase"));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let tag_is_valid =
            |t: &str| t.len() <= 128 && t.starts_with(word) && t.chars().all(|c| word(c) || c == '.' || c == '-');
        if tag.is_some_and(|t| !tag_is_valid(t)) {
            return refuse("");
        }
        let digest_is_valid = digest
            .split_once(':')
            .is_some_and(|(_, hex)| hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit()));
        if image.contains('@') && !digest_is_valid {
            return refuse("");
        }
        let tag = tag.unwrap_or(if digest.is_empty() { "latest" } else { "" });
        Ok(Reference { repository, tag: tag.into(), digest: digest.into() })
    }

    /// The last part of the path: `nginx`.
    pub fn short_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// The whole reference: `docker.io/library/nginx:1.28`.
    pub fn full(&self) -> String {
        let mut text = self.repository.clone();
        if !self.tag.is_empty() {
            text += &format!(":{}", self.tag);
        }
        if !self.digest.is_empty() {
            text += &format!("@{}", self.digest);
        }
        text
    }

    /// What the runtime reports as `imageID`: repository and digest. The digest of an image that was named by tag is made
    /// from its name, so that it is always the same.
    pub fn id(&self) -> String {
        match self.digest.as_str() {
            "" => format!("{}@sha256:{}", self.repository, hex(&[&self.repository, &self.tag])),
            digest => format!("{}@{digest}", self.repository),
        }
    }

    /// Asks the registry. The error is what a pull of an unknown image fails with.
    pub fn resolve(&self) -> Result<(), String> {
        let unknown = |text: &str| text.contains("nosuch") || text.contains("does-not-exist");
        let full = self.full();
        if unknown(&self.repository) {
            return Err(format!(
                "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": pull access \
                 denied, repository does not exist or may require authorization: server message: insufficient_scope: \
                 authorization failed"
            ));
        }
        if unknown(&self.tag) {
            return Err(self.no_such_tag());
        }
        Ok(())
    }

    /// What a pull fails with when the repository does not have the tag.
    pub fn no_such_tag(&self) -> String {
        let full = self.full();
        format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found")
    }

    /// The size of the image in bytes, invented but always the same.
    pub fn size(&self) -> u64 {
        let digest = Sha256::digest(self.full());
        4_000_000 + u64::from(u32::from_be_bytes([0, digest[0], digest[1], digest[2]])) * 6
    }
}

/// The SHA-256 of the parts, in hexadecimal.
pub fn hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        assert_eq!(Reference::parse("nginx").unwrap().full(), "docker.io/library/nginx:latest");
        assert_eq!(Reference::parse("a/b:1").unwrap().full(), "docker.io/a/b:1");
        assert_eq!(Reference::parse("localhost:5000/x").unwrap().full(), "localhost:5000/x:latest");
        assert_eq!(Reference::parse("registry.k8s.io/e2e/agnhost:2.5").unwrap().short_name(), "agnhost");
        let digest = format!("nginx@sha256:{}", "0".repeat(64));
        assert_eq!(Reference::parse(&digest).unwrap().id(), format!("docker.io/library/{digest}"));
    }

    #[test]
    fn bad_names_are_refused_as_a_kubelet_does() {
        for bad in ["bad image", "", "nginx:", ":x", "a//b", "nginx@sha256:1", "nginx:a:b"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        assert!(Reference::parse("NGINX").unwrap_err().ends_with("repository name (library/NGINX) must be lowercase"));
    }

    #[test]
    fn unknown_images_do_not_resolve() {
        assert!(Reference::parse("nosuch:1").unwrap().resolve().unwrap_err().contains("pull access denied"));
        assert!(Reference::parse("nginx:does-not-exist").unwrap().resolve().unwrap_err().ends_with(": not found"));
        assert!(Reference::parse("nginx:1.28").unwrap().resolve().is_ok());
    }
}
