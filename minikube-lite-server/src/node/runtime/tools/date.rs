//! `date`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;
use jiff::Timestamp;
use jiff::tz::TimeZone;

program!(date, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("utc", 'u'), ("date", 'd'), ("iso-8601", 'I'), ("rfc-2822", 'R'), ("reference", 'r')];
    // The value of `-I` is always attached.
    let mut iso = None;
    let attached = |word: &&String| word.starts_with("-I") || word.starts_with("--iso-8601");
    let arguments: Vec<String> = process.args().iter().filter(|word| !attached(word)).cloned().collect();
    if let Some(word) = process.args().iter().find(attached) {
        iso = Some(word.trim_start_matches("--iso-8601").trim_start_matches("-I").trim_start_matches('=').to_string());
    }
    let options = Options::parse(&arguments, "ud:Rr:s:D:", &long)?;
    if options.has('s') {
        return Err("can't set date: Operation not permitted".to_string().into());
    }
    let mut time = process.world.now();
    if let Some(text) = options.value('d') {
        time = parse(text, time).ok_or_else(|| format!("invalid date '{text}'"))?;
    }
    if let Some(path) = options.value('r') {
        match process.world.files().stat(&process.path(path)) {
            Ok(stat) => time = stat.modified,
            Err(error) => return Ok(process.fail_at(path, &error).await),
        }
    }
    let format = match (&iso, options.operands.first()) {
        (Some(spec), _) => match spec.as_str() {
            "" | "date" => "%Y-%m-%d".to_string(),
            "hours" => "%Y-%m-%dT%H+00:00".into(),
            "minutes" => "%Y-%m-%dT%H:%M+00:00".into(),
            "ns" => "%Y-%m-%dT%H:%M:%S.%N+00:00".into(),
            _ => "%Y-%m-%dT%H:%M:%S+00:00".into(),
        },
        (None, _) if options.has('R') => "%a, %d %b %Y %H:%M:%S +0000".into(),
        (None, Some(operand)) => match operand.strip_prefix('+') {
            Some(format) => format.to_string(),
            None => return Err(format!("invalid date '{operand}'").into()),
        },
        (None, None) => "%a %b %e %H:%M:%S %Z %Y".into(),
    };
    let format = format.replace("%N", &format!("{:09}", time.subsec_nanosecond()));
    let printed = jiff::fmt::strtime::format(&format, &time.to_zoned(TimeZone::UTC));
    let printed = printed.map_err(|_| format!("invalid format '{format}'"))?;
    process.print(printed + "\n").await?;
    Ok(0)
}

/// A moment as it is written: `@1700000000`, `2026-01-31 12:00:00`, `now`.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    if matches!(text, "now" | "") {
        return Some(now);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    let civil = civil.or_else(|| Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0)))?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
