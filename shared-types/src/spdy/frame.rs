//! Frames (section 2.2).

use super::headers::{Headers, Malformed, Packer, Unpacker};
use bytes::{Buf, Bytes, BytesMut};

/// No control frame that is worth reading is longer (bytes).
const CONTROL_LIMIT: usize = 64 << 10;
/// The length of a frame is told in 24 bits.
const LENGTH_MASK: u32 = 0x00ff_ffff;
/// The most significant bit of numbers is reserved, or tells control frames from data.
const NUMBER_MASK: u32 = 0x7fff_ffff;
const FLAG_FIN: u8 = 1;
const FLAG_UNIDIRECTIONAL: u8 = 2;

/// Why a stream was reset (section 2.6.3).
pub mod reset {
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INVALID_STREAM: u32 = 2;
    pub const REFUSED_STREAM: u32 = 3;
    pub const CANCEL: u32 = 5;
}

/// A frame. `fin` says that its sender sends no more on this stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream. On a `unidirectional` one the other side sends nothing.
    SynStream { stream: u32, headers: Headers, fin: bool, unidirectional: bool },
    /// Accepts it.
    SynReply { stream: u32, headers: Headers, fin: bool },
    /// Ends a stream at once, for a reason of [`reset`].
    Reset { stream: u32, status: u32 },
    /// To be answered with the same number.
    Ping(u32),
    /// Its sender takes no more streams than those up to `last`.
    GoAway { last: u32, status: u32 },
    /// Bytes of a stream. A long frame is read in several pieces, of which the last has its `fin`.
    Data { stream: u32, data: Bytes, fin: bool },
    /// Settings, windows, late headers and what came after this version: nothing to act upon.
    Other,
}

/// Writes frames, in the order of the wire.
#[derive(Debug, Default)]
pub struct Encoder {
    packer: Packer,
}

impl Encoder {
    /// Appends a frame. Data must be shorter than 16 MiB.
    pub fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        match frame {
            Frame::SynStream { stream, headers, fin, unidirectional } => {
                let flags = u8::from(*fin) * FLAG_FIN + u8::from(*unidirectional) * FLAG_UNIDIRECTIONAL;
                // No associated stream, highest priority, no slot.
                let fixed = [stream.to_be_bytes().as_slice(), &[0; 6]].concat();
                self.control(1, flags, &fixed, Some(headers), out);
            }
            Frame::SynReply { stream, headers, fin } => {
                self.control(2, u8::from(*fin) * FLAG_FIN, &stream.to_be_bytes(), Some(headers), out);
            }
            Frame::Reset { stream, status } => {
                self.control(3, 0, &[stream.to_be_bytes(), status.to_be_bytes()].concat(), None, out);
            }
            Frame::Ping(number) => self.control(6, 0, &number.to_be_bytes(), None, out),
            Frame::GoAway { last, status } => {
                self.control(7, 0, &[last.to_be_bytes(), status.to_be_bytes()].concat(), None, out);
            }
            Frame::Data { stream, data, fin } => {
                out.extend_from_slice(&(stream & NUMBER_MASK).to_be_bytes());
                out.extend_from_slice(&flags_and_length(u8::from(*fin) * FLAG_FIN, data.len()));
                out.extend_from_slice(data);
            }
            Frame::Other => {}
        }
    }

    fn control(&mut self, ty: u16, flags: u8, fixed: &[u8], headers: Option<&Headers>, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x80, 3]);
        out.extend_from_slice(&ty.to_be_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(fixed);
        if let Some(headers) = headers {
            self.packer.pack(headers, out);
        }
        let length = flags_and_length(flags, out.len() - at - 4);
        out[at..at + 4].copy_from_slice(&length);
    }
}

fn flags_and_length(flags: u8, length: usize) -> [u8; 4] {
    let length = u32::try_from(length).unwrap_or(LENGTH_MASK) & LENGTH_MASK;
    (u32::from(flags) << 24 | length).to_be_bytes()
}

/// Reads frames.
#[derive(Debug, Default)]
pub struct Decoder {
    unpacker: Unpacker,
    /// The data frame whose bytes are being read.
    data: Option<Begun>,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    stream: u32,
    fin: bool,
    /// How many bytes are still to come.
    rest: usize,
}

