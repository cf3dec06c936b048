//! Why a Pod found no node, in the scheduler's words.

use std::collections::BTreeMap;
use std::fmt;

/// Why one node won't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reasons {
    pub reasons: Vec<String>,
    /// Evicting other Pods from the node could change that.
    pub helps: bool,
    /// It has to do with other Pods, so that a change of those is worth another try.
    pub by_pods: bool,
}

/// What was found on all nodes.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub nodes: usize,
    pub refusals: Vec<Reasons>,
    /// The Pod's preemption policy is `Never`.
    pub never_preempts: bool,
}

/// `2 a, 1 b`, sorted by the text.
fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}

impl Report {
    /// Whether a change of other Pods may make room.
    pub fn depends_on_pods(&self) -> bool {
        self.refusals.iter().any(|node| node.by_pods)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        let reasons = histogram(self.refusals.iter().flat_map(|node| node.reasons.iter().map(String::as_str)));
        write!(f, "0/{} nodes are available: {reasons}. no new claims to deallocate, preemption: ", self.nodes)?;
        if self.never_preempts {
            return f.write_str("not eligible due to preemptionPolicy=Never.");
        }
        let verdict = |node: &Reasons| match node.helps {
            true => "No preemption victims found for incoming pod",
            false => "Preemption is not helpful for scheduling",
        };
        write!(f, "0/{} nodes are available: {}.", self.nodes, histogram(self.refusals.iter().map(verdict)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition() {
        let reasons = |text: &str, helps| Reasons { reasons: vec![text.into()], helps, by_pods: helps };
        let affinity = "node(s) didn't match Pod's node affinity/selector";
        let report = Report {
            nodes: 2,
            refusals: vec![reasons(affinity, false), reasons(affinity, false)],
            ..Report::default()
        };
        assert_eq!(
            report.to_string(),
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
             preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        );
        let report =
            Report { nodes: 2, refusals: vec![reasons(affinity, false), reasons("Insufficient cpu", true)], ..report };
        assert_eq!(
            report.to_string(),
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. no new claims \
             to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption \
             is not helpful for scheduling."
        );
        assert_eq!(Report::default().to_string(), "no nodes available to schedule pods");
    }
}
