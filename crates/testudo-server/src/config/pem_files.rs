//! Reads PEM files with certificates and private keys, and names the usual mistakes.

use super::file_fault::FileFault;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of a PEM file, of which there is at least one.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) if is_empty(bytes) => Err(empty_file()),
        Ok(_) if is_der(bytes) => Err(FileFault {
            problem: "is in the format DER, and PEM is needed".to_owned(),
            hint: "convert it with `openssl x509 -inform der -in FILE -out FILE.pem`",
        }),
        Ok(_) if contains(bytes, "PRIVATE KEY-----") => Err(FileFault {
            problem: "has no PEM certificates: it contains a private key".to_owned(),
            hint: "name the file with the certificates, which begin with -----BEGIN CERTIFICATE-----",
        }),
        Ok(_) => Err(FileFault {
            problem: "has no PEM certificates".to_owned(),
            hint: "write the certificates into it, each beginning with -----BEGIN CERTIFICATE-----",
        }),
        Err(error) => Err(FileFault {
            problem: format!("is not PEM: {error}"),
            hint: "write the file again, as the issuer of the certificate sent it",
        }),
    }
}

/// The private key of a PEM file.
pub(crate) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, FileFault> {
    let error = match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let is_encrypted = contains(bytes, "BEGIN ENCRYPTED PRIVATE KEY") || contains(bytes, "4,ENCRYPTED");
    Err(if is_encrypted {
        FileFault {
            problem: "is encrypted with a passphrase, and the server has no means to enter one".to_owned(),
            hint: "write the key without a passphrase: `openssl pkey -in FILE -out FILE.plain`, and chmod 600 the result",
        }
    } else if is_empty(bytes) {
        empty_file()
    } else if is_der(bytes) {
        FileFault {
            problem: "is in the format DER, and PEM is needed".to_owned(),
            hint: "convert it with `openssl pkey -inform der -in FILE -out FILE.pem`, and chmod 600 the result",
        }
    } else if contains(bytes, "BEGIN CERTIFICATE") {
        FileFault {
            problem: "has no PEM private key: it contains a certificate".to_owned(),
            hint: "name the file with the private key, which begins with -----BEGIN PRIVATE KEY-----",
        }
    } else {
        not_pem(&error)
    })
}

fn not_pem(error: &rustls_pki_types::pem::Error) -> FileFault {
    let problem = if let rustls_pki_types::pem::Error::NoItemsFound = error {
        "has no PEM private key".to_owned()
    } else {
        format!("has no PEM private key: {error}")
    };
    FileFault {
        problem,
        hint: "write the private key of the leaf certificate into it, beginning with -----BEGIN PRIVATE KEY-----",
    }
}

fn empty_file() -> FileFault {
    FileFault {
        problem: "is empty".to_owned(),
        hint: "write the PEM text into the file",
    }
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty()
}

/// True if the bytes begin with an ASN.1 sequence, as every certificate and every private key in DER does.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && bytes.get(1).is_some_and(|length| *length >= 0x20)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn usual_mistakes_in_tls_files_are_named_with_the_remedy() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
        assert_eq!(certificates(pem.as_bytes()).unwrap().len(), 1);
        assert!(private_key(key_pem.as_bytes()).is_ok());
        let encrypted = key_pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let of_key: [(&str, &[u8], &str, &str); 6] = [
            (
                "encrypted, PKCS #8",
                encrypted.as_bytes(),
                "passphrase",
                "openssl pkey -in",
            ),
            (
                "encrypted, traditional",
                traditional.as_bytes(),
                "passphrase",
                "openssl pkey -in",
            ),
            ("DER", key.serialized_der(), "DER", "openssl pkey -inform der"),
            (
                "certificate",
                pem.as_bytes(),
                "it contains a certificate",
                "private key",
            ),
            ("empty", b"\n", "is empty", "PEM"),
            ("text", b"x", "has no PEM private key", "BEGIN PRIVATE KEY"),
        ];
        for (name, bytes, problem, hint) in of_key {
            let found = private_key(bytes).err().unwrap_or_else(|| panic!("{name}"));
            assert!(
                found.problem.contains(problem) && found.hint.contains(hint),
                "{name}: {found:?}"
            );
        }
        let of_certificate: [(&str, &[u8], &str, &str); 4] = [
            ("DER", certificate.der(), "DER", "openssl x509 -inform der"),
            (
                "key",
                key_pem.as_bytes(),
                "it contains a private key",
                "certificates",
            ),
            ("empty", b"", "is empty", "PEM"),
            ("text", b"x", "has no PEM certificates", "BEGIN CERTIFICATE"),
        ];
        for (name, bytes, problem, hint) in of_certificate {
            let found = certificates(bytes).err().unwrap_or_else(|| panic!("{name}"));
            assert!(
                found.problem.contains(problem) && found.hint.contains(hint),
                "{name}: {found:?}"
            );
        }
    }
}
