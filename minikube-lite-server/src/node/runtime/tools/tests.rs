use crate::node::runtime::shell::tests::{all, container, run_in, sh};
use crate::node::runtime::world::Start;

#[tokio::test]
async fn text_goes_through_filters() {
    all(&[
        ("seq 5 | head -n 2; seq 5 | tail -n 2; seq 5 | tail -n +4; seq 10 | head -n -8", "1\n2\n4\n5\n4\n5\n1\n2\n"),
        ("printf 'abcdef' | head -c 3; echo; printf 'abcdef' | tail -c 2", "abc\nef"),
        ("printf 'a b\\nc\\n' | wc; printf 'a b\\nc\\n' | wc -l", "        2         3         6\n2\n"),
        (
            "printf '10\\n9\\n9\\n' | sort; printf '10\\n9\\n9\\n' | sort -n; printf '10\\n9\\n9\\n' | sort -rnu",
            "10\n9\n9\n9\n9\n10\n10\n9\n",
        ),
        (
            "printf 'b 2\\na 3\\nc 1\\n' | sort -k2 -n; printf 'x:2\\ny:1\\n' | sort -t: -k2",
            "c 1\nb 2\na 3\ny:1\nx:2\n",
        ),
        ("printf 'a\\na\\nb\\n' | uniq -c; printf 'a\\na\\nb\\n' | uniq -d", "      2 a\n      1 b\na\n"),
        ("echo a:b:c | cut -d: -f1,3; echo hello | cut -c2-3", "a:c\nel\n"),
        (
            "echo hello | tr a-y b-z; echo hello | tr -d l; echo aabb | tr -s ab; echo Hi | tr '[:upper:]' '[:lower:]'",
            "ifmmp\nheo\nab\nhi\n",
        ),
        ("echo x | tee /tmp/t; cat /tmp/t", "x\nx\n"),
        ("echo a b c | xargs -n 1 echo -; printf 'x\\ny\\n' | xargs -I{} echo '<{}>'", "- a\n- b\n- c\n<x>\n<y>\n"),
        ("seq 3 -1 1; seq -w 8 10; seq 0 0.5 1", "3\n2\n1\n08\n09\n10\n0.0\n0.5\n1.0\n"),
        ("printf 'one\\ntwo\\n' | cat -n", "     1\tone\n     2\ttwo\n"),
        ("echo hello | base64; echo aGVsbG8K | base64 -d", "aGVsbG8K\nhello\n"),
        ("echo hello | md5sum; echo hello | sha256sum | cut -c1-8", "b1946ac92492d2347c6235b4d2611184  -\n5891b5b5\n"),
        ("echo packed | gzip | gunzip; echo x > /tmp/x; gzip /tmp/x; zcat /tmp/x.gz", "packed\nx\n"),
    ])
    .await;
}

#[tokio::test]
async fn grep_finds_lines() {
    all(&[
        ("printf 'one\\ntwo\\nthree\\n' | grep t", "two\nthree\n"),
        (
            "printf 'one\\ntwo\\n' | grep -v one; printf 'one\\nOne\\n' | grep -ic one; printf 'a\\nb\\n' | grep -n b",
            "two\n2\n2:b\n",
        ),
        ("echo 'key=val' | grep -o '[a-z]*=' ; echo 'a1b22' | grep -oE '[0-9]+'", "key=\n1\n22\n"),
        (
            "printf 'ab\\nb\\n' | grep '^b$'; printf 'foo\\nbar\\n' | grep -e foo -e bar; echo 'a.b' | grep -F .",
            "b\nfoo\nbar\na.b\n",
        ),
        (
            "printf 'x+y\\nxxy\\n' | grep 'x+'; printf 'aa\\nab\\n' | grep 'a\\{2\\}'; echo ac | grep -E '^(a|b)c$'",
            "x+y\naa\nac\n",
        ),
        (
            "mkdir -p /tmp/g/h; echo hit > /tmp/g/h/f; grep -r hit /tmp/g; grep -rl hit /tmp/g",
            "/tmp/g/h/f:hit\n/tmp/g/h/f\n",
        ),
        ("seq 5 | grep -A1 -B1 3; grep -q root /etc/passwd && echo quiet", "2\n3\n4\nquiet\n"),
        ("grep -w in /etc/passwd || echo none; echo 'a-b' | grep -w a", "none\na-b\n"),
    ])
    .await;
    assert_eq!(sh("grep x /nope").await, (String::new(), "grep: /nope: No such file or directory\n".into(), 2));
    assert_eq!(sh("grep '[' /etc/passwd").await.2, 2);
}

