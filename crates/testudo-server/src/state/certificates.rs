//! The TLS certificates of this server: read at the start, and again when their files change. Open connections and TLS
//! sessions are not affected; only new handshakes use the new certificate.

use crate::client_certificates::AskForCertificate;
use crate::config::file_fault::read_file;
use crate::config::pem_files;
use crate::config::{Configuration, TlsFiles};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use testudo_protocol::Timestamp;
use testudo_protocol::certificate::Validity;
use testudo_protocol::jose::sha256;
use tokio_rustls::TlsAcceptor;

/// The certificates of this server, by the section of the configuration that names their files.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// `server.tls`: for the public listeners, including the one for client certificates.
    pub server: Option<Arc<Certificate>>,
    /// `admin.tls`.
    pub admin: Option<Arc<Certificate>>,
}

impl Certificates {
    /// Reads the files that the configuration names.
    pub fn read(configuration: &Configuration) -> Result<Certificates, String> {
        let read = |section, files: &Option<TlsFiles>| {
            let certificate = files.as_ref().map(|files| Certificate::read(section, files));
            certificate.transpose()
        };
        Ok(Certificates {
            server: read("server.tls", &configuration.server.tls)?,
            admin: read("admin.tls", &configuration.admin.tls)?,
        })
    }

    /// Sets whether the public listeners request client certificates. Where there is a separate listener for client
    /// certificates, only that one requests them.
    pub fn ask(&self, asks_for_certificates: bool, has_other_listener: bool) {
        if let Some(certificate) = &self.server {
            certificate.ask(asks_for_certificates && !has_other_listener);
        }
    }

    /// The certificates that are configured.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.server.iter().chain(&self.admin)
    }
}

/// A certificate with its key, which can be replaced while it is in use.
pub struct Certificate {
    /// The section of the configuration. Example: `server.tls`.
    pub section: &'static str,
    pair: ArcSwap<Pair>,
    provider: Arc<CryptoProvider>,
    look: Mutex<Look>,
    asks: Arc<AtomicBool>,
}

/// Whether a listener requests client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateRequests {
    /// Never: the listener is not for clients.
    Never,
    /// Always: the listener is the one for client certificates.
    Always,
    /// While a trust domain accepts X.509-SVIDs and there is no separate listener for client certificates.
    AsConfigured,
}

/// The certificate and key that are in force.
struct Pair {
    key: Arc<CertifiedKey>,
    validity: Validity,
}

/// The state of the files at the last check.
struct Look {
    files: TlsFiles,
    digest: [u8; 32],
    /// True where it was logged that these files cannot be used.
    is_reported: bool,
}

/// The result of reading the files again.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The files have not changed.
    Unchanged,
    /// A new certificate and key are in force; the certificate ends at this time.
    Renewed(Timestamp),
    /// The files cannot be used, for this reason: the earlier certificate and key stay in force.
    Kept(String),
    /// The files still cannot be used, which was logged before.
    StillKept,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.section)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.load().key.clone())
    }
}

impl Certificate {
    /// Reads the files of a section.
    pub fn read(section: &'static str, files: &TlsFiles) -> Result<Arc<Certificate>, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let contents = Contents::read(files)?;
        let pair = contents.pair(files, &provider)?;
        Ok(Arc::new(Certificate {
            section,
            pair: ArcSwap::from_pointee(pair),
            look: Mutex::new(Look {
                files: files.clone(),
                digest: contents.digest(),
                is_reported: false,
            }),
            provider,
            asks: Arc::default(),
        }))
    }

