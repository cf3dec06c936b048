//! TLS over a TCP connection, decrypted where it was received: no byte is copied on its way to who reads it.

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// As much is received at once. What fits into the processor's cache is quicker to decrypt.
const READ: usize = 256 << 10;
/// A record's longest form: there is always room for the rest of one.
const RECORD: usize = 18 << 10;

pub struct Records {
    stream: TcpStream,
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    /// The part of `incoming` that is received and not yet decrypted.
    waiting: std::ops::Range<usize>,
    outgoing: Vec<u8>,
}

/// How far the received records led.
enum Step {
    /// No whole record is left.
    Blocked,
    /// The same, and the handshake is done.
    Ready,
    Closed,
}

impl Records {
    /// Connects and shakes hands.
    pub async fn connect(
        stream: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Records> {
        let tls = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut records = Records { stream, tls, incoming: vec![0; READ], waiting: 0..0, outgoing: Vec::new() };
        loop {
            let step = records.step(&mut |_| Ok(()))?;
            records.flush().await?;
            match step {
                Step::Ready => return Ok(records),
                Step::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Step::Blocked => {
                    records.stream.readable().await?;
                    records.receive()?;
                }
            }
        }
    }

    /// Waits until there is something to read.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads what has come and hands it over in pieces. Whether more may come.
    pub fn read(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        let open = self.receive()?;
        Ok(!matches!(self.step(take)?, Step::Closed) && open)
    }

    /// Sends bytes, and what TLS itself has to say.
    pub async fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        if !plain.is_empty() {
            self.encrypt(plain)?;
        }
        self.flush().await
    }

    /// Takes what the socket has. Whether it is still open.
    fn receive(&mut self) -> io::Result<bool> {
        if self.waiting.is_empty() {
            self.waiting = 0..0;
        } else if self.incoming.len() - self.waiting.end < RECORD {
            self.incoming.copy_within(self.waiting.clone(), 0);
            self.waiting = 0..self.waiting.len();
        }
        match self.stream.try_read(&mut self.incoming[self.waiting.end..]) {
            Ok(length) => {
                self.waiting.end += length;
                Ok(length > 0)
            }
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(problem) => Err(problem),
        }
    }

    /// Goes through all received records.
    fn step(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Step> {
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.tls.process_tls_records(&mut self.incoming[self.waiting.clone()]);
            let mut reached = None;
            match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        take(record.payload)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let begin = self.outgoing.len();
                    let length = match data.encode(&mut []) {
                        Err(EncodeError::InsufficientSize(size)) => {
                            self.outgoing.resize(begin + size.required_size, 0);
                            data.encode(&mut self.outgoing[begin..]).map_err(io::Error::other)?
                        }
                        other => other.map_err(io::Error::other)?,
                    };
                    self.outgoing.truncate(begin + length);
                }
                // It goes out at the next flush, before all that comes later.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake => reached = Some(Step::Blocked),
                ConnectionState::WriteTraffic(_) => reached = Some(Step::Ready),
                _ => reached = Some(Step::Closed),
            }
            self.waiting.start += discard;
            if let Some(step) = reached {
                return Ok(step);
            }
        }
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        let ConnectionState::WriteTraffic(mut traffic) =
            self.tls.process_tls_records(&mut []).state.map_err(io::Error::other)?
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let begin = self.outgoing.len();
        // Room for one record; the error tells when it takes more.
        self.outgoing.resize(begin + plain.len() + 64, 0);
        let length = match traffic.encrypt(plain, &mut self.outgoing[begin..]) {
            Err(EncryptError::InsufficientSize(size)) => {
                self.outgoing.resize(begin + size.required_size, 0);
                traffic.encrypt(plain, &mut self.outgoing[begin..]).map_err(io::Error::other)?
            }
            other => other.map_err(io::Error::other)?,
        };
        self.outgoing.truncate(begin + length);
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        Ok(())
    }
}