#[tokio::test]
async fn sed_edits_lines() {
    all(&[
        ("echo hello world | sed 's/o/0/'; echo hello world | sed 's/o/0/g;s/h/H/'", "hell0 world\nHell0 w0rld\n"),
        ("echo a/b | sed 's|/|:|'; echo ab | sed -E 's/(a)(b)/\\2\\1/'; echo ab | sed 's/\\(a\\)/<\\1&>/'", "a:b\nba\n<aa>b\n"),
        ("seq 5 | sed -n '2,3p'; seq 5 | sed '2,4d'; seq 3 | sed -n '$p'; seq 3 | sed '/2/d'", "2\n3\n1\n5\n3\n1\n3\n"),
        ("seq 3 | sed -n '/2/,$p'; seq 3 | sed '2q'; seq 2 | sed '1!d'", "2\n3\n1\n2\n1\n"),
        ("seq 2 | sed '1a after'; seq 2 | sed '2i before'; seq 2 | sed '1c changed'", "1\nafter\n2\n1\nbefore\n2\nchanged\n2\n"),
        ("echo x > /tmp/s; sed -i 's/x/y/' /tmp/s; cat /tmp/s; echo abc | sed 'y/abc/xyz/'; seq 2 | sed 'N;s/\\n/-/'", "y\nxyz\n1-2\n"),
        ("seq 4 | sed -n '2{p;p}'; echo 'a b' | sed -e 's/a/1/' -e 's/b/2/'", "2\n2\n1 2\n"),
    ])
    .await;
    assert_eq!(sh("echo x | sed 's/x'").await, (String::new(), "sed: unmatched '/'\n".into(), 1));
}

#[tokio::test]
async fn awk_takes_fields() {
    all(&[
        ("echo 'a b c' | awk '{print $1, $3}'; echo a:b | awk -F: '{print $2}'; echo 'a b' | awk '{print $NF, NF}'", "a c\nb\nb 2\n"),
        ("seq 4 | awk '{s += $1} END {print s, NR}'; seq 5 | awk '$1 > 3'; seq 12 | awk '/1/ {n++} END {print n}'", "10 4\n4\n5\n4\n"),
        ("printf 'x 1\\ny 2\\nx 3\\n' | awk '{a[$1] += $2} END {for (k in a) print k, a[k]}'", "x 4\ny 2\n"),
        ("awk 'BEGIN {printf \"%d %s %.2f\\n\", 3.9, \"s\", 1/3; x = 1; while (x < 3) x++; print x \"!\"}'", "3 s 0.33\n3!\n"),
        ("echo 'Hello' | awk '{print toupper($0), length($0), substr($0, 2, 3), index($0, \"l\")}'", "HELLO 5 ell 3\n"),
        ("echo 'a-b-c' | awk '{n = split($0, p, \"-\"); gsub(/-/, \"+\"); print n, p[2], $0}'", "3 b a+b+c\n"),
        ("awk -v n=5 'BEGIN {if (n == 5) print \"five\"; else print \"no\"; exit 0}'; seq 3 | awk 'NR == 2 {next} {print}'", "five\n1\n3\n"),
        ("echo '1 2' | awk '{$2 = \"x\"; print; print 1e6, 0.1 + 0.2, 2 ^ 10}'", "1 x\n1000000 0.3 1024\n"),
    ])
    .await;
    let (_, errors, code) = sh("awk '{print $1' /etc/passwd").await;
    assert_eq!((errors.as_str(), code), ("awk: syntax error: expected '}'\n", 1));
}

#[tokio::test]
async fn files_are_made_moved_and_listed() {
    all(&[
        ("cd /tmp; mkdir -p a/b; touch a/f; ls a; ls -d a; ls -A a/b", "b\nf\na\n"),
        ("cd /tmp; echo x > f; cp f g; mv g h; cat h; ls; rm f h; ls", "x\nf\nh\n"),
        ("cd /tmp; mkdir d; echo x > d/f; cp -r d e; cat e/f; rm -r d e; ls", "x\n"),
        ("cd /tmp; ln -s f l; echo via > f; cat l; readlink l; readlink -f l; ls -l l | cut -c1", "via\nf\n/tmp/f\nl\n"),
        ("cd /tmp; echo one > f; ln f g; echo two >> g; cat f", "one\ntwo\n"),
        ("cd /tmp; printf '#!/bin/sh\\necho ran' > s; chmod 755 s; ./s; stat -c '%a %s %n' s; chmod -x s; test -x s || echo no", "ran\n755 18 s\nno\n"),
        ("cd /tmp; mkdir -p x/y; touch x/a.txt x/y/b.txt; find x -name '*.txt' | sort; find x -type d; find . -name a.txt -exec echo found {} \\;", "x/a.txt\nx/y/b.txt\nx\nx/y\nfound ./x/a.txt\n"),
        ("basename /a/b.txt .txt; dirname /a/b.txt; dirname x; realpath /tmp/../tmp", "b\n/a\n.\n/tmp\n"),
        ("dd if=/dev/zero bs=1k count=3 2>/dev/null | wc -c; head -c 5 /dev/urandom | wc -c", "3072\n5\n"),
        ("f=$(mktemp); test -f $f && echo made; d=$(mktemp -d); test -d $d && echo too", "made\ntoo\n"),
    ])
    .await;
    for (script, errors) in [
        ("ls /nope", "ls: /nope: No such file or directory\n"),
        ("rm /nope", "rm: can't remove '/nope': No such file or directory\n"),
        ("rm /tmp", "rm: '/tmp' is a directory\n"),
        ("mkdir /tmp", "mkdir: can't create directory '/tmp': File exists\n"),
        ("rmdir /etc", "rmdir: '/etc': Directory not empty\n"),
        ("cp /nope /tmp", "cp: can't stat '/nope': No such file or directory\n"),
        ("mv /nope /tmp", "mv: can't rename '/nope': No such file or directory\n"),
        ("touch /nope/x", "touch: /nope/x: No such file or directory\n"),
        ("cat -Q", "cat: invalid option -- 'Q'\n"),
        ("sleep x", "sleep: invalid number 'x'\n"),
    ] {
        assert_eq!(sh(script).await, (String::new(), errors.into(), 1), "{script}");
    }
}

