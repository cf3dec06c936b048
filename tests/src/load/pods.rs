//! Pods made, read, listed and patched. They name a scheduler that nobody runs, so that nothing but the API server works.

use super::api::Api;
use super::measure::{Measured, repeat};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A Pod of the size that Deployments' Pods have: about 2.6 kB as the server sends it.
fn pod(name: &str, number: usize) -> String {
    // Written as text: the client shares the processors with the server.
    let metadata =
        format!(r#"{{"name":"{name}","labels":{{"app":"load","tenth":"{}","number":"{number}"}}}}"#, number % 10);
    let container = format!(
        r#"{{"name":"web","image":"registry.k8s.io/nginx:1.29","ports":[{{"name":"http","containerPort":80}}],"env":[{{"name":"NUMBER","value":"{number}"}}],"resources":{{"requests":{{"cpu":"10m","memory":"16Mi"}},"limits":{{"cpu":"100m","memory":"64Mi"}}}}}}"#
    );
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{metadata},"spec":{{"schedulerName":"none","containers":[{container}]}}}}"#
    )
}

fn name(number: usize) -> String {
    format!("pod-{number:06}")
}

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

async fn create(api: &Api, namespace: &str, number: usize) -> Result<u64, String> {
    let body = Bytes::from(pod(&name(number), number));
    api.drain("POST", &path(namespace), Some(("application/json", body))).await
}

/// Makes the Pods with the numbers below `count`.
pub async fn make(api: &Api, namespace: &str, count: usize) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let each = (0..32).map(|_| async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok::<_, String>(());
            }
            create(api, namespace, number).await?;
        }
    });
    futures_util::future::try_join_all(each).await.map(drop)
}

/// Load on the Pods of a namespace.
pub struct Load<'a> {
    pub api: &'a Api,
    pub namespace: &'a str,
    pub clients: usize,
    pub length: Duration,
    /// How many Pods there are.
    pub pods: usize,
}

impl Load<'_> {
    /// A Pod for a client's next operation: all of them in turn.
    fn pick(&self, client: usize, count: usize) -> String {
        format!("{}/{}", path(self.namespace), name((client * 61 + count * self.clients) % self.pods))
    }

    pub async fn creates(&self) -> Result<Measured, String> {
        let next = AtomicUsize::new(0);
        let next = &next;
        repeat(self.clients, self.length, |_, _| async move {
            create(self.api, self.namespace, next.fetch_add(1, Ordering::Relaxed)).await
        })
        .await
    }

    pub async fn gets(&self) -> Result<Measured, String> {
        repeat(self.clients, self.length, |client, count| async move {
            self.api.drain("GET", &self.pick(client, count), None).await
        })
        .await
    }

    /// Lists, with a query that begins with `?`.
    pub async fn lists(&self, query: &str) -> Result<Measured, String> {
        let path = path(self.namespace) + query;
        let path = &path;
        repeat(self.clients, self.length, |_, _| self.api.drain("GET", path, None)).await
    }

    /// The list, one page in each operation; each page's token is read from the one before.
    pub async fn pages(&self, size: usize) -> Result<Measured, String> {
        let first = format!("{}?limit={size}", path(self.namespace));
        // All lists are of one revision, so one walk finds the tokens for all.
        let mut paths = vec![first.clone()];
        loop {
            let page = self.api.get(&paths[paths.len() - 1]).await?;
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => paths.push(format!("{first}&continue={token}")),
                _ => break,
            }
        }
        let paths = &paths;
        repeat(self.clients, self.length, |client, count| {
            self.api.drain("GET", &paths[(client + count) % paths.len()], None)
        })
        .await
    }

    pub async fn patches(&self) -> Result<Measured, String> {
        repeat(self.clients, self.length, |client, count| async move {
            let patch = format!(r#"{{"metadata":{{"annotations":{{"count":"{client}-{count}"}}}}}}"#);
            let body = Some(("application/merge-patch+json", Bytes::from(patch)));
            self.api.drain("PATCH", &self.pick(client, count), body).await
        })
        .await
    }
}
