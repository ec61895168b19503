#!/bin/sh
# Called by cargo in front of rustc for each crate of this workspace: compiles test binaries without optimisation.
# They are a third of a build, and what takes time in a test is the crate that it tests, which is compiled as ever.
#
# Usage: scripts/rustc-for-tests.sh RUSTC ARGUMENT...
rustc=$1
shift
case " $* " in
*" --test "*) exec "$rustc" "$@" -C opt-level=0 ;;
*) exec "$rustc" "$@" ;;
esac
