//! Reading objects in Kubernetes' protobuf encoding, which typed clients send.
//!
//! The encoding is an envelope (`k8s`, a zero byte, then a `runtime.Unknown` message) around the object's own message
//! (Kubernetes API concepts, "Alternate representations of resources"). Answers are JSON, which such clients accept too.

use super::{Struct, Type};
use crate::json::{self, Object, Value};
use base64::Engine as _;

const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may lie in one another; the API's types need far less.
const MAX_DEPTH: usize = 64;

/// The outer message: which kind the object is of, and its own message.
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub raw: &'a [u8],
}

type Result<T> = std::result::Result<T, String>;

impl Envelope<'_> {
    /// Opens an envelope.
    ///
    /// # Errors
    /// If it isn't one.
    pub fn open(body: &[u8]) -> Result<Envelope<'_>> {
        let unknown = body.strip_prefix(MAGIC).ok_or("provided data does not appear to be a protobuf message")?;
        let mut envelope = Envelope { api_version: "", kind: "", raw: &[] };
        let mut reader = Reader(unknown);
        while let Some((number, field)) = reader.next()? {
            match number {
                1 => {
                    let mut meta = Reader(field.bytes()?);
                    while let Some((number, field)) = meta.next()? {
                        match number {
                            1 => envelope.api_version = field.text()?,
                            2 => envelope.kind = field.text()?,
                            _ => {}
                        }
                    }
                }
                2 => envelope.raw = field.bytes()?,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// Reads a message of type `ty`. Fields that the type does not have are left aside. The result is like parsed JSON: its
/// values have still to be brought into canonical form by [`super::decode_value`].
///
/// # Errors
/// Where the bytes are no such message.
pub fn decode_protobuf(ty: &'static Struct, raw: &[u8]) -> Result<Value> {
    message(ty, raw, MAX_DEPTH).map(Value::Object)
}

fn message(ty: &'static Struct, raw: &[u8], depth: usize) -> Result<Object> {
    let mut object = Object::new();
    fields(ty, raw, 0, depth.checked_sub(1).ok_or("the message is nested too deeply")?, &mut object)?;
    Ok(object)
}

/// Reads a message's fields into `object`; `outer` is the number of the embedded struct that this is the message of.
fn fields(ty: &'static Struct, raw: &[u8], outer: u32, depth: usize, object: &mut Object) -> Result<()> {
    let mut reader = Reader(raw);
    while let Some((number, wire)) = reader.next()? {
        let wanted = if outer == 0 { [number, 0] } else { [outer, number] };
        if let Some(field) = ty.fields.iter().find(|field| field.number == wanted) {
            add(object, &field.name, &field.ty, wire, depth)?;
        } else if outer == 0 && ty.fields.iter().any(|field| field.number[0] == number) {
            fields(ty, wire.bytes()?, number, depth, object)?;
        }
    }
    Ok(())
}

/// Adds one occurrence of a field: repeated fields come as many.
fn add(object: &mut Object, name: &str, ty: &'static Type, wire: Wire<'_>, depth: usize) -> Result<()> {
    match ty {
        Type::List(element) => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = list else { return Err(format!("{name} is not a list")) };
            match (element.as_ref(), &wire) {
                // Numbers may come packed.
                (Type::Int32 | Type::Int64 | Type::Bool, Wire::Bytes(packed)) => {
                    let mut packed = Reader(packed);
                    while !packed.0.is_empty() {
                        list.push(value(element, Wire::Varint(packed.varint()?), depth)?);
                    }
                }
                _ => list.push(value(element, wire, depth)?),
            }
        }
        Type::Map(element) => {
            let map = object.entry(name).or_insert_with(|| Value::Object(Object::new()));
            let Value::Object(map) = map else { return Err(format!("{name} is not a map")) };
            let (mut key, mut entry) = (String::new(), None);
            let mut reader = Reader(wire.bytes()?);
            while let Some((number, wire)) = reader.next()? {
                match number {
                    1 => key = wire.text()?.to_string(),
                    2 => entry = Some(wire),
                    _ => {}
                }
            }
            let entry = match (entry, element.as_ref()) {
                // A list in a map is wrapped in a message of its own.
                (Some(wire), Type::List(_)) => {
                    let mut wrapped = Object::new();
                    let mut reader = Reader(wire.bytes()?);
                    while let Some((_, item)) = reader.next()? {
                        add(&mut wrapped, "items", element, item, depth)?;
                    }
                    wrapped.remove("items").unwrap_or_default()
                }
                (Some(wire), element) => value(element, wire, depth)?,
                (None, _) => Value::from(""),
            };
            map.insert(key, entry);
        }
        single => drop(object.insert(name, value(single, wire, depth)?)),
    }
    Ok(())
}

fn value(ty: &'static Type, wire: Wire<'_>, depth: usize) -> Result<Value> {
    Ok(match ty {
        Type::String => wire.text()?.into(),
        Type::Bool => (wire.varint()? != 0).into(),
        // Negative numbers are sign-extended to 64 bits.
        Type::Int32 => (wire.varint()? as i32).into(),
        Type::Int64 => (wire.varint()? as i64).into(),
        Type::Float64 => match wire {
            Wire::Fixed64(bits) => {
                crate::json::Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
            }
            _ => return Err("a number of the wrong wire type".into()),
        },
        Type::Bytes => base64::engine::general_purpose::STANDARD.encode(wire.bytes()?).into(),
        Type::Quantity => Reader(wire.bytes()?).field(1)?.map_or(Ok(""), |field| field.text())?.into(),
        Type::IntOrString => int_or_string(wire.bytes()?)?,
        Type::Time => time(wire.bytes()?)?.map_or(Value::Null, |time| crate::time::format_time(time).into()),
        Type::MicroTime => time(wire.bytes()?)?.map_or(Value::Null, |time| crate::time::format_micro_time(time).into()),
        Type::Any => match Reader(wire.bytes()?).field(1)? {
            Some(raw) => json::parse(raw.bytes()?).map_err(|problem| problem.to_string())?,
            None => Value::Null,
        },
        Type::Struct(inner) => Value::Object(message(inner, wire.bytes()?, depth)?),
        Type::List(_) | Type::Map(_) => return Err("a list within a list".into()),
    })
}

fn int_or_string(raw: &[u8]) -> Result<Value> {
    let (mut is_string, mut int, mut string) = (false, 0, "");
    let mut reader = Reader(raw);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => is_string = wire.varint()? == 1,
            2 => int = wire.varint()? as i32,
            3 => string = wire.text()?,
            _ => {}
        }
    }
    Ok(if is_string { string.into() } else { int.into() })
}

