//! An author's own images, described in a YAML file (`--images FILE`).
//!
//! Every mistake is found when the file is read, and told with its line and field.

use super::image::Reference;
use super::images::{Image, described};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared_types::quantity::Quantity;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The images of a file.
#[derive(Clone, Default)]
pub struct ImagesFile {
    images: Vec<(Description, Arc<Image>)>,
}

/// The file's content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(deserialize_with = "distinct")]
    images: Vec<Description>,
}

/// One image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    /// The name without a tag, as a Pod has it.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The tags that the registry has; without any, it has all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where the program listens.
    #[serde(default)]
    pub ports: Vec<std::num::NonZeroU16>,
    /// How long a container takes to start.
    #[serde(default)]
    pub start_delay: Time,
    /// What is answered, by path. Without any, every path answers with the Pod's name.
    #[serde(default)]
    pub http: Vec<Answer>,
    #[serde(default)]
    pub log: Log,
    /// When the program ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The exit code when it is asked to stop.
    #[serde(default)]
    pub stop_code: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// The answer for one path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// A whole path, or the beginning of some, ended by `*`.
    #[serde(deserialize_with = "path")]
    pub path: String,
    #[serde(default = "ok", deserialize_with = "status")]
    pub status: u16,
    #[serde(default, deserialize_with = "headers")]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Text,
    /// How long the answer takes.
    #[serde(default)]
    pub delay: Time,
}

/// What the program logs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    #[serde(default)]
    pub start: Vec<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// With each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Text>,
}

/// A line that is logged again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    #[serde(deserialize_with = "interval")]
    pub interval: Time,
    pub line: Text,
}

/// How the program ends by itself: after a time, or after a number of requests, or whichever is first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "ExitFields")]
pub struct Exit {
    pub code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_requests: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExitFields {
    code: u8,
    after: Option<Time>,
    after_requests: Option<u64>,
}

impl TryFrom<ExitFields> for Exit {
    type Error = &'static str;
    fn try_from(ExitFields { code, after, after_requests }: ExitFields) -> Result<Exit, &'static str> {
        match (after, after_requests) {
            (None, None) => Err("exit: needs `after` or `afterRequests`"),
            (_, Some(0)) => Err("exit: `afterRequests` must be at least 1"),
            _ => Ok(Exit { code, after, after_requests }),
        }
    }
}

/// How much memory the program takes, some time after its start. A container with a lower limit is OOMKilled then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// In bytes.
    #[serde(rename = "use", deserialize_with = "bytes")]
    pub used: u64,
    #[serde(default)]
    pub after: Time,
}

/// A time: `300ms`, `5s`, `2m`, `1h`, or a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        scalar(deserializer, time)
    }
}

fn time(text: &str) -> Result<Time, String> {
    let time = seconds(text).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map(Time).ok_or_else(|| format!("\"{text}\" is no time such as 300ms, 5s or 2m"))
}

/// Reads a value by its text. The mistake is found where the value is, so that it is told with its field.
fn scalar<'de, D: Deserializer<'de>, T>(deserializer: D, read: fn(&str) -> Result<T, String>) -> Result<T, D::Error> {
    struct Scalar<T>(fn(&str) -> Result<T, String>);
    impl<T> Visitor<'_> for Scalar<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a text or a number")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
        fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<T, E> {
            self.visit_str(&value.to_string())
        }
    }
    deserializer.deserialize_any(Scalar(read))
}

