//! Reads the fields of a certificate that are needed to check the order of a chain, before any signature is verified.
//!
//! This costs a few hundred nanoseconds for any certificate. Its checks bound the work of the parsers that run later.

use super::error::X509Error;
use crate::der::{self, Reader, Value};
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_EXTENSION_BYTES_MAX, CERTIFICATE_EXTENSIONS_MAX,
    CERTIFICATE_NAME_BYTES_MAX,
};

const KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];

/// Parts of a certificate. [RFC5280 §4.1]
pub(super) struct Scan<'a> {
    pub(super) der: &'a [u8],
    /// The signed part (TBSCertificate).
    pub(super) tbs: &'a [u8],
    /// Content of the AlgorithmIdentifier of the signature.
    pub(super) signature_algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    /// Content of the name.
    pub(super) issuer: &'a [u8],
    /// Content of the name.
    pub(super) subject: &'a [u8],
    /// Content of the SubjectPublicKeyInfo.
    pub(super) spki: &'a [u8],
    /// The identifier of the certificate's own key, if it has one.
    pub(super) key_id: Option<&'a [u8]>,
    /// The identifier of the key that signed the certificate, if it has one.
    pub(super) issuer_key_id: Option<&'a [u8]>,
    pub(super) has_name_constraints: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(der: &'a [u8]) -> Result<Scan<'a>, X509Error> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(X509Error::TooLong);
        }
        let malformed = X509Error::Malformed;
        let mut parts = Reader::new(der::only(der, der::SEQUENCE).ok_or(malformed.clone())?);
        let tbs = parts.next_if(der::SEQUENCE).ok_or(malformed.clone())?;
        let signature_algorithm = parts.expect(der::SEQUENCE).ok_or(malformed.clone())?;
        let signature = parts.expect(der::BIT_STRING).and_then(der::whole_bytes);
        let mut scan = Scan {
            der,
            tbs: tbs.whole,
            signature_algorithm,
            signature: signature.filter(|_| parts.is_empty()).ok_or(malformed.clone())?,
            issuer: &[],
            subject: &[],
            spki: &[],
            key_id: None,
            issuer_key_id: None,
            has_name_constraints: false,
        };
        let extensions = scan.read_fields(tbs.content).ok_or(malformed.clone())?;
        if scan.issuer.len().max(scan.subject.len()) > CERTIFICATE_NAME_BYTES_MAX {
            return Err(X509Error::NameTooLong);
        }
        let mut extensions = Reader::new(extensions);
        let mut count = 0;
        while !extensions.is_empty() {
            let extension = extensions.next_if(der::SEQUENCE).ok_or(malformed.clone())?;
            count += 1;
            if count > CERTIFICATE_EXTENSIONS_MAX {
                return Err(X509Error::TooManyExtensions);
            }
            if extension.whole.len() > CERTIFICATE_EXTENSION_BYTES_MAX {
                return Err(X509Error::ExtensionTooLarge);
            }
            scan.read_extension(extension).ok_or(malformed.clone())?;
        }
        Ok(scan)
    }

    /// Reads the fields of the signed part and returns the rest, the extensions.
    fn read_fields(&mut self, tbs: &'a [u8]) -> Option<&'a [u8]> {
        let mut fields = Reader::new(tbs);
        // [RFC5280 §4.1.2.1] Version 3 is required: earlier versions have no extensions, and so no URI name and no
        // basic constraints.
        fields.expect(0xa0).filter(|version| *version == [2, 1, 2])?;
        fields.expect(der::INTEGER)?;
        // [RFC5280 §4.1.1.2] The signed part must name the same algorithm.
        fields
            .expect(der::SEQUENCE)
            .filter(|inner| *inner == self.signature_algorithm)?;
        self.issuer = fields.expect(der::SEQUENCE)?;
        fields.expect(der::SEQUENCE)?;
        self.subject = fields.expect(der::SEQUENCE)?;
        self.spki = fields.expect(der::SEQUENCE)?;
        if fields.is_empty() {
            return Some(&[]);
        }
        let extensions = fields.expect(0xa3).filter(|_| fields.is_empty())?;
        der::only(extensions, der::SEQUENCE)
    }

    fn read_extension(&mut self, extension: Value<'a>) -> Option<()> {
        let mut parts = Reader::new(extension.content);
        let id = parts.expect(der::OBJECT_IDENTIFIER)?;
        const BOOLEAN: u8 = 0x01;
        parts.next_if(BOOLEAN);
        let value = parts.expect(der::OCTET_STRING).filter(|_| parts.is_empty())?;
        match id {
            KEY_IDENTIFIER => self.key_id = Some(der::only(value, der::OCTET_STRING)?),
            AUTHORITY_KEY_IDENTIFIER => {
                // [RFC5280 §4.2.1.1] The extension may contain the issuer and the serial number instead of a key
                // identifier.
                self.issuer_key_id = Reader::new(der::only(value, der::SEQUENCE)?).expect(0x80);
            }
            NAME_CONSTRAINTS => self.has_name_constraints = true,
            _ => {}
        }
        Some(())
    }

    /// True if issuer and subject are the same name. Whether the certificate is signed with its own key is checked
    /// separately.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}
