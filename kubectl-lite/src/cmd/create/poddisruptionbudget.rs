//! `kubectl create poddisruptionbudget`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::selector::LabelSelector;
use shared_types::selector::label::Operator;

#[derive(clap::Args)]
pub struct PodDisruptionBudget {
    #[command(flatten)]
    generate: Generate,
    /// How many Pods may be away, as a number or a percentage
    #[arg(long, default_value = "")]
    max_unavailable: String,
    /// How many Pods must be there, as a number or a percentage
    #[arg(long, default_value = "")]
    min_available: String,
    /// Labels of the Pods
    #[arg(long, default_value = "")]
    selector: String,
}

impl Command for PodDisruptionBudget {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create poddisruptionbudget")?;
        let fail = |text: &str| Err(CommandError::message(text));
        if self.selector.is_empty() {
            return fail("a selector must be specified");
        }
        let (field, flag, value) = match (self.min_available.as_str(), self.max_unavailable.as_str()) {
            ("", "") => return fail("one of min-available or max-unavailable must be specified"),
            (least, "") => ("minAvailable", "min-available", least),
            ("", most) => ("maxUnavailable", "max-unavailable", most),
            _ => return fail("min-available and max-unavailable cannot be both specified"),
        };
        let Some(amount) = amount(value) else {
            return fail(&format!("invalid format specified for {flag}"));
        };
        let selector = selector(&self.selector)?;
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(name),
            "spec": {field: amount, "selector": selector},
        });
        let failure = Some("failed to create poddisruptionbudgets");
        self.generate.create(cx, "poddisruptionbudgets.policy", failure, budget).await
    }
}

/// A number, or a percentage as text.
fn amount(text: &str) -> Option<Value> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<i32>() {
        _ if !is_number => None,
        Ok(number) => Some(number.into()),
        Err(_) => Some(text.into()),
    }
}

/// The selector as the API's object.
fn selector(text: &str) -> Result<Value, CommandError> {
    let parsed = LabelSelector::parse(text)
        .map_err(|why| CommandError::message(format!("couldn't parse the selector string {text:?}: {why}")))?;
    let mut selector = json!({});
    let mut expressions = Vec::new();
    for requirement in parsed.requirements {
        let operator = match requirement.operator {
            Operator::Equals => {
                let value = requirement.values.into_iter().next().unwrap_or_default();
                selector.map_mut("matchLabels").insert(requirement.key, value.into());
                continue;
            }
            Operator::In => "In",
            Operator::NotIn | Operator::NotEquals => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            Operator::GreaterThan | Operator::LessThan => {
                return Err(CommandError::message(format!(
                    "couldn't parse the selector string {text:?}: {:?} isn't supported in label selectors",
                    requirement.operator
                )));
            }
        };
        let mut expression = json!({"key": requirement.key, "operator": operator});
        if !requirement.values.is_empty() {
            expression.set("values", requirement.values);
        }
        expressions.push(expression);
    }
    if !expressions.is_empty() {
        selector.set("matchExpressions", expressions);
    }
    Ok(selector)
}
