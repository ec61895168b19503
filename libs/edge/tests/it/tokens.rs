//! Tokens and sessions: only what we signed, in time, for the right role, from our own pages.

use crate::wire::{SECRET, answer, finished, get, keys};
use axum::Router;
use axum::body::Body;
use axum::routing::{get as on_get, post as on_post};
use edge::{
    AnyRole, Finance, FinanceOrSre, FinanceReader, FinanceWorker, Role, SessionCookies, Sre, TokenError,
    TokenKeys, Viewer, end_session,
};
use http::{HeaderMap, Method, Request, header};
use ids::Uuid;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3_600);
const ANN: Uuid = Uuid::from_u128(0x019a_0000_0000_7000_8000_0000_0000_0001);

fn router() -> Router {
    finished(
        Router::new()
            .route("/viewer", on_get(async |Viewer(viewer): Viewer| viewer.to_string()))
            .route("/viewer", on_post(async |Viewer(viewer): Viewer| viewer.to_string()))
            .route("/finance", on_get(async |who: Finance| who.sub.to_string()))
            .route("/books", on_get(async |who: FinanceReader| who.role.as_str()))
            .route("/desk", on_get(async |who: FinanceWorker| who.role.as_str()))
            .route("/sre", on_get(async |who: Sre| who.sub.to_string()))
            .route("/both", on_get(async |who: FinanceOrSre| who.role.as_str()))
            .route("/any", on_get(async |AnyRole(claims): AnyRole| claims.role.as_str())),
    )
}

fn with(uri: &str, authorization: &str) -> Request<Body> {
    Request::get(uri).header("authorization", authorization).body(Body::empty()).expect("a good request")
}

fn mint(role: Role) -> String {
    keys().mint(role, ANN, HOUR).expect("signed")
}

#[tokio::test]
async fn a_role_opens_its_own_doors_only() {
    let router = router();
    let doors = ["/viewer", "/finance", "/books", "/desk", "/sre", "/both", "/any"];
    for (role, open) in [
        (Role::Viewer, ["/viewer", "/any"].as_slice()),
        (Role::Finance, ["/finance", "/books", "/desk", "/both", "/any"].as_slice()),
        (Role::FinanceMaker, ["/books", "/desk", "/both", "/any"].as_slice()),
        (Role::FinanceChecker, ["/books", "/desk", "/both", "/any"].as_slice()),
        (Role::Auditor, ["/books", "/both", "/any"].as_slice()),
        (Role::Sre, ["/sre", "/both", "/any"].as_slice()),
    ] {
        let bearer = format!("Bearer {}", mint(role));
        for door in doors {
            let answered = answer(&router, with(door, &bearer)).await;
            let expected = if open.contains(&door) { "200" } else { "403" };
            assert!(answered.starts_with(expected), "{role:?} at {door}: {answered}");
        }
    }
    insta::assert_snapshot!(answer(&router, with("/sre", &format!("bearer {}", mint(Role::Viewer)))).await);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_has_a_stable_slug() {
    let router = router();
    insta::assert_snapshot!("token_missing", answer(&router, get("/viewer")).await);
    insta::assert_snapshot!("token_invalid", answer(&router, with("/viewer", "Bearer x.y.z")).await);
    let just_over = SystemTime::now() - HOUR - Duration::from_secs(2);
    let old = keys().mint_at(Role::Viewer, ANN, HOUR, just_over).expect("signed");
    insta::assert_snapshot!(
        "token_expired",
        answer(&router, with("/viewer", &format!("Bearer {old}"))).await
    );
    for bad in ["", "Bearer", "Bearer ", "Basic YW5uOnNlY3JldA==", "Bearer \u{7f}"] {
        let Ok(request) = Request::get("/viewer").header("authorization", bad).body(Body::empty()) else {
            continue;
        };
        let answered = answer(&router, request).await;
        assert!(answered.starts_with("401") && answered.contains("token-invalid"), "{bad:?}: {answered}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_before_still_expires() {
    let keys = keys();
    let token = keys.mint(Role::Viewer, ANN, Duration::from_secs(1)).expect("signed");
    assert_eq!(keys.verify(&token).map(|claims| claims.sub), Ok(ANN));
    let over = async {
        while keys.verify(&token) != Err(TokenError::Expired) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), over).await.expect("the token expires");
}

#[test]
fn a_token_of_another_key_another_algorithm_or_another_form_is_invalid() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::json;
    let other = TokenKeys::from_secret(&[8; 32]).expect("32 bytes are enough");
    let invalid = |token: &str| assert_eq!(keys().verify(token), Err(TokenError::Invalid), "{token}");
    invalid(&other.mint(Role::Sre, ANN, HOUR).expect("signed"));
    let whole = json!({ "sub": ANN, "role": "sre", "iat": 0, "exp": 9_999_999_999_u64, "jti": ANN });
    let sign = |algorithm, claims: &serde_json::Value| {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(&SECRET)).expect("signed")
    };
    assert!(keys().verify(&sign(Algorithm::HS256, &whole)).is_ok());
    invalid(&sign(Algorithm::HS512, &whole));
    for (member, value) in [
        ("sub", json!("ann")),
        ("role", json!("root")),
        ("exp", json!(null)),
        ("exp", json!("never")),
        ("jti", json!(7)),
    ] {
        let mut claims = whole.clone();
        claims[member] = value;
        invalid(&sign(Algorithm::HS256, &claims));
    }
    // The header {"alg":"none"} with the claims of an SRE and no signature.
    let signed = sign(Algorithm::HS256, &whole);
    let claims = signed.split('.').nth(1).expect("three parts");
    invalid(&format!("eyJhbGciOiJub25lIn0.{claims}."));
    invalid(&format!("{signed}{}", "x".repeat(2_000)));
}

