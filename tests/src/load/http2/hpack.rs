//! Header compression (RFC 7541), as much of it as a load program needs: requests are told in few bytes, and of a response
//! only its status is read.

use std::collections::VecDeque;

/// The size of the dynamic table that both sides have unless they agree on another, in the RFC's octets.
const TABLE: usize = 4096;
/// What an entry of the table counts beside its name and value (section 4.1).
const ENTRY: usize = 32;

/// The names in the static table, from index 1 (appendix A).
const NAMES: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    STATUS,
    STATUS,
    STATUS,
    STATUS,
    STATUS,
    STATUS,
    STATUS,
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];
const STATUS: &str = ":status";
/// The statuses in the static table, from index 8.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// Writes requests' headers. What repeats is kept in the table and named by its index from then on.
pub struct Encoder {
    /// Name and value, the oldest first. Nothing is ever put out of the table: what finds no room is sent each time.
    table: Vec<(&'static str, String)>,
    room: usize,
    /// That the table is empty from now on is still to be told (section 6.3).
    shrunk: bool,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { table: Vec::new(), room: TABLE, shrunk: false }
    }
}

impl Encoder {
    /// The peer has set its table's size.
    pub fn resize(&mut self, size: usize) {
        if size < TABLE {
            // Begin anew: a table of size 0 is emptied.
            self.table.clear();
            self.room = 0;
            self.shrunk = true;
        }
    }

    /// What goes before a request's first field.
    pub fn begin(&mut self, block: &mut Vec<u8>) {
        if std::mem::take(&mut self.shrunk) {
            integer(0x20, 5, 0, block);
        }
    }

    /// A field whose value other requests have too.
    pub fn repeated(&mut self, name: &'static str, value: &str, block: &mut Vec<u8>) {
        let position = self.table.iter().position(|(known, kept)| *known == name && kept == value);
        if let Some(position) = position {
            // The newest is the first after the static table.
            return integer(0x80, 7, NAMES.len() + self.table.len() - position, block);
        }
        let size = name.len() + value.len() + ENTRY;
        if size > self.room {
            return self.once(name, value, block);
        }
        self.room -= size;
        self.table.push((name, value.to_string()));
        named(0x40, 6, name, block);
        text(value, block);
    }

    /// A field of this request alone.
    pub fn once(&self, name: &'static str, value: &str, block: &mut Vec<u8>) {
        named(0x00, 4, name, block);
        text(value, block);
    }
}

fn named(pattern: u8, bits: u32, name: &str, block: &mut Vec<u8>) {
    match NAMES.iter().position(|known| *known == name) {
        Some(position) => integer(pattern, bits, position + 1, block),
        None => {
            block.push(pattern);
            text(name, block);
        }
    }
}

fn text(text: &str, block: &mut Vec<u8>) {
    integer(0, 7, text.len(), block);
    block.extend_from_slice(text.as_bytes());
}

/// A number in the low `bits` of a byte and in those that follow (section 5.1).
fn integer(pattern: u8, bits: u32, mut value: usize, block: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        return block.push(pattern | value as u8);
    }
    block.push(pattern | most as u8);
    value -= most;
    while value >= 0x80 {
        block.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    block.push(value as u8);
}

/// What a status reader knows of a field.
#[derive(Clone, Copy)]
struct Known {
    /// The length of its name.
    name: usize,
    is_status: bool,
    /// The response's status, if it is that field.
    status: Option<u16>,
    /// The length of name and value.
    length: usize,
}

/// Reads the status out of responses' headers. Of other fields it keeps the lengths, which say what falls out of the
/// table.
#[derive(Default)]
pub struct StatusReader {
    /// The newest first.
    table: VecDeque<Known>,
    used: usize,
    /// The table's size, where the peer has changed it.
    size: Option<usize>,
}

/// Headers that are not as RFC 7541 has them.
#[derive(Debug)]
pub struct Malformed;

impl StatusReader {
    /// Reads all headers of a response, or of its trailers, which have no status.
    pub fn read(&mut self, mut block: &[u8]) -> Result<Option<u16>, Malformed> {
        let mut status = None;
        while let Some(first) = block.first().copied() {
            let field = match first.leading_zeros() {
                0 => {
                    let index = number(&mut block, 7)?;
                    self.field(index)?
                }
                1 => {
                    let field = self.literal(&mut block, 6)?;
                    self.keep(field);
                    field
                }
                2 => {
                    let size = number(&mut block, 5)?;
                    if size > TABLE {
                        return Err(Malformed);
                    }
                    self.size = Some(size);
                    self.evict();
                    continue;
                }
                _ => self.literal(&mut block, 4)?,
            };
            status = status.or(field.status);
        }
        Ok(status)
    }

    fn field(&self, index: usize) -> Result<Known, Malformed> {
        if let Some(field) = index.checked_sub(NAMES.len() + 1).map(|index| self.table.get(index)) {
            return field.copied().ok_or(Malformed);
        }
        let name = index.checked_sub(1).and_then(|index| NAMES.get(index)).ok_or(Malformed)?;
        let status = index.checked_sub(8).and_then(|index| STATUSES.get(index)).copied();
        // The length of a static field's value is never asked for.
        Ok(Known { name: name.len(), is_status: *name == STATUS, status, length: name.len() })
    }

    fn literal(&self, block: &mut &[u8], bits: u32) -> Result<Known, Malformed> {
        let index = number(block, bits)?;
        let (name, is_status) = match index {
            0 => {
                let (name, coded) = string(block)?;
                // A status has a static name, so it is never spelled out.
                (length(name, coded), false)
            }
            _ => self.field(index).map(|field| (field.name, field.is_status))?,
        };
        let (value, coded) = string(block)?;
        let status = if is_status { Some(digits(value, coded)?) } else { None };
        Ok(Known { name, is_status, status, length: name + length(value, coded) })
    }

