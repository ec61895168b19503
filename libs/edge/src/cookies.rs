//! Sessions of pages: the same token in a cookie that scripts cannot read, and a second one that they can.
//!
//! A request that may change something must repeat the second cookie in a header, and both must name the
//! session's own token: another site can send our cookies along but can neither read nor choose that value.

use crate::{Claims, Role, TokenError, TokenKeys};
use http::{HeaderMap, HeaderValue, Method, header};
use ids::Uuid;
use std::time::Duration;

/// The cookie that holds the token; scripts cannot read it.
pub const SESSION_COOKIE: &str = "largesse_session";

/// The cookie that holds the CSRF value; scripts read it and repeat it in [`CSRF_HEADER`].
pub const CSRF_COOKIE: &str = "largesse_csrf";

/// The header that repeats the CSRF value.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The two `Set-Cookie` values of a new session.
#[derive(Debug, Clone)]
pub struct SessionCookies {
    pub session: HeaderValue,
    pub csrf: HeaderValue,
    /// The CSRF value itself, for a page that carries it in a form or a tag.
    pub csrf_token: String,
}

impl SessionCookies {
    /// Signs somebody in for `ttl`. With `https` the cookies travel on encrypted connections only.
    ///
    /// # Errors
    /// [`TokenError::NotSigned`], which no known input causes.
    pub fn sign_in(
        keys: &TokenKeys,
        role: Role,
        sub: Uuid,
        ttl: Duration,
        scheme: &http::uri::Scheme,
    ) -> Result<SessionCookies, TokenError> {
        let token = keys.mint(role, sub, ttl)?;
        let csrf_token = keys.verify(&token)?.jti.to_string();
        let secure = if *scheme == http::uri::Scheme::HTTPS { "; Secure" } else { "" };
        let ttl_s = ttl.as_secs();
        let cookie = |name: &str, value: &str, access: &str| {
            let text = format!("{name}={value}; Path=/; Max-Age={ttl_s}; SameSite=Lax{access}{secure}");
            HeaderValue::try_from(text).map_err(|_| TokenError::NotSigned)
        };
        let session = cookie(SESSION_COOKIE, &token, "; HttpOnly")?;
        Ok(SessionCookies { session, csrf: cookie(CSRF_COOKIE, &csrf_token, "")?, csrf_token })
    }

    /// Adds both to an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.append(header::SET_COOKIE, self.session.clone());
        headers.append(header::SET_COOKIE, self.csrf.clone());
    }
}

/// Ends a session: both cookies expire at once.
pub fn end_session(headers: &mut HeaderMap) {
    const GONE: [&str; 2] = [
        "largesse_session=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly",
        "largesse_csrf=; Path=/; Max-Age=0; SameSite=Lax",
    ];
    for gone in GONE {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(gone));
    }
}

/// The claims of the session cookie of a request.
pub(crate) fn session_claims(
    method: &Method,
    headers: &HeaderMap,
    keys: &TokenKeys,
) -> Result<Claims, TokenError> {
    let token = find_cookie(headers, SESSION_COOKIE).ok_or(TokenError::Missing)?;
    let claims = keys.verify(token)?;
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(claims);
    }
    let sent = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let kept = find_cookie(headers, CSRF_COOKIE);
    let ours = claims.jti.to_string();
    if sent == Some(ours.as_str()) && kept == sent { Ok(claims) } else { Err(TokenError::CsrfRefused) }
}

/// The first cookie of a name.
fn find_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}