    /// TLS 1.3 and 1.2 with this certificate, HTTP/2 and 1.1.
    ///
    /// A listener with [`CertificateRequests::AsConfigured`] follows [`Certificate::ask`], also after the acceptor was made.
    pub fn acceptor(self: &Arc<Self>, asking: CertificateRequests) -> Result<TlsAcceptor, String> {
        let provider = self.provider.clone();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let asks = match asking {
            CertificateRequests::Never => None,
            CertificateRequests::Always => Some(Arc::new(AtomicBool::new(true))),
            CertificateRequests::AsConfigured => Some(self.asks.clone()),
        };
        let builder = match asks {
            Some(asks) => builder.with_client_cert_verifier(Arc::new(AskForCertificate::new(provider, asks))),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The certificates in force, leaf first.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.pair.load().key.cert.clone()
    }

    /// The validity of the certificate in force.
    pub fn validity(&self) -> Validity {
        self.pair.load().validity
    }

    /// Whether listeners with [`CertificateRequests::AsConfigured`] request client certificates now.
    pub fn asks(&self) -> bool {
        self.asks.load(Ordering::Relaxed)
    }

    /// Sets whether listeners with [`CertificateRequests::AsConfigured`] request client certificates from now on.
    pub fn ask(&self, asks: bool) {
        self.asks.store(asks, Ordering::Relaxed);
    }

    /// Replaces the names of the files, which are read at the next [`Certificate::renew`].
    pub fn name_files(&self, files: &TlsFiles) {
        self.look().files = files.clone();
    }

    /// Reads the files again where they changed. Certificate and key are two files and cannot be replaced at the same
    /// moment: while only one of them is replaced, they do not match, and the pair in force stays.
    pub fn renew(&self) -> Renewal {
        self.renew_locked(&mut self.look())
    }

    fn renew_locked(&self, look: &mut Look) -> Renewal {
        let contents = match Contents::read(&look.files) {
            Ok(contents) => contents,
            Err(why) => return look.refuse([0; 32], why),
        };
        let digest = contents.digest();
        if digest == look.digest {
            return match look.is_reported {
                true => Renewal::StillKept,
                false => Renewal::Unchanged,
            };
        }
        match contents.pair(&look.files, &self.provider) {
            Err(why) => look.refuse(digest, why),
            Ok(pair) => {
                let ends = pair.validity.not_after;
                self.pair.store(Arc::new(pair));
                (look.digest, look.is_reported) = (digest, false);
                Renewal::Renewed(ends)
            }
        }
    }

    /// As [`Certificate::renew`], for the regular check. `None` where the files changed and do not match: one of them
    /// may be in the middle of a replacement. The next check is made with `is_doubted` and reports it.
    pub fn renew_if_settled(&self, is_doubted: bool) -> Option<Renewal> {
        if is_doubted {
            return Some(self.renew());
        }
        let mut look = self.look();
        let before = (look.digest, look.is_reported);
        match self.renew_locked(&mut look) {
            Renewal::Kept(_) => {
                (look.digest, look.is_reported) = before;
                None
            }
            renewal @ (Renewal::Unchanged | Renewal::StillKept | Renewal::Renewed(_)) => Some(renewal),
        }
    }

    fn look(&self) -> std::sync::MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    fn refuse(&mut self, digest: [u8; 32], why: String) -> Renewal {
        if self.is_reported && self.digest == digest {
            return Renewal::StillKept;
        }
        (self.digest, self.is_reported) = (digest, true);
        Renewal::Kept(why)
    }
}

/// The content of both files.
struct Contents {
    certificate: Vec<u8>,
    private_key: zeroize::Zeroizing<Vec<u8>>,
}

impl Contents {
    /// Reads the files by their names, so that the replacement of a symbolic link (as Kubernetes does it) is seen as a
    /// change.
    fn read(files: &TlsFiles) -> Result<Contents, String> {
        let read = |path: &Path| read_file(path).map_err(|fault| fault.of(path));
        Ok(Contents {
            certificate: read(&files.certificate)?,
            private_key: read(&files.private_key)?.into(),
        })
    }

    fn digest(&self) -> [u8; 32] {
        let digests = [sha256(&self.certificate), sha256(&self.private_key)];
        sha256(&digests.concat())
    }

    fn pair(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<Pair, String> {
        let (certificate, private_key) = (files.certificate.display(), files.private_key.display());
        let chain =
            pem_files::certificates(&self.certificate).map_err(|fault| fault.of(&files.certificate))?;
        let leaf = chain
            .first()
            .ok_or_else(|| format!("{certificate} has no PEM certificate"))?;
        let validity = Validity::of(leaf)
            .ok_or_else(|| format!("the first PEM block of {certificate} is not an X.509 certificate"))?;
        let key = pem_files::private_key(&self.private_key).map_err(|fault| fault.of(&files.private_key))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let why = if let rustls::Error::InconsistentKeys(_) = error {
                "the key is that of another certificate".to_owned()
            } else {
                error.to_string()
            };
            format!("{certificate} and {private_key} do not match: {why}")
        })?;
        Ok(Pair {
            key: Arc::new(key),
            validity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            Folder(testudo_testkit::scratch::folder(name))
        }

        fn files(&self) -> TlsFiles {
            TlsFiles {
                certificate: self.0.join("tls.crt"),
                private_key: self.0.join("tls.key"),
            }
        }
    }

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn in_force(certificate: &Certificate) -> Vec<u8> {
        certificate.pair.load().key.cert[0].to_vec()
    }

