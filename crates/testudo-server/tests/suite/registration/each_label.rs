//! Tests of each label in the table of members, from the request or the credential to the record and the answer.

use super::metadata::{redirecting, register_with};
use super::*;
use testudo_core::members::{LabelKind, MEMBERS, Member, attestable};

fn labels() -> impl Iterator<Item = (&'static Member, Value)> {
    MEMBERS.iter().filter_map(|row| {
        let sample = match row.label_kind()? {
            LabelKind::Name { .. } | LabelKind::Text { .. } => json!("Shop"),
            LabelKind::Url => json!("https://api.pay.apps.example/page"),
            LabelKind::Texts { .. } => json!(["a", "b"]),
        };
        Some((row, sample))
    })
}

/// The label with this value, also with a language tag if the label allows tags.
fn members(row: &Member, value: &Value) -> Value {
    let mut members = json!({ row.name: value });
    if row.is_taggable {
        members[format!("{}#de", row.name)] = value.clone();
    }
    members
}

/// Registers, and compares the label in the answer, in the record, and in the answer to a registration without it.
async fn check(world: &World, row: &Member, (claims, asked): (Value, Value), expected: &Value) {
    let answer = register_with(world, claims.clone(), asked).await;
    assert_eq!(answer.status, 201, "{}: {answer:?}", row.name);
    let tagged = format!("{}#de", row.name);
    assert_eq!(answer.json()[row.name], *expected, "{}", row.name);
    let metadata = &world.clients().await[0]["metadata"];
    assert_eq!(metadata[row.name], *expected, "{}", row.name);
    if row.is_taggable {
        assert_eq!(answer.json()[&tagged], *expected, "{tagged}");
        assert_eq!(metadata["tagged"][&tagged], *expected, "{tagged}");
    }
}

#[tokio::test]
async fn each_label_of_a_request_is_stored_and_returned_unless_only_an_attester_may_state_it() {
    for (row, sample) in labels() {
        let world = open_with("", &redirecting("")).await;
        let kept = if row.stated_by.may_request() {
            &sample
        } else {
            &Value::Null
        };
        check(&world, row, (json!({}), members(row, &sample)), kept).await;
        check(&world, row, (json!({}), json!({})), &Value::Null).await;
    }
}

#[tokio::test]
async fn each_label_of_a_credential_is_stored_and_returned_if_the_configuration_lists_it() {
    let every: Vec<&str> = attestable().collect();
    let every = format!("attested_metadata = {}", json!(every));
    for (row, sample) in labels() {
        let listed = open_with(&every, &redirecting("")).await;
        let kept = if row.stated_by.may_attest() {
            &sample
        } else {
            &Value::Null
        };
        check(&listed, row, (members(row, &sample), json!({})), kept).await;
        // An unlisted claim is not used, and it removes the member with the same name from the request.
        let unlisted = open_with("", &redirecting("")).await;
        let both = (json!({ row.name: sample }), members(row, &sample));
        let is_taken = row.stated_by.may_request() && !row.stated_by.is_shadowed_by_claims();
        check(
            &unlisted,
            row,
            both,
            if is_taken { &sample } else { &Value::Null },
        )
        .await;
    }
}
