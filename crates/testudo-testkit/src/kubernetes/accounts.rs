//! Service accounts, pods, and the tokens that the API server issues to them.

use super::{Answer, ApiServer};
use serde_json::{Value, json};

/// A token to request. [K8S-ACCOUNTS]
#[derive(Debug, Clone, Copy)]
pub struct TokenOf<'a> {
    /// The namespace of the service account.
    pub namespace: &'a str,
    /// The service account.
    pub account: &'a str,
    /// For whom the token is; none means for the API server.
    pub audiences: &'a [&'a str],
    /// How long it is valid. Kubernetes issues no token for less than 600 s.
    pub seconds: u32,
    /// The pod to which it is bound.
    pub pod: Option<&'a PodOf>,
}

/// A pod of the cluster. It does not run, because the cluster has no node that runs pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodOf {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl ApiServer {
    /// Creates the namespace and the service account where they are missing.
    pub fn create_account(&self, namespace: &str, account: &str) -> Result<(), String> {
        self.create(
            "/api/v1/namespaces",
            &json!({ "metadata": { "name": namespace } }),
        )?;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(&path, &json!({ "metadata": { "name": account } }))
    }

    /// Deletes a service account.
    pub fn delete_account(&self, namespace: &str, account: &str) -> Result<(), String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
        success(self.ask("DELETE", &path, "")?).map(|_| ())
    }

    /// Creates a node and a pod of this service account on it.
    pub fn create_pod(&self, namespace: &str, account: &str, name: &str) -> Result<PodOf, String> {
        let node = format!("{name}-node");
        self.create("/api/v1/nodes", &json!({ "metadata": { "name": node } }))?;
        let pod = json!({
            "metadata": { "name": name },
            "spec": {
                "serviceAccountName": account,
                "nodeName": node,
                "containers": [{ "name": "main", "image": "none.invalid/none" }],
            },
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let created = success(self.ask("POST", &path, &pod.to_string())?)?;
        let uid = created["metadata"]["uid"].as_str().ok_or("the pod has no uid")?;
        Ok(PodOf {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        })
    }

    /// Deletes a pod at once: no node must confirm that it ended.
    pub fn delete_pod(&self, pod: &PodOf) -> Result<(), String> {
        let path = format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name);
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
        success(self.ask("DELETE", &path, &options.to_string())?).map(|_| ())
    }

    /// A token of the TokenRequest API.
    pub fn token(&self, of: TokenOf<'_>) -> Result<String, String> {
        let mut spec = json!({ "audiences": of.audiences, "expirationSeconds": of.seconds });
        if let Some(pod) = of.pod {
            spec["boundObjectRef"] =
                json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid });
        }
        let request =
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            of.namespace, of.account
        );
        let issued = success(self.ask("POST", &path, &request.to_string())?)?;
        let token = issued["status"]["token"].as_str();
        token
            .map(str::to_owned)
            .ok_or_else(|| format!("the answer has no token: {issued}"))
    }

    /// The published keys of the tokens.
    pub fn keys(&self) -> Result<Value, String> {
        success(self.ask("GET", "/openid/v1/jwks", "")?)
    }

    fn create(&self, path: &str, object: &Value) -> Result<(), String> {
        let answer = self.ask("POST", path, &object.to_string())?;
        match answer.status {
            // It is there already.
            409 => Ok(()),
            _ => success(answer).map(|_| ()),
        }
    }
}

fn success(answer: Answer) -> Result<Value, String> {
    match answer.status {
        200..=299 => Ok(answer.body),
        status => Err(format!("the API server answers {status}: {}", answer.body)),
    }
}