#[test]
fn a_short_secret_is_refused_and_no_secret_shows() {
    assert_eq!(TokenKeys::from_secret(&[7; 31]).expect_err("too short"), TokenError::SecretTooShort);
    assert_eq!(format!("{:?}", keys()), "TokenKeys(…)");
    for role in Role::OF_PEOPLE {
        assert_eq!(role.as_str().parse(), Ok(role));
        assert_eq!(serde_json::to_value(role).expect("plain"), role.as_str(), "one name everywhere");
    }
    assert_eq!("internal".parse::<Role>(), Err(TokenError::NoSuchRole), "no person has it");
    assert_eq!("root".parse::<Role>(), Err(TokenError::NoSuchRole));
}

fn with_cookies(method: Method, cookies: &str, csrf: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri("/viewer").header("cookie", cookies);
    if let Some(csrf) = csrf {
        request = request.header("x-csrf-token", csrf);
    }
    request.body(Body::empty()).expect("a good request")
}

#[tokio::test]
async fn a_session_reads_freely_and_changes_things_only_with_its_own_csrf_value() {
    let router = router();
    let sign_in = || SessionCookies::sign_in(&keys(), Role::Viewer, ANN, HOUR, &http::uri::Scheme::HTTP);
    let (ours, other) = (sign_in().expect("signed"), sign_in().expect("signed"));
    let pair = |value: &http::HeaderValue| {
        value.to_str().expect("ASCII").split(';').next().unwrap_or_default().to_owned()
    };
    let cookies = format!("theme=dark; {}; {}", pair(&ours.session), pair(&ours.csrf));
    let status =
        async |request| answer(&router, request).await.split('\n').next().unwrap_or_default().to_owned();
    assert_eq!(status(with_cookies(Method::GET, &cookies, None)).await, "200");
    assert_eq!(status(with_cookies(Method::HEAD, &cookies, None)).await, "200");
    assert_eq!(status(with_cookies(Method::POST, &cookies, Some(&ours.csrf_token))).await, "200");
    insta::assert_snapshot!(answer(&router, with_cookies(Method::POST, &cookies, None)).await);
    assert_eq!(status(with_cookies(Method::POST, &cookies, Some("guess"))).await, "403");
    assert_eq!(status(with_cookies(Method::POST, &cookies, Some(&other.csrf_token))).await, "403");
    // A cookie planted by a neighbouring site, with the header to match, is not the session's own.
    let planted = format!("{}; {}", pair(&ours.session), pair(&other.csrf));
    assert_eq!(status(with_cookies(Method::POST, &planted, Some(&other.csrf_token))).await, "403");
    assert_eq!(status(with_cookies(Method::POST, &pair(&ours.csrf), Some(&ours.csrf_token))).await, "401");
}

#[test]
fn session_cookies_are_kept_from_scripts_and_from_plain_connections() {
    let https = http::uri::Scheme::HTTPS;
    let cookies = SessionCookies::sign_in(&keys(), Role::Viewer, ANN, HOUR, &https).expect("signed");
    let mut headers = HeaderMap::new();
    cookies.apply(&mut headers);
    end_session(&mut headers);
    let set: Vec<&str> =
        headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().expect("ASCII")).collect();
    assert_eq!(set.len(), 4);
    assert!(set[0].ends_with("; Path=/; Max-Age=3600; SameSite=Lax; HttpOnly; Secure"), "{}", set[0]);
    assert!(set[1].ends_with("; Path=/; Max-Age=3600; SameSite=Lax; Secure"), "{}", set[1]);
    assert!(set[2].contains("Max-Age=0") && set[3].contains("Max-Age=0"));
}

proptest! {
    #[test]
    fn a_token_with_any_changed_byte_is_refused(place in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
        let mut token = mint(Role::Viewer).into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        token[place] = byte;
        let token = String::from_utf8(token).expect("ASCII stays ASCII");
        // The last character of the signature carries four unused bits that the reader must refuse as well.
        prop_assert!(keys().verify(&token).is_err(), "{}", token);
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}|[A-Za-z0-9_.-]{0,200}") {
        prop_assert!(keys().verify(&text).is_err());
    }
}