impl Decoder {
    /// Takes the next frame, or the next piece of data, from the front of what has been received; `None` if that takes
    /// more bytes.
    ///
    /// # Errors
    /// When this is no SPDY. Nothing can be read after that.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        if let Some(begun) = self.data {
            return Ok(self.piece(begun, received));
        }
        let Some((head, _)) = received.split_first_chunk::<8>() else { return Ok(None) };
        let [a, b, c, d, flags, lengths @ ..] = *head;
        let first = u32::from_be_bytes([a, b, c, d]);
        let length = u32::from_be_bytes([0, lengths[0], lengths[1], lengths[2]]) as usize;
        let fin = flags & FLAG_FIN != 0;
        if first & !NUMBER_MASK == 0 {
            received.advance(8);
            return Ok(self.piece(Begun { stream: first, fin, rest: length }, received));
        }
        if first >> 16 != 0x8003 {
            return Err(Malformed("another version"));
        }
        if length > CONTROL_LIMIT {
            return Err(Malformed("a control frame that is too long"));
        }
        if received.len() < 8 + length {
            return Ok(None);
        }
        received.advance(8);
        let mut body = received.split_to(length).freeze();
        let mut number = || body.try_get_u32().map(|n| n & NUMBER_MASK).map_err(|_| Malformed("a frame cut short"));
        let frame = match first & 0xffff {
            1 => {
                let stream = number()?;
                let _associated = number()?;
                let packed = body.get(2..).ok_or(Malformed("a frame cut short"))?;
                let headers = self.unpacker.unpack(packed)?;
                Frame::SynStream { stream, headers, fin, unidirectional: flags & FLAG_UNIDIRECTIONAL != 0 }
            }
            2 => Frame::SynReply { stream: number()?, headers: self.unpacker.unpack(&body)?, fin },
            3 => Frame::Reset { stream: number()?, status: number()? },
            6 => Frame::Ping(body.try_get_u32().map_err(|_| Malformed("a frame cut short"))?),
            7 => Frame::GoAway { last: number()?, status: number()? },
            8 => {
                // They are of no use, but must be unpacked to understand the next.
                let _stream = number()?;
                self.unpacker.unpack(&body)?;
                Frame::Other
            }
            _ => Frame::Other,
        };
        Ok(Some(frame))
    }

    /// As much of a data frame as has been received.
    fn piece(&mut self, begun: Begun, received: &mut BytesMut) -> Option<Frame> {
        let data = received.split_to(begun.rest.min(received.len())).freeze();
        let rest = begun.rest - data.len();
        self.data = (rest > 0).then_some(Begun { rest, ..begun });
        if rest > 0 && data.is_empty() {
            return None;
        }
        Some(Frame::Data { stream: begun.stream, data, fin: begun.fin && rest == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let id = 1..=NUMBER_MASK;
        let headers = || prop::collection::vec(("[a-z-]{1,12}", "[ -~]{0,40}"), 0..5).prop_map(Headers);
        let frame = prop_oneof![
            (id.clone(), headers(), any::<bool>(), any::<bool>()).prop_map(|(stream, headers, fin, unidirectional)| {
                Frame::SynStream { stream, headers, fin, unidirectional }
            }),
            (id.clone(), headers(), any::<bool>()).prop_map(|(stream, headers, fin)| Frame::SynReply {
                stream,
                headers,
                fin
            }),
            (id.clone(), 1..9_u32).prop_map(|(stream, status)| Frame::Reset { stream, status }),
            any::<u32>().prop_map(Frame::Ping),
            (id.clone(), 0..3_u32).prop_map(|(last, status)| Frame::GoAway { last, status }),
            (id, prop::collection::vec(any::<u8>(), 0..300), any::<bool>())
                .prop_map(|(stream, data, fin)| Frame::Data { stream, data: data.into(), fin }),
        ];
        prop::collection::vec(frame, 0..12)
    }

    /// Puts the pieces of each data frame together.
    fn joined(pieces: Vec<Frame>) -> Vec<Frame> {
        let mut whole: Vec<Frame> = Vec::new();
        for piece in pieces {
            match (whole.last_mut(), piece) {
                (
                    Some(Frame::Data { stream, data, fin: fin @ false }),
                    Frame::Data { stream: same, data: more, fin: last },
                ) if *stream == same => {
                    *data = [&data[..], &more[..]].concat().into();
                    *fin = last;
                }
                (_, piece) => whole.push(piece),
            }
        }
        whole
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_come_back_however_they_are_cut(frames in frames(), cuts in prop::collection::vec(1..40_usize, 1..20)) {
            let (mut encoder, mut wire) = (Encoder::default(), Vec::new());
            frames.iter().for_each(|frame| encoder.encode(frame, &mut wire));
            let (mut decoder, mut received, mut got) = (Decoder::default(), BytesMut::new(), Vec::new());
            let (mut rest, mut cuts) = (wire.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                received.extend_from_slice(now);
                rest = later;
                while let Some(frame) = decoder.decode(&mut received).unwrap() {
                    got.push(frame);
                }
            }
            prop_assert!(received.is_empty());
            prop_assert_eq!(joined(got), joined(frames));
        }

        #[test]
        fn anything_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..300), lead in any::<bool>()) {
            let lead: &[u8] = if lead { &[0x80, 3, 0] } else { &[] };
            let mut received = BytesMut::from(&[lead, &bytes].concat()[..]);
            let mut decoder = Decoder::default();
            while let Ok(Some(_)) = decoder.decode(&mut received) {}
        }
    }

    #[test]
    fn endless_control_frames_are_refused() {
        let mut received = BytesMut::from(&[0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff][..]);
        assert!(Decoder::default().decode(&mut received).is_err());
    }
}