fn seconds(text: &str) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = [("", 1.0), ("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (_, unit) = unit.into_iter().find(|(unit, _)| *unit == &text[split..])?;
    Some(text[..split].parse::<f64>().ok()? * unit)
}

/// A text with fields to fill in: `{{.PodName}}`, `{{.PodIP}}`, `{{.Namespace}}`, `{{.Env.NAME}}`; of a request also
/// `{{.Method}}`, `{{.Path}}`, `{{.ClientIP}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    const FIELDS: [&str; 6] = ["PodName", "PodIP", "Namespace", "Method", "Path", "ClientIP"];

    /// The text with what `field` gives for each field, named without its first dot.
    pub fn fill(&self, mut field: impl FnMut(&str) -> String) -> String {
        let mut text = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some((before, (name, after))) =
            rest.split_once("{{").and_then(|(before, after)| Some((before, after.split_once("}}")?)))
        {
            text.push_str(before);
            text.push_str(&field(name.trim().trim_start_matches('.')));
            rest = after;
        }
        text.push_str(rest);
        text
    }

    fn check(&self) -> Result<(), String> {
        if self.0.matches("{{").count() != self.0.matches("}}").count() {
            return Err("{{ without }}".into());
        }
        let mut mistake = Ok(());
        self.fill(|name| {
            let known = Text::FIELDS.contains(&name) || name.strip_prefix("Env.").is_some_and(|name| !name.is_empty());
            if !known {
                let known = Text::FIELDS.map(|name| format!("{{{{.{name}}}}}")).join(", ");
                mistake = Err(format!("unknown field {{{{.{name}}}}}; there are {known} and {{{{.Env.NAME}}}}"));
            }
            String::new()
        });
        mistake
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        scalar(deserializer, |text| {
            let text = Text(text.into());
            text.check().map(|()| text)
        })
    }
}

fn ok() -> u16 {
    200
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |name| match Reference::parse(name) {
        Ok(reference)
            if reference.full() == format!("{}:latest", reference.repository) && !name.ends_with(":latest") =>
        {
            Ok(reference.repository)
        }
        Ok(_) => Err(format!("\"{name}\" must have no tag; its tags go into `tags`")),
        Err(_) => Err(format!("\"{name}\" is no name of an image")),
    })
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |path| match path.starts_with('/') {
        true => Ok(path.into()),
        false => Err(format!("\"{path}\" must begin with /")),
    })
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    scalar(deserializer, |code| match code.parse() {
        Ok(code @ 200..=599) => Ok(code),
        _ => Err(format!("{code} is no HTTP status from 200 to 599")),
    })
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    for (name, value) in &headers {
        if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err() {
            return Err(D::Error::custom(format!("headers: \"{name}: {value}\" is no HTTP header")));
        }
    }
    Ok(headers)
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    scalar(deserializer, |text| match time(text)? {
        time if time.0 >= Duration::from_millis(100) => Ok(time),
        _ => Err("must be at least 100ms".into()),
    })
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, |text| {
        let bytes = Quantity::parse(text).ok().and_then(|quantity| u64::try_from(quantity.value()).ok());
        bytes.ok_or_else(|| format!("\"{text}\" is no quantity such as 200Mi"))
    })
}

/// The images; no name and tag may be described twice.
fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Description>, D::Error> {
    struct Images;
    impl<'de> Visitor<'de> for Images {
        type Value = Vec<Description>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of images")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Description>, A::Error> {
            let mut images: Vec<Description> = Vec::new();
            while let Some(image) = sequence.next_element::<Description>()? {
                if let Some(other) = images.iter().find(|other| other.overlaps(&image)) {
                    return Err(A::Error::custom(format!("name: \"{}\" is described twice", other.name)));
                }
                images.push(image);
            }
            Ok(images)
        }
    }
    deserializer.deserialize_seq(Images)
}

impl Description {
    fn overlaps(&self, other: &Description) -> bool {
        let common =
            self.tags.is_empty() || other.tags.is_empty() || self.tags.iter().any(|tag| other.tags.contains(tag));
        self.name == other.name && common
    }
    fn has(&self, tag: &str) -> bool {
        self.tags.is_empty() || tag.is_empty() || self.tags.iter().any(|known| known == tag)
    }
}

impl fmt::Debug for ImagesFile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_list().entries(self.images.iter().map(|(description, _)| description)).finish()
    }
}

