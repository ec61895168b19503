//! Who asks: extractors that admit a role or answer 401 or 403.

use crate::edge::Edge;
use crate::{Claims, Problem, Role, TokenError, cookies};
use axum::extract::FromRequestParts;
use guard::Scope;
use http::header;
use http::request::Parts;
use ids::{Uuid, ViewerId};
use std::sync::Arc;

/// A viewer, acting for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer(pub ViewerId);

/// A viewer and the tenant they belong to, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantViewer {
    pub viewer_id: ViewerId,
    pub tenant: Option<Uuid>,
}

/// Somebody of finance who may command the services directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finance {
    pub sub: Uuid,
}

/// Anybody of finance, or an auditor: who may read the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinanceReader {
    pub sub: Uuid,
    pub role: Role,
}

/// Anybody of finance: who may work on breaks. An auditor only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinanceWorker {
    pub sub: Uuid,
    pub role: Role,
}

/// Somebody of finance who may propose what another decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinanceMaker {
    pub sub: Uuid,
}

/// Somebody of finance who may decide what another has proposed. That it is another is the tables' to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinanceChecker {
    pub sub: Uuid,
}

/// An SRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sre {
    pub sub: Uuid,
}

/// Whoever may read the books, or an SRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinanceOrSre {
    pub sub: Uuid,
    pub role: Role,
}

/// Another process of the same system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Internal {
    pub sub: Uuid,
}

/// Another process of the same system, or an SRE who looks closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalOrSre {
    pub sub: Uuid,
}

/// Anybody with a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyRole(pub Claims);

/// Who may read the books.
const READERS: [Role; 4] = [Role::Finance, Role::FinanceMaker, Role::FinanceChecker, Role::Auditor];

const READERS_AND_SRES: [Role; 5] =
    [Role::Finance, Role::FinanceMaker, Role::FinanceChecker, Role::Auditor, Role::Sre];

/// The claims of a request: of its bearer token, or of its session cookie if the request proves by its
/// method or its CSRF header that it came from our pages.
fn claims_of(parts: &Parts) -> Result<Claims, TokenError> {
    let edge = parts.extensions.get::<Arc<Edge>>().ok_or(TokenError::NoEdge)?;
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return cookies::session_claims(&parts.method, &parts.headers, &edge.tokens);
    };
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(TokenError::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        edge.tokens.verify(token.trim())
    } else {
        Err(TokenError::Invalid)
    }
}

fn claims_of_role(parts: &Parts, roles: &[Role]) -> Result<Claims, TokenError> {
    let claims = claims_of(parts)?;
    if roles.contains(&claims.role) { Ok(claims) } else { Err(TokenError::RoleNotAllowed) }
}

/// A viewer's claims, if the viewer has not used up what one viewer may ask for. Checked after the token, so that
/// nobody can use up another's.
fn claims_of_viewer(parts: &Parts) -> Result<Claims, Problem> {
    let claims = claims_of_role(parts, &[Role::Viewer])?;
    let quotas = parts.extensions.get::<Arc<Edge>>().and_then(|edge| edge.quotas.as_ref());
    match quotas.map(|quotas| quotas.try_take(&[(Scope::Viewer, claims.sub.as_u128())], 1)) {
        Some(Err(refusal)) => Err(Problem::refused(&refusal)),
        Some(Ok(())) | None => Ok(claims),
    }
}

macro_rules! admits {
    ($($who:ty: |$parts:ident| $claims:expr => |$found:ident| $made:expr;)*) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for $who {
            type Rejection = Problem;

            async fn from_request_parts($parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
                let $found = $claims?;
                Ok($made)
            }
        }
    )*};
}

admits! {
    Viewer: |parts| claims_of_viewer(parts) => |found| Viewer(ViewerId::from_uuid(found.sub));
    TenantViewer: |parts| claims_of_viewer(parts)
        => |found| TenantViewer { viewer_id: ViewerId::from_uuid(found.sub), tenant: found.tenant };
    Finance: |parts| claims_of_role(parts, &[Role::Finance]) => |found| Finance { sub: found.sub };
    Sre: |parts| claims_of_role(parts, &[Role::Sre]) => |found| Sre { sub: found.sub };
    FinanceReader: |parts| claims_of_role(parts, &READERS)
        => |found| FinanceReader { sub: found.sub, role: found.role };
    FinanceWorker: |parts| claims_of_role(parts, &[Role::Finance, Role::FinanceMaker, Role::FinanceChecker])
        => |found| FinanceWorker { sub: found.sub, role: found.role };
    FinanceMaker: |parts| claims_of_role(parts, &[Role::Finance, Role::FinanceMaker])
        => |found| FinanceMaker { sub: found.sub };
    FinanceChecker: |parts| claims_of_role(parts, &[Role::Finance, Role::FinanceChecker])
        => |found| FinanceChecker { sub: found.sub };
    FinanceOrSre: |parts| claims_of_role(parts, &READERS_AND_SRES)
        => |found| FinanceOrSre { sub: found.sub, role: found.role };
    Internal: |parts| claims_of_role(parts, &[Role::Internal]) => |found| Internal { sub: found.sub };
    InternalOrSre: |parts| claims_of_role(parts, &[Role::Internal, Role::Sre])
        => |found| InternalOrSre { sub: found.sub };
    AnyRole: |parts| claims_of(parts) => |found| AnyRole(found);
}
