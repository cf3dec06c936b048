//! Why something does not run: pure functions from objects, as the API shows them, to what is wrong with them and what
//! would mend it. `cmd/why.rs` looks the objects up.

mod containers;
mod deployment;
mod nearest;
mod pod;
mod scheduling;
mod service;

pub use deployment::deployment;
pub use pod::pod;
pub use service::service;

use shared_types::fields::Fields;
use shared_types::json::Value;

/// Something that was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// One sentence, without the object's name before it: `no Pod matches the selector app=wbe`.
    pub what: String,
    /// More of it, a line each.
    pub details: Vec<String>,
    /// What would mend it, or tell more: arguments of kubectl.
    pub command: Option<String>,
    /// Whether all is well.
    pub good: bool,
}

impl Finding {
    fn problem(what: impl Into<String>) -> Finding {
        Finding { what: what.into(), ..Finding::default() }
    }
    fn good(what: impl Into<String>) -> Finding {
        Finding { what: what.into(), good: true, ..Finding::default() }
    }
    fn detail(mut self, detail: impl Into<String>) -> Finding {
        self.details.push(detail.into());
        self
    }
    fn command(self, command: impl Into<String>) -> Finding {
        Finding { command: Some(command.into()), ..self }
    }

    /// The finding as lines about `subject` (`service/web`). `flags` end the command, such as ` --namespace=x`.
    pub fn render(&self, subject: &str, flags: &str) -> String {
        let mut text = format!("{subject}: {}\n", self.what);
        for detail in &self.details {
            text.push_str(&format!("  {detail}\n"));
        }
        if let Some(command) = &self.command {
            text.push_str(&format!("  try: kubectl {command}{flags}\n"));
        }
        text
    }
}

/// What is known around a Pod.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'o> {
    /// The Events of the namespace.
    pub events: &'o [Value],
    pub nodes: &'o [Value],
}

impl<'o> Surroundings<'o> {
    /// The message of the latest Event about an object that has one of the reasons and whose message contains `part`.
    fn latest(&self, object: &Value, reasons: &[&str], part: &str) -> Option<&'o str> {
        let events = self.events.iter().filter(|event| event.text("involvedObject.uid") == object.uid());
        let events = events.filter(|event| reasons.contains(&event.text("reason")));
        let events = events.filter(|event| event.text("message").contains(part));
        let latest = events.max_by_key(|event| match event.text("lastTimestamp") {
            "" => event.text("eventTime"),
            time => time,
        });
        latest.map(|event| event.text("message").trim())
    }
}

/// Whether a condition of an object has the status.
fn condition_is(object: &Value, name: &str, status: &str) -> bool {
    condition(object, name).is_some_and(|condition| condition.text("status") == status)
}

fn condition<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.list("status.conditions").iter().find(|condition| condition.text("type") == name)
}

/// `1 Pod`, `2 Pods`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A text as one word for a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_few_lines() {
        let finding = Finding::problem("no Pod matches").detail("app=wbe").command("label pod web app=wbe");
        let expected = "service/x: no Pod matches\n  app=wbe\n  try: kubectl label pod web app=wbe --namespace=n\n";
        assert_eq!(finding.render("service/x", " --namespace=n"), expected);
        assert_eq!(shell_word("{\"a\":'b'}"), "'{\"a\":'\\''b'\\''}'");
    }
}
