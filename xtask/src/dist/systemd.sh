#!/usr/bin/env bash
# Boots this machine's systemd in namespaces over a copy-on-write root, installs the Debian package there, and drives
# the unit as an administrator does. As root. Usage: systemd.sh PACKAGE
set -euo pipefail
package=$(realpath "$1")
folder=$(mktemp -d)
inside=()
end() {
  [ -z "${booted:-}" ] || kill -9 "$booted" 2>/dev/null || true
  wait 2>/dev/null || true
  # What systemd made of the control group in which it was.
  for _ in $(seq 100); do
    find "$group"/init.scope "$group"/system.slice "$group"/user.slice -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -e "$group/init.scope" ] || break
    sleep 0.1
  done
  umount "$folder"
  rmdir "$folder"
}
mount -t tmpfs none "$folder"
# The control group in which this is, of version 2.
mounted=$(findmnt -n -o TARGET -t cgroup2 | head -1)
group=$mounted$(sed -n 's/^0:://p' /proc/self/cgroup)
trap end EXIT
mkdir "$folder"/{upper,work,root}
cp "$package" "$folder/testudo.deb"

cat >"$folder/boot" <<'EOF'
set -e
root=$1/root
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mkdir -p "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mkdir "$root/package"
cp "$1/testudo.deb" "$1/try" "$root/package/"
: >"$root/etc/fstab"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
rm -f "$root/usr/sbin/policy-rc.d"
# They would change settings of the kernel, which is this machine's.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
export container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$root"
exec chroot . /lib/systemd/systemd --system --unit=basic.target
EOF

cat >"$folder/try" <<'EOF'
set -euo pipefail
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_PAGER=
must() { eval "$1" >/tmp/said 2>&1 || { echo "FAILED: $1"; cat /tmp/said; journalctl -u testudo --no-pager | tail -20; exit 1; }; echo "ok: $1"; }
eventually() { for _ in $(seq 600); do if eval "$1" >/tmp/said 2>&1; then echo "ok: $1"; return; fi; sleep 0.1; done; must "$1"; }
configuration=/etc/testudo/testudo.toml
must 'dpkg -i /package/testudo.deb'
must '! systemctl is-active testudo'
must "testudo check --config $configuration"
# A source that refuses at once: no start waits for a name that does not exist.
sed -i 's#https://spire.prod.example:8443#https://127.0.0.1:1#' "$configuration"
must 'systemctl start testudo'
must 'systemctl show -P StatusText testudo | grep "^ready on http://127.0.0.1:8080"'
# Its only source does not answer: a node waits 30 s for keys before it is ready without them.
eventually 'curl -sf http://127.0.0.1:8080/readyz'
must 'grep -E "^CapEff:\s+0000000000000000$" "/proc/$(systemctl show -P MainPID testudo)/status"'
must 'grep -E "^Seccomp:\s+2$" "/proc/$(systemctl show -P MainPID testudo)/status"'
must "testudo reload --config $configuration"
must 'journalctl -u testudo --no-pager | grep "uid:0(root)"'
must 'systemctl kill -s HUP testudo'
eventually 'systemctl show -P StatusText testudo | grep "^reloaded"'
cp "$configuration" /tmp/kept
echo 'unknown = 1' >"$configuration"
must 'systemctl kill -s HUP testudo'
eventually 'systemctl show -P StatusText testudo | grep "^not reloaded"'
cp /tmp/kept "$configuration"
must 'systemctl stop testudo'
must 'systemctl start testudo.socket'
must '! systemctl is-active testudo'
must 'curl -sf http://127.0.0.1:8080/livez'
(for _ in $(seq 40); do curl -s -o /dev/null -w '%{http_code}\n' --max-time 60 http://127.0.0.1:8080/livez; done) >/tmp/codes &
must 'systemctl restart testudo'
must 'systemctl restart testudo'
wait
must '[ "$(grep -c "^200$" /tmp/codes)" = 40 ]'
must 'dpkg -i /package/testudo.deb'
must 'systemctl is-active testudo'
must 'dpkg -P testudo'
must '! systemctl is-active testudo'
must '[ -e /var/lib/testudo/testudo.db.kek ] && [ ! -e /etc/testudo ]'
EOF

unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net bash "$folder/boot" "$folder" >"$folder/log" 2>&1 &
booted=$!
for _ in $(seq 600); do
  first=$(cat "/proc/$booted/task/$booted/children" 2>/dev/null | tr -d ' ') || true
  inside=(nsenter -t "$first" -m -p -u -i -n -r)
  state=$([ -n "$first" ] && "${inside[@]}" /usr/bin/systemctl is-system-running 2>/dev/null || true)
  case $state in running | degraded) break ;; esac
  sleep 0.1
done
"${inside[@]}" /usr/bin/bash /package/try
