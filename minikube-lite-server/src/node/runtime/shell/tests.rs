use crate::node::runtime::files::Tree;
use crate::node::runtime::pipe::{Input, Output, pipe};
use crate::node::runtime::signal::Signal;
use crate::node::runtime::terminal;
use crate::node::runtime::tools;
use crate::node::runtime::world::{Child, Start, World, tests::world};
use std::time::Duration;
use tokio::sync::watch;

/// What a script printed on both streams, and its exit code.
pub(in crate::node::runtime) type Ran = (String, String, i32);

pub(in crate::node::runtime) fn container() -> World {
    world(Tree::linux().programs(tools::busybox()))
}

pub(in crate::node::runtime) async fn run_in(world: &World, argv: &[&str], stdin: &str) -> Ran {
    let ((stdout, output), (stderr, errors)) = (pipe(), pipe());
    let start = Start {
        argv: argv.iter().map(|word| word.to_string()).collect(),
        env: [("PATH".to_string(), "/bin".to_string()), ("HOME".into(), "/root".into())].into(),
        stdin: Input::from_bytes(stdin.to_string()),
        stdout,
        stderr,
        ..Start::default()
    };
    let mut child = world.spawn(start).unwrap();
    let limit = 10_000_000;
    let (output, errors) = tokio::join!(output.read_to_end(limit), errors.read_to_end(limit));
    let text = |bytes: bytes::Bytes| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.unwrap()), text(errors.unwrap()), child.wait().await.code)
}

pub(in crate::node::runtime) async fn sh(script: &str) -> Ran {
    run_in(&container(), &["sh", "-c", script], "").await
}

/// Runs each script, which must print what stands beside it and nothing on standard error, and end with 0.
pub(in crate::node::runtime) async fn all(table: &[(&str, &str)]) {
    for (script, expected) in table {
        let (output, errors, code) = sh(script).await;
        assert_eq!((output.as_str(), errors.as_str(), code), (*expected, "", 0), "{script}");
    }
}

#[tokio::test]
async fn words_are_expanded() {
    all(&[
        ("echo a  b 'c  d' \"e  f\" g\\ h", "a b c  d e  f g h\n"),
        ("x='a  b'; echo $x; echo \"$x\"; echo '$x'", "a b\na  b\n$x\n"),
        ("x=; echo \"[$x]\" [$x] ${x:-d} ${x-e} ${x:+f} ${y:=g} $y", "[] [] d g g\n"),
        ("x=archive.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x}", "archive.tar archive tar.gz gz 14\n"),
        ("x=hello; echo ${x/l/L} ${x//l/L} ${x:1:3} ${x: -2}", "heLlo heLLo ell lo\n"),
        ("p=/a/b/c; echo ${p##*/} ${p%/*}", "c /a/b\n"),
        ("echo $((1 + 2 * 3)) $(( (1+2)*3 )) $((x = 5)) $x $((x > 3))", "7 9 5 5 1\n"),
        ("echo $(echo one; echo two) \"$(echo one; echo two)\" `echo three`", "one two one\ntwo three\n"),
        ("echo \"$(echo \"in $(echo deep)\")\"", "in deep\n"),
        (
            "set -- a 'b c' d; echo $#; for x in \"$@\"; do echo \"[$x]\"; done; echo \"$*\"",
            "3\n[a]\n[b c]\n[d]\na b c d\n",
        ),
        ("set --; for x in \"$@\"; do echo never; done; echo \"${1-none}\" $#", "none 0\n"),
        ("set -- 1 2 3; shift; echo $1 $# ${3-gone}", "2 2 gone\n"),
        ("IFS=:; x=a:b::c; for y in $x; do echo \"[$y]\"; done", "[a]\n[b]\n[]\n[c]\n"),
        (
            "cd /tmp; touch b.txt a.txt c.log .d.txt; echo *.txt; echo *.none; echo '*.txt'; echo [ac].*",
            "a.txt b.txt\n*.none\n*.txt\na.txt c.log\n",
        ),
        ("echo ~ ~/x \"~\"", "/root /root/x ~\n"),
        ("x=1 y=2; echo $x$y; x=3 env | grep ^x=; echo $x", "12\nx=3\n1\n"),
        ("echo a#b # comment", "a#b\n"),
        ("echo one \\\n two", "one two\n"),
        ("echo \"\\$x \\\\ \\a\"", "$x \\ \\a\n"),
    ])
    .await;
}

