//! How a command fails: the one place where errors get their text and exit code.

use shared_types::go_quote::quote;
use shared_types::status::Status;
use std::io;

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// `error: MESSAGE`.
    Message(String),
    /// A message that is printed as it stands, without `error: `.
    Raw(String),
    /// A mistake in the arguments: the message, and where help is (`kubectl create -h`).
    Usage { message: String, command: String },
    /// The server refused. `doing` is what was being done (`error when creating "pod.yaml"`), empty where that is plain.
    Api { status: Box<Status>, doing: String },
    /// The server could not be reached, or what came back was no answer.
    Unreachable { verb: String, url: String, why: String },
    /// The answer broke off.
    CutOff { why: String },
    /// Discovery failed, without which kubectl does nothing else; or what it needs to validate the objects of a file.
    /// `unrecognized` is the file whose objects were to be recognized, if it was that.
    Undiscovered { error: Box<CommandError>, unrecognized: Option<String> },
    /// Several failures, each reported on its own.
    Many(Vec<CommandError>),
    /// The command's help is shown on standard output before the error, or instead of one.
    Helped(Option<Box<CommandError>>),
    /// What ran in a container failed: a message that is printed as it stands, and its exit code.
    Terminated { message: String, code: u8 },
    /// Nothing is left to say (it has been printed); ends with this exit code.
    Exit(u8),
}

impl CommandError {
    pub fn message(text: impl Into<String>) -> CommandError {
        CommandError::Message(text.into())
    }
    /// A mistake in the arguments of `command` (without the program's name: `create secret tls`).
    pub fn usage(command: &str, text: impl Into<String>) -> CommandError {
        CommandError::Usage { message: text.into(), command: command.into() }
    }
    /// One error of `errors`, or none. Where discovery failed, nothing else counts.
    pub fn all(mut errors: Vec<CommandError>) -> Result<(), CommandError> {
        if let Some(index) = errors.iter().position(|error| matches!(error, CommandError::Undiscovered { .. })) {
            return Err(errors.swap_remove(index));
        }
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(CommandError::Many(errors)),
        }
    }
    /// [`CommandError::all`] for commands to which a single error is one among several too.
    pub fn among(errors: Vec<CommandError>) -> Result<(), CommandError> {
        CommandError::all(errors).map_err(|error| match error {
            error @ (CommandError::Message(_)
            | CommandError::CutOff { .. }
            | CommandError::Undiscovered { unrecognized: Some(_), .. }) => CommandError::Many(vec![error]),
            error => error,
        })
    }
    /// The server's answer, if this is one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            CommandError::Api { status, .. } => Some(status),
            _ => None,
        }
    }
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }
    /// Says what was being done: `error when creating "pod.yaml"`. Answers of the server keep their reason.
    pub fn doing(self, what: &str) -> CommandError {
        let after = |doing: String| if doing.is_empty() { what.to_string() } else { format!("{what}: {doing}") };
        match self {
            CommandError::Api { status, doing } => CommandError::Api { status, doing: after(doing) },
            CommandError::Message(text) => CommandError::Message(format!("{what}: {text}")),
            error @ (CommandError::Unreachable { .. } | CommandError::CutOff { .. }) => {
                CommandError::Message(format!("{what}: {}", error.text()))
            }
            other => other,
        }
    }
    /// A message as it stands, for commands that put nothing before theirs.
    pub fn without_prefix(self) -> CommandError {
        match self {
            CommandError::Message(text) => CommandError::Raw(text),
            other => other,
        }
    }
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Exit(code) | CommandError::Terminated { code, .. } => *code,
            _ => 1,
        }
    }
    /// The bare text, as it stands inside another message.
    pub fn text(&self) -> String {
        match self {
            CommandError::Message(text) | CommandError::Raw(text) => text.clone(),
            CommandError::Unreachable { verb, url, why } => format!("{verb} {}: {why}", quote(url)),
            CommandError::CutOff { why } => {
                format!("unexpected error when reading response body. Please retry. Original error: {why}")
            }
            CommandError::Undiscovered { error, unrecognized: None } => error.text(),
            CommandError::Undiscovered { error, unrecognized: Some(file) } => {
                format!("unable to recognize {}: {}", quote(file), error.text())
            }
            CommandError::Usage { message, .. } | CommandError::Terminated { message, .. } => message.clone(),
            CommandError::Api { status, doing } if doing.is_empty() => status.message.clone(),
            CommandError::Api { status, doing } => format!("{doing}: {}", status.message),
            CommandError::Many(errors) => errors.iter().map(CommandError::text).collect::<Vec<_>>().join(", "),
            CommandError::Helped(error) => error.as_ref().map(|error| error.text()).unwrap_or_default(),
            CommandError::Exit(_) => String::new(),
        }
    }
    /// What goes to standard error, with its line ends; empty where there is nothing to say.
    pub fn render(&self) -> String {
        match self {
            CommandError::Message(text) => line(if text.starts_with("error: ") { "" } else { "error: " }, text),
            CommandError::Raw(text) => line("", text),
            CommandError::Unreachable { url, why, .. } if why.contains("connection refused") => {
                let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = host.split('/').next().unwrap_or(host);
                format!("The connection to the server {host} was refused - did you specify the right host or port?\n")
            }
            CommandError::Unreachable { why, .. } => line("Unable to connect to the server: ", why),
            CommandError::CutOff { .. } => line("error: ", &self.text()),
            CommandError::Undiscovered { error, unrecognized: None } => error.render(),
            CommandError::Undiscovered { unrecognized: Some(_), .. } => line("error: ", &self.text()),
            CommandError::Terminated { message, .. } => line("", message),
            CommandError::Usage { message, command } => {
                format!("error: {message}\nSee 'kubectl {command} -h' for help and examples\n")
            }
            CommandError::Api { status, .. } if status.reason == "Invalid" => render_invalid(status),
            CommandError::Api { status, doing } => render_status(status, doing),
            CommandError::Many(errors) => errors
                .iter()
                .map(|error| match error {
                    // One among several has no prefix.
                    CommandError::Message(text) => line("", text),
                    CommandError::CutOff { .. } => line("", &error.text()),
                    CommandError::Undiscovered { unrecognized: Some(_), .. } => line("", &error.text()),
                    // Nor are causes listed.
                    CommandError::Api { status, doing } => render_status(status, doing),
                    error => error.render(),
                })
                .collect(),
            CommandError::Helped(error) => error.as_ref().map(|error| error.render()).unwrap_or_default(),
            CommandError::Exit(_) => String::new(),
        }
    }
}

