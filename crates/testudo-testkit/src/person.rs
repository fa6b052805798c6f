//! A person in front of a browser, as a program: it keeps cookies, follows redirects, and goes on through the pages of the
//! authorization server: in each page it sends the first form that is sent by POST, with the first button that has a name.

use crate::http::{Answer, Connection, TlsClient};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// Most redirects and forms of one walk. A walk with more goes in a circle.
const STEPS_MAX: usize = 12;

/// A person with a browser of their own.
#[derive(Debug, Clone)]
pub struct Person {
    /// The issuer of the authorization server.
    issuer: Url,
    /// Where it listens.
    address: SocketAddr,
    /// The cookies of the authorization server, by name.
    pub cookies: BTreeMap<String, String>,
    /// Header fields that this browser sends with each form in place of `Origin`; empty: `Origin` of the issuer.
    pub origin: Vec<(String, String)>,
    /// How the browser connects; `None`: without TLS.
    tls: Option<Arc<TlsClient>>,
}

/// A form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageForm {
    /// Where it is sent, as the page has it.
    pub action: String,
    /// The hidden fields.
    pub fields: Vec<(String, String)>,
    /// The buttons with a name, in the order of the page: name and value.
    pub buttons: Vec<(String, String)>,
}

impl PageForm {
    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The form with the button that has this value.
    pub fn pressed(&self, value: &str) -> Vec<(String, String)> {
        let button = self.buttons.iter().find(|(_, known)| known == value);
        let button = button.expect("the form has the button");
        self.fields.iter().chain([button]).cloned().collect()
    }
}

impl Person {
    /// A person at the server with this issuer, which listens at `address`.
    pub fn new(issuer: &str, address: SocketAddr) -> Person {
        Person {
            issuer: Url::parse(issuer).expect("the issuer is a URL"),
            address,
            cookies: BTreeMap::new(),
            origin: Vec::new(),
            tls: None,
        }
    }

    /// The same person, with a browser that connects so.
    #[must_use]
    pub fn over_tls(self, client: TlsClient) -> Person {
        Person {
            tls: Some(Arc::new(client)),
            ..self
        }
    }

    /// A person at the server that listens where its issuer says, on loopback.
    pub async fn at(issuer: &str) -> Person {
        let url = Url::parse(issuer).expect("the issuer is a URL");
        let port = url.port_or_known_default().expect("a port");
        let host = url.host_str().expect("a host").trim_matches(['[', ']']);
        let mut found = tokio::net::lookup_host((host, port))
            .await
            .expect("the host has an address");
        Person::new(issuer, found.next().expect("an address"))
    }

    /// The same browser, which another node of the server answers.
    #[must_use]
    pub fn at_node(&self, address: SocketAddr) -> Person {
        Person {
            address,
            ..self.clone()
        }
    }

    /// True for a URL of the authorization server.
    fn is_of_server(&self, url: &Url) -> bool {
        url.origin() == self.issuer.origin()
    }

    /// Opens a URL of the server, without following a redirect.
    pub async fn open(&mut self, url: &str) -> Answer {
        let url = self.issuer.join(url).expect("a URL");
        assert!(self.is_of_server(&url), "{url} is not of {}", self.issuer);
        self.send("GET", &url, Vec::new(), String::new()).await
    }

    /// As [`Person::open`], of a server that may end; `None` if there is no answer.
    pub async fn try_open(&mut self, url: &str) -> Option<Answer> {
        let url = self.issuer.join(url).expect("a URL");
        self.try_send("GET", &url, Vec::new(), String::new()).await
    }

    /// Sends a form to the server, without following a redirect.
    pub async fn submit(&mut self, action: &str, fields: &[(String, String)]) -> Answer {
        let answer = self.try_submit(action, fields).await;
        answer.expect("the server answers")
    }

