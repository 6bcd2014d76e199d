//! An in-toto Statement (v1 or v0.1), alone or in a DSSE envelope, as far as it has to be understood: what it is about.
//!
//! Signatures are not looked at.

use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use serde::Deserialize;

/// The type of what an envelope of DSSE holds (in-toto, "Envelope layer").
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The `_type` of a statement.
const TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// What a statement is about, and of what kind it is.
#[derive(Debug, Deserialize)]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    pub(super) subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
}

/// One of the things that a statement is about.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<serde_json::Value>,
}

/// Reads a statement, or says what is wrong with it.
pub(super) fn read(document: &[u8]) -> Result<Statement, String> {
    let value: serde_json::Value =
        serde_json::from_slice(document).map_err(|error| format!("is no JSON: {error}"))?;
    if value.get("_type").is_some() {
        return check(serde_json::from_value(value), "is no in-toto statement");
    }
    if value.get("payloadType").is_none() {
        return Err(
            "is neither an in-toto statement, which has _type, nor a DSSE envelope, which has payloadType"
                .to_owned(),
        );
    }
    let envelope: Envelope =
        serde_json::from_value(value).map_err(|error| format!("is no DSSE envelope: {error}"))?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(format!("is an envelope of {}, not of {PAYLOAD_TYPE}", envelope.payload_type));
    }
    if envelope.signatures.is_empty() {
        return Err("is a DSSE envelope without a signature".to_owned());
    }
    let encoded = envelope.payload.as_bytes();
    // DSSE: whoever reads takes either alphabet.
    let payload =
        [BASE64, BASE64URL, BASE64URL_NOPAD].iter().find_map(|encoding| encoding.decode(encoded).ok());
    let payload = payload.ok_or("is an envelope whose payload is no base64")?;
    check(serde_json::from_slice(&payload), "is an envelope whose payload is no in-toto statement")
}

fn check(read: Result<Statement, serde_json::Error>, wrong: &str) -> Result<Statement, String> {
    let statement = read.map_err(|error| format!("{wrong}: {error}"))?;
    if !TYPES.contains(&statement.kind.as_str()) {
        return Err(format!("is of the type {}, and {} are understood", statement.kind, TYPES.join(" and ")));
    }
    if statement.subject.is_empty() {
        return Err("has no subject".to_owned());
    }
    if statement.predicate_type.is_empty() {
        return Err("has an empty predicateType".to_owned());
    }
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        read(document.as_bytes()).map(|statement| format!("{statement:?}")).unwrap_err()
    }

    #[test]
    fn a_statement_is_bare_or_in_an_envelope() {
        let bare = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"00"}}],"predicateType":"p","predicate":{}}"#;
        assert_eq!(read(bare.as_bytes()).unwrap().predicate_type, "p");
        let enveloped = |payload: String| {
            format!(
                r#"{{"payloadType":"{PAYLOAD_TYPE}","payload":"{payload}","signatures":[{{"sig":"AA=="}}]}}"#
            )
        };
        for encoding in [BASE64, BASE64URL, BASE64URL_NOPAD] {
            let document = enveloped(encoding.encode(bare.as_bytes()));
            assert_eq!(read(document.as_bytes()).unwrap().subject[0].name.as_deref(), Some("a"));
        }
        insta::assert_snapshot!(refused(&enveloped("!".to_owned())), @"is an envelope whose payload is no base64");
        insta::assert_snapshot!(refused(&enveloped(BASE64.encode(b"{}"))), @"is an envelope whose payload is no in-toto statement: missing field `_type` at line 1 column 2");
        insta::assert_snapshot!(refused(&enveloped(BASE64.encode(bare.as_bytes())).replace("in-toto+json", "x")), @"is an envelope of application/vnd.x, not of application/vnd.in-toto+json");
        insta::assert_snapshot!(refused(&enveloped(String::new()).replace(r#"{"sig":"AA=="}"#, "")), @"is a DSSE envelope without a signature");
        insta::assert_snapshot!(refused("{"), @"is no JSON: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(refused("[]"), @"is neither an in-toto statement, which has _type, nor a DSSE envelope, which has payloadType");
        insta::assert_snapshot!(refused(&bare.replace("/v1", "/v2")), @"is of the type https://in-toto.io/Statement/v2, and https://in-toto.io/Statement/v1 and https://in-toto.io/Statement/v0.1 are understood");
        insta::assert_snapshot!(refused(&bare.replace(r#"{"name":"a","digest":{"sha256":"00"}}"#, "")), @"has no subject");
        insta::assert_snapshot!(refused(&bare.replace(r#""predicateType":"p","#, "")), @"is no in-toto statement: missing field `predicateType`");
    }
}