fn line(prefix: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{prefix}{}\n", text.strip_suffix('\n').unwrap_or(text)) }
}

/// A `Status` as people read it: `Error from server (NotFound): pods "web" not found`.
fn render_status(status: &Status, doing: &str) -> String {
    let message = if doing.is_empty() { status.message.clone() } else { format!("{doing}: {}", status.message) };
    if status.reason == "Unauthorized" {
        return line("error: ", &format!("You must be logged in to the server ({message})"));
    }
    let reason = if status.reason.is_empty() { String::new() } else { format!(" ({})", status.reason) };
    line("", &format!("Error from server{reason}: {message}"))
}

/// An object that is invalid: one cause on the same line, several as a list, equal ones once.
fn render_invalid(status: &Status) -> String {
    let Some(details) = &status.details else {
        let message = if status.message.is_empty() { String::new() } else { format!(": {}", status.message) };
        return format!("The request is invalid{message}\n");
    };
    let mut what = String::from("The request is invalid");
    if !details.kind.is_empty() || !details.name.is_empty() {
        what = format!("The {} {:?} is invalid", details.kind, details.name);
    } else if details.causes.is_empty() && !status.message.is_empty() {
        what = format!("{what}: {}", status.message);
    }
    let mut causes: Vec<String> = Vec::new();
    for cause in details.causes.iter().map(cause_text) {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    match causes.as_slice() {
        [] => format!("{what}\n"),
        [only] => format!("{what}: {only}\n"),
        many => format!("{what}: \n{}\n", many.iter().map(|c| format!("* {c}")).collect::<Vec<_>>().join("\n")),
    }
}

fn cause_text(cause: &shared_types::status::StatusCause) -> String {
    if cause.field.is_empty() { cause.message.clone() } else { format!("{}: {}", cause.field, cause.message) }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> CommandError {
        match error.kind() {
            // Nobody reads on: what `| head` does.
            io::ErrorKind::BrokenPipe => CommandError::Exit(0),
            _ => CommandError::Message(error.to_string()),
        }
    }
}

impl From<Status> for CommandError {
    fn from(status: Status) -> CommandError {
        CommandError::Api { status: Box::new(status), doing: String::new() }
    }
}

impl From<String> for CommandError {
    fn from(text: String) -> CommandError {
        CommandError::Message(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_invalid_object_by_itself_has_its_causes_told() {
        let invalid = || {
            let mut status =
                Status::failure(422, "Invalid", "ConfigMap \"A\" is invalid: metadata.name: Invalid value: \"A\"");
            let cause = shared_types::status::StatusCause {
                field: "metadata.name".into(),
                message: "Invalid value: \"A\"".into(),
                ..Default::default()
            };
            status.details = Some(Box::new(shared_types::status::StatusDetails {
                kind: "ConfigMap".into(),
                name: "A".into(),
                causes: vec![cause],
                ..Default::default()
            }));
            CommandError::from(status).doing("error when creating \"a.yaml\"")
        };
        let alone = "The ConfigMap \"A\" is invalid: metadata.name: Invalid value: \"A\"\n";
        assert_eq!(CommandError::all(vec![invalid()]).unwrap_err().render(), alone);
        let told = "Error from server (Invalid): error when creating \"a.yaml\": ConfigMap \"A\" is invalid: metadata.name: \
                    Invalid value: \"A\"\n";
        let both = CommandError::all(vec![invalid(), invalid()]).unwrap_err();
        assert_eq!(both.render(), told.repeat(2));
    }
}
