//! For tests: a server of a few answers, and kubectl run against it.

use crate::streams::Streams;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use shared_types::json::{Value, json};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::sync::{Arc, Mutex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The server's end of a WebSocket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What was asked for: `GET /api/v1/...`, and the parameters.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub query: String,
    pub protocols: String,
}

impl Asked {
    /// Whether there is such a parameter.
    pub fn has(&self, pair: &str) -> bool {
        self.query.split('&').any(|have| have == pair)
    }
}

pub enum Reply {
    Object(Value),
    /// A body that comes piece by piece.
    Pieces(Vec<&'static [u8]>),
    /// A subprotocol, and what is done with the WebSocket.
    WebSocket(&'static str, Box<dyn FnOnce(Socket) -> BoxFuture<'static, ()> + Send>),
    Failure(u16, &'static str),
}

/// A WebSocket of `protocol` for which `talk` speaks.
pub fn talking<F: Future<Output = ()> + Send + 'static>(
    protocol: &'static str,
    talk: impl FnOnce(Socket) -> F + Send + 'static,
) -> Reply {
    Reply::WebSocket(protocol, Box::new(|socket| Box::pin(talk(socket))))
}

/// A Pod that runs.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running"},
    })
}

/// The address of a server that answers as `answer` says; it lives as long as the runtime.
pub async fn serve(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let response = respond(request, &*answer);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service)
                    .with_upgrades(),
            );
        }
    });
    format!("http://{address}")
}

fn respond(mut request: Request<Incoming>, answer: &dyn Fn(&Asked) -> Reply) -> Response<BoxBody<Bytes, Infallible>> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_string()
    };
    let asked = Asked {
        line: format!("{} {}", request.method(), request.uri().path()),
        query: request.uri().query().unwrap_or_default().to_string(),
        protocols: header("sec-websocket-protocol"),
    };
    let key = header("sec-websocket-key");
    let whole = |status: u16, body: String| {
        Response::builder().status(status).body(Full::new(Bytes::from(body)).boxed()).unwrap()
    };
    match answer(&asked) {
        Reply::Object(object) => whole(200, object.to_string()),
        Reply::Failure(code, message) => {
            let status = shared_types::status::Status::failure(code, "BadRequest", message);
            whole(code, serde_json::to_string(&status).unwrap())
        }
        Reply::Pieces(pieces) => {
            let frames = pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece))));
            Response::new(http_body_util::BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames))))
        }
        Reply::WebSocket(protocol, talk) => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let upgraded = TokioIo::new(upgrade.await.unwrap());
                talk(WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await).await;
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", derive_accept_key(key.as_bytes()))
                .header("sec-websocket-protocol", protocol)
                .body(Full::new(Bytes::new()).boxed())
                .unwrap()
        }
    }
}

/// What is written, for a look at it at any time.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a run of kubectl wrote, with its error at the end, and its exit code.
#[derive(Clone, Default)]
pub struct Ran {
    pub out: Written,
    pub err: Written,
    pub code: u8,
}

impl Ran {
    /// Both outputs and the exit code.
    pub fn texts(&self) -> (String, String, u8) {
        (self.out.text(), self.err.text(), self.code)
    }
}

/// Runs kubectl against `server`; what it writes can be looked at before it ends.
pub async fn kubectl_into(ran: &mut Ran, server: &str, words: &[&str], input: &'static [u8]) {
    use io::Write as _;
    let streams = Streams::over(input, ran.out.clone(), ran.err.clone());
    // Preferences of whoever runs the tests stay out of them.
    let mut preferences = tempfile::NamedTempFile::new().unwrap();
    preferences.write_all(b"apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n").unwrap();
    let kuberc = preferences.path().to_str().unwrap();
    let fixed = ["kubectl", "--kubeconfig=/dev/null", "--kuberc", kuberc, "--server", server];
    let args = fixed.iter().chain(words).map(OsString::from).collect();
    if let Err(error) = crate::cli::run(args, &streams).await {
        ran.err.write_all(error.render().as_bytes()).unwrap();
        ran.code = error.exit_code();
    }
}

/// Runs kubectl against `server` until it ends.
pub async fn kubectl(server: &str, words: &[&str], input: &'static [u8]) -> Ran {
    let mut ran = Ran::default();
    kubectl_into(&mut ran, server, words, input).await;
    ran
}
