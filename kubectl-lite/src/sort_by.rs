//! `--sort-by`.

use crate::errors::CommandError;
use crate::go_format::type_name;
use crate::jsonpath::{JsonPath, relaxed};
use shared_types::json::Value;
use shared_types::quantity::Quantity;
use shared_types::sort;
use std::cmp::Ordering;

/// Sorts `items` by what `path` finds in the object that `object` gives for each. Items without such a field come first;
/// equal ones keep their order.
///
/// # Errors
/// The path cannot be read, no object has the field, or its values have no order.
pub fn sort_by<T>(items: &mut [T], path: &str, object: impl Fn(&T) -> &Value) -> Result<(), CommandError> {
    let full = relaxed(path)?;
    let parsed = JsonPath::parse(&full).map_err(|why| CommandError::message(format!("sorting error: {why}")))?;
    let parsed = parsed.allow_missing(true);
    let mut keys = Vec::with_capacity(items.len());
    for item in items.iter() {
        let found = parsed.find(object(item))?;
        keys.push(found.first().and_then(|values| values.first()).map(|value| (*value).clone()));
    }
    if !keys.is_empty() && keys.iter().all(Option::is_none) {
        return Err(CommandError::message(format!(
            "couldn't find any field with path {full:?} in the list of objects"
        )));
    }
    let mut problem = None;
    let mut order =
        sort::sort_by((0..items.len()).collect(), &mut |a: &usize, b: &usize| match (&keys[*a], &keys[*b]) {
            (Some(a), Some(b)) => compare(a, b).unwrap_or_else(|why| {
                problem = Some(why);
                Ordering::Equal
            }),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
    if let Some(why) = problem {
        return Err(CommandError::message(why));
    }
    // Puts each item where the order has it, by walking the cycles of the permutation.
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start && order[at] != at {
            let next = order[at];
            items.swap(at, next);
            order[at] = at;
            at = next;
        }
        order[at] = at;
    }
    Ok(())
}

fn compare(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Null, Value::Null) => Ok(Ordering::Equal),
        (Value::Null, _) => Ok(Ordering::Less),
        (_, Value::Null) => Ok(Ordering::Greater),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => Ok(a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)),
        },
        (Value::String(a), Value::String(b)) => match (Quantity::parse(a), Quantity::parse(b)) {
            (Ok(a), Ok(b)) => Ok(a.cmp(&b)),
            _ => Ok(natural(a, b)),
        },
        (Value::Number(_) | Value::String(_), _) => Err("unsortable interface: interface".into()),
        _ => Err(format!("unsortable type: {}", type_name(a))),
    }
}

/// Digits inside text count as numbers: `pod-2` before `pod-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (wide_a, wide_b) = (digits(a), digits(b));
        if wide_a > 0 && wide_b > 0 {
            let (number_a, number_b) = (a[..wide_a].trim_start_matches('0'), b[..wide_b].trim_start_matches('0'));
            let order = number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b)).then(wide_a.cmp(&wide_b));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[wide_a..], &b[wide_b..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(first), Some(second)) if first == second => {
                (a, b) = (&a[first.len_utf8()..], &b[second.len_utf8()..]);
            }
            (first, second) => return first.cmp(&second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn sorted(values: Value) -> Result<Value, String> {
        let mut items: Vec<Value> = values.as_array().unwrap().iter().map(|v| json!({"s": {"v": v}})).collect();
        items.push(json!({"s": {}}));
        sort_by(&mut items, ".s.v", |item| item).map_err(|error| error.text())?;
        Ok(items.into_iter().skip(1).map(|item| item["s"]["v"].clone()).collect())
    }

    #[test]
    fn values_sort_by_their_kind() {
        assert_eq!(sorted(json!([10, 9, 1])), Ok(json!([1, 9, 10])));
        assert_eq!(sorted(json!(["p-10", "p-9", "b", "p-09"])), Ok(json!(["b", "p-9", "p-09", "p-10"])));
        assert_eq!(sorted(json!(["1Gi", "200Mi", "3Ki", "2"])), Ok(json!(["2", "3Ki", "200Mi", "1Gi"])));
        assert_eq!(sorted(json!([3, null, 1, 2])), Ok(json!([null, 1, 2, 3])));
        assert_eq!(sorted(json!([{}, {}])), Err("unsortable type: map[string]interface {}".into()));
        assert_eq!(
            sorted(json!([])),
            Err("couldn't find any field with path \"{.s.v}\" in the list of objects".into())
        );
    }
}
