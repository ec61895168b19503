# Reads "PID SIGNAL" lines until whoever started it is gone or closes the pipe, then stops those processes,
# gently first, and removes the folder. Ids are compared with their start time, so that a process that got a
# dead one's number is never touched.
trap '' INT TERM HUP
dir=${1:?}
kept=

born() { # Prints when a living process started, and nothing for a dead one or a zombie.
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    set -- ${stat##*) }
    [ "$1" = Z ] || echo "${20}"
}

while read -r pid signal; do
    kept="$kept $pid:$signal:$(born "$pid")"
done

alive() { # Prints the entries that still run.
    for entry in $kept; do
        pid=${entry%%:*}
        start=${entry##*:}
        if [ -n "$start" ] && [ "$(born "$pid")" = "$start" ]; then echo "$entry"; fi
    done
}

for entry in $(alive); do
    signal=${entry#*:}
    kill -"${signal%%:*}" "${entry%%:*}" 2>/dev/null
done
tries=0
while [ -n "$(alive)" ] && [ $tries -lt 200 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
for entry in $(alive); do
    kill -KILL -- "-${entry%%:*}" 2>/dev/null || kill -KILL "${entry%%:*}" 2>/dev/null
done

# A browser leaves its driver's process group; it is known by the profile folder that is ours alone.
browsers() {
    printf '%s\n' "--user-data-dir=$dir/" "--database=$dir/" | grep -lF -f - /proc/[0-9]*/cmdline 2>/dev/null
}
tries=0
while [ -n "$(browsers)" ] && [ $tries -lt 100 ]; do
    for file in $(browsers); do
        pid=${file#/proc/}
        kill -KILL "${pid%/cmdline}" 2>/dev/null
    done
    sleep 0.05
    tries=$((tries + 1))
done
rm -rf "${dir:?}"
[ ! -e "$dir" ] || { sleep 0.5; rm -rf "${dir:?}"; }
