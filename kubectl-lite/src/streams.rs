//! Where a command reads and writes: passed in, so that a test can look at what was written.

use bytes::Bytes;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::rc::Rc;
use tokio::sync::mpsc;

/// Standard input, output and error of a command.
pub struct Streams {
    out: Rc<Output>,
    err: Output,
    input: RefCell<Box<dyn Read + Send>>,
    /// Whether `input` is a terminal.
    pub input_is_terminal: bool,
    /// Whether `err` is a terminal (warnings are coloured there).
    pub err_is_terminal: bool,
    /// Whether `out` is a terminal.
    pub out_is_terminal: bool,
}

impl Streams {
    /// The streams of this process. Output is collected and written in large pieces; what is on its way is written out
    /// before anything goes to standard error, so that the two keep their order.
    pub fn process() -> Streams {
        Streams {
            out: Rc::new(Output::new(Box::new(io::BufWriter::with_capacity(1 << 16, io::stdout())))),
            err: Output::new(Box::new(io::stderr())),
            input: RefCell::new(Box::new(io::stdin())),
            input_is_terminal: io::stdin().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            out_is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Streams over the given reader and writers.
    #[cfg(test)]
    pub fn over(input: impl Read + Send + 'static, out: impl Write + 'static, err: impl Write + 'static) -> Streams {
        Streams {
            out: Rc::new(Output::new(Box::new(out))),
            err: Output::new(Box::new(err)),
            input: RefCell::new(Box::new(input)),
            input_is_terminal: false,
            err_is_terminal: false,
            out_is_terminal: false,
        }
    }

    /// Standard output: `writeln!(streams.out(), ...)?`.
    pub fn out(&self) -> &Output {
        &self.out
    }
    /// Standard error.
    pub fn err(&self) -> &Output {
        let _ = self.out.flush();
        &self.err
    }
    /// Standard input.
    pub fn input(&self) -> RefMut<'_, Box<dyn Read + Send>> {
        self.input.borrow_mut()
    }
    /// Standard input as it comes, piece by piece; whoever asks has it for himself. It is read by a thread of its own:
    /// reading from a terminal cannot be given up, and must not keep the program from ending.
    pub fn incoming(&self) -> mpsc::Receiver<Bytes> {
        let mut input = self.input.replace(Box::new(io::empty()));
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 32 << 10];
            loop {
                match input.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    // Input that cannot be read has ended.
                    Ok(0) | Err(_) => break,
                    Ok(length) if sender.blocking_send(Bytes::copy_from_slice(&buffer[..length])).is_err() => break,
                    Ok(_) => {}
                }
            }
        });
        receiver
    }
}

/// A writer behind a shared reference.
pub struct Output(RefCell<Box<dyn Write>>);

impl Output {
    fn new(writer: Box<dyn Write>) -> Output {
        Output(RefCell::new(writer))
    }
    /// What `write!` and `writeln!` call.
    pub fn write_fmt(&self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        self.0.borrow_mut().write_fmt(arguments)
    }
    /// Writes all of `bytes`.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().write_all(bytes)
    }
    /// Hands on what has been collected; between the events of a watch.
    pub fn flush(&self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
    /// The writer itself, for a [`crate::print::Printer`].
    pub fn writer(&self) -> RefMut<'_, dyn Write> {
        RefMut::map(self.0.borrow_mut(), |writer| writer as &mut dyn Write)
    }
}
