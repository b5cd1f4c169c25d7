use proptest::prelude::*;

use super::*;

fn login(user: &str, password: &str) -> Login {
    Login { user: user.to_owned().into(), password: password.to_owned().into() }
}

fn request<'r>(method: &'r str, url: &'r str) -> Request<'r> {
    Request { method, url, body: b"" }
}

fn chosen(fields: &[&str]) -> Authorization {
    Authorization::choose(fields.iter().map(|field| field.as_bytes())).unwrap()
}

fn challenge(fields: &[&str]) -> DigestChallenge {
    match chosen(fields).method {
        Method::Digest(challenge) => challenge,
        Method::Basic => panic!("basic"),
    }
}

fn response(answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer).into_owned();
    answer.split("response=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// RFC 7616, section 3.9.1.
#[test]
fn the_standards_examples_are_answered() {
    let offer = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let answer = challenge(&[&offer(algorithm)]).answer(
            (b"Mufasa", b"Circle of Life"),
            &request("GET", "/dir/index.html"),
            1,
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );
        assert_eq!(response(&answer), expected);
        assert!(String::from_utf8(answer).unwrap().contains(&format!("algorithm={algorithm}, qop=auth, nc=00000001")));
    }
    // RFC 2617, section 3.5, and without `qop` as in RFC 2069.
    let offer = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let answer = |offer: &str| {
        let request = request("GET", "/dir/index.html");
        challenge(&[offer]).answer((b"Mufasa", b"Circle Of Life"), &request, 1, "0a4f113b")
    };
    assert_eq!(response(&answer(&format!("{offer}, qop=\"auth,auth-int\""))), "6629fae49393a05397450978507c4ef1");
    assert_eq!(response(&answer(offer)), "670fd8c2df070c60b045671b8b24ff02");
    assert!(!String::from_utf8(answer(offer)).unwrap().contains("cnonce"));
}

/// Against Python's `hashlib`, which has SHA-512/256: RFC 7616's own example is wrong (erratum
/// 4897).
#[test]
fn sessions_and_the_longest_hash_are_answered() {
    let answer = |parameters: &str| {
        let offer = format!("Digest realm=\"r\", nonce=\"n\", {parameters}");
        response(&challenge(&[&offer]).answer((b"u", b"p"), &request("PLAY", "rtsp://cam/"), 2, "c"))
    };
    assert_eq!(
        answer("algorithm=SHA-512-256, qop=auth"),
        "32a5e37e424274d5c3618a9d2fc36531344c2791f3c05c1806096ce6d2f1a6c7"
    );
    assert_eq!(answer("algorithm=MD5-sess, qop=auth"), "32b95b3bef0005f0cfb0619081e2d910");
    assert_eq!(answer("algorithm=SHA-256-sess"), "4b8c501dd627dbeb01bceff804de8522c2ef850690c52c11a207fe50aa7db6b7");
    assert_eq!(
        answer("algorithm=SHA-256, qop=auth-int"),
        "20cdc95a082c8d171f837c05c56989d6a985f425e8466fe4b306d5ce09843491"
    );
}

#[test]
fn the_strongest_challenge_is_answered_in_any_order() {
    let (basic, md5, sha) = (
        "Basic realm=\"a, b\"",
        "Digest realm=\"a\", nonce=\"1\", stale=\"FALSE\"",
        "digest Realm=\"a\" , Nonce=\"2\",algorithm=\"SHA-256\"",
    );
    for fields in [
        vec![basic.to_owned(), md5.to_owned(), sha.to_owned()],
        vec![sha.to_owned(), md5.to_owned(), basic.to_owned()],
        vec![format!("{basic}, {sha},{md5}")],
        vec![format!("{md5}, Unknown, {basic}, {sha}, ")],
    ] {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let challenge = challenge(&fields);
        assert_eq!((challenge.hash, challenge.nonce.as_slice()), (Hash::Sha256, b"2".as_slice()), "{fields:?}");
    }
    assert_eq!(chosen(&[basic]).method, Method::Basic);
    let unknown = "Digest realm=\"a\", nonce=\"1\", algorithm=SHA-1024";
    assert_eq!(Authorization::choose([unknown, basic].map(str::as_bytes)), Err(NoKnownMethod), "basic is weaker");
    assert_eq!(challenge(&[unknown, md5]).hash, Hash::Md5);
    assert_eq!(Authorization::choose([]), Err(NoKnownMethod));
    assert!(chosen(&["Digest realm=a, nonce=b, stale=TRUE"]).is_stale());
}

#[test]
fn basic_is_base64_and_the_counter_counts() {
    let field =
        chosen(&["Basic realm=\"x\""]).field(&login("Aladdin", "open sesame"), &request("PLAY", "rtsp://c/"), 1);
    assert_eq!(field, b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let mut digest = chosen(&["Digest realm=\"x\", nonce=\"1\", qop=auth"]);
    for count in ["nc=00000001", "nc=00000002"] {
        let field = digest.field(&login("a\"b", "p"), &request("PLAY", "rtsp://c/"), 1);
        let field = String::from_utf8(field).unwrap();
        assert!(field.contains(count) && field.contains("username=\"a\\\"b\""), "{field}");
    }
}

#[test]
fn a_realm_in_any_encoding_is_repeated_as_it_is() {
    let field = [b"Digest realm=\"\xb5\xc7\xc2\xbc\\\"\", nonce=\"1\"".as_slice()];
    let answer = Authorization::choose(field).unwrap().field(&login("u", "p"), &request("PLAY", "rtsp://c/"), 1);
    assert!(answer.windows(12).any(|part| part == b"m=\"\xb5\xc7\xc2\xbc\\\"\", "), "{answer:?}");
}

proptest! {
    #[test]
    fn any_field_is_read(field in proptest::collection::vec(any::<u8>(), 0..80)) {
        for field in [field.clone(), [b"Digest nonce=".as_slice(), &field].concat()] {
            if let Ok(mut chosen) = Authorization::choose([field.as_slice()]) {
                let field = chosen.field(&login("u", "p"), &request("PLAY", "rtsp://cam/"), 1);
                prop_assert!(!field.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "it adds no line");
            }
        }
    }
}
