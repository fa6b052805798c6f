//! Measures the cryptographic operations alone. All other figures are compared with these.

use std::time::Instant;
use testudo_protocol::jose::{Algorithm, Jws, KeySet, PublicKey};
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

/// CPU time of this thread for one call of `work`, microseconds: other processes of the machine change it little.
pub fn cpu_time(mut work: impl FnMut()) -> f64 {
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