    fn keep(&mut self, field: Known) {
        self.used += field.length + ENTRY;
        self.table.push_front(field);
        self.evict();
    }

    fn evict(&mut self) {
        while self.used > self.size.unwrap_or(TABLE) {
            match self.table.pop_back() {
                Some(oldest) => self.used -= oldest.length + ENTRY,
                None => break,
            }
        }
    }
}

fn number(block: &mut &[u8], bits: u32) -> Result<usize, Malformed> {
    let most = (1 << bits) - 1;
    let mut value = usize::from(byte(block)?) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let next = usize::from(byte(block)?);
        value += (next & 0x7f) << shift;
        if next < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn byte(block: &mut &[u8]) -> Result<u8, Malformed> {
    let (first, rest) = block.split_first().ok_or(Malformed)?;
    *block = rest;
    Ok(*first)
}

/// A string's bytes, and whether they are in the Huffman code.
fn string<'a>(block: &mut &'a [u8]) -> Result<(&'a [u8], bool), Malformed> {
    let coded = block.first().ok_or(Malformed)? & 0x80 != 0;
    let length = number(block, 7)?;
    let (string, rest) = block.split_at_checked(length).ok_or(Malformed)?;
    *block = rest;
    Ok((string, coded))
}

/// How many symbols have a code of so many bits (appendix B). The code is canonical: codes of one length follow each
/// other, and the shorter ones come first.
const CODES: [(u32, u32); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 4),
];

/// The codes in a string: each one's number of bits, and its place among those of this length.
fn codes(coded: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    // The next bits, from the top.
    let (mut bits, mut have, mut bytes) = (0u64, 0, coded.iter());
    std::iter::from_fn(move || {
        while have <= 56 {
            let Some(byte) = bytes.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let mut first = 0u64;
        for (length, count) in CODES {
            let end = first + (u64::from(count) << (64 - length - 1));
            // Both are halved, as the last end would not fit.
            if bits >> 1 < end {
                // Padding is ones, as the longest codes begin.
                if length > have {
                    return None;
                }
                let place = ((bits >> 1) - first) >> (63 - length);
                bits <<= length;
                have -= length;
                return Some((length, place as u32));
            }
            first = end;
        }
        None
    })
}

/// The length of a string once decoded.
fn length(string: &[u8], coded: bool) -> usize {
    if coded { codes(string).count() } else { string.len() }
}

/// A status: three digits.
fn digits(string: &[u8], coded: bool) -> Result<u16, Malformed> {
    let digit = |byte: u8| char::from(byte).to_digit(10).map(|digit| digit as u16).ok_or(Malformed);
    let add = |sum: u16, digit: u16| sum.checked_mul(10).and_then(|sum| sum.checked_add(digit)).ok_or(Malformed);
    if !coded {
        return string.iter().try_fold(0, |sum, byte| add(sum, digit(*byte)?));
    }
    codes(string).try_fold(0, |sum, code| {
        let digit = match code {
            // The shortest codes begin with 0, 1 and 2; the next with space, %, -, ., / and then 3 to 9.
            (5, place @ 0..=2) => place as u16,
            (6, place @ 5..=11) => place as u16 - 2,
            _ => return Err(Malformed),
        };
        add(sum, digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The three responses of the RFC's appendix C.5 and C.6: as they are and in the Huffman code, with a table of 256.
    #[test]
    fn statuses_are_read_as_the_rfc_has_them() {
        let plain = [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
             474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
             666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
             3630 303b 2076 6572 7369 6f6e 3d31",
        ];
        let coded = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
             63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
             b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ];
        for responses in [plain, coded] {
            let mut reader = StatusReader { size: Some(256), ..StatusReader::default() };
            let mut sizes = Vec::new();
            for (response, status) in responses.iter().zip([302, 307, 200]) {
                assert_eq!(reader.read(&bytes(response)).unwrap(), Some(status));
                sizes.push((reader.table.len(), reader.used));
            }
            assert_eq!(sizes, [(4, 222), (4, 222), (3, 215)]);
        }
        let mut reader = StatusReader::default();
        // By name, by index, and by index again.
        assert_eq!(reader.read(&bytes("4803 323031")).unwrap(), Some(201));
        assert_eq!(reader.read(&bytes("be")).unwrap(), Some(201));
        assert_eq!(reader.read(&bytes("20 8d")).unwrap(), Some(404));
        assert!(reader.read(&bytes("be")).is_err(), "the table was emptied");
        for malformed in ["80", "ff", "48", "4805 3230", "4803 32302e", "ffffffffffff", "3fff7f"] {
            assert!(StatusReader::default().read(&bytes(malformed)).is_err(), "{malformed}");
        }
    }

    #[test]
    fn requests_take_few_bytes_the_second_time() {
        let mut encoder = Encoder::default();
        let mut request = || {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            encoder.repeated(":method", "GET", &mut block);
            encoder.repeated(":authority", "www.example.com", &mut block);
            encoder.once(":path", "/", &mut block);
            block
        };
        // As in appendix C.3, but for the method, which stands in no table of ours, and the path.
        assert_eq!(request(), bytes("4203 474554 410f 7777 772e 6578 616d 706c 652e 636f 6d 0401 2f"));
        assert_eq!(request(), bytes("bfbe 0401 2f"));
        encoder.resize(0);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        encoder.repeated(":method", "GET", &mut block);
        assert_eq!(block, bytes("20 0203 474554"));
        let mut long = Vec::new();
        integer(0x40, 5, 1337, &mut long);
        assert_eq!(long, [0x40 | 31, 154, 10]);
    }
}
