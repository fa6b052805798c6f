//! Every kind of client goes the whole way of a person's grant, and what others do with its code and its refresh tokens is
//! refused. The outcomes are the table `docs/conformance/matrix-of-flows.md`; `UPDATE_ANSWERS=1` writes it anew.

mod kinds;
mod site;

use super::{compare, list, note, shown};
use crate::people::{CHALLENGE, VERIFIER, parameter};
use kinds::{Binding, Change, Expected, Kind, What};
use serde_json::{Value, json};
use site::{CALLBACK, Sender, Site};
use std::fmt::Write as _;
use testudo_testkit::http::Answer;
use testudo_testkit::token::claims;

/// The head of the page.
const HEAD: &str = "\
# Clients, bindings and what others do with a code

Written by the test `matrix/flows` of the server. Each client pushes a request over HTTP, a person signs in and consents,
the client redeems the code, refreshes twice, asks about its token, and revokes it. The column \"tokens\" has the
`token_type` and what the tokens are bound to. The other columns are what a code and a refresh token are answered with
when something else sends them. A refused code is used up: the right request is refused after it. After a refused
refresh token the right request is granted. A dash is a request that cannot exist; the reasons are below the table.
";

// Rows J-13, F-25, F-26, F-27, F-28, G-08.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_client_goes_the_whole_way_and_its_code_and_refresh_tokens_are_refused_to_others() {
    let site = Site::start().await;
    let (mut page, mut notes, mut count) = (HEAD.to_owned(), Vec::new(), 0);
    let titles = What::ALL.map(|what| {
        let of = |change: Change| format!(" {}: {} |", what.name(), change.name());
        Change::ALL.map(of).concat()
    });
    writeln!(page, "\n| client | bound to | tokens |{}", titles.concat()).unwrap();
    writeln!(page, "|---|---|---|{}", "---|".repeat(2 * Change::ALL.len())).unwrap();
    for kind in Kind::ALL {
        for binding in Binding::ALL {
            write!(page, "| {} | {} |", kind.name(), binding.name()).unwrap();
            if let Err(why) = binding.of(kind) {
                let empty = format!(" – ({}) |", note(&mut notes, why));
                writeln!(page, "{}", empty.repeat(1 + 2 * Change::ALL.len())).unwrap();
                continue;
            }
            let flow = Flow::new(&site, kind, binding);
            write!(page, " {} |", flow.whole_way().await).unwrap();
            count += 1;
            for what in What::ALL {
                for change in Change::ALL {
                    match change.expected(kind, binding, what) {
                        Ok(expected) => {
                            let shown = flow.changed(what, change, expected).await;
                            write!(page, " {shown} |").unwrap();
                            count += 1;
                        }
                        Err(why) => write!(page, " – ({}) |", note(&mut notes, why)).unwrap(),
                    }
                }
            }
            page.push('\n');
        }
    }
    writeln!(page, "\n{count} cells. Why a request cannot exist:\n").unwrap();
    list(&mut page, &notes);
    println!("{count} cells");
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/conformance/matrix-of-flows.md"
    );
    compare(path, &page);
}

/// One client with tokens that are bound in one way.
struct Flow<'s> {
    site: &'s Site,
    client: Sender,
    client_id: String,
}

impl<'s> Flow<'s> {
    fn new(site: &'s Site, kind: Kind, binding: Binding) -> Flow<'s> {
        let client = Sender::of(kind, binding);
        Flow {
            site,
            client,
            client_id: site.client_id(kind, client.name),
        }
    }

    fn case(&self) -> String {
        format!("{:?} {:?}", self.client.kind, self.client.binding)
    }

    /// The code for a request that the client pushed.
    async fn code(&self) -> String {
        let pushed = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s1"),
        ];
        let answer = self.site.send(self.client, "/par", &pushed).await;
        assert_eq!(answer.status, 201, "{}: {answer:?}", self.case());
        let answer = answer.json();
        let request_uri = answer["request_uri"].as_str().unwrap();
        let response = self.site.walk(&self.client_id, request_uri).await;
        parameter(&response, "code").unwrap_or_else(|| panic!("{}: {response}", self.case()))
    }

    async fn redeem(&self, sender: Sender, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.site.send(sender, "/token", &fields).await
    }

    async fn refresh(&self, sender: Sender, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.site.send(sender, "/token", &fields).await
    }

