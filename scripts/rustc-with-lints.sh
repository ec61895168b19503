#!/bin/sh
# Called by cargo in front of rustc for each crate of this workspace. What tests run (the `dev` profile) is linted by
# clippy, warnings denied, and then compiled: a pass of `cargo clippy` of its own would check every dependency once more.
# Test binaries are compiled without optimisation: they are a third of a build, and what takes time in a test is the
# crate that it tests. What people run is compiled by rustc alone.
#
# Usage: scripts/rustc-with-lints.sh RUSTC ARGUMENT...
case " $* " in
*"--emit=dep-info,link "*"/debug/deps "* | *"--emit=dep-info,metadata,link "*"/debug/deps "*) ;;
*) exec "$@" ;;
esac

# Lints: the same arguments, but nothing is written for cargo to find.
lint() {
    linted=$(mktemp -d)
    for argument in "$@"; do
        shift
        case $argument in
        --emit=*) argument="--emit=metadata=$linted/crate.rmeta" ;;
        --json=*) argument=--json=diagnostic-rendered-ansi ;;
        esac
        set -- "$@" "$argument"
    done
    clippy-driver "$@" -D warnings
    outcome=$?
    rm -rf "$linted"
    return $outcome
}

# Without clippy a build is only not linted; `make test` asks for it first.
if command -v clippy-driver >/dev/null; then
    lint "$@" || exit
fi
case " $* " in
*" --test "*) exec "$@" -C opt-level=0 ;;
*) exec "$@" ;;
esac
