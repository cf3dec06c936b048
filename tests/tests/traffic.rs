//! Traffic through Services: how it is shared, what becomes of it while Pods go, and how the host reaches it. Each with
//! kubectl-lite and, where the machine has it, with the official kubectl. What the commands print word for word is in
//! `fixtures/lessons/traffic`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tests::{Kubectl, Server, fixture, wait_for};

/// Runs the test with each client that there is, on a server of its own whose choices are the same in every run.
fn with_each_client(test: impl Fn(&Kubectl) + Sync) {
    std::thread::scope(|scope| {
        scope.spawn(|| test(&Server::start(&["--seed=1"]).kubectl()));
        scope.spawn(|| {
            let server = Server::start(&["--seed=1"]);
            match server.official_kubectl() {
                Some(kubectl) => test(&kubectl),
                None => eprintln!("skipped: the machine has no kubectl 1.36 (MINIKUBE_LITE_KUBECTL can name one)"),
            }
        });
    });
}

/// Makes a Service `backend` with three endpoints, as this manifest says, and a Pod `frontend` that has curl.
fn cluster(kubectl: &Kubectl, manifest: &str) {
    let applied = kubectl.run_with_input("apply -f -", manifest.as_bytes());
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    kubectl.ok("run frontend --image=curlimages/curl --command -- sleep infinity");
    kubectl.ok("wait --for=condition=Ready pod/frontend --timeout=30s");
    wait_for("three endpoints", || ready_endpoints(kubectl).len() == 3);
}

/// Which Pods new connections to `backend` go to.
fn ready_endpoints(kubectl: &Kubectl) -> Vec<String> {
    let path = "{range .items[*].endpoints[?(@.conditions.ready==true)]}{.targetRef.name} {end}";
    let mut command = kubectl.command("get endpointslices -l kubernetes.io/service-name=backend -o");
    let output = command.arg(format!("jsonpath={path}")).output().expect("kubectl runs");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_string).collect()
}

/// A Deployment of three Pods with the given container and grace, and its Service.
fn backend(container: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: backend}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: backend}}}}
  template:
    metadata: {{labels: {{app: backend}}}}
    spec:
      containers: [{container}]
---
apiVersion: v1
kind: Service
metadata: {{name: backend}}
spec:
  selector: {{app: backend}}
  ports: [{{port: 80, targetPort: http}}]
"
    )
}

const HOSTNAME: &str = "{name: hostname, image: 'registry.k8s.io/e2e-test-images/agnhost:2.53', \
                        args: [serve-hostname], ports: [{name: http, containerPort: 9376}]}";
// Requests go to a Pod that takes the place of another as soon as it is ready: not before it listens.
const NGINX: &str = "{name: nginx, image: 'nginx:1.28', ports: [{name: http, containerPort: 80}], \
                     readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}}";
const NGINX_THAT_WAITS: &str = "{name: nginx, image: 'nginx:1.28', ports: [{name: http, containerPort: 80}], \
                                readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}, \
                                lifecycle: {preStop: {sleep: {seconds: 2}}}}";

#[test]
fn three_endpoints_take_a_third_each() {
    with_each_client(|kubectl| {
        cluster(kubectl, &backend(HOSTNAME));
        let mut command = kubectl.command("exec frontend -- sh -c");
        command.arg("for i in $(seq 3000); do curl -sS http://backend; done");
        let output = command.output().expect("kubectl runs");
        let mut served = BTreeMap::<_, u32>::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            *served.entry(line.to_string()).or_default() += 1;
        }
        let mut pods = ready_endpoints(kubectl);
        pods.sort();
        assert!(served.keys().eq(&pods), "{served:?} of {pods:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(served.values().all(|count| (900..=1100).contains(count)), "{served:?}");
        assert_eq!(served.values().sum::<u32>(), 3000);
    });
}

/// Deletes one of the Pods behind `backend` in the middle of 2,000 requests, or more if they are quicker than the client
/// that deletes. Returns what curl said to each request: of those sent while the Pod was still an endpoint, and of those
/// sent after.
fn requests_while_a_pod_goes(kubectl: &Kubectl) -> (Vec<String>, Vec<String>) {
    // Each line is written before the next request is sent.
    let script = "i=0; while [ $i -lt 2000 ] || [ ! -e /tmp/gone ]; do \
                  curl -s -o /dev/null -w '%{http_code} %{exitcode}\\n' http://backend; i=$((i+1)); done";
    let mut command = kubectl.command("exec frontend -- sh -c");
    let mut child = command.arg(script).stdout(Stdio::piped()).spawn().expect("kubectl runs");
    let output = child.stdout.take().expect("its output is a pipe");
    let (sender, lines) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            sender.send(line.expect("the output is text")).expect("somebody reads");
        }
    });
    let mut before: Vec<_> = lines.iter().take(100).collect();
    let pods = ready_endpoints(kubectl);
    let gone = &pods[0];
    kubectl.ok(&format!("delete pod {gone} --wait=false"));
    wait_for("the endpoint to go", || !ready_endpoints(kubectl).contains(gone));
    // What has been written by now may be of requests that were sent before; so may be the one under way.
    before.extend(lines.try_iter());
    before.extend(lines.iter().take(1));
    kubectl.ok("exec frontend -- touch /tmp/gone");
    let after: Vec<_> = lines.iter().collect();
    reading.join().expect("the output is text");
    assert!(child.wait().expect("kubectl ends").success());
    assert!(before.len() + after.len() >= 2000);
    (before, after)
}