    /// Its own code is redeemed.
    async fn tokens(&self) -> Answer {
        let answer = self.redeem(self.client, &self.code().await).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.case());
        answer
    }

    /// The client redeems, refreshes twice, asks, and revokes. The result is what its tokens are bound to.
    async fn whole_way(&self) -> String {
        let (site, client, case) = (self.site, self.client, self.case());
        let first = self.tokens().await;
        assert_eq!(
            claims(&first.access_token())["client_id"],
            self.client_id,
            "{case}"
        );
        let second = self.refresh(client, &first.refresh_token()).await;
        let third = self.refresh(client, &second.refresh_token()).await;
        let all = [&first, &second, &third];
        let shown = all.map(shown);
        assert_eq!(shown, [client.binding.shown(); 3], "{case}");
        let access = third.access_token();
        let asked = site.introspected(&access).await;
        let issued = claims(&access);
        assert_eq!(asked["active"], true, "{case}: {asked}");
        for member in ["sub", "client_id", "grant_id", "cnf"] {
            assert_eq!(asked[member], issued[member], "{case}: {member}");
        }
        self.ask_about_own(&[&second.refresh_token(), &third.refresh_token()])
            .await;
        let sent = third.refresh_token();
        let token = [("token", sent.as_str())];
        let other = Sender {
            name: "two",
            ..client
        };
        let refused = site.send(other, "/revoke", &token).await;
        assert_eq!(refused.error(), "invalid_grant", "{case}: {refused:?}");
        assert_eq!(site.introspected(&access).await["active"], true, "{case}");
        let revoked = site.send(client, "/revoke", &token).await;
        assert_eq!(revoked.status, 200, "{case}: {revoked:?}");
        let inactive = json!({ "active": false });
        for token in all.map(Answer::access_token) {
            assert_eq!(site.introspected(&token).await, inactive, "{case}");
        }
        let refused = self.refresh(client, &sent).await;
        assert_eq!(refused.error(), "invalid_grant", "{case}: {refused:?}");
        client.binding.shown().to_owned()
    }

    /// A client that authenticates asks about its own tokens: one that was used, and the one that is valid.
    async fn ask_about_own(&self, [used, valid]: &[&str; 2]) {
        let (client, case) = (self.client, self.case());
        let ask = async |token: &str| {
            let token = [("token", token)];
            self.site.send(client, "/introspect", &token).await
        };
        if client.kind.is_public() {
            let refused = ask(valid).await;
            assert_eq!(refused.error(), "invalid_client", "{case}: {refused:?}");
            return;
        }
        assert_eq!(ask(used).await.json(), json!({ "active": false }), "{case}");
        let shown: Value = ask(valid).await.json();
        assert_eq!(
            (&shown["active"], &shown["client_id"]),
            (&json!(true), &json!(self.client_id)),
            "{case}: {shown}"
        );
    }

    /// Something else sends the code or the refresh token of the client. The result is the answer.
    async fn changed(&self, what: What, change: Change, expected: Expected) -> String {
        let case = format!("{} {what:?} {change:?}", self.case());
        let sender = self.sender(change);
        let (code, token) = match what {
            What::Code => (self.code().await, String::new()),
            What::RefreshToken => (String::new(), self.tokens().await.refresh_token()),
        };
        let send = async |sender: Sender| match what {
            What::Code => self.redeem(sender, &code).await,
            What::RefreshToken => self.refresh(sender, &token).await,
        };
        let answer = send(sender).await;
        let Expected::Refused(error) = expected else {
            assert_eq!(answer.status, 200, "{case}: {answer:?}");
            return shown(&answer);
        };
        assert_eq!(answer.error(), error, "{case}: {answer:?}");
        assert!([400, 401].contains(&answer.status), "{case}: {answer:?}");
        let right = send(self.client).await;
        match what {
            What::Code => assert_eq!(right.error(), "invalid_grant", "{case}: {right:?}"),
            What::RefreshToken => assert_eq!(shown(&right), self.client.binding.shown(), "{case}"),
        }
        error.to_owned()
    }

    /// Who sends a request that has this change.
    fn sender(&self, change: Change) -> Sender {
        let client = self.client;
        match change {
            Change::OtherClient => Sender {
                name: "two",
                ..client
            },
            Change::NoCredential => Sender {
                has_credential: false,
                bound: client.bound.filter(|_| !client.kind.is_combined()),
                ..client
            },
            Change::OtherCredentialKey => Sender { key: 1, ..client },
            Change::OtherBoundKey => Sender {
                bound: Some(1),
                ..client
            },
            Change::Unbound => Sender {
                bound: None,
                ..client
            },
        }
    }
}
