//! The choice of a node: those that will do, and the best of them.

use super::super::runtime::{Full, Informers, PodView, Resources};
use super::affinity;
use super::cluster::Cluster;
use super::report::{Reasons, Report};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::selector::LabelSelector;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// The node for a Pod, or why there is none.
pub(super) fn place(
    informers: &Informers,
    cluster: &Cluster,
    nodes: &[Arc<Full>],
    pod: &PodView,
    object: &Value,
) -> Result<Arc<str>, Report> {
    let mut report = Report { nodes: nodes.len(), ..Report::default() };
    report.never_preempts = object.text("spec.preemptionPolicy") == "Never";
    let peers = Peers::new(informers, cluster, nodes, pod, object);
    let mut candidates: Vec<&Arc<Full>> = Vec::new();
    for node in nodes {
        match refusal(cluster, node, pod, object).or_else(|| peers.refusal(node)) {
            Some(reasons) => report.refusals.push(reasons),
            None => candidates.push(node),
        }
    }
    candidates.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    let owner = pod.meta.controller().map(|owner| &owner.uid);
    // Preferences come first, then few Pods of the same controller, then room.
    let best = candidates.into_iter().min_by_key(|node| {
        let load = cluster.load(&node.meta.name);
        let soft_taint = affinity::untolerated(object, &node.object, &["PreferNoSchedule"]).is_some();
        let siblings = owner.and_then(|owner| load.owners.get(owner).copied()).unwrap_or(0);
        let wishes = affinity::preference(object, node) + peers.preference(node);
        let has = Resources::allocatable(&node.object);
        let share = |used: i64, has: i64| used.saturating_mul(1000).checked_div(has).unwrap_or(1000);
        let used = load.requested;
        let full = share(used.cpu, has.cpu).max(share(used.memory, has.memory));
        (soft_taint, Reverse(wishes), siblings, full, used.pods)
    });
    best.map(|node| node.meta.name.clone()).ok_or(report)
}

/// Why a node won't do on its own account: the first filter that fails tells.
fn refusal(cluster: &Cluster, node: &Full, pod: &PodView, object: &Value) -> Option<Reasons> {
    let never = |reason: &str| Some(Reasons { reasons: vec![reason.into()], helps: false, by_pods: false });
    let tolerated = || {
        let taint = shared_types::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        object.list("spec.tolerations").iter().any(|toleration| affinity::tolerates(toleration, &taint))
    };
    if node.object.flag("spec.unschedulable") && !tolerated() {
        return never("node(s) were unschedulable");
    }
    if affinity::untolerated(object, &node.object, &["NoSchedule", "NoExecute"]).is_some() {
        return never("node(s) had untolerated taint(s)");
    }
    if !affinity::matches_node(object, node) {
        return never("node(s) didn't match Pod's node affinity/selector");
    }
    let (has, load, wants) = (Resources::allocatable(&node.object), cluster.load(&node.meta.name), pod.requests);
    let used = load.requested;
    let mut reasons = Vec::new();
    if used.pods + 1 > has.pods {
        reasons.push("Too many pods".to_string());
    }
    if wants.cpu > 0 && used.cpu + wants.cpu > has.cpu {
        reasons.push("Insufficient cpu".to_string());
    }
    if wants.memory > 0 && used.memory + wants.memory > has.memory {
        reasons.push("Insufficient memory".to_string());
    }
    // Evicting others cannot help a Pod that asks for more than the whole node.
    let helps = wants.cpu <= has.cpu && wants.memory <= has.memory;
    (!reasons.is_empty()).then_some(Reasons { reasons, helps, by_pods: helps })
}

/// What other Pods' places mean for this one: inter-pod affinity, spreading and host ports.
struct Peers<'a> {
    terms: Vec<Term>,
    spreads: Vec<Spread>,
    host_ports: Vec<(&'a str, i64)>,
    taken_ports: HashMap<Arc<str>, Vec<(String, i64)>>,
    /// Topologies (key and value) where Pods refuse this one.
    refused: Vec<(String, String)>,
}

