//! Header blocks: names and values, compressed with zlib and a dictionary that both sides know (section 2.6.10).

use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;

/// More than this, unpacked, is not taken from anyone (bytes).
const LIMIT: usize = 64 << 10;

/// The headers of a stream. Names are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The value of a header, whatever the case of its name; `""` where it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(pairs: [(&str, &str); N]) -> Headers {
        Headers(pairs.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_string())).collect())
    }
}

/// Why a header block, or a frame, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl std::error::Error for Malformed {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed SPDY: {}", self.0)
    }
}

/// Packs one side's header blocks, which are one zlib stream over the connection's life.
///
/// It stores instead of compressing: that is a valid zlib stream too, takes no memory for each connection, and the few
/// headers of a stream are short.
#[derive(Debug, Default)]
pub struct Packer {
    begun: bool,
}

impl Packer {
    /// Appends a header block.
    pub fn pack(&mut self, headers: &Headers, out: &mut Vec<u8>) {
        let mut plain = Vec::new();
        let number = |plain: &mut Vec<u8>, length: usize| {
            plain.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        };
        number(&mut plain, headers.0.len());
        for text in headers.0.iter().flat_map(|(name, value)| [name, value]) {
            number(&mut plain, text.len());
            plain.extend_from_slice(text.as_bytes());
        }
        if !std::mem::replace(&mut self.begun, true) {
            // RFC 1950: deflate with a window of 32 KiB, fastest, no dictionary.
            out.extend_from_slice(&[0x78, 0x01]);
        }
        // RFC 1951, section 3.2.4: stored blocks. The empty one at the end is what a flush writes, and what readers
        // wait for before they hand out what came before it.
        for block in plain.chunks(usize::from(u16::MAX)).chain([&[][..]]) {
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(block);
        }
    }
}

/// Unpacks the other side's header blocks, in their order.
#[derive(Debug)]
pub struct Unpacker {
    inflate: Decompress,
}

impl Default for Unpacker {
    fn default() -> Unpacker {
        Unpacker { inflate: Decompress::new(true) }
    }
}

impl Unpacker {
    /// Reads a whole header block.
    ///
    /// # Errors
    /// When it is not one, or a huge one. Nothing can be unpacked after that.
    pub fn unpack(&mut self, packed: &[u8]) -> Result<Headers, Malformed> {
        parse(&self.inflate(packed)?)
    }

    fn inflate(&mut self, mut packed: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut plain = Vec::with_capacity(1024);
        loop {
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let outcome = self.inflate.decompress_vec(packed, &mut plain, FlushDecompress::Sync);
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(usize::MAX);
            packed = packed.get(taken..).unwrap_or(&[]);
            match outcome {
                Err(problem) if problem.needs_dictionary().is_some() => {
                    let known = self.inflate.set_dictionary(&dictionary());
                    known.map_err(|_| Malformed("headers packed with another dictionary"))?;
                    continue;
                }
                Err(_) => return Err(Malformed("headers that do not unpack")),
                Ok(Status::StreamEnd) => return Err(Malformed("the end of all headers")),
                Ok(Status::Ok | Status::BufError) => {}
            }
            if plain.len() > LIMIT {
                return Err(Malformed("too many headers"));
            }
            let full = plain.len() == plain.capacity();
            if !full && packed.is_empty() {
                return Ok(plain);
            }
            if !full && taken == 0 && self.inflate.total_out() == given {
                return Err(Malformed("headers that do not unpack"));
            }
            plain.reserve(plain.len().max(1024));
        }
    }
}

