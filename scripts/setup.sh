#!/usr/bin/env bash
# Installs what is missing on a Debian 12 machine with a Rust toolchain: servers and a browser for tests, the two cargo
# tools, and the two bookkeeping programs that exported journals are proven with. What is there is left alone. Servers
# that Debian starts by itself are never used: testkit starts private ones on free ports.
#
# Usage: scripts/setup.sh [build | servers | test]
#   build   what `make demo` and `make bench` need: a C compiler for a few packages
#   servers that, and the servers that `make stack` starts privately
#   test    that, and everything `make test` needs (the default)
set -euo pipefail

NEXTEST_VERSION=0.9.143
DENY_VERSION=0.20.2
BEANCOUNT_VERSION=3.2.3

bin="${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH="$PATH:$bin"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Takes pairs PACKAGE:PATTERN; a file that fits the pattern says that the package is there.
install_packages() {
    local missing=() pair
    for pair in "$@"; do
        compgen -G "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "setup: installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_nextest() {
    ! cargo nextest --version >/dev/null 2>&1 || return 0
    echo "setup: building cargo-nextest $NEXTEST_VERSION (some minutes, once)"
    install_from_source cargo-nextest "$NEXTEST_VERSION"
}

install_deny() {
    ! cargo deny --version >/dev/null 2>&1 || return 0
    echo "setup: building cargo-deny $DENY_VERSION (some minutes, once)"
    install_from_source cargo-deny "$DENY_VERSION"
}

# Without optimization: both tools wait for cargo and for tests, and build in a third of the time.
install_from_source() {
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug "$1" --version "$2"
}

# In a folder of its own (40 MB, ten seconds), where libs/exports' tests look for it; nothing of the system changes.
install_beancount() {
    local folder version
    folder="$(dirname "$0")/../target/beancount"
    version="$("$folder/bin/python" -c 'import beancount; print(beancount.__version__)' 2>/dev/null || true)"
    [ "$version" != "$BEANCOUNT_VERSION" ] || return 0
    echo "setup: installing beancount $BEANCOUNT_VERSION in target/beancount"
    rm -rf "$folder"
    mkdir -p "$folder"
    /usr/bin/python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "beancount==$BEANCOUNT_VERSION"
}

case "${1:-test}" in
build)
    install_packages gcc:/usr/bin/cc
    ;;
servers)
    install_packages \
        gcc:/usr/bin/cc \
        'postgresql:/usr/lib/postgresql/*/bin/initdb' \
        redis-server:/usr/bin/redis-server \
        rabbitmq-server:/usr/lib/rabbitmq/bin/rabbitmq-server
    ;;
test)
    install_packages \
        gcc:/usr/bin/cc \
        'postgresql:/usr/lib/postgresql/*/bin/initdb' \
        redis-server:/usr/bin/redis-server \
        rabbitmq-server:/usr/lib/rabbitmq/bin/rabbitmq-server \
        chromium-headless-shell:/usr/bin/chromium-headless-shell \
        chromium-driver:/usr/bin/chromedriver \
        'libfaketime:/usr/lib/*/faketime/libfaketimeMT.so.1' \
        hledger:/usr/bin/hledger \
        'python3-venv:/usr/lib/python3.*/ensurepip/__main__.py'
    install_beancount
    install_nextest
    install_deny
    ;;
*)
    echo "setup: build, servers or test, not $1" >&2
    exit 2
    ;;
esac