/// A required or preferred term of inter-pod (anti-)affinity.
struct Term {
    key: String,
    anti: bool,
    weight: Option<i64>,
    /// How many matching Pods there are in each domain of the topology.
    found: HashMap<String, i64>,
    /// The Pod matches its own term, so that the first of a group can be placed.
    matches_self: bool,
}

struct Spread {
    key: String,
    max_skew: i64,
    hard: bool,
    found: HashMap<String, i64>,
    /// The fewest matching Pods in any domain.
    least: i64,
}

impl<'a> Peers<'a> {
    fn new(
        informers: &Informers,
        cluster: &Cluster,
        nodes: &[Arc<Full>],
        pod: &'a PodView,
        object: &Value,
    ) -> Peers<'a> {
        let mut peers = Peers {
            terms: Vec::new(),
            spreads: Vec::new(),
            host_ports: pod.ports.iter().filter(|p| p.host_port > 0).map(|p| (&*p.protocol, p.host_port)).collect(),
            taken_ports: HashMap::new(),
            refused: Vec::new(),
        };
        let labels: HashMap<&str, &Arc<Full>> = nodes.iter().map(|node| (&*node.meta.name, node)).collect();
        let node_of = |other: &PodView| {
            let name = if other.node.is_empty() { cluster.node_of(&other.meta.uid)? } else { &other.node };
            labels.get(&**name).copied()
        };
        let domain = |other: &PodView, key: &str| {
            node_of(other).and_then(|node| affinity::topology(&node.meta.labels, key)).map(String::from)
        };
        let affinity = object.at("spec.affinity");
        let wants = affinity.has("podAffinity") || affinity.has("podAntiAffinity");
        if wants {
            let required = "requiredDuringSchedulingIgnoredDuringExecution";
            let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
            for (field, anti) in [("podAffinity", false), ("podAntiAffinity", true)] {
                let hard = affinity.at(field).list(required).iter().map(|term| (term, None));
                let soft = affinity.at(field).list(preferred).iter();
                let soft = soft.map(|wish| (wish.at("podAffinityTerm"), wish.int("weight")));
                for (term, weight) in hard.chain(soft) {
                    let key = term.text("topologyKey").to_string();
                    let mut found = HashMap::new();
                    for other in others(informers, pod, term) {
                        if let Some(domain) = domain(&other, &key) {
                            *found.entry(domain).or_default() += 1;
                        }
                    }
                    let matches_self = selects(term, pod);
                    peers.terms.push(Term { key, anti, weight, found, matches_self });
                }
            }
        }
        for constraint in object.list("spec.topologySpreadConstraints") {
            let key = constraint.text("topologyKey").to_string();
            let domains = nodes.iter().filter(|node| affinity::matches_node(object, node));
            let mut found: HashMap<String, i64> = domains
                .filter_map(|node| affinity::topology(&node.meta.labels, &key).map(|domain| (domain.to_string(), 0)))
                .collect();
            for other in others(informers, pod, constraint) {
                if let Some(count) = domain(&other, &key).and_then(|domain| found.get_mut(&domain)) {
                    *count += 1;
                }
            }
            let least = found.values().copied().min().unwrap_or(0);
            let hard = constraint.text("whenUnsatisfiable") != "ScheduleAnyway";
            let max_skew = constraint.int("maxSkew").unwrap_or(1) - i64::from(!selects(constraint, pod));
            peers.spreads.push(Spread { key, max_skew, hard, found, least });
        }
        if !peers.host_ports.is_empty() {
            for other in informers.pods.all().iter().filter(|other| !other.is_terminal()) {
                let Some(node) = node_of(other) else { continue };
                let ports = other.ports.iter().filter(|port| port.host_port > 0);
                let taken = peers.taken_ports.entry(node.meta.name.clone()).or_default();
                taken.extend(ports.map(|port| (port.protocol.to_string(), port.host_port)));
            }
        }
        for other in cluster.distant().filter(|other| other.meta.uid != pod.meta.uid) {
            let Some(scheduling) = other.scheduling.as_deref() else { continue };
            for term in scheduling.list("spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution")
            {
                if in_namespaces(term, &other.meta.namespace, &pod.meta.namespace)
                    && selects(term, pod)
                    && let Some(domain) = domain(other, term.text("topologyKey"))
                {
                    peers.refused.push((term.text("topologyKey").to_string(), domain));
                }
            }
        }
        peers
    }

    fn refusal(&self, node: &Full) -> Option<Reasons> {
        let because = |reason: &str, helps| Some(Reasons { reasons: vec![reason.into()], helps, by_pods: true });
        let labels = &node.meta.labels;
        if let Some(taken) = self.taken_ports.get(&node.meta.name)
            && self.host_ports.iter().any(|(protocol, port)| taken.iter().any(|(p, n)| p == protocol && n == port))
        {
            return because("node(s) didn't have free ports for the requested pod ports", true);
        }
        for spread in self.spreads.iter().filter(|spread| spread.hard) {
            let Some(domain) = affinity::topology(labels, &spread.key) else {
                return because("node(s) didn't match pod topology spread constraints (missing required label)", false);
            };
            let here = spread.found.get(domain).copied().unwrap_or(0);
            if here + 1 - spread.least > spread.max_skew.max(1) {
                return because("node(s) didn't match pod topology spread constraints", true);
            }
        }
        let required = |anti: bool| self.terms.iter().filter(move |term| term.weight.is_none() && term.anti == anti);
        let here =
            |term: &Term| affinity::topology(labels, &term.key).and_then(|domain| term.found.get(domain)).copied();
        // The first Pod of a group that wants to be together may go anywhere.
        let first = required(false).all(|term| term.found.is_empty() && term.matches_self);
        let mut wanted = required(false);
        if !first && wanted.any(|term| here(term).unwrap_or(0) == 0) {
            return because("node(s) didn't match pod affinity rules", false);
        }
        if required(true).any(|term| here(term).unwrap_or(0) > 0) {
            return because("node(s) didn't match pod anti-affinity rules", true);
        }
        if self.refused.iter().any(|(key, domain)| affinity::topology(labels, key) == Some(domain)) {
            return because("node(s) didn't satisfy existing pods anti-affinity rules", true);
        }
        None
    }

    /// How much the Pod would like the node for its neighbours.
    fn preference(&self, node: &Full) -> i64 {
        let here = |key: &str, found: &HashMap<String, i64>| {
            affinity::topology(&node.meta.labels, key).and_then(|domain| found.get(domain)).copied().unwrap_or(0)
        };
        let terms = self.terms.iter().filter_map(|term| {
            let weight = term.weight?;
            Some(here(&term.key, &term.found) * if term.anti { -weight } else { weight })
        });
        let spreads = self.spreads.iter().map(|spread| -here(&spread.key, &spread.found));
        terms.sum::<i64>() + spreads.sum::<i64>()
    }
}

