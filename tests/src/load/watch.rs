//! Watch fan-out: every change told to every watcher.

use super::api::{Answer, Api};
use super::measure::{Measured, repeat};
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long watchers may lag behind the last write.
const PATIENCE: Duration = Duration::from_secs(30);
/// What stands before the time of sending, in microseconds since the start, in an event.
const SENT: &[u8] = br#""sent":""#;

/// Patches ConfigMaps, each client its own, while watchers read. Counts events as the watchers read them.
pub async fn fan_out(
    api: &Api,
    namespace: &str,
    watchers: usize,
    clients: usize,
    length: Duration,
) -> Result<Measured, String> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    for client in 0..clients {
        let name = format!("changing-{client}");
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"sent": "0"}});
        api.json("POST", &path, &object).await?;
    }
    let list = api.get(&path).await?;
    let revision = list["metadata"]["resourceVersion"].as_str().ok_or("a list without resourceVersion")?;
    let begin = Instant::now();
    let (written, finished) = (AtomicUsize::new(0), AtomicBool::new(false));
    let query =
        format!("{path}?watch=true&resourceVersion={revision}&fieldSelector=metadata.name%21%3Dkube-root-ca.crt");
    let streams = try_join_all((0..watchers).map(|_| api.open("GET", &query, None))).await?;
    let reading = try_join_all(streams.into_iter().map(|stream| read(stream, begin, &written, &finished)));
    let writing = async {
        let (path, written) = (&path, &written);
        let done = repeat(clients, length, |client, _| async move {
            let patch = format!(r#"{{"data":{{"sent":"{}"}}}}"#, begin.elapsed().as_micros());
            let body = Some(("application/merge-patch+json", Bytes::from(patch)));
            written.fetch_add(1, Ordering::Relaxed);
            api.drain("PATCH", &format!("{path}/changing-{client}"), body).await
        })
        .await;
        finished.store(true, Ordering::Release);
        done
    };
    let (read, written) = tokio::join!(reading, writing);
    written?;
    let read = read?;
    let elapsed = begin.elapsed();
    let bytes = read.iter().map(|(_, bytes)| bytes).sum();
    Ok(Measured {
        latencies: read.into_iter().flat_map(|(latencies, _)| latencies).collect(),
        elapsed,
        bytes,
        ..Measured::default()
    })
}

/// Reads events until there is one for every write; returns their latencies and bytes.
async fn read(
    mut stream: Answer,
    begin: Instant,
    written: &AtomicUsize,
    finished: &AtomicBool,
) -> Result<(Vec<Duration>, u64), String> {
    let (mut latencies, mut bytes, mut rest) = (Vec::new(), 0, Vec::new());
    while !(finished.load(Ordering::Acquire) && latencies.len() >= written.load(Ordering::Relaxed)) {
        let data = match tokio::time::timeout(Duration::from_millis(100), stream.next()).await {
            Ok(Some(data)) => data.map_err(|error| format!("watch: {error}"))?,
            Ok(None) => return Err("a watch ended early".to_string()),
            Err(_) if begin.elapsed() > PATIENCE && finished.load(Ordering::Acquire) => {
                let (got, want) = (latencies.len(), written.load(Ordering::Relaxed));
                return Err(format!("a watch told of {got} of {want} writes"));
            }
            Err(_) => continue,
        };
        bytes += data.len() as u64;
        let now = begin.elapsed();
        rest.extend_from_slice(&data);
        let mut begun = 0;
        while let Some(end) = memchr::memchr(b'\n', &rest[begun..]) {
            let line = &rest[begun..begun + end];
            let sent = sent(line).ok_or_else(|| format!("unexpected event: {}", String::from_utf8_lossy(line)))?;
            latencies.push(now.saturating_sub(sent));
            begun += end + 1;
        }
        rest.drain(..begun);
    }
    Ok((latencies, bytes))
}

/// When the write that an event tells of was sent.
fn sent(line: &[u8]) -> Option<Duration> {
    let start = memchr::memmem::find(line, SENT)? + SENT.len();
    let digits = line[start..].split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_tell_when_they_were_sent() {
        let line = br#"{"type":"MODIFIED","object":{"data":{"sent":"1500"}}}"#;
        assert_eq!(sent(line), Some(Duration::from_micros(1500)));
        assert_eq!(sent(b"{}"), None);
    }
}
