//! The loop of commands that go on after failures.

use super::Info;
use crate::errors::CommandError;

/// Does something with each object, and gives how many there were.
///
/// # Errors
/// All failures, once every object has had its turn.
pub async fn each(
    infos: Vec<Result<Info, CommandError>>,
    mut act: impl AsyncFnMut(Info) -> Result<(), CommandError>,
) -> Result<usize, CommandError> {
    let count = infos.len();
    let mut errors = Vec::new();
    for info in infos {
        let result = match info {
            Ok(info) => act(info).await,
            Err(error) => Err(error),
        };
        errors.extend(result.err());
    }
    CommandError::all(errors).map(|()| count)
}
