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
# What is not in the folder: the tests wrote here how it is removed.
[ -e "$FOLDER/at-end.sh" ] && sh "$FOLDER/at-end.sh"
# Memory by which a PostgreSQL keeps others out of its data, where it was killed.
for file in $(find "$FOLDER" -name postmaster.pid); do
    ipcrm -m "$(awk 'NR == 7 { print $2 }' "$file")"
done
rm -rf --one-file-system -- "$FOLDER"
