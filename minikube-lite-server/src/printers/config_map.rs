//! ConfigMaps.

use super::*;

pub const COLUMNS: &[Column] = &[
    NAME,
    column(
        "Data",
        "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the BinaryData field, this is enforced during validation process.",
    ),
    AGE,
];

pub fn cells(config_map: &Value, now: Timestamp) -> Vec<Value> {
    let entries = config_map.map("data").len() + config_map.map("binaryData").len();
    vec![config_map.name().into(), entries.into(), age(config_map, now)]
}
