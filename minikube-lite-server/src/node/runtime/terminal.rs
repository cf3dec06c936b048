//! The line discipline of a terminal (`-t`): what a user types is echoed and edited, and reaches the program line by line.

use super::pipe::{Input, Output, Sink, Source, pipe};
use super::signal::Signal;
use super::world::World;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// How many bytes that nobody has read yet may have been typed.
const TYPED: usize = 64 * 1024;
/// The longest line that can be edited, in bytes.
const LINE: usize = 4096;

const INTERRUPT: u8 = 3;
const END_OF_FILE: u8 = 4;
const BACKSPACE: u8 = 8;
const KILL_LINE: u8 = 21;
const WORD_ERASE: u8 = 23;
const SUSPEND: u8 = 26;
const QUIT: u8 = 28;
const DELETE: u8 = 127;

/// The terminal of a process. Clones are the same terminal.
#[derive(Clone)]
pub struct Terminal {
    /// Columns and rows.
    pub size: watch::Receiver<(u16, u16)>,
    line: Arc<Line>,
}

/// Both ends of a new terminal.
pub struct Ends {
    /// For a process, with the two streams below.
    pub terminal: Terminal,
    pub input: Input,
    /// Standard output and standard error.
    pub output: Output,
    /// Takes what the user types.
    pub keyboard: Output,
    /// Gives what the user sees.
    pub screen: Input,
    /// Takes the size of the user's window, in columns and rows.
    pub resize: watch::Sender<(u16, u16)>,
}

/// Opens a terminal. Its size is 80 columns and 24 rows until the user's is known.
pub fn open() -> Ends {
    let (resize, size) = watch::channel((80, 24));
    let (shown, screen) = pipe();
    let line = Arc::new(Line { state: Mutex::default(), typed: Notify::new(), taken: Notify::new() });
    Ends {
        terminal: Terminal { size, line: line.clone() },
        input: Input::from_source(Typed(line.clone())),
        output: Output::from_sink(Shown(shown.clone())),
        keyboard: Output::from_sink(Keyboard { line, shown }),
        screen,
        resize,
    }
}

struct Line {
    state: Mutex<State>,
    typed: Notify,
    taken: Notify,
}

#[derive(Default)]
struct State {
    /// The line that is being typed.
    edited: Vec<u8>,
    /// What the program can read: lines, or an empty one for the end of the file.
    ready: VecDeque<Bytes>,
    held: usize,
    /// Everything goes to the program as it is typed, and nothing is echoed.
    raw: bool,
    no_echo: bool,
    /// Nobody types any more.
    hung_up: bool,
    /// Who gets the signals of the keyboard.
    foreground: Option<(World, u32)>,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// The process group that gets the signals of the keyboard (`tcsetpgrp`).
    pub fn set_foreground(&self, world: &World, group: u32) {
        self.line.state().foreground = Some((world.clone(), group));
    }

    /// Whether what is typed reaches the program at once, without echo and signals (`stty raw`).
    pub fn set_raw(&self, raw: bool) {
        self.line.state().raw = raw;
    }

    /// Whether what is typed is shown (`stty echo`).
    pub fn set_echo(&self, echo: bool) {
        self.line.state().no_echo = !echo;
    }
}

impl State {
    fn give(&mut self, bytes: Bytes) {
        self.held += bytes.len();
        self.ready.push_back(bytes);
    }

    /// Takes one byte that was typed, and gives what is shown for it and the signal that it means.
    fn key(&mut self, byte: u8, shown: &mut Vec<u8>) -> Option<Signal> {
        let byte = if byte == b'\r' { b'\n' } else { byte };
        match byte {
            INTERRUPT | QUIT => {
                // What has been typed ahead goes too.
                self.edited.clear();
                self.ready.clear();
                self.held = 0;
                caret(byte, shown);
                return Some(if byte == INTERRUPT { Signal::Int } else { Signal::Quit });
            }
            END_OF_FILE => {
                let line = std::mem::take(&mut self.edited);
                self.give(line.into());
            }
            b'\n' => {
                self.edited.push(b'\n');
                shown.extend(b"\r\n");
                let line = std::mem::take(&mut self.edited);
                self.give(line.into());
            }
            BACKSPACE | DELETE => self.erase(shown),
            KILL_LINE => {
                while !self.edited.is_empty() {
                    self.erase(shown);
                }
            }
            WORD_ERASE => {
                while self.edited.last() == Some(&b' ') {
                    self.erase(shown);
                }
                while self.edited.last().is_some_and(|last| *last != b' ') {
                    self.erase(shown);
                }
            }
            // There is no job control.
            SUSPEND => caret(byte, shown),
            _ if self.edited.len() >= LINE => shown.push(7),
            _ => {
                self.edited.push(byte);
                if byte < 32 && byte != b'\t' {
                    caret(byte, shown);
                } else {
                    shown.push(byte);
                }
            }
        }
        None
    }

