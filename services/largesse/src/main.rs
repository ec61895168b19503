//! `largesse`: the one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    largesse::main()
}