fn parse(mut plain: &[u8]) -> Result<Headers, Malformed> {
    fn number(plain: &mut &[u8]) -> Result<usize, Malformed> {
        let (bytes, rest) = plain.split_first_chunk::<4>().ok_or(Malformed("headers cut short"))?;
        *plain = rest;
        usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| Malformed("too many headers"))
    }
    fn text(plain: &mut &[u8]) -> Result<String, Malformed> {
        let length = number(plain)?;
        let (text, rest) = plain.split_at_checked(length).ok_or(Malformed("headers cut short"))?;
        *plain = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
    let count = number(&mut plain)?;
    // Each takes eight bytes at least.
    if count > plain.len() / 8 {
        return Err(Malformed("headers cut short"));
    }
    let pairs = (0..count).map(|_| Ok((text(&mut plain)?, text(&mut plain)?)));
    let headers = pairs.collect::<Result<_, Malformed>>().map(Headers)?;
    if plain.is_empty() { Ok(headers) } else { Err(Malformed("more after the headers")) }
}

/// The words that header blocks are packed with, from the specification: most with their length before them, as they
/// stand in a block.
fn dictionary() -> Vec<u8> {
    const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
        accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
        content-length content-location content-md5 content-range content-type date etag expect expires from host \
        if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards \
        pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding \
        upgrade user-agent vary via warning www-authenticate method get status";
    const MORE_WORDS: [&str; 8] =
        ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"];
    const REST: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
        203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized\
        403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
        Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
        chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,\
        text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
    let mut dictionary = Vec::with_capacity(1423);
    for word in WORDS.split_whitespace().chain(MORE_WORDS) {
        dictionary.extend_from_slice(&u32::try_from(word.len()).unwrap_or(0).to_be_bytes());
        dictionary.extend_from_slice(word.as_bytes());
    }
    dictionary.extend_from_slice(REST.as_bytes());
    dictionary
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// Packs as Kubernetes' own library does: compressed, with the dictionary.
    fn compress(deflate: &mut Compress, headers: &Headers) -> Vec<u8> {
        let mut stored = Vec::new();
        Packer::default().pack(headers, &mut stored);
        let plain = Unpacker::default().inflate(&stored).unwrap();
        let mut packed = Vec::with_capacity(plain.len() + 1024);
        deflate.compress_vec(&plain, &mut packed, FlushCompress::Sync).unwrap();
        packed
    }

    #[test]
    fn the_dictionary_is_the_specifications() {
        // The checksum that every SPDY/3 stream begins with.
        let mut deflate = Compress::new(Compression::fast(), true);
        assert_eq!(deflate.set_dictionary(&dictionary()).unwrap(), 0xe3c6_a7c2);
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let headers = Headers::from([("streamType", "error")]);
        assert_eq!((headers.get("StreamType"), headers.get("port")), ("error", ""));
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut deflate = Compress::new(Compression::best(), true);
        let bomb = Headers(vec![("a".into(), "0".repeat(200_000))]);
        let mut stored = Vec::new();
        Packer::default().pack(&bomb, &mut stored);
        assert_eq!(Unpacker::default().unpack(&stored), Err(Malformed("too many headers")));
        let mut packed = Vec::with_capacity(4096);
        deflate.compress_vec(&vec![0; 10_000_000], &mut packed, FlushCompress::Sync).unwrap();
        assert_eq!(Unpacker::default().unpack(&packed), Err(Malformed("too many headers")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn blocks_come_back(blocks in prop::collection::vec(prop::collection::vec((".{0,20}", ".{0,300}"), 0..8), 1..6)) {
            let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
            let mut deflate = Compress::new(Compression::best(), true);
            deflate.set_dictionary(&dictionary()).unwrap();
            let mut other = Unpacker::default();
            for headers in blocks.into_iter().map(Headers) {
                let mut packed = Vec::new();
                packer.pack(&headers, &mut packed);
                prop_assert_eq!(unpacker.unpack(&packed), Ok(headers.clone()));
                prop_assert_eq!(other.unpack(&compress(&mut deflate, &headers)), Ok(headers));
            }
        }

        #[test]
        fn anything_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Unpacker::default().unpack(&bytes);
            let _ = parse(&bytes);
        }
    }
}
