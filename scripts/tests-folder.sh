#!/bin/bash
# Prints the folder for the tests' files and private servers: in memory, where there is room. A database has hundreds of
# small files, and each test makes and drops some: of a suite's time on two cores a disk's file system took half.
set -euo pipefail

# The whole suite took 0.4 GiB at most.
MIB_NEEDED=2048

memory=/dev/shm
if [ -w "$memory" ] && [ "$(df --output=avail -m "$memory" | tail -n 1)" -ge "$MIB_NEEDED" ] &&
    [ "$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)" -ge $((2 * MIB_NEEDED)) ]; then
    echo "$memory"
else
    echo "${TMPDIR:-/tmp}"
fi
