//! `TYPE`, `TYPE NAME...`, `TYPE/NAME...`, `TYPE1,TYPE2`.

use crate::errors::CommandError;

/// What kubectl says where a command got nothing to work on.
pub const MISSING: &str = "You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'";

/// The arguments of a command, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// From `TYPE/NAME` arguments.
    pub pairs: Vec<(String, String)>,
    /// From `TYPE1,TYPE2`.
    pub types: Vec<String>,
    /// From the arguments after the types.
    pub names: Vec<String>,
}

impl Arguments {
    /// # Errors
    /// Both forms are mixed, or `TYPE/NAME` has more or less than one of each.
    pub fn parse(args: &[String]) -> Result<Arguments, CommandError> {
        let args = join_lists(args);
        let with_slash = args.iter().filter(|arg| arg.contains('/')).count();
        if with_slash == 0 {
            let mut args = args.into_iter();
            let types = args.next().map(|types| types.split(',').map(str::to_string).collect()).unwrap_or_default();
            return Ok(Arguments { types, names: args.collect(), pairs: Vec::new() });
        }
        if with_slash != args.len() {
            return Err(CommandError::message(
                "there is no need to specify a resource type as a separate argument when passing arguments in \
                 resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource \
                 resource/<resource_name>'",
            ));
        }
        let mut pairs = Vec::new();
        for arg in &args {
            let (kind, name) = arg.split_once('/').unwrap_or((arg, ""));
            if name.contains('/') {
                return Err(CommandError::message("arguments in resource/name form may not have more than one slash"));
            }
            if kind.is_empty() || name.is_empty() || kind.contains(',') {
                return Err(CommandError::message(
                    "arguments in resource/name form must have a single resource and name",
                ));
            }
            pairs.push((kind.to_string(), name.to_string()));
        }
        Ok(Arguments { pairs, ..Arguments::default() })
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.types.is_empty()
    }
}

/// `pods, services` written with spaces after the commas is one list.
fn join_lists(args: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for arg in args {
        match joined.last_mut() {
            Some(last) if last.ends_with(',') || arg.starts_with(',') => last.push_str(arg),
            _ => joined.push(arg.clone()),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(&args.iter().map(ToString::to_string).collect::<Vec<_>>()).map_err(|e| e.text())
    }

    #[test]
    fn both_forms_are_read() {
        let types = parse(&["pods,", "svc", "a", "b"]).unwrap();
        assert_eq!(
            (types.types, types.names),
            (vec!["pods".to_string(), "svc".into()], vec!["a".to_string(), "b".into()])
        );
        let pairs = parse(&["pod/a", "svc/b"]).unwrap().pairs;
        assert_eq!(pairs, [("pod".to_string(), "a".to_string()), ("svc".into(), "b".into())]);
    }

    #[test]
    fn mixtures_are_refused() {
        assert!(parse(&["pod/a", "b"]).unwrap_err().starts_with("there is no need"));
        assert!(parse(&["pod/a,svc/b"]).unwrap_err().contains("more than one slash"));
        assert!(parse(&["pods,cm/x"]).unwrap_err().contains("single resource and name"));
    }
}
