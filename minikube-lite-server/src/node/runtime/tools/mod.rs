//! The programs that images have beside their own, one file each or one for a family. Their messages are busybox's, and
//! coreutils' in images that have those.

mod awk;
mod base64;
pub mod bind;
mod cat;
mod copy;
pub mod curl;
mod cut;
mod date;
mod dd;
mod digest;
pub mod echo;
mod env;
mod find;
pub mod getent;
mod grep;
mod gzip;
mod head;
mod hosts;
pub mod http;
mod kill;
mod ls;
mod make;
pub mod nc;
pub mod nslookup;
mod options;
mod paths;
pub mod ping;
pub mod printf;
mod ps;
mod regex;
mod remove;
mod sed;
mod seq;
mod sleep;
mod sort;
mod stat;
mod stty;
mod system;
mod tail;
mod tar;
mod tee;
pub mod test;
mod timeout;
mod tr;
mod uniq;
mod usage;
mod wc;
pub mod wget;
mod which;
mod xargs;
mod yes;

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod tests;

use super::files::strerror;
use super::pipe::Input;
use super::process::{Process, Program};
use super::shell;
use options::Options;
use std::io;

/// All of busybox's tools that there are, and its shell, under `/bin`.
pub fn busybox() -> &'static [(&'static str, Program)] {
    BUSYBOX
}

/// The tools and the shells of an image made from Debian.
pub fn coreutils() -> &'static [(&'static str, Program)] {
    COREUTILS
}

/// Makes the two sets out of one list of `name => program`.
macro_rules! tools {
    ($($name:literal => $program:path,)*) => {
        static BUSYBOX: &[(&str, Program)] = &[
            ("/bin/sh", shell::ash),
            ("/bin/ash", shell::ash),
            ("/bin/busybox", which::busybox),
            ("/bin/nc", nc::run),
            ("/bin/nslookup", nslookup::run),
            ("/bin/ping", ping::run),
            ("/bin/wget", wget::run),
            $((concat!("/bin/", $name), $program),)*
        ];
        static COREUTILS: &[(&str, Program)] = &[
            ("/bin/sh", shell::dash),
            ("/bin/dash", shell::dash),
            ("/bin/bash", shell::bash),
            ("/usr/bin/sh", shell::dash),
            ("/usr/bin/bash", shell::bash),
            ("/usr/bin/getent", getent::run),
            $((concat!("/bin/", $name), $program), (concat!("/usr/bin/", $name), $program),)*
        ];
    };
}

tools! {
    "[" => test::bracket,
    "arch" => system::arch,
    "awk" => awk::awk,
    "base64" => base64::base64,
    "basename" => paths::basename,
    "cat" => cat::cat,
    "chgrp" => make::chown,
    "chmod" => make::chmod,
    "chown" => make::chown,
    "clear" => stty::clear,
    "cp" => copy::cp,
    "cut" => cut::cut,
    "date" => date::date,
    "dd" => dd::dd,
    "df" => usage::df,
    "dirname" => paths::dirname,
    "du" => usage::du,
    "echo" => echo::echo,
    "egrep" => grep::egrep,
    "env" => env::env,
    "false" => system::failure,
    "fgrep" => grep::fgrep,
    "find" => find::find,
    "free" => usage::free,
    "grep" => grep::grep,
    "gunzip" => gzip::gunzip,
    "gzip" => gzip::gzip,
    "head" => head::head,
    "hostname" => system::hostname,
    "id" => system::id,
    "kill" => kill::kill,
    "killall" => kill::killall,
    "ln" => copy::ln,
    "ls" => ls::ls,
    "md5sum" => digest::md5sum,
    "mkdir" => make::mkdir,
    "mktemp" => make::mktemp,
    "mv" => copy::mv,
    "nice" => timeout::nohup,
    "nohup" => timeout::nohup,
    "nproc" => system::nproc,
    "pgrep" => kill::pgrep,
    "pkill" => kill::pkill,
    "printenv" => env::printenv,
    "printf" => printf::printf,
    "ps" => ps::ps,
    "pwd" => paths::pwd,
    "readlink" => paths::readlink,
    "realpath" => paths::realpath,
    "rm" => remove::rm,
    "rmdir" => remove::rmdir,
    "sed" => sed::sed,
    "seq" => seq::seq,
    "sha1sum" => digest::sha1sum,
    "sha256sum" => digest::sha256sum,
    "sleep" => sleep::sleep,
    "sort" => sort::sort,
    "stat" => stat::stat,
    "stty" => stty::stty,
    "sync" => system::success,
    "tail" => tail::tail,
    "tar" => tar::tar,
    "tee" => tee::tee,
    "test" => test::test,
    "timeout" => timeout::timeout,
    "top" => ps::top,
    "touch" => make::touch,
    "tr" => tr::tr,
    "true" => system::success,
    "tty" => stty::tty,
    "uname" => system::uname,
    "uniq" => uniq::uniq,
    "uptime" => system::uptime,
    "wc" => wc::wc,
    "which" => which::which,
    "whoami" => system::whoami,
    "xargs" => xargs::xargs,
    "yes" => yes::yes,
    "zcat" => gzip::zcat,
}

/// How a tool ends: its exit code, or why it stops.
type Outcome = Result<i32, Failure>;

/// Why a tool stops.
enum Failure {
    /// Writing has failed.
    Write(io::Error),
    /// A message to be printed; the exit code is 1.
    Message(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Write(error)
    }
}
impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::Message(message)
    }
}

/// The exit code of an outcome, once it has been told.
async fn conclude(process: &Process, outcome: Outcome) -> i32 {
    match outcome {
        Ok(code) => code,
        // What Unix does by SIGPIPE.
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => 141,
        Err(Failure::Write(error)) => process.fail(format!("write error: {}", strerror(&error))).await,
        Err(Failure::Message(message)) => process.fail(message).await,
    }
}

/// Makes a [`Program`] of the function `$run` of this module.
macro_rules! program {
    ($name:ident, $run:ident) => {
        #[doc = concat!("The program `", stringify!($name), "`.")]
        pub fn $name(
            mut process: $crate::node::runtime::process::Process,
        ) -> futures_util::future::BoxFuture<'static, i32> {
            Box::pin(async move {
                let outcome = $run(&mut process).await;
                $crate::node::runtime::tools::conclude(&process, outcome).await
            })
        }
    };
}
use program;

impl Process {
    /// Whether the container's image has busybox's tools.
    fn is_busybox(&self) -> bool {
        self.world.files().exists("/bin/busybox")
    }

    /// Says that something is the matter with a file, as this image's tools do. Gives 1.
    async fn fail_at(&self, path: &str, error: &io::Error) -> i32 {
        self.fail(format!("{path}: {}", strerror(error))).await
    }

    /// Opens a file for reading, or says why not.
    async fn input(&self, path: &str) -> Option<Input> {
        match self.open(path) {
            Ok(input) => Some(input),
            Err(error) => {
                let opens = matches!(self.name(), "cat" | "tail") && self.is_busybox();
                if opens && error.kind() != io::ErrorKind::IsADirectory {
                    self.fail(format!("can't open '{path}': {}", strerror(&error))).await;
                } else {
                    self.fail_at(path, &error).await;
                }
                None
            }
        }
    }
}

/// The operands, or standard input where there are none.
fn or_stdin(options: &Options) -> Vec<String> {
    if options.operands.is_empty() { vec!["-".into()] } else { options.operands.clone() }
}

/// A line without its line feed, as text.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned()
}

/// The most bytes that a tool keeps in memory which needs all of its input.
const MEMORY: usize = 64 * 1024 * 1024;
