//! How endpoints are put into slices of limited size so that few slices change.

use super::view::{Content, Endpoint, Port, in_order};
use std::collections::{BTreeMap, HashMap};

/// The most endpoints that a slice has.
pub(crate) const MAX_ENDPOINTS: usize = 100;

/// What is to be done to the slices of one address type. Numbers are places in the list of existing slices.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub create: Vec<Content>,
    pub update: Vec<(usize, Content)>,
    pub delete: Vec<usize>,
}

/// Plans how `existing` slices become slices of the wanted endpoints, which are given by their set of ports. There is
/// always at least one slice, an empty one if need be, when `placeholder`.
pub(crate) fn plan(
    address_type: &str,
    existing: &[&Content],
    wanted: BTreeMap<Vec<Port>, Vec<Endpoint>>,
    placeholder: bool,
) -> Plan {
    let mut plan = Plan::default();
    for (place, content) in existing.iter().enumerate() {
        if !wanted.contains_key(&content.ports) {
            plan.delete.push(place);
        }
    }
    for (ports, endpoints) in wanted {
        let same_ports: Vec<usize> = (0..existing.len()).filter(|place| existing[*place].ports == ports).collect();
        pack(&mut plan, address_type, ports, existing, &same_ports, endpoints);
    }
    if placeholder && plan.delete.len() == existing.len() && plan.create.is_empty() {
        let empty = Content { address_type: address_type.into(), ports: Vec::new(), endpoints: Vec::new() };
        match plan.delete.as_slice() {
            [only] if *existing[*only] == empty => plan.delete.clear(),
            _ => plan.create.push(empty),
        }
    }
    // A slice that would go can as well become one that would be made.
    while !plan.create.is_empty()
        && let Some(place) = plan.delete.pop()
    {
        plan.update.push((place, plan.create.remove(0)));
    }
    plan
}