fn selects(term: &Value, pod: &PodView) -> bool {
    let selector = LabelSelector::from_object(term.at("labelSelector")).ok().flatten();
    selector.is_some_and(|selector| selector.matches(&*pod.meta.labels))
}

/// Whether a term of a Pod in `own` looks at the namespace `other`. A namespace selector is taken to match all.
fn in_namespaces(term: &Value, own: &str, other: &str) -> bool {
    let named = term.list("namespaces");
    if term.at("namespaceSelector").is_object() {
        return true;
    }
    if named.is_empty() { own == other } else { named.iter().any(|name| name == other) }
}

/// The other Pods that a term selects.
fn others(informers: &Informers, pod: &PodView, term: &Value) -> Vec<Arc<PodView>> {
    let everywhere = term.has("namespaces") || term.has("namespaceSelector");
    let mut pods = if everywhere { informers.pods.all() } else { informers.pods.in_namespace(&pod.meta.namespace) };
    let selector = LabelSelector::from_object(term.at("labelSelector")).ok().flatten();
    pods.retain(|other| {
        other.is_active()
            && other.meta.uid != pod.meta.uid
            && in_namespaces(term, &pod.meta.namespace, &other.meta.namespace)
            && selector.as_ref().is_some_and(|selector| selector.matches(&*other.meta.labels))
    });
    pods
}
