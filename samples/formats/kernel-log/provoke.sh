#!/bin/sh
# Provokes two memory-cgroup kills on this machine (root, cgroup v1 memory controller mountable) and prints the kernel's
# reports: sh provoke.sh > boot.dmesg.txt. The pod UIDs and container ids below are made up.
set -e
root=$(mktemp -d)
mount -t cgroup -o memory none "$root"
before=$(dmesg | wc -l)
kill_in() { # cgroup, limit in bytes, bytes to take, name of the process
    mkdir -p "$root/$1"
    echo "$2" > "$root/$1/memory.limit_in_bytes"
    sh -c "echo \$\$ > '$root/$1/cgroup.procs'; exec python3 -c \"
open('/proc/self/comm','w').write('$4')
x = bytearray($3)\"" || true
}
kill_in kubepods/burstable/pod3f1c2b7a-9d4e-4a55-8c66-0b1e2d3f4a5b/5d0c7a1e9b2f4c6d8e0a1b3c5d7e9f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e 67108864 209715200 'cart api'
kill_in kubepods/pod77aa88bb-1c2d-4e3f-9a0b-c1d2e3f4a5b6/9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3c2b1a0f9e8d 50331648 104857600 'a) b(c'
dmesg | tail -n "+$((before + 1))"
find "$root/kubepods" -depth -type d -exec rmdir {} +
umount "$root"
rmdir "$root"