fn pack(
    plan: &mut Plan,
    address_type: &str,
    ports: Vec<Port>,
    existing: &[&Content],
    places: &[usize],
    endpoints: Vec<Endpoint>,
) {
    let ports = in_order(ports);
    let content =
        |endpoints: Vec<Endpoint>| Content { address_type: address_type.into(), ports: ports.clone(), endpoints };
    let positions: HashMap<_, usize> = endpoints.iter().enumerate().map(|(n, e)| (e.identity(), n)).collect();
    let mut placed = vec![false; endpoints.len()];
    let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
    for place in places {
        let before = &existing[*place].endpoints;
        let mut kept = Vec::with_capacity(before.len());
        for endpoint in before {
            if let Some(n) = positions.get(&endpoint.identity()).copied()
                && !placed[n]
            {
                placed[n] = true;
                kept.push(endpoints[n].clone());
            }
        }
        if kept == *before && !kept.is_empty() {
            unchanged.push((*place, kept));
        } else if kept.is_empty() {
            plan.delete.push(*place);
        } else {
            changed.push((*place, kept));
        }
    }
    let mut left = placed.iter().zip(&endpoints).filter(|(placed, _)| !**placed).map(|(_, endpoint)| endpoint.clone());
    let mut remaining = placed.iter().filter(|placed| !**placed).count();
    let mut fill = |slice: &mut Vec<Endpoint>| {
        let before = slice.len();
        slice.extend(left.by_ref().take(MAX_ENDPOINTS.saturating_sub(before)));
        slice.len() - before
    };
    // Slices that are written anyway are filled first, the fullest before others.
    changed.sort_by_key(|(_, slice)| std::cmp::Reverse(slice.len()));
    for (_, slice) in &mut changed {
        remaining -= fill(slice);
    }
    let needed = endpoints.len().div_ceil(MAX_ENDPOINTS);
    let mut slices = changed.len() + unchanged.len();
    while remaining > 0 {
        // Then the one slice that would be fullest with all that is left, or else a new one, but never more slices than
        // it takes: while there are as many, what room they have is used.
        let sizes = || unchanged.iter().map(|(_, slice)| slice.len()).enumerate();
        let best = match remaining < MAX_ENDPOINTS {
            true => sizes().filter(|(_, size)| size + remaining <= MAX_ENDPOINTS).max_by_key(|(_, size)| *size),
            false => None,
        };
        let roomiest =
            || sizes().filter(|(_, size)| slices >= needed && *size < MAX_ENDPOINTS).min_by_key(|(_, size)| *size);
        match best.or_else(roomiest).map(|(n, _)| n) {
            Some(n) => {
                let (place, mut slice) = unchanged.remove(n);
                remaining -= fill(&mut slice);
                changed.push((place, slice));
            }
            None => {
                let mut slice = Vec::new();
                remaining -= fill(&mut slice);
                plan.create.push(content(slice));
                slices += 1;
            }
        }
    }
    plan.update.extend(changed.into_iter().map(|(place, slice)| (place, content(slice))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(port: i64) -> Vec<Port> {
        vec![Port { name: String::new(), protocol: "TCP".into(), port, app_protocol: None }]
    }
    fn endpoint(n: usize) -> Endpoint {
        Endpoint {
            addresses: vec![format!("10.0.{}.{}", n / 256, n % 256).into()],
            ready: Some(true),
            serving: Some(true),
            terminating: Some(false),
            hostname: None,
            node: None,
            zone: None,
            target: None,
        }
    }
    fn slice(port: i64, numbers: std::ops::Range<usize>) -> Content {
        Content { address_type: "IPv4".into(), ports: ports(port), endpoints: numbers.map(endpoint).collect() }
    }
    fn empty() -> Content {
        Content { address_type: "IPv4".into(), ports: Vec::new(), endpoints: Vec::new() }
    }
    fn planned(existing: &[Content], port: i64, wanted: impl Iterator<Item = usize>) -> Plan {
        let endpoints: Vec<Endpoint> = wanted.map(endpoint).collect();
        let mut map = BTreeMap::new();
        if !endpoints.is_empty() {
            map.insert(ports(port), endpoints);
        }
        plan("IPv4", &existing.iter().collect::<Vec<_>>(), map, true)
    }

    #[test]
    fn a_new_service_gets_full_slices_or_a_placeholder() {
        let made = planned(&[], 80, 0..105);
        assert_eq!(made.create, [slice(80, 0..100), slice(80, 100..105)]);
        assert_eq!(planned(&[], 80, 0..0).create, [empty()]);
        assert_eq!(planned(&[empty()], 80, 0..0), Plan::default());
    }

    #[test]
    fn the_placeholder_becomes_the_first_slice_and_back() {
        let filled = planned(&[empty()], 80, 0..2);
        assert_eq!(filled, Plan { update: vec![(0, slice(80, 0..2))], ..Plan::default() });
        let emptied = planned(&[slice(80, 0..2)], 80, 0..0);
        assert_eq!(emptied, Plan { update: vec![(0, empty())], ..Plan::default() });
    }

    #[test]
    fn one_change_touches_one_slice() {
        let existing = [slice(80, 0..100), slice(80, 100..150)];
        let removed = planned(&existing, 80, (0..150).filter(|n| *n != 120));
        assert_eq!(removed.update.len(), 1);
        assert_eq!(removed.update[0].1.endpoints.len(), 49);
        let replaced = planned(&existing, 80, (0..151).filter(|n| *n != 5));
        assert_eq!((replaced.update.len(), replaced.update[0].0), (1, 0), "the new one takes the place of the old");
        let added = planned(&existing, 80, 0..151);
        assert_eq!((added.update.len(), added.update[0].0), (1, 1));
        assert_eq!(planned(&existing, 80, 0..150), Plan::default());
    }

    #[test]
    fn there_are_no_more_slices_than_it_takes() {
        // Room for 20 in all, but for no more than 10 in one.
        let existing = [slice(80, 0..90), slice(80, 100..190)];
        let plan = planned(&existing, 80, (0..90).chain(100..190).chain(200..220));
        assert_eq!((plan.create.len(), plan.update.len()), (0, 2));
        assert!(plan.update.iter().all(|(_, content)| content.endpoints.len() == MAX_ENDPOINTS));
    }

    #[test]
    fn other_ports_need_other_slices() {
        let changed = planned(&[slice(80, 0..2)], 8080, 0..2);
        assert_eq!(changed, Plan { update: vec![(0, slice(8080, 0..2))], ..Plan::default() });
    }

    #[test]
    fn a_changed_condition_is_an_update() {
        let mut wanted = BTreeMap::new();
        let unready = Endpoint { ready: Some(false), ..endpoint(0) };
        wanted.insert(ports(80), vec![unready.clone(), endpoint(1)]);
        let plan = plan("IPv4", &[&slice(80, 0..2)], wanted, true);
        assert_eq!(plan.update[0].1.endpoints, [unready, endpoint(1)]);
    }
}
