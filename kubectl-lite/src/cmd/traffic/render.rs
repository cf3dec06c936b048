//! The picture of a Service as text: bars on a terminal, plain lines elsewhere.

use super::picture::{Endpoint, Picture, State};
use crate::client::stream::remote_command::Size;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::width::MinWidth;
use tabled::settings::{Modify, Padding};

/// How a terminal is drawn on.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// How many columns there are.
    pub columns: usize,
    pub colors: bool,
}

impl Style {
    /// A terminal of this size, 80 columns where that is not known.
    pub fn of_terminal(size: Option<Size>) -> Style {
        let columns = size.map_or(80, |size| usize::from(size.columns)).max(40);
        Style { columns, colors: std::env::var_os("NO_COLOR").is_none() }
    }

    fn paint(self, color: &str, text: &str) -> String {
        if self.colors { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// The lines of the picture, none longer than the terminal is wide. `rate` is in requests per second.
pub fn picture(picture: &Picture, rate: Option<f64>, style: Style) -> Vec<String> {
    let mut lines = vec![format!(
        "{}  {}",
        style.paint(BOLD, &cut(&picture.name, style.columns / 2)),
        cut(&picture.address, style.columns - style.columns / 2 - 2)
    )];
    lines.extend(picture.ports.iter().map(|port| format!("  {}", cut(port, style.columns - 2))));
    lines.push(String::new());
    if picture.endpoints.is_empty() {
        lines.push(cut("No endpoints. `kubectl why service/NAME` tells the reason.", style.columns));
        return lines;
    }
    let width = |text: fn(&Endpoint) -> &str, most: usize| {
        picture.endpoints.iter().map(|endpoint| text(endpoint).chars().count()).max().unwrap_or(0).min(most)
    };
    let state_width = width(|endpoint| endpoint.state.text(), 11);
    let most = picture.endpoints.iter().filter_map(|endpoint| endpoint.requests).max().unwrap_or(0);
    let total = picture.total();
    let count_width = grouped(most).len();
    // What is left for names and addresses; addresses go first where it is narrow.
    let left = style.columns.saturating_sub(state_width + 4 + if picture.counted { count_width + 8 } else { 0 });
    let mut address_width = width(|endpoint| &endpoint.address, 21);
    if left < address_width + 14 {
        address_width = 0;
    }
    let gap = if address_width > 0 { address_width + 2 } else { 0 };
    let name_width = width(|endpoint| &endpoint.target, style.columns * 3 / 8).min(left.saturating_sub(gap));
    for endpoint in &picture.endpoints {
        let (mark, color) = match endpoint.state {
            State::Ready => ("●", GREEN),
            State::Terminating => ("◐", YELLOW),
            State::NotReady => ("○", RED),
        };
        let name = format!("{:<name_width$}", middle(&endpoint.target, name_width));
        let address = match address_width {
            0 => String::new(),
            width => style.paint(DIM, &format!("  {:<width$}", cut(&endpoint.address, width))),
        };
        let state = style.paint(color, &format!("{mark} {:<state_width$}", endpoint.state.text()));
        let mut line = format!("{name}{address}  {state}");
        let mut used = name_width + gap + state_width + 4;
        if let Some(requests) = endpoint.requests {
            let share = if total == 0 { 0.0 } else { requests as f64 * 100.0 / total as f64 };
            let count = format!("  {:>count_width$} {share:>3.0}% ", grouped(requests));
            used += count.len();
            line.push_str(&count);
            let length = if most == 0 { 0.0 } else { requests as f64 / most as f64 };
            line.push_str(&style.paint(color, &bar(length, style.columns.saturating_sub(used))));
        }
        lines.push(line.trim_end().to_string());
    }
    lines.push(String::new());
    lines.push(style.paint(DIM, &cut(&summary(picture, rate), style.columns)));
    lines
}

fn summary(picture: &Picture, rate: Option<f64>) -> String {
    let count = picture.endpoints.len();
    let ready = picture.endpoints.iter().filter(|endpoint| endpoint.state == State::Ready).count();
    let mut text = format!("{count} endpoint{}, {ready} ready; ", if count == 1 { "" } else { "s" });
    if !picture.counted {
        text.push_str("the server does not count requests");
        return text;
    }
    text.push_str(&format!("{} requests", grouped(picture.total())));
    if let Some(rate) = rate {
        text.push_str(&format!(", {} per second", grouped(rate.round() as u64)));
    }
    text
}

/// A table of plain lines, with or without what the columns are. No column is narrower than what usually stands in it, so
/// that later lines stand under earlier ones.
pub fn table(endpoints: &[Endpoint], head: bool) -> Vec<String> {
    const NARROWEST: [usize; 4] = [40, 21, 8, 11];
    let or_dash = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
    let mut rows = Builder::with_capacity(endpoints.len() + 1, NARROWEST.len() + 1);
    if head {
        rows.push_record(["ENDPOINT", "ADDRESS", "PORT", "STATE", "REQUESTS"]);
    }
    for endpoint in endpoints {
        let requests = endpoint.requests.map_or("-".to_string(), |count| count.to_string());
        let (target, port) = (or_dash(&endpoint.target), or_dash(&endpoint.port));
        rows.push_record([target, endpoint.address.clone(), port, endpoint.state.text().to_string(), requests]);
    }
    let mut table = rows.build();
    table.with(tabled::settings::Style::empty()).with(Padding::new(0, 1, 0, 0));
    for (index, width) in NARROWEST.into_iter().enumerate() {
        table.with(Modify::new(Columns::new(index..=index)).with(MinWidth::new(width)));
    }
    table.to_string().lines().map(|line| line.trim_end().to_string()).collect()
}

/// A bar that fills `part` (0 to 1) of `width` columns, in eighths of a column.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * width as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most `width` characters of the beginning.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// At most `width` characters: what Pods of a Deployment are told apart by is the end of their names.
fn middle(text: &str, width: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= width {
        return text.to_string();
    }
    let end = (width / 2).min(12);
    let begin = width.saturating_sub(end + 1);
    characters[..begin].iter().chain(['…'].iter()).chain(&characters[characters.len() - end..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(target: &str, state: State, requests: Option<u64>) -> Endpoint {
        Endpoint { target: target.into(), address: "10.244.0.3:3000".into(), port: String::new(), state, requests }
    }

    fn shown(endpoints: Vec<Endpoint>) -> Picture {
        let counted = endpoints.iter().any(|endpoint| endpoint.requests.is_some());
        Picture {
            name: "default/backend".into(),
            address: "ClusterIP 10.98.61.189".into(),
            ports: vec!["80/TCP → 3000".into()],
            endpoints,
            counted,
        }
    }

    #[test]
    fn bars_show_the_shares() {
        let style = Style { columns: 80, colors: false };
        let endpoints = vec![
            endpoint("backend-79fc7d6cb4-5t9qb", State::Ready, Some(1_000)),
            endpoint("backend-79fc7d6cb4-ncmcd", State::NotReady, Some(500)),
        ];
        let lines = picture(&shown(endpoints), Some(12.4), style);
        assert_eq!(
            lines,
            [
                "default/backend  ClusterIP 10.98.61.189",
                "  80/TCP → 3000",
                "",
                "backend-79fc7d6cb4-5t9qb  10.244.0.3:3000  ● ready      1,000  67% █████████████",
                "backend-79fc7d6cb4-ncmcd  10.244.0.3:3000  ○ not ready    500  33% ██████▌",
                "",
                "2 endpoints, 1 ready; 1,500 requests, 12 per second",
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let style = Style { columns: 60, colors: false };
        let long = "a-deployment-with-quite-a-long-name-79fc7d6cb4-5t9qb";
        for picture in [
            shown(vec![endpoint(long, State::Terminating, Some(123_456_789))]),
            shown(vec![endpoint(long, State::Ready, None)]),
            shown(Vec::new()),
        ] {
            for line in super::picture(&picture, None, style) {
                assert!(line.chars().count() <= 60, "{line}");
            }
        }
        assert!(middle(long, 22).ends_with("b4-5t9qb"));
    }

    #[test]
    fn lines_are_plain_elsewhere() {
        let lines = table(&[endpoint("a", State::Ready, None)], true);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["a", "10.244.0.3:3000", "-", "ready", "-"]);
        assert!(lines[0].starts_with("ENDPOINT"));
        let plain = |cells: [&str; 5]| {
            let [target, address, port, state, requests] = cells;
            format!("{target:<40} {address:<21} {port:<8} {state:<11} {requests}")
        };
        let expected = [
            plain(["ENDPOINT", "ADDRESS", "PORT", "STATE", "REQUESTS"]),
            plain(["a", "10.244.0.3:3000", "-", "ready", "-"]),
        ];
        assert_eq!(lines, expected);
        assert!(table(&[], false).is_empty());
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!((bar(1.0, 3).as_str(), bar(0.5, 3).as_str(), bar(0.0, 3).as_str()), ("███", "█▌", ""));
        assert_eq!(
            (grouped(0).as_str(), grouped(999).as_str(), grouped(1_234_567).as_str()),
            ("0", "999", "1,234,567")
        );
    }
}
