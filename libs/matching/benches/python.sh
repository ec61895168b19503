#!/usr/bin/env bash
# Makes a Python of the bench's own with pandas in it, once; installs what Debian splits off from Python.
#
# Usage: libs/matching/benches/python.sh FOLDER
set -euo pipefail

PANDAS_VERSION=3.1.1

folder=$1

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if "$folder/bin/python3" -c "import pandas; assert pandas.__version__ == '$PANDAS_VERSION'" 2>/dev/null; then
    exit 0
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "bench-matching: installing python3-venv"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
echo "bench-matching: installing pandas $PANDAS_VERSION into $folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "pandas==$PANDAS_VERSION"
