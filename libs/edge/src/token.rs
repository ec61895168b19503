//! Tokens: who somebody is, signed. JWT with HS256; the secret never shows.

use contracts::class::{Classed, ErrorClass};
use ids::Uuid;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp,
};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The shortest secret taken, in bytes: the length of the signature.
pub const SECRET_LEN_MIN: usize = 32;

/// The longest token worth reading, in bytes.
const TOKEN_LEN_MAX: usize = 1_024;

/// Genuine tokens remembered, so that checking one again costs a look and not a signature (about 5 MB).
const SEEN_TOKENS_MAX: usize = 16_384;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    /// Finance in one person, for development and small teams: reads, commands the services directly, and makes
    /// proposals. It decides none.
    Finance,
    /// Reads, and proposes what is to be done about a break.
    #[serde(rename = "finance-maker")]
    FinanceMaker,
    /// Reads, and decides what others have proposed.
    #[serde(rename = "finance-checker")]
    FinanceChecker,
    /// Reads, and changes nothing.
    Auditor,
    Sre,
    /// Another process of the same system. No person has it: it has no name that could be asked for.
    Internal,
}

impl Role {
    /// Those that a person may have.
    pub const OF_PEOPLE: [Role; 6] =
        [Role::Viewer, Role::Finance, Role::FinanceMaker, Role::FinanceChecker, Role::Auditor, Role::Sre];

    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Finance => "finance",
            Role::FinanceMaker => "finance-maker",
            Role::FinanceChecker => "finance-checker",
            Role::Auditor => "auditor",
            Role::Sre => "sre",
            Role::Internal => "internal",
        }
    }

    /// The id that a name stands for in development and in samples.
    ///
    /// One person of finance is one in every role, or two sign-ins could be maker and checker of one proposal.
    pub fn person_named(self, name: &str) -> Uuid {
        let kind = match self {
            Role::Finance | Role::FinanceMaker | Role::FinanceChecker | Role::Auditor => Role::Finance,
            Role::Viewer | Role::Sre | Role::Internal => self,
        };
        ids::named_id(kind.as_str(), name)
    }
}

impl std::str::FromStr for Role {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Role, TokenError> {
        Role::OF_PEOPLE.into_iter().find(|role| role.as_str() == text).ok_or(TokenError::NoSuchRole)
    }
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    /// Who.
    pub sub: Uuid,
    pub role: Role,
    /// Issued at and expires at, in Unix seconds.
    pub iat: u64,
    pub exp: u64,
    /// The token's own id. Pages also use it as the CSRF value of the session.
    pub jti: Uuid,
    /// Whose people these are, where several brands share the rooms; quotas may bound each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Uuid>,
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("a bearer token is needed")]
    Missing,
    #[error("the token is not one of ours")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("this role may not do that")]
    RoleNotAllowed,
    #[error("the request does not prove that it came from our pages")]
    CsrfRefused,
    #[error("a role is one of viewer, finance, finance-maker, finance-checker, auditor, sre")]
    NoSuchRole,
    #[error("a token secret has at least {SECRET_LEN_MIN} bytes")]
    SecretTooShort,
    #[error("the token could not be signed")]
    NotSigned,
    #[error("the router has no edge around it")]
    NoEdge,
}

impl Classed for TokenError {
    fn class(&self) -> ErrorClass {
        match self {
            TokenError::Missing
            | TokenError::Invalid
            | TokenError::Expired
            | TokenError::RoleNotAllowed
            | TokenError::CsrfRefused => ErrorClass::Denied,
            TokenError::NoSuchRole => ErrorClass::Rejected,
            TokenError::SecretTooShort | TokenError::NotSigned | TokenError::NoEdge => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            TokenError::Missing => "token-missing",
            TokenError::Invalid => "token-invalid",
            TokenError::Expired => "token-expired",
            TokenError::RoleNotAllowed => "role-not-allowed",
            TokenError::CsrfRefused => "csrf-refused",
            TokenError::NoSuchRole => "no-such-role",
            TokenError::SecretTooShort => "secret-too-short",
            TokenError::NotSigned => "token-not-signed",
            TokenError::NoEdge => "edge-missing",
        }
    }
}

