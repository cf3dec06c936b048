//! Compression of large answers for clients that accept it.

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, VARY};
use http_body::{Body as _, Frame};
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Shorter answers are quicker sent as they are (kube-apiserver's `defaultGzipThresholdBytes`).
const THRESHOLD: u64 = 128 << 10;
/// How hard to try. One less is hardly faster, but has no codes fitted to the text.
const LEVEL: u32 = 2;

/// Whether a request's headers accept gzip (RFC 9110, section 12.5.3; kube-apiserver does not look at weights either).
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| coding.split(';').next().unwrap_or(""));
    codings.any(|coding| coding.trim() == "gzip")
}

/// The answer compressed, if it is long. Its body is compressed as the client takes it.
pub fn gzip(response: Response<Body>) -> Response<Body> {
    let long = response.body().size_hint().exact().is_some_and(|size| size > THRESHOLD);
    if !long || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::new(LEVEL)));
    Response::from_parts(parts, Body::new(Gzip { inner: body, encoder }))
}

struct Gzip {
    inner: Body,
    /// Taken at the end.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    /// What has come out of the encoder so far.
    fn feed(&mut self, data: &[u8]) -> std::io::Result<Vec<u8>> {
        let Some(encoder) = &mut self.encoder else { return Ok(Vec::new()) };
        encoder.write_all(data)?;
        Ok(std::mem::take(encoder.get_mut()))
    }
}

impl http_body::Body for Gzip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context)).transpose()?;
            let out = match frame.map(Frame::into_data) {
                Some(Ok(data)) => self.feed(&data),
                // Trailers, which no answer has.
                Some(Err(_)) => continue,
                None => match self.encoder.take() {
                    Some(encoder) => encoder.finish(),
                    None => return Poll::Ready(None),
                },
            };
            let out = out.map_err(axum::Error::new)?;
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Read;

    #[test]
    fn gzip_is_found_among_codings() {
        let accepts = |value| is_accepted(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]));
        assert!(accepts("gzip") && accepts("br, gzip;q=0.5"));
        assert!(!accepts("identity") && !accepts("x-gzip") && !is_accepted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn long_answers_come_back_whole() {
        let text: String = (0..60_000).map(|number| format!("{number},")).collect();
        let response = gzip(Response::new(Body::from(text.clone())));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let packed = response.into_body().collect().await.unwrap().to_bytes();
        assert!(packed.len() < text.len() / 2);
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }

    #[tokio::test]
    async fn short_answers_stay_as_they_are() {
        let response = gzip(Response::new(Body::from("short")));
        assert!(response.headers().is_empty());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "short");
    }
}