impl ImagesFile {
    /// Reads a file.
    ///
    /// # Errors
    /// One line that says what is wrong, with the file, the line and the field.
    pub fn read(path: &Path) -> Result<ImagesFile, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        ImagesFile::parse(&text).map_err(|mistake| format!("{}:{mistake}", path.display()))
    }

    /// Reads a file's text. The error begins with the line.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<ImagesFile, String> {
        let content: Content = serde_yaml::from_str(text).map_err(|error| {
            let message = error.to_string();
            // The position is at the end of the message, too.
            let plain = message.split(" at line ").next().unwrap_or(&message);
            let line = error.location().map_or(1, |location| location.line());
            format!("{line}: {plain}")
        })?;
        let images = content.images.into_iter().map(|description| {
            let image = Arc::new(described::image(&description));
            (description, image)
        });
        Ok(ImagesFile { images: images.collect() })
    }

    /// The image of this name and tag.
    pub fn find(&self, reference: &Reference) -> Option<Arc<Image>> {
        let is_it =
            |description: &Description| description.name == reference.repository && description.has(&reference.tag);
        self.images.iter().find(|(description, _)| is_it(description)).map(|(_, image)| image.clone())
    }

    /// Whether the file describes images of this name, but none with this tag.
    pub fn lacks(&self, reference: &Reference) -> bool {
        let named = self.images.iter().any(|(description, _)| description.name == reference.repository);
        named && self.find(reference).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        ImagesFile::parse(text).unwrap_err()
    }

    #[test]
    fn images_are_found_by_name_and_tag() {
        let file = ImagesFile::parse(
            "images:\n- name: shop/web\n  tags: ['1', '2']\n  ports: [8080]\n  startDelay: 2s\n- name: job\n  exit: {code: 3, after: 500ms}\n",
        )
        .unwrap();
        let find = |name: &str| file.find(&Reference::parse(name).unwrap());
        let web = find("shop/web:2").unwrap();
        assert_eq!((web.start_delay, web.exposed.as_slice()), (Duration::from_secs(2), [8080].as_slice()));
        assert!(find("shop/web:3").is_none() && file.lacks(&Reference::parse("shop/web:3").unwrap()));
        assert!(find("docker.io/library/job:any").is_some());
        assert!(find("nginx").is_none() && !file.lacks(&Reference::parse("nginx").unwrap()));
    }

    #[test]
    fn mistakes_are_told_with_line_and_field() {
        let mut wrong = Vec::new();
        for (text, expected) in [
            ("images:\n- name: a\n  port: 80\n", "3: images[0]: unknown field `port`"),
            ("images:\n- ports: [80]\n", "2: images[0]: missing field `name`"),
            ("images:\n- name: a\n  ports: [80000]\n", "3: images[0].ports[0]: invalid value"),
            ("images:\n- name: a:1\n", "2: images[0].name: \"a:1\" must have no tag"),
            ("images:\n- name: A b\n", "2: images[0].name: \"A b\" is no name"),
            ("images:\n- name: a\n  startDelay: soon\n", "3: images[0].startDelay: \"soon\" is no time"),
            ("images:\n- name: a\n  http:\n  - path: x\n", "4: images[0].http[0].path: \"x\" must begin with /"),
            (
                "images:\n- name: a\n  http:\n  - path: /\n    status: 99\n",
                "5: images[0].http[0].status: 99 is no HTTP status",
            ),
            (
                "images:\n- name: a\n  http:\n  - path: /\n    body: '{{.Pod}}'\n",
                "5: images[0].http[0].body: unknown field {{.Pod}}",
            ),
            (
                "images:\n- name: a\n  http:\n  - path: /\n    body: '{{.PodName'\n",
                "5: images[0].http[0].body: {{ without }}",
            ),
            ("images:\n- name: a\n  exit: {code: 1}\n", "3: images[0]: exit: needs `after` or `afterRequests`"),
            ("images:\n- name: a\n  memory: {use: much}\n", "3: images[0].memory.use: \"much\" is no quantity"),
            ("images:\n- name: a\n- name: a\n", "3: images: name: \"docker.io/library/a\" is described twice"),
            ("images: [\n", "2: "),
            ("", "1: "),
        ] {
            let found = mistake(text);
            if !found.starts_with(expected) || found.lines().count() != 1 {
                wrong.push(format!("{text:?}: {found:?}, not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_example_is_read() {
        let example = include_str!("../../../../fixtures/lessons/images.yaml");
        let file = ImagesFile::parse(example).unwrap();
        assert!(file.find(&Reference::parse("shop/hungry").unwrap()).unwrap().memory.is_some());
    }

    #[test]
    fn texts_are_filled_in() {
        let text = Text("{{.PodName}} has {{ .Env.COLOR }}!".into());
        assert_eq!(text.fill(|name| format!("<{name}>")), "<PodName> has <Env.COLOR>!");
    }
}