#[tokio::test]
async fn archives_keep_what_is_in_them() {
    all(&[
        ("cd /tmp; mkdir d; echo x > d/f; ln -s f d/l; tar cf - d | tar tf -", "d/\nd/f\nd/l\n"),
        ("cd /tmp; mkdir -p d out; echo x > d/f; chmod 600 d/f; tar cf a.tar d; tar -xmf a.tar -C out; stat -c %a out/d/f; cat out/d/f", "600\nx\n"),
        ("cd /tmp; mkdir out; echo x > f; tar czf a.tgz f; tar xzf a.tgz -C out; cat out/f", "x\n"),
        ("cd /tmp; n=$(printf '%0150d' 0); mkdir $n; echo x > $n/f; tar cf - $n | (mkdir out; cd out; tar xf -; cat $n/f)", "x\n"),
        ("cd /tmp; seq 100000 > big; mkdir out; tar cf - big | tar xf - -C out; cmp=$(md5sum < big); [ \"$cmp\" = \"$(md5sum < out/big)\" ] && echo same", "same\n"),
        ("cd /tmp; echo x > f; tar cf - /tmp/f | tar tf -", "tmp/f\n"),
    ])
    .await;
    let (_, errors, code) = sh("echo garbage | tar xf -").await;
    assert_eq!((errors.as_str(), code), ("tar: short read\n", 1));
    let (_, errors, code) = sh("tar cf - /nope").await;
    assert_eq!((errors.as_str(), code), ("tar: /nope: No such file or directory\n", 1));
}

#[tokio::test]
async fn a_container_tells_of_itself() {
    all(&[
        (
            "hostname; hostname -i; whoami; id; id -u; uname",
            "pod\n10.244.0.2\nroot\nuid=0(root) gid=0(root) groups=0(root)\n0\nLinux\n",
        ),
        ("FOO=bar env | grep FOO; FOO=bar printenv FOO; env -i A=1", "FOO=bar\nbar\nA=1\n"),
        (
            "date -u -d @0; date -d @86400 +%Y-%m-%d; date -u -d '2026-01-31 12:00:00' +%s",
            "Thu Jan  1 00:00:00 UTC 1970\n1970-01-02\n1769860800\n",
        ),
        ("which cat; busybox echo applet; nproc", "/bin/cat\napplet\n4\n"),
        ("timeout 0.01 sleep 10; echo $?; timeout 5 true; echo $?", "143\n0\n"),
    ])
    .await;
    let (output, _, _) = sh("sleep 100 & sleep 0.1; ps").await;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "PID   USER     TIME  COMMAND");
    assert!(lines.iter().any(|line| line.ends_with(" root      0:00 sleep 100")), "{output}");
    let (output, _, code) = sh("sleep 100 & sleep 0.1; killall sleep; wait $!; echo $?").await;
    assert_eq!((output.as_str(), code), ("143\n", 0));
}

#[tokio::test]
async fn debians_tools_have_messages_of_their_own() {
    use crate::node::runtime::{files::Tree, world::tests::world};
    let world = world(Tree::linux().programs(super::coreutils()));
    let _first = world.spawn(Start { argv: vec!["sleep".into(), "inf".into()], ..Start::default() }).unwrap();
    for (argv, errors, code) in [
        (&["cat", "/nope"][..], "cat: /nope: No such file or directory\n", 1),
        (&["ls", "/nope"], "ls: cannot access '/nope': No such file or directory\n", 2),
        (&["rm", "/nope"], "rm: cannot remove '/nope': No such file or directory\n", 1),
        (&["sh", "-c", "nope"], "sh: 1: nope: not found\n", 127),
        (&["bash", "-c", "nope"], "bash: line 1: nope: command not found\n", 127),
        (&["sh", "-c", "fi"], "sh: 1: Syntax error: \"fi\" unexpected\n", 2),
    ] {
        assert_eq!(run_in(&world, argv, "").await, (String::new(), errors.into(), code), "{argv:?}");
    }
    assert_eq!(run_in(&world, &["sh", "-c", "echo 'a\\tb'"], "").await.0, "a\tb\n");
    assert_eq!(run_in(&container(), &["sh", "-c", "echo 'a\\tb'"], "").await.0, "a\\tb\n");
}