    /// Takes the last character back.
    fn erase(&mut self, shown: &mut Vec<u8>) {
        let mut last = None;
        while let Some(byte) = self.edited.pop() {
            last = Some(byte);
            // The other bytes of a character in UTF-8.
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
        let width = match last {
            None => 0,
            Some(byte) if byte < 32 && byte != b'\t' => 2,
            Some(_) => 1,
        };
        shown.extend(b"\x08 \x08".repeat(width));
    }
}

/// Shows a control character as `^C`.
fn caret(byte: u8, shown: &mut Vec<u8>) {
    shown.extend([b'^', byte + 64]);
}

/// What a process reads from its terminal.
struct Typed(Arc<Line>);

impl Source for Typed {
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async {
            loop {
                {
                    let mut state = self.0.state();
                    if let Some(bytes) = state.ready.pop_front() {
                        state.held -= bytes.len();
                        self.0.taken.notify_waiters();
                        return Ok(bytes);
                    }
                    if state.hung_up {
                        return Ok(Bytes::new());
                    }
                }
                self.0.typed.notified().await;
            }
        })
    }
}

/// What a process writes to its terminal.
struct Shown(Output);

impl Sink for Shown {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let lines = data.iter().filter(|byte| **byte == b'\n').count();
            let mut shown = Vec::with_capacity(data.len() + lines);
            for byte in data {
                if *byte == b'\n' {
                    shown.push(b'\r');
                }
                shown.push(*byte);
            }
            self.0.write(&shown).await
        })
    }
}

struct Keyboard {
    line: Arc<Line>,
    shown: Output,
}

impl Sink for Keyboard {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let mut rest = data.iter();
            while !rest.as_slice().is_empty() {
                let taken = self.line.taken.notified();
                let (mut shown, mut signal) = (Vec::new(), None);
                let full = {
                    let mut state = self.line.state();
                    if state.raw && state.held < TYPED {
                        state.give(Bytes::copy_from_slice(rest.as_slice()));
                        rest = [].iter();
                    }
                    while state.held < TYPED && signal.is_none() {
                        let Some(byte) = rest.next() else { break };
                        signal = state.key(*byte, &mut shown);
                    }
                    if state.no_echo {
                        shown.clear();
                    }
                    state.held >= TYPED
                };
                self.line.typed.notify_one();
                self.shown.write(&shown).await?;
                if let Some(signal) = signal {
                    let foreground = self.line.state().foreground.clone();
                    if let Some((world, group)) = foreground {
                        world.signal_group(group, signal);
                    }
                }
                if full {
                    taken.await;
                }
            }
            Ok(())
        })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.line.state().hung_up = true;
        self.line.typed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program reads and what the user sees after some keys.
    async fn typed(keys: &str) -> (String, String) {
        let ends = open();
        ends.keyboard.write(keys.as_bytes()).await.unwrap();
        drop(ends.keyboard);
        let read = ends.input.read_to_end(1000).await.unwrap();
        drop(ends.output);
        let seen = ends.screen.read_to_end(1000).await.unwrap();
        (String::from_utf8(read.to_vec()).unwrap(), String::from_utf8(seen.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn lines_are_edited_before_the_program_gets_them() {
        let back = |count| "\x08 \x08".repeat(count);
        assert_eq!(typed("ls\r").await, ("ls\n".into(), "ls\r\n".into()));
        assert_eq!(typed("lé\x7fs\r").await, ("ls\n".into(), format!("lé{}s\r\n", back(1))));
        assert_eq!(typed("a bc\x17d\r").await, ("a d\n".into(), format!("a bc{}d\r\n", back(2))));
        assert_eq!(typed("a bc\x15d\r").await, ("d\n".into(), format!("a bc{}d\r\n", back(4))));
        assert_eq!(typed("no\x03yes\n").await, ("yes\n".into(), "no^Cyes\r\n".into()));
        assert_eq!(typed("no\n\x03yes\n").await, ("yes\n".into(), "no\r\n^Cyes\r\n".into()));
        assert_eq!(typed("\x1b[A\x08\x08\x08\x08\n").await, ("\n".into(), format!("^[[A{}\r\n", back(4))));
    }

    #[tokio::test]
    async fn a_control_d_ends_the_file_once() {
        let ends = open();
        ends.keyboard.write(b"half\x04\x04more\n").await.unwrap();
        assert_eq!(ends.input.chunk().await.unwrap(), "half");
        assert!(ends.input.chunk().await.unwrap().is_empty());
        assert_eq!(ends.input.chunk().await.unwrap(), "more\n");
    }

    #[tokio::test]
    async fn output_gets_carriage_returns_and_raw_input_is_left_alone() {
        let ends = open();
        ends.output.write(b"a\nb\n").await.unwrap();
        assert_eq!(ends.screen.chunk().await.unwrap(), "a\r\nb\r\n");
        ends.terminal.set_raw(true);
        ends.keyboard.write(b"\x03\r").await.unwrap();
        assert_eq!(ends.input.chunk().await.unwrap(), "\x03\r");
    }
}
