#!/usr/bin/env bash
# Makes the readings of a node's kernel: files of a v1 memory controller, of /proc, and tables of ps and top, all of one
# small Python service in a cgroup of its own. Needs root, python3 and a v1 memory controller at /sys/fs/cgroup/memory; run
# it in this folder. Random in it: sizes, times, pids within the new pid namespace.
set -euo pipefail
group=/sys/fs/cgroup/memory/kubepods/burstable/pod26ce2389-73be-4175-8704-bcc741eba5d9
mkdir -p "$group" /srv/app/out
echo 64M >"$group/memory.limit_in_bytes"
cat >/srv/app/service.py <<'P'
import tempfile, time
kept = [bytearray(1 << 20) for _ in range(24)]
with tempfile.TemporaryFile(dir="/srv/app") as f:
    f.write(b"x" * (8 << 20))
    f.flush()
    time.sleep(20)
P
cat >/srv/app/read.sh <<'R'
set -eu
hostname worker-3
echo $$ >"$1/cgroup.procs"
/usr/bin/python3 /srv/app/service.py &
service=$!
sleep 4
cd /srv/app/out
for f in usage_in_bytes limit_in_bytes max_usage_in_bytes failcnt stat oom_control; do
  cat "$1/memory.$f" >"memory.$f"
done
cat /proc/$service/status >status.txt
cat /proc/$service/smaps_rollup >smaps_rollup.txt
cat /proc/meminfo >meminfo.txt
ps aux >ps-aux.txt
ps -eo pid,ppid,rss,vsz,nlwp,comm >ps-eo.txt
COLUMNS=120 top -b -n 1 | sed -n '/PID/,$p' >top.txt
kill $service
R
# A pid and a host name space of its own: the tables show this service and nothing else of the machine.
env -i PATH=/usr/bin:/bin unshare --uts --pid --fork --mount-proc bash /srv/app/read.sh "$group"
mv /srv/app/out/* .
sleep 1
rmdir "$group" /sys/fs/cgroup/memory/kubepods/burstable /sys/fs/cgroup/memory/kubepods
rm -rf /srv/app