/// The keys that sign and check tokens. Clones share them; `Debug` does not show them.
#[derive(Clone)]
pub struct TokenKeys(Arc<Keys>);

struct Keys {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    /// Tokens whose signature was right, by their whole text. Their time is checked again every time.
    seen: RwLock<HashMap<Box<str>, Claims>>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKeys(…)")
    }
}

impl TokenKeys {
    /// Keys from a shared secret.
    ///
    /// # Errors
    /// [`TokenError::SecretTooShort`] below [`SECRET_LEN_MIN`] bytes.
    pub fn from_secret(secret: &[u8]) -> Result<TokenKeys, TokenError> {
        if secret.len() < SECRET_LEN_MIN {
            return Err(TokenError::SecretTooShort);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_aud = false; // Our tokens name no audience.
        let (signing, checking) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Ok(TokenKeys(Arc::new(Keys { signing, checking, validation, seen: RwLock::default() })))
    }

    /// Signs a token that holds from now for `ttl`.
    ///
    /// # Errors
    /// [`TokenError::NotSigned`], which no known input causes.
    pub fn mint(&self, role: Role, sub: Uuid, ttl: Duration) -> Result<String, TokenError> {
        self.mint_at(role, sub, ttl, SystemTime::now())
    }

    /// As [`TokenKeys::mint`], for somebody of a tenant.
    ///
    /// # Errors
    /// As [`TokenKeys::mint`].
    pub fn mint_of(&self, tenant: Uuid, role: Role, sub: Uuid, ttl: Duration) -> Result<String, TokenError> {
        self.sign_at(role, sub, Some(tenant), (ttl, SystemTime::now()))
    }

    /// Signs a token that holds from `issued_at` for `ttl`.
    ///
    /// # Errors
    /// As [`TokenKeys::mint`].
    pub fn mint_at(
        &self,
        role: Role,
        sub: Uuid,
        ttl: Duration,
        issued_at: SystemTime,
    ) -> Result<String, TokenError> {
        self.sign_at(role, sub, None, (ttl, issued_at))
    }

    fn sign_at(
        &self,
        role: Role,
        sub: Uuid,
        tenant: Option<Uuid>,
        (ttl, issued_at): (Duration, SystemTime),
    ) -> Result<String, TokenError> {
        let iat = issued_at.duration_since(UNIX_EPOCH).map_err(|_| TokenError::NotSigned)?.as_secs();
        let exp = iat.saturating_add(ttl.as_secs());
        self.sign(&Claims { sub, role, iat, exp, jti: Uuid::now_v7(), tenant })
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        encode(&Header::new(Algorithm::HS256), claims, &self.0.signing).map_err(|_| TokenError::NotSigned)
    }

    /// Checks a token against the clock and the signature.
    ///
    /// # Errors
    /// [`TokenError::Expired`] for a genuine token past its time, [`TokenError::Invalid`] for all else.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Invalid);
        }
        let seen = self.0.seen.read().unwrap_or_else(PoisonError::into_inner).get(token).copied();
        if let Some(claims) = seen {
            return if claims.exp < get_current_timestamp() { Err(TokenError::Expired) } else { Ok(claims) };
        }
        match decode::<Claims>(token, &self.0.checking, &self.0.validation) {
            Ok(decoded) => {
                self.remember(token, decoded.claims);
                Ok(decoded.claims)
            }
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Err(TokenError::Expired),
            Err(_) => Err(TokenError::Invalid),
        }
    }

    fn remember(&self, token: &str, claims: Claims) {
        let mut seen = self.0.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_TOKENS_MAX {
            seen.clear(); // Forgetting all of them costs each one signature, and needs no order to be kept.
        }
        seen.insert(token.into(), claims);
    }
}