    /// As [`Person::submit`], to a server that may end; `None` if there is no answer.
    pub async fn try_submit(&mut self, action: &str, fields: &[(String, String)]) -> Option<Answer> {
        let url = self.issuer.join(action).expect("a URL");
        assert!(self.is_of_server(&url), "{url} is not of {}", self.issuer);
        let mut headers = vec![(
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )];
        match self.origin.is_empty() {
            true => headers.push(("origin".to_owned(), self.issuer.origin().ascii_serialization())),
            false => headers.extend(self.origin.clone()),
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.try_send("POST", &url, headers, body).await
    }

    /// Goes through the pages from this URL on, and returns the URL at which the browser leaves the server, with the
    /// parameters of a form that the last page sends there. `Err`: the page that has no
    /// form, or where the pages go in a circle.
    pub async fn walk(&mut self, url: &str) -> Result<String, String> {
        let first = self.open(url).await;
        self.walk_on(url, first).await
    }

    /// The same, from an answer on.
    pub async fn walk_on(&mut self, url: &str, first: Answer) -> Result<String, String> {
        let mut at = self.issuer.join(url).expect("a URL");
        let mut answer = first;
        for _ in 0..STEPS_MAX {
            if let Some(location) = answer.header("location") {
                let next = at.join(location).expect("Location is a URL");
                if !self.is_of_server(&next) {
                    return Ok(next.into());
                }
                at = next;
                answer = self.send("GET", &at, Vec::new(), String::new()).await;
                continue;
            }
            let page = String::from_utf8_lossy(&answer.body).into_owned();
            let Some(form) = forms(&page).into_iter().next() else {
                return Err(page);
            };
            let next = at.join(&form.action).expect("the action is a URL");
            let mut fields = form.fields.clone();
            fields.extend(form.buttons.first().cloned());
            if !self.is_of_server(&next) {
                return Ok(with_query(next, &fields));
            }
            at = next;
            answer = self.submit(at.as_str(), &fields).await;
        }
        Err(format!("{at}: the pages go in a circle"))
    }

    async fn send(
        &mut self,
        method: &str,
        url: &Url,
        headers: Vec<(String, String)>,
        body: String,
    ) -> Answer {
        let answer = self.try_send(method, url, headers, body).await;
        answer.expect("the server answers")
    }

    async fn try_send(
        &mut self,
        method: &str,
        url: &Url,
        mut headers: Vec<(String, String)>,
        body: String,
    ) -> Option<Answer> {
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().expect("a host")),
            None => url.host_str().expect("a host").to_owned(),
        };
        headers.push(("host".to_owned(), host));
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            headers.push(("cookie".to_owned(), pairs.collect::<Vec<_>>().join("; ")));
        }
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut connection = match &self.tls {
            Some(client) => client.connect(self.address).await?.0,
            None => Connection::try_open(self.address).await?,
        };
        let answer = connection.try_send(method, &path, &headers, body).await?;
        for (_, field) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            self.keep(field);
        }
        Some(answer)
    }

    /// Keeps a cookie, or removes it where the field says so.
    fn keep(&mut self, field: &str) {
        let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
        let (name, value) = pair.split_once('=').expect("a cookie has a name and a value");
        match attributes.contains("Max-Age=0") {
            true => self.cookies.remove(name),
            false => self.cookies.insert(name.to_owned(), value.to_owned()),
        };
    }
}

fn with_query(mut url: Url, fields: &[(String, String)]) -> String {
    url.query_pairs_mut().extend_pairs(fields);
    url.into()
}

/// The forms of a page that are sent by POST.
pub fn forms(page: &str) -> Vec<PageForm> {
    let of_form = |text: &str| {
        let (tag, rest) = text.split_once('>')?;
        let (content, _) = rest.split_once("</form>")?;
        (attribute(tag, "method")? == "post").then(|| PageForm {
            action: attribute(tag, "action").unwrap_or_default(),
            fields: named(content, "<input ", |tag| tag.contains("type=\"hidden\"")),
            buttons: named(content, "<button ", |_| true),
        })
    };
    page.split("<form ").skip(1).filter_map(of_form).collect()
}

/// Name and value of the elements that begin so.
fn named(content: &str, start: &str, is_one: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let tags = content
        .split(start)
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    tags.filter(|tag| is_one(tag))
        .filter_map(|tag| {
            Some((
                attribute(tag, "name")?,
                attribute(tag, "value").unwrap_or_default(),
            ))
        })
        .collect()
}

/// The value of an attribute within a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

/// The text of an attribute: the pages of the server write special characters as decimal references.
fn unescaped(text: &str) -> String {
    let characters = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ];
    let mut text = text.to_owned();
    for (reference, character) in characters {
        text = text.replace(reference, character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_page_are_read_with_hidden_fields_and_named_buttons() {
        let page = r#"<form method="get" action="/x"></form><form method="post" action="/login?a&#38;b">
            <input type="hidden" name="flow" value="&#34;f&#38;#34;"><input type="text" name="t">
            <button>none</button><button name="name" value="alice" aria-describedby="x">A</button></form>"#;
        let forms = forms(page);
        assert_eq!(forms.len(), 1);
        assert_eq!(forms[0].action, "/login?a&b");
        assert_eq!(forms[0].fields, [("flow".to_owned(), "\"f&#34;".to_owned())]);
        assert_eq!(forms[0].buttons, [("name".to_owned(), "alice".to_owned())]);
        assert_eq!(forms[0].pressed("alice").len(), 2);
    }
}
