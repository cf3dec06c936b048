//! `sleep`

use super::{Outcome, program};
use crate::node::runtime::process::Process;
use std::time::Duration;

program!(sleep, run);

/// What is slept at once: longer than any container lives, and within what a clock can count.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

async fn run(process: &mut Process) -> Outcome {
    if process.args().is_empty() {
        return Err("missing operand".to_string().into());
    }
    let mut total = Some(Duration::ZERO);
    for word in process.args() {
        let time = duration(word).ok_or_else(|| match process.is_busybox() {
            true => format!("invalid number '{word}'"),
            false => format!("invalid time interval '{word}'"),
        })?;
        total = total.and_then(|total| total.checked_add(time?));
    }
    match total {
        Some(time) if time < LONGEST => tokio::time::sleep(time).await,
        _ => std::future::pending().await,
    }
    Ok(0)
}

/// `1.5`, `2m`, `infinity`: `Some(None)` is for ever.
pub fn duration(text: &str) -> Option<Option<Duration>> {
    if matches!(text, "inf" | "infinity") {
        return Some(None);
    }
    let (number, factor) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * factor;
    Some(Duration::try_from_secs_f64(seconds).ok())
}
