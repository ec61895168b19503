#!/bin/sh
# Called by cargo in front of rustc for each crate of this workspace. What tests run (the `dev` profile) is compiled by
# clippy's own compiler, warnings denied: so lints need no pass of their own, in which every dependency would be checked
# once more. Test binaries are compiled without optimisation: they are a third of a build, and what takes time in a test
# is the crate that it tests. What people run is compiled by rustc, as ever.
#
# Usage: scripts/rustc-with-lints.sh RUSTC ARGUMENT...
case " $* " in
*"--emit=dep-info,link "*"/debug/deps "* | *"--emit=dep-info,metadata,link "*"/debug/deps "*) ;;
*) exec "$@" ;;
esac
case " $* " in
*" --test "*) set -- "$@" -C opt-level=0 ;;
esac
# Without clippy a build is only not linted; `make test` asks for it first.
command -v clippy-driver >/dev/null || exec "$@"
exec clippy-driver "$@" -D warnings