    #[test]
    fn certificate_and_key_that_do_not_match_are_reported_once_and_the_earlier_pair_stays() {
        let folder = Folder::new("misfit");
        let (files, (first, first_key), (second, second_key)) = (folder.files(), pair(), pair());
        std::fs::write(&files.certificate, &first).unwrap();
        std::fs::write(&files.private_key, &first_key).unwrap();
        let certificate = Certificate::read("server.tls", &files).unwrap();
        let before = in_force(&certificate);
        assert_eq!(certificate.renew(), Renewal::Unchanged);
        std::fs::write(&files.certificate, &second).unwrap();
        match certificate.renew() {
            Renewal::Kept(why) => {
                assert!(why.contains("tls.crt") && why.contains("do not match"), "{why}");
            }
            other @ (Renewal::Unchanged | Renewal::StillKept | Renewal::Renewed(_)) => panic!("{other:?}"),
        }
        assert_eq!(certificate.renew(), Renewal::StillKept);
        assert_eq!(in_force(&certificate), before);
        std::fs::write(&files.private_key, &second_key).unwrap();
        assert_eq!(
            certificate.renew(),
            Renewal::Renewed(certificate.validity().not_after)
        );
        assert_ne!(in_force(&certificate), before);
        std::fs::remove_file(&files.private_key).unwrap();
        assert!(matches!(certificate.renew(), Renewal::Kept(why) if why.contains("tls.key cannot be read")));
        std::fs::write(&files.private_key, &second_key).unwrap();
        assert!(
            matches!(certificate.renew(), Renewal::Renewed(_)),
            "that the files can be used again is reported"
        );
    }

    #[test]
    fn pair_that_is_replaced_in_two_steps_between_two_checks_is_renewed_without_a_report() {
        let folder = Folder::new("steps");
        let (files, (first, first_key), (second, second_key)) = (folder.files(), pair(), pair());
        std::fs::write(&files.certificate, &first).unwrap();
        std::fs::write(&files.private_key, &first_key).unwrap();
        let certificate = Certificate::read("server.tls", &files).unwrap();
        let before = in_force(&certificate);
        // The certificate comes first, the key after the check.
        std::fs::write(&files.certificate, &second).unwrap();
        assert_eq!(certificate.renew_if_settled(false), None);
        assert_eq!(in_force(&certificate), before);
        std::fs::write(&files.private_key, &second_key).unwrap();
        assert!(matches!(
            certificate.renew_if_settled(true),
            Some(Renewal::Renewed(_))
        ));
        assert_ne!(in_force(&certificate), before);
        // A key that does not come is reported at the next check, once.
        std::fs::write(&files.certificate, &first).unwrap();
        assert_eq!(certificate.renew_if_settled(false), None);
        assert!(matches!(
            certificate.renew_if_settled(true),
            Some(Renewal::Kept(_))
        ));
        assert_eq!(certificate.renew_if_settled(false), Some(Renewal::StillKept));
    }

    #[test]
    fn link_that_points_to_another_folder_is_seen_as_a_change() {
        let folder = Folder::new("links");
        for name in ["a", "b"] {
            let path = folder.0.join(name);
            std::fs::create_dir(&path).unwrap();
            let (certificate, key) = pair();
            std::fs::write(path.join("tls.crt"), certificate).unwrap();
            std::fs::write(path.join("tls.key"), key).unwrap();
        }
        // As Kubernetes mounts a secret: the files are symbolic links through `..data`, a link that is replaced
        // atomically.
        std::os::unix::fs::symlink("a", folder.0.join("..data")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), folder.0.join(name)).unwrap();
        }
        let certificate = Certificate::read("server.tls", &folder.files()).unwrap();
        std::os::unix::fs::symlink("b", folder.0.join("..new")).unwrap();
        std::fs::rename(folder.0.join("..new"), folder.0.join("..data")).unwrap();
        assert!(matches!(certificate.renew(), Renewal::Renewed(_)));
        assert_eq!(certificate.renew(), Renewal::Unchanged);
    }
}
