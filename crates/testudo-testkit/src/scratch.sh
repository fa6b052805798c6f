# Waits for the end of a test process, ends what it left running, and removes its folder.
trap '' HUP INT QUIT TERM
# Ends when the test process has: it holds the other end of this pipe, and writes nothing.
read -r _
# Processes that name something in the folder, in their arguments or their environment, or that work in it.
left() {
    pgrep -f -- "$FOLDER/"
    grep -laF "$FOLDER/" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
    ls -ld /proc/[0-9]*/cwd /proc/[0-9]*/root 2>/dev/null |
        sed -n "s|.* /proc/\([0-9]*\)/[a-z]* -> $FOLDER.*|\1|p"
}
round=0
while pids=$(left | sort -u) && [ -n "$pids" ] && [ $round -lt 100 ]; do
    for pid in $pids; do
        signal=KILL
        # A PostgreSQL that is killed leaves its shared memory behind; this signal makes it end at once.
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ] && [ $round -lt 50 ] && signal=QUIT
        kill -$signal "$pid"
        kill -CONT "$pid"
    done
    round=$((round + 1))
    sleep 0.1
done
rm -rf --one-file-system -- "$FOLDER"
