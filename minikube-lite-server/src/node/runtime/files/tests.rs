use super::*;

fn files(mounts: Vec<Mount>) -> Files {
    let tree = Tree::linux().file("/etc/motd", "hello").link("/bin/run", "/run").directory("/srv");
    Files::new(&Arc::new(tree), mounts, Environment::new(Some(1)))
}
fn mount(path: &str, volume: &Volume, sub_path: &str, read_only: bool) -> Mount {
    Mount { path: path.into(), volume: volume.clone(), sub_path: sub_path.into(), read_only }
}
fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn a_container_changes_its_own_files_only() {
    let image = Arc::new(Tree::linux().file("/etc/motd", "hello"));
    let [one, other] = [1, 2].map(|_| Files::new(&image, Vec::new(), Environment::new(Some(1))));
    one.write("/etc/motd", b"changed").unwrap();
    one.make_directories("/a/b/c").unwrap();
    assert_eq!(one.read("/etc/motd").unwrap(), "changed");
    assert_eq!(other.read("/etc/motd").unwrap(), "hello");
    assert!(one.is_directory("/a/b/c") && !other.exists("/a"));
}

#[tokio::test]
async fn paths_lead_over_links_and_back() {
    let files = files(Vec::new());
    files.link("motd", "/etc/link").unwrap();
    assert_eq!(files.read("/etc/../etc/./link").unwrap(), "hello");
    assert_eq!(files.canonical("/etc/link").unwrap(), "/etc/motd");
    assert_eq!(files.link_stat("/etc/link").unwrap().kind, FileKind::Link);
    files.link("/loop", "/loop").unwrap();
    assert_eq!(strerror(&files.read("/loop").unwrap_err()), "Too many levels of symbolic links");
    assert_eq!(kind(files.read("/etc/motd/x")), ErrorKind::NotADirectory);
    assert_eq!(kind(files.read("/nowhere/x")), ErrorKind::NotFound);
    assert_eq!(kind(files.write("/nowhere/x", b"")), ErrorKind::NotFound);
    assert_eq!(kind(files.write("/etc", b"")), ErrorKind::IsADirectory);
    assert_eq!(files.canonical("/../..").unwrap(), "/");
}

#[tokio::test]
async fn volumes_are_shared_and_may_be_read_only() {
    let volume = Volume::empty(Some(10));
    let writer = files(vec![mount("/data", &volume, "", false), mount("/data/sub", &volume, "part", false)]);
    let reader = files(vec![mount("/bin/run/secrets", &volume, "", true)]);
    writer.write("/data/x", b"12345").unwrap();
    assert_eq!(reader.read("/run/secrets/x").unwrap(), "12345");
    assert_eq!(kind(reader.write("/run/secrets/y", b"")), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(kind(reader.remove("/run/secrets/x")), ErrorKind::ReadOnlyFilesystem);
    writer.write("/data/sub/z", b"6").unwrap();
    assert_eq!(reader.read("/run/secrets/part/z").unwrap(), "6");
    assert_eq!(kind(writer.write("/data/big", b"67890")), ErrorKind::StorageFull);
    writer.remove("/data/x").unwrap();
    writer.write("/data/big", b"67890").unwrap();
    assert_eq!(kind(writer.rename("/data/big", "/tmp/big")), ErrorKind::CrossesDevices);
    assert_eq!(kind(writer.remove_directory("/data")), ErrorKind::DirectoryNotEmpty);
    let config = Volume::of(&Tree::new().file("/a", "1"));
    let user = files(vec![mount("/etc/config/a.txt", &config, "/a", true)]);
    assert_eq!(user.read("/etc/config/a.txt").unwrap(), "1");
    config.replace_all(&Tree::new().file("/a", "2"));
    assert_eq!(user.read("/etc/config/a.txt").unwrap(), "2");
}

#[tokio::test]
async fn files_are_moved_and_removed() {
    let files = files(Vec::new());
    files.make_directories("/srv/one/two").unwrap();
    files.write("/srv/one/two/x", b"x").unwrap();
    files.rename("/srv/one", "/srv/moved").unwrap();
    assert_eq!(files.read("/srv/moved/two/x").unwrap(), "x");
    assert_eq!(kind(files.rename("/srv/moved", "/srv/moved/two/y")), ErrorKind::InvalidInput);
    assert_eq!(kind(files.rename("/srv/moved", "/nowhere/y")), ErrorKind::NotFound);
    assert!(files.exists("/srv/moved"));
    assert_eq!(kind(files.remove_directory("/srv/moved")), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(files.remove("/srv/moved")), ErrorKind::IsADirectory);
    files.remove("/srv/moved/two/x").unwrap();
    assert_eq!(kind(files.remove("/srv/moved/two/x")), ErrorKind::NotFound);
    assert_eq!(kind(files.make_directory("/srv")), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn who_has_a_file_open_goes_on_with_it() {
    let files = files(Vec::new());
    let OpenFile::Regular(file) = files.create("/tmp/log", true).unwrap() else { panic!("a device") };
    let output = file.output();
    output.write(b"one\n").await.unwrap();
    let OpenFile::Regular(file) = files.open("/tmp/log").unwrap() else { panic!("a device") };
    let input = file.input();
    assert_eq!(input.read(100).await.unwrap(), "one\n");
    assert!(input.read(100).await.unwrap().is_empty());
    files.remove("/tmp/log").unwrap();
    output.write(b"two\n").await.unwrap();
    assert_eq!(input.read(100).await.unwrap(), "two\n");
    assert!(!files.exists("/tmp/log"));
}

#[tokio::test]
async fn the_number_of_files_is_limited() {
    let files = files(Vec::new());
    files.make_directory("/tmp/d").unwrap();
    let full = (0..60_000).find_map(|n| files.make_directory(&format!("/tmp/d/{n}")).err());
    assert_eq!(full.unwrap().kind(), ErrorKind::StorageFull);
}
