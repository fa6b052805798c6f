//! Measures the cryptographic operations alone. All other figures are compared with these.

use std::time::Instant;
use testudo_protocol::jose::{Algorithm, Jws, KeySet, PublicKey, SigningKey};
use testudo_testkit::generate_key;

/// Median times of one ES256 verification and one ES256 signature on one thread, microseconds.
pub fn raw_cryptography() -> (f64, f64) {
    let key = generate_key(Algorithm::ES256, None);
    let token = key
        .sign_jwt(
            Some("JWT"),
            br#"{"sub":"spiffe://a/b","aud":["x"],"exp":1795000300}"#,
        )
        .unwrap();
    let mut set = KeySet::default();
    set.push(PublicKey::from_jwk(&serde_json::from_value(key.public_jwk("sig", true)).unwrap()).unwrap());
    let message = [7u8; 300];
    let signature = key.sign(&message).unwrap();
    let verify = median(|| {
        assert!(
            set.iter()
                .next()
                .unwrap()
                .verify(Algorithm::ES256, &message, &signature)
        )
    });
    let sign = median(|| drop(key.sign(&message).unwrap()));
    let jws = median(|| Jws::parse(&token).unwrap().verify(&set).unwrap());
    println!("raw ES256 verify {verify:.1} us, sign {sign:.1} us; a JWS parsed and verified {jws:.1} us");
    (verify, sign)
}

/// The median time of `work` in 41 rounds of 100 calls, microseconds.
pub fn median(mut work: impl FnMut()) -> f64 {
    let mut samples: Vec<f64> = (0..41)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..100 {
                work();
            }
            started.elapsed().as_secs_f64() * 1e6 / 100.0
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The operations that the requests of a row cannot do without, with a key that is read before: the server verifies
/// credentials and proofs with the algorithm of this key, and signs a token with ES256.
pub struct Signatures<'k> {
    key: &'k SigningKey,
    public: PublicKey,
    signing: SigningKey,
    message: Vec<u8>,
}

impl Signatures<'_> {
    /// Signatures by this key, over so many bytes.
    pub fn of(key: &SigningKey, bytes: usize) -> Signatures<'_> {
        let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
        Signatures {
            key,
            public: PublicKey::from_jwk(&jwk).unwrap(),
            signing: generate_key(Algorithm::ES256, None),
            message: vec![7; bytes],
        }
    }

    /// One verification and one signature, microseconds of CPU time.
    fn measure(&self) -> (f64, f64) {
        let (algorithm, message) = (self.key.algorithm(), &self.message);
        let signature = self.key.sign(message).unwrap();
        let verify = cpu_time(|| assert!(self.public.verify(algorithm, message, &signature)));
        let sign = cpu_time(|| drop(self.signing.sign(message).unwrap()));
        (verify, sign)
    }

    /// Compares the CPU time for each request of this row with so many verifications and signatures, whose CPU time is
    /// measured before and after the row.
    pub async fn compare(
        &self,
        (verifications, signatures): (f64, f64),
        row: impl std::future::Future<Output = f64>,
    ) {
        let before = self.measure();
        let us = row.await;
        let after = self.measure();
        let [verify, sign] = [(before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0];
        println!(
            "  {:.2} times the raw {verifications} {} verify ({verify:.1} us) + {signatures} ES256 sign ({sign:.1} us)",
            us / (verifications * verify + signatures * sign),
            self.key.algorithm().name()
        );
    }
}

/// CPU time of this thread for one call of `work`, microseconds: other processes of the machine change it little.
fn cpu_time(mut work: impl FnMut()) -> f64 {
    const CALLS: u32 = 4_000;
    let before = thread_nanoseconds();
    for _ in 0..CALLS {
        work();
    }
    (thread_nanoseconds() - before) / 1e3 / f64::from(CALLS)
}

fn thread_nanoseconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}
