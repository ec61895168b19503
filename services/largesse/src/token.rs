//! `largesse token`: a bearer token signed with the data directory's key.

use crate::cli::{RoleName, TokenArgs};
use crate::failure::Failure;
use crate::secrets::Secrets;
use std::process::ExitCode;
use std::time::Duration;

/// Prints a token on standard output and nothing else.
pub fn run(args: TokenArgs) -> Result<ExitCode, Failure> {
    let secrets = Secrets::open(&args.data_dir)?;
    let keys = secrets.token_keys()?;
    let ttl = Duration::from_secs(u64::from(args.ttl_s));
    let role = role(args.role);
    let sub = subject(role, &args.sub);
    let token = match &args.tenant {
        Some(name) => keys.mint_of(tenant(name), role, sub, ttl),
        None => keys.mint(role, sub, ttl),
    };
    let token = token.map_err(Failure::Token)?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

/// A UUID as it is, or the id that a name stands for: the person that the pages' sign-in makes of it, too.
pub fn subject(role: edge::Role, sub: &str) -> ids::Uuid {
    ids::Uuid::try_parse(sub).unwrap_or_else(|_| role.person_named(sub))
}

fn tenant(name: &str) -> ids::Uuid {
    ids::Uuid::try_parse(name).unwrap_or_else(|_| ids::named_id("tenant", name))
}

fn role(name: RoleName) -> edge::Role {
    match name {
        RoleName::Viewer => edge::Role::Viewer,
        RoleName::Finance => edge::Role::Finance,
        RoleName::FinanceMaker => edge::Role::FinanceMaker,
        RoleName::FinanceChecker => edge::Role::FinanceChecker,
        RoleName::Auditor => edge::Role::Auditor,
        RoleName::Sre => edge::Role::Sre,
    }
}