/// A time; `None` for Go's zero time.
fn time(raw: &[u8]) -> Result<Option<jiff::Timestamp>> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader(raw);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => seconds = wire.varint()? as i64,
            2 => nanos = wire.varint()? as i32,
            _ => {}
        }
    }
    if raw.is_empty() {
        return Ok(None);
    }
    jiff::Timestamp::new(seconds, nanos).map(Some).map_err(|problem| problem.to_string())
}

/// A field's content on the wire.
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Wire<'a> {
    fn bytes(&self) -> Result<&'a [u8]> {
        match self {
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err("a field of the wrong wire type".into()),
        }
    }
    fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a string that is not UTF-8".into())
    }
    fn varint(&self) -> Result<u64> {
        match self {
            Wire::Varint(number) => Ok(*number),
            _ => Err("a field of the wrong wire type".into()),
        }
    }
}

/// Reads a message field by field.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Wire::Fixed64(bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk)))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a length that is too large")?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok(Some((u32::try_from(tag >> 3).map_err(|_| "a field number that is too large")?, wire)))
    }

    /// The last field with a number.
    fn field(mut self, wanted: u32) -> Result<Option<Wire<'a>>> {
        let mut found = None;
        while let Some((number, wire)) = self.next()? {
            if number == wanted {
                found = Some(wire);
            }
        }
        Ok(found)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or("unexpected EOF")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("proto: integer overflow".into())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("unexpected EOF")?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use crate::schema;

    /// A field of wire type 2.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    #[test]
    fn opens_envelopes() {
        let meta = [field(1, b"v1"), field(2, b"Namespace")].concat();
        let name = field(1, &field(1, b"lesson"));
        let body = [MAGIC, &field(1, &meta), &field(2, &name), &field(3, b"")].concat();
        let envelope = Envelope::open(&body).unwrap();
        assert_eq!((envelope.api_version, envelope.kind), ("v1", "Namespace"));
        let ty = schema::of_kind("v1", "Namespace").unwrap();
        assert_eq!(decode_protobuf(ty, envelope.raw).unwrap(), json!({"metadata": {"name": "lesson"}}));
        assert!(Envelope::open(b"{}").is_err());
        for cut in 0..body.len() {
            // Whatever is cut short is refused or read as less, never a panic.
            if let Ok(envelope) = Envelope::open(&body[..cut]) {
                let _ = decode_protobuf(ty, envelope.raw);
            }
        }
    }

    #[test]
    fn reads_numbers_maps_and_embedded_structs() {
        let ty = schema::of_kind("v1", "Service").unwrap();
        let port = [&[3 << 3, 80][..], &field(4, &[&[8, 1][..], &field(3, b"http")].concat())].concat();
        let selector = [field(1, b"app"), field(2, b"web")].concat();
        let spec = [field(1, &port), field(2, &selector)].concat();
        assert_eq!(
            decode_protobuf(ty, &field(2, &spec)).unwrap(),
            json!({"spec": {"ports": [{"port": 80, "targetPort": "http"}], "selector": {"app": "web"}}})
        );
        // Volume.volumeSource (2).emptyDir (2) is a field of the volume itself in JSON.
        let volume = [field(1, b"tmp"), field(2, &field(2, &field(1, b"Memory")))].concat();
        let pod = schema::of_kind("v1", "Pod").unwrap();
        assert_eq!(
            decode_protobuf(pod, &field(2, &field(1, &volume))).unwrap(),
            json!({"spec": {"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}]}})
        );
    }
}
