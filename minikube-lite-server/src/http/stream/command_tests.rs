//! A command's streams, from a client of each protocol to a process that is a few lines of test.

use super::*;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

fn told(exit: Result<i32, String>, protocol: &str, task: Task) -> String {
    let report = Report::of(protocol);
    String::from_utf8(encode(&outcome(exit, report, task))).unwrap()
}

#[test]
fn ends_are_told_as_kubernetes_does() {
    let success = r#"{"metadata":{},"status":"Success"}"#;
    assert_eq!(told(Ok(0), "v4.channel.k8s.io", Task::Exec), success);
    assert_eq!(told(Ok(3), "v4.channel.k8s.io", Task::Attach), success);
    assert_eq!(
        told(Ok(3), "v5.channel.k8s.io", Task::Exec),
        r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: command terminated with exit code 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#
    );
    assert_eq!(
        told(Err("no".into()), "v4.channel.k8s.io", Task::Exec),
        r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: error executing command in container: no","reason":"InternalError","details":{"causes":[{"message":"error executing command in container: no"}]},"code":500}"#
    );
}

#[tokio::test]
async fn sizes_are_followed_however_they_are_cut() {
    let (sender, receiver) = watch::channel((0, 0));
    let (mut near, far) = tokio::io::duplex(16);
    let following = tokio::spawn(async move { follow_sizes(Box::new(far), &sender).await });
    near.write_all(br#"{"Width":80,"Height":24}{"Width":100,"#).await.unwrap();
    near.write_all(b"\"Height\":30}\n").await.unwrap();
    drop(near);
    following.await.unwrap();
    assert_eq!(*receiver.borrow(), (100, 30));
}

/// A process that gives back its input in capitals, says "done" on its other output, and ends with 3. The flag tells
/// when it has been dropped.
fn shouting() -> (Session, watch::Receiver<(u16, u16)>, CancellationToken) {
    let (stdin, mut input) = tokio::io::duplex(64);
    let (mut output, stdout) = tokio::io::duplex(64);
    let (mut errors, stderr) = tokio::io::duplex(64);
    let (resize, size) = watch::channel((0, 0));
    let dropped = CancellationToken::new();
    let guard = dropped.clone().drop_guard();
    let exit = Box::pin(async move {
        let _guard = guard;
        let mut buffer = [0; 1000];
        loop {
            let length = input.read(&mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            output.write_all(&buffer[..length].to_ascii_uppercase()).await.unwrap();
        }
        // It may not be wanted.
        let _ = errors.write_all(b"done").await;
        Ok(3)
    });
    let session = Session {
        stdin: Some(Box::new(stdin)),
        stdout: Some(Box::new(stdout)),
        stderr: Some(Box::new(stderr)),
        resize: Some(resize),
        exit,
    };
    (session, size, dropped)
}

const ALL: Wanted = Wanted { stdin: true, stdout: true, stderr: true, tty: false };

#[tokio::test]
async fn a_web_socket_carries_all_channels() {
    for (protocol, ends) in [("v5.channel.k8s.io", true), ("v4.base64.channel.k8s.io", false)] {
        let (near, far) = tokio::io::duplex(256);
        let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let server = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let (session, ..) = shouting();
        let encoding = Encoding::of(protocol);
        let serving = tokio::spawn(async move {
            let streams = over_web_socket(server, encoding, ALL, CancellationToken::new()).await;
            run(session, streams, Report::of(protocol), Task::Exec).await;
        });
        let first = client.next().await.unwrap().unwrap();
        assert_eq!(first, if ends { Message::Binary(Bytes::from_static(&[1])) } else { Message::Text("1".into()) });
        if !ends {
            client.send(Message::Text("0aGVsbG8=".into())).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Text("1SEVMTE8=".into()));
            // Without a means to end the input, the client leaves.
            client.close(None).await.unwrap();
            while let Some(Ok(_)) = client.next().await {}
            serving.await.unwrap();
            continue;
        }
        let sent = vec![b'x'; 100_000];
        let (mut sink, mut stream) = client.split();
        let feeding = async {
            for part in sent.chunks(30_000) {
                sink.send(Message::Binary([&[0][..], part].concat().into())).await.unwrap();
            }
            sink.send(Message::Binary(Bytes::from_static(&[255, 0]))).await.unwrap();
        };
        let mut got = vec![Vec::new(); 4];
        let reading = async {
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Binary(data) => got[usize::from(data[0])].extend_from_slice(&data[1..]),
                    // What client-go takes for an orderly end.
                    message => assert_eq!(message, upgrade::normal_closure()),
                }
            }
        };
        tokio::join!(feeding, reading);
        assert!(got[1].len() == 100_000 && got[1].iter().all(|byte| *byte == b'X'));
        assert_eq!(got[2], b"done");
        assert!(String::from_utf8_lossy(&got[3]).contains(r#""reason":"NonZeroExitCode""#));
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn spdy_carries_all_streams() {
    for protocol in SPDY {
        let (near, far) = tokio::io::duplex(256);
        let client = spdy::Session::client(near);
        let wanted = Wanted { tty: true, stderr: false, ..ALL };
        let (session, size, _) = shouting();
        let serving = tokio::spawn(over_spdy(far, protocol, wanted, session, Task::Exec, CancellationToken::new()));
        let mut error = client.open([("streamType", "error")]).await.unwrap();
        let mut stdin = client.open([("streamType", "stdin")]).await.unwrap();
        let mut stdout = client.open([("streamType", "stdout")]).await.unwrap();
        if protocol.starts_with("v3") || protocol.starts_with("v4") {
            let mut resize = client.open([("streamType", "resize")]).await.unwrap();
            resize.write_all(b"{\"Width\":132,\"Height\":50}\n").await.unwrap();
            size.clone().wait_for(|size| *size == (132, 50)).await.unwrap();
        }
        stdin.write_all(b"hello").await.unwrap();
        stdin.shutdown().await.unwrap();
        let (mut output, mut status) = (String::new(), String::new());
        stdout.read_to_string(&mut output).await.unwrap();
        error.read_to_string(&mut status).await.unwrap();
        assert_eq!(output, "HELLO");
        let told = if *protocol == "v4.channel.k8s.io" {
            "{\"metadata\":{},\"status\":\"Failure\""
        } else {
            "command terminated"
        };
        assert!(status.starts_with(told), "{status}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_vanishes_ends_the_command() {
    let (near, far) = tokio::io::duplex(256);
    let client = spdy::Session::client(near);
    let (session, _, dropped) = shouting();
    let serving = tokio::spawn(over_spdy(far, SPDY[0], ALL, session, Task::Exec, CancellationToken::new()));
    let mut streams = Vec::new();
    for kind in ["error", "stdin", "stdout", "stderr"] {
        streams.push(client.open([("streamType", kind)]).await.unwrap());
    }
    drop((client, streams));
    dropped.cancelled().await;
    serving.await.unwrap();

    let (near, far) = tokio::io::duplex(256);
    let server = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let (session, _, dropped) = shouting();
    let serving = tokio::spawn(async move {
        let streams = over_web_socket(server, Encoding::of("v5.channel.k8s.io"), ALL, CancellationToken::new()).await;
        run(session, streams, Report::Translated, Task::Exec).await;
    });
    drop(near);
    dropped.cancelled().await;
    serving.await.unwrap();
}
