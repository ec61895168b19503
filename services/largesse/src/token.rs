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
    let token = keys.mint(role(args.role), subject(&args.sub), ttl).map_err(Failure::Token)?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

/// A UUID as it is, or the id a name stands for in development and in samples.
pub fn subject(sub: &str) -> ids::Uuid {
    ids::Uuid::try_parse(sub).unwrap_or_else(|_| ids::named_id("viewer", sub))
}

fn role(name: RoleName) -> edge::Role {
    match name {
        RoleName::Viewer => edge::Role::Viewer,
        RoleName::Finance => edge::Role::Finance,
        RoleName::Sre => edge::Role::Sre,
    }
}
