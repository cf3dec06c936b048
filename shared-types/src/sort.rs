//! Sorting by an order that need not be consistent.

use std::cmp::Ordering;

/// Up to this many items are sorted by insertion.
const FEW: usize = 12;

/// Sorts stably. Where `compare` contradicts itself (natural orders of text do), the result is some order of the items;
/// the standard library's sorts may panic then.
pub fn sort_by<T>(items: Vec<T>, compare: &mut impl FnMut(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() <= FEW {
        let mut items = items;
        for end in 1..items.len() {
            let mut at = end;
            while at > 0 && compare(&items[at], &items[at - 1]).is_lt() {
                items.swap(at, at - 1);
                at -= 1;
            }
        }
        return items;
    }
    let length = items.len();
    let mut left = items;
    let right = left.split_off(length / 2);
    let mut left = sort_by(left, compare).into_iter().peekable();
    let mut right = sort_by(right, compare).into_iter().peekable();
    let mut merged = Vec::with_capacity(length);
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if compare(second, first).is_lt() { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_stably_and_survives_contradictions() {
        let items: Vec<(u32, u32)> = (0..200).map(|n| (n * 7919 % 10, n)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.0);
        assert_eq!(sort_by(items, &mut |a, b| a.0.cmp(&b.0)), expected);
        let mut calls = 0u32;
        let contradicting = sort_by((0..100).collect(), &mut |_: &i32, _| {
            calls += 1;
            if calls.is_multiple_of(3) { Ordering::Less } else { Ordering::Greater }
        });
        assert_eq!(contradicting.len(), 100);
    }
}