#[test]
fn requests_do_not_fail_once_the_endpoint_has_gone() {
    with_each_client(|kubectl| {
        cluster(kubectl, &backend(NGINX));
        let (_, after) = requests_while_a_pod_goes(kubectl);
        assert!(!after.is_empty(), "the requests had ended before the Pod went");
        assert!(after.iter().all(|line| line == "200 0"), "{after:?}");
    });
}

#[test]
fn with_a_pre_stop_hook_no_request_fails() {
    with_each_client(|kubectl| {
        cluster(kubectl, &backend(NGINX_THAT_WAITS));
        let (before, after) = requests_while_a_pod_goes(kubectl);
        assert!(!after.is_empty(), "the requests had ended before the Pod went");
        assert!(before.iter().chain(&after).all(|line| line == "200 0"), "{before:?} {after:?}");
    });
}

#[test]
fn the_hosts_curl_reaches_a_forwarded_port() {
    with_each_client(|kubectl| {
        cluster(kubectl, &backend(NGINX));
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let mut command = kubectl.command(&format!("port-forward service/backend {port}:80 --address=127.0.0.1"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut told = String::new();
        output.read_line(&mut told).expect("it says where");
        assert_eq!(told, format!("Forwarding from 127.0.0.1:{port} -> 80\n"));
        match Command::new("curl").args(["-sS", "-i", &format!("http://127.0.0.1:{port}/")]).output() {
            Ok(page) => {
                let page = String::from_utf8_lossy(&page.stdout);
                assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("Welcome to nginx!"), "{page}");
                told.clear();
                output.read_line(&mut told).expect("it says that it forwards");
                assert_eq!(told, format!("Handling connection for {port}\n"));
            }
            Err(_) => eprintln!("skipped: the machine has no curl"),
        }
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    });
}

#[test]
fn pods_ask_the_api_server_as_their_service_account() {
    with_each_client(|kubectl| {
        kubectl.ok("run client --image=curlimages/curl --command -- sleep infinity");
        kubectl.ok("wait --for=condition=Ready pod/client --timeout=30s");
        let run = |script: &str| {
            let mut command = kubectl.command("exec client -- sh -c");
            let output = command.arg(format!("cd /var/run/secrets/kubernetes.io/serviceaccount; {script}")).output();
            let output = output.expect("kubectl runs");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        };
        assert!(run("curl -sk https://kubernetes.default/version").1.contains("\"gitVersion\": \"v1.36."));
        let pods = "curl -sS --cacert ca.crt -H \"Authorization: Bearer $(cat token)\" \
                    https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat namespace)/pods";
        let (_, answer, _) = run(pods);
        let refused = "pods is forbidden: User \\\"system:serviceaccount:default:default\\\" cannot list resource";
        assert!(answer.contains(refused), "{answer}");
        kubectl.ok("create rolebinding view --clusterrole=view --serviceaccount=default:default");
        let (_, answer, _) = run(pods);
        assert!(answer.contains("\"kind\": \"PodList\"") && answer.contains("\"name\": \"client\""), "{answer}");
        // Who does not know the cluster's authority does not trust the server.
        let (code, _, told) = run("curl -sS https://kubernetes.default.svc/version");
        assert_eq!(code, Some(60));
        let why = "curl: (60) SSL certificate problem: unable to get local issuer certificate\n";
        assert!(told.starts_with(why), "{told}");
        let (code, _, told) = run("curl -sS --cacert ca.crt https://kubernetes.default.svc.cluster.local:6443/ -m 1");
        assert_eq!(code, Some(28), "{told}");
        assert_eq!(
            run("wget -q --no-check-certificate -O- https://kubernetes/readyz"),
            (Some(0), "ok".into(), "".into())
        );
    });
}

#[test]
fn an_image_of_ones_own_serves() {
    let images = fixture("lessons").join("images.yaml");
    let server = Server::start(&["--images", images.to_str().expect("the path is text")]);
    let kubectl = server.kubectl();
    kubectl.ok("run backend --image=shop/backend:1");
    kubectl.ok("run frontend --image=curlimages/curl --command -- sleep infinity");
    kubectl.ok("wait --for=condition=Ready pod/backend pod/frontend --timeout=30s");
    let address = kubectl.ok("get pod backend -o jsonpath={.status.podIP}");
    let answer = kubectl.ok(&format!("exec frontend -- curl -sS http://{address}:3000/"));
    assert_eq!(answer, format!("backend 1 on backend ({address})\n"));
    assert!(kubectl.ok("logs backend").starts_with("backend 1 listens on 3000\nGET / from "));
}