#[tokio::test]
async fn commands_are_combined() {
    all(&[
        ("true && echo yes || echo no; false && echo yes || echo no", "yes\nno\n"),
        ("! false && echo negated", "negated\n"),
        ("if false; then echo 1; elif true; then echo 2; else echo 3; fi", "2\n"),
        ("i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done", "0\n1\n2\n"),
        ("i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i", "2\n"),
        ("for i in 1 2 3 4 5; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done", "1\n3\n"),
        ("for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done", "1a\n2a\n"),
        ("case abc in x) echo 1;; a*|b) echo 2;; *) echo 3;; esac", "2\n"),
        ("case '*' in '*') echo star;; esac; case x in (y) ;; esac; echo $?", "star\n0\n"),
        ("f() { echo \"$1-$#\"; return 3; }; f a b; echo $?", "a-2\n3\n"),
        ("f() { local x=in; echo $x; }; x=out; f; echo $x", "in\nout\n"),
        ("(x=1; cd /tmp; exit 4); echo $? ${x-unset} $PWD", "4 unset /\n"),
        ("{ echo a; echo b; } | { read x; read y; echo $y$x; }", "ba\n"),
        ("echo hello | cat | tr a-z A-Z | wc -c", "6\n"),
        ("seq 1 100000 | head -2", "1\n2\n"),
        ("yes | head -3 | sort | uniq -c", "      3 y\n"),
        ("false | true; echo $?; set -o pipefail; false | true; echo $?", "0\n1\n"),
        ("echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f; wc -l < /tmp/f", "a\nb\n2\n"),
        ("ls /nope 2>&1; ls /nope 2>/dev/null; echo $?", "ls: /nope: No such file or directory\n1\n"),
        ("{ echo out; echo err >&2; } 2>/dev/null", "out\n"),
        ("{ echo out; echo err >&2; } > /tmp/both 2>&1; cat /tmp/both", "out\nerr\n"),
        ("exec 3>/tmp/three; echo three >&3; exec 3>&-; cat /tmp/three", "three\n"),
        ("cat <<EOF\nhello $((1+1)) $(echo x)\nEOF\necho after", "hello 2 x\nafter\n"),
        ("cat <<'EOF'\n$x\nEOF", "$x\n"),
        ("cat <<-EOF\n\t\tindented\n\tEOF\n", "indented\n"),
        ("eval 'echo a; x=5'; echo $x", "a\n5\n"),
        ("echo 'echo sourced $1; v=7' > /tmp/s; . /tmp/s; echo $v", "sourced\n7\n"),
        ("printf '#!/bin/sh\\necho script $1\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s arg", "script arg\n"),
        ("printf '%s-%d|' a 1 b 2; printf '%05.1f %x %c\\n' 3.14159 255 z", "a-1|b-2|003.1 ff z\n"),
        ("echo 'a b c' | { read x y; echo \"$y $x\"; }", "b c a\n"),
        ("printf 'l1\\nl2\\n' | while read -r line; do echo \"<$line>\"; done", "<l1>\n<l2>\n"),
        ("while getopts ab:c o -a -b val -c; do echo $o $OPTARG; done", "a\nb val\nc\n"),
        (
            "type cd cat; command -v ls; command -v nope || echo none",
            "cd is a shell builtin\ncat is /bin/cat\n/bin/ls\nnone\n",
        ),
        ("x=$(false); echo $?; x=$(exit 3) || echo $?", "1\n3\n"),
        ("[ 1 -lt 2 ] && [ a != b ] && [ -d /tmp ] && [ ! -e /nope ] && test -n x && echo all", "all\n"),
        ("umask; cd /tmp; pwd; cd - ; echo $OLDPWD", "0022\n/tmp\n/\n/tmp\n"),
        ("exec echo replaced; echo never", "replaced\n"),
        ("set -u; echo ${x-ok}", "ok\n"),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn jobs_run_beside_the_script() {
    all(&[
        ("sleep 5 & sleep 3 & wait; echo done", "done\n"),
        ("(sleep 1; exit 7) & wait $!; echo $?", "7\n"),
        ("(exit 3) & one=$!; sleep 1; sleep 1 & wait $one; echo $?", "3\n"),
        ("sleep 100 & kill $!; wait $!; echo $?", "143\n"),
        ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n"),
    ])
    .await;
    let (output, _, code) = sh("trap 'echo got; exit 3' TERM; kill $$; echo never").await;
    assert_eq!((output.as_str(), code), ("got\n", 3));
    let (output, _, code) = sh("trap 'exit 3' TERM; (sleep 1; kill $$) & while true; do sleep 2; done").await;
    assert_eq!((output.as_str(), code), ("", 3));
}

#[tokio::test]
async fn errors_are_told_as_busybox_tells_them() {
    for (script, errors, code) in [
        ("exit 3", "", 3),
        ("false", "", 1),
        ("nope", "sh: nope: not found\n", 127),
        ("/etc/passwd", "sh: /etc/passwd: Permission denied\n", 126),
        ("if", "sh: syntax error: unexpected end of file (expecting \"then\")\n", 2),
        ("echo a; fi", "sh: syntax error: unexpected \"fi\"\n", 2),
        ("echo )", "sh: syntax error: unexpected \")\"\n", 2),
        ("echo 'x", "sh: syntax error: unterminated quoted string\n", 2),
        ("echo ${x", "sh: syntax error: unexpected end of file (expecting \"}\")\n", 2),
        ("cd /nope", "sh: cd: line 1: can't cd to /nope: No such file or directory\n", 1),
        ("cat < /nope", "sh: can't open /nope: no such file\n", 1),
        ("echo > /nope/x", "sh: can't create /nope/x: nonexistent directory\n", 1),
        ("echo ${x:?must be set}; echo never", "sh: x: must be set\n", 2),
        ("set -u; echo $x; echo never", "sh: x: parameter not set\n", 2),
        ("echo $((1/0))", "sh: divide by zero\n", 2),
        ("set -e; false; echo never", "", 1),
        ("set -e; if false; then :; fi; false || true; ! true; (exit 5)", "", 5),
        ("set -x; echo 'a b' >/dev/null", "+ echo 'a b'\n", 0),
        ("readonly x=1; x=2; echo never", "sh: x: is read only\n", 2),
        ("cat /nope", "cat: can't open '/nope': No such file or directory\n", 1),
        ("kill -9 4711", "sh: kill: line 1: can't kill pid 4711: No such process\n", 1),
        ("f() { f; }; f", "sh: commands are nested too deep\n", 2),
    ] {
        assert_eq!(sh(script).await, (String::new(), errors.to_string(), code), "{script}");
    }
}

#[tokio::test]
async fn scripts_come_from_files_and_standard_input() {
    let world = container();
    // The first process, with which the container would end.
    let _first = world.spawn(Start { argv: vec!["sleep".into(), "inf".into()], ..Start::default() }).unwrap();
    world.files().write("/tmp/s.sh", b"echo $0 $1\nnope\n").unwrap();
    let ran = run_in(&world, &["sh", "/tmp/s.sh", "a"], "").await;
    assert_eq!(ran, ("/tmp/s.sh a\n".into(), "/tmp/s.sh: line 2: nope: not found\n".into(), 127));
    let ran = run_in(&world, &["sh"], "read x\nhello\nif true\nthen echo $x\nfi").await;
    assert_eq!(ran, ("hello\n".into(), String::new(), 0));
    let ran = run_in(&world, &["sh", "-c", "echo $0 $@", "name", "a", "b"], "").await;
    assert_eq!(ran, ("name a b\n".into(), String::new(), 0));
    let ran = run_in(&world, &["sh", "/nope"], "").await;
    assert_eq!((ran.1.as_str(), ran.2), ("sh: can't open '/nope': No such file or directory\n", 2));
}

/// Reads from a terminal until something has been seen.
async fn until(screen: &Input, seen: &mut String, text: &str) {
    let wait = async {
        while !seen.ends_with(text) {
            let chunk = screen.chunk().await.unwrap();
            assert!(!chunk.is_empty(), "the terminal closed after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(waited.is_ok(), "{seen:?} instead of {text:?}");
}

/// The user's ends of a terminal.
struct User {
    keyboard: Output,
    screen: Input,
    resize: watch::Sender<(u16, u16)>,
}

/// A shell with a terminal, in a container whose first process sleeps.
fn typed_into() -> (World, Child, User) {
    let (world, ends) = (container(), terminal::open());
    world.spawn(Start { argv: vec!["sleep".into(), "inf".into()], ..Start::default() }).unwrap();
    let start = Start {
        argv: vec!["sh".into()],
        stdin: ends.input,
        stdout: ends.output.clone(),
        stderr: ends.output,
        terminal: Some(ends.terminal),
        ..Start::default()
    };
    let child = world.spawn(start).unwrap();
    (world, child, User { keyboard: ends.keyboard, screen: ends.screen, resize: ends.resize })
}

#[tokio::test]
async fn a_terminal_has_a_prompt_and_an_interrupt() {
    let (world, mut child, user) = typed_into();
    let mut seen = String::new();
    until(&user.screen, &mut seen, "/ # ").await;
    user.keyboard.write(b"cd /tmp\r").await.unwrap();
    until(&user.screen, &mut seen, "/tmp # ").await;
    user.resize.send((100, 30)).unwrap();
    user.keyboard.write(b"stty size\r").await.unwrap();
    until(&user.screen, &mut seen, "30 100\r\n/tmp # ").await;
    user.keyboard.write(b"sleep 1000\r").await.unwrap();
    while !world.processes().iter().any(|process| process.argv == ["sleep", "1000"]) {
        tokio::task::yield_now().await;
    }
    user.keyboard.write(b"\x03").await.unwrap();
    until(&user.screen, &mut seen, "^C\r\n/tmp # ").await;
    user.keyboard.write(b"echo $?; if true\r").await.unwrap();
    until(&user.screen, &mut seen, "> ").await;
    user.keyboard.write(b"then echo x; fi\r").await.unwrap();
    until(&user.screen, &mut seen, "130\r\nx\r\n/tmp # ").await;
    user.keyboard.write(b"fi\r").await.unwrap();
    until(&user.screen, &mut seen, "unexpected \"fi\"\r\n/tmp # ").await;
    user.keyboard.write(b"half\x03").await.unwrap();
    until(&user.screen, &mut seen, "half^C\r\n/tmp # ").await;
    user.keyboard.write(b"\x04").await.unwrap();
    assert_eq!(child.wait().await.code, 130);
}

#[tokio::test]
async fn an_interrupt_leads_back_to_the_prompt() {
    let (_world, _child, user) = typed_into();
    let mut seen = String::new();
    until(&user.screen, &mut seen, "/ # ").await;
    for line in [
        "echo on; sleep 1000; echo no",
        "while true; do echo on; sleep 1000; done",
        "while true; do echo on; while true; do :; done; done",
        "(echo on; sleep 1000); echo no",
        "echo on | (cat; sleep 1000) | cat; echo no",
        "f() { echo on; x=$(sleep 1000); echo no; }; f; echo no",
        "sleep 1000 & echo on; wait; echo no",
    ] {
        user.keyboard.write(format!("{line}\r").as_bytes()).await.unwrap();
        until(&user.screen, &mut seen, "on\r\n").await;
        user.keyboard.write(b"\x03").await.unwrap();
        until(&user.screen, &mut seen, "^C\r\n/ # ").await;
        user.keyboard.write(b"echo $?\r").await.unwrap();
        until(&user.screen, &mut seen, "130\r\n/ # ").await;
    }
    assert!(!seen.contains("\nno"), "{seen}");
}

#[tokio::test]
async fn the_first_process_is_spared_by_signals_without_traps() {
    let world = container();
    let mut first = world
        .spawn(Start {
            argv: ["sh", "-c", "while true; do sleep 1000; done"].map(String::from).into(),
            ..Start::default()
        })
        .unwrap();
    assert!(world.signal(1, Signal::Term));
    tokio::task::yield_now().await;
    assert!(world.info(1).is_some());
    world.signal(1, Signal::Kill);
    assert_eq!(first.wait().await.code, 137);
}

/// Whether somebody else gets to run often while a script runs that never ends.
async fn shares(script: &str) {
    let world = container();
    let start = Start { argv: ["sh", "-c", script].map(String::from).into(), ..Start::default() };
    let mut child = world.spawn(start).unwrap();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.kill_all();
    child.wait().await;
    assert!(world.processes().is_empty());
}

#[tokio::test]
async fn endless_scripts_let_others_run() {
    for script in [
        "while true; do :; done",
        "yes > /dev/null",
        "cat /dev/zero > /dev/null",
        "x=a; while true; do x=$x$x; done; while true; do :; done",
        "b() { b | b & }; b; while true; do b; done",
        "while true; do echo x >> /tmp/full; done",
        "while :; do (:); done",
    ] {
        shares(script).await;
    }
}

#[tokio::test]
async fn what_grows_has_a_limit() {
    let (_, errors, code) = sh("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done").await;
    assert_eq!((errors.as_str(), code), ("sh: out of memory\n", 2));
    let (_, errors, code) = sh("echo x > /dev/full").await;
    assert_eq!((errors.as_str(), code), ("sh: echo: line 1: write error: No space left on device\n", 1));
    let nested = "(".repeat(10_000);
    let (_, errors, code) = sh(&nested).await;
    assert_eq!((errors.as_str(), code), ("sh: syntax error: nested too deep\n", 2));
    let (_, errors, code) = sh(&format!("echo {}", "$(".repeat(10_000))).await;
    assert_eq!((errors.as_str(), code), ("sh: syntax error: nested too deep\n", 2));
    let (_, errors, _) = sh("sleep 1000 & while sleep 1000 & do :; done").await;
    assert_eq!(errors, "sh: can't fork: Resource temporarily unavailable\n");
}
