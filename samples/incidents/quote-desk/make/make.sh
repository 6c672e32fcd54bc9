#!/bin/bash
# Makes the incident anew: a Debian 12 root file system with containerd, runc and
# Prometheus, the service as a container in it, load, and real kills by the
# kernel of the machine this runs on. Needs root, a kernel with cgroup v1 memory
# mounted at /sys/fs/cgroup/memory, mmdebstrap, zstd, node 20, npm and a kubectl
# binary (KUBECTL=...). Takes about a quarter of an hour; numbers, ids and times differ
# from run to run.
# usage: make.sh WORKDIR    (bundle ends up in WORKDIR/result/bundle)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1
kubectl=${KUBECTL:-$(command -v kubectl)}
mkdir -p "$work"
cd "$work"

if [ ! -d rootfs ]; then
  mmdebstrap --variant=minbase --include=procps,util-linux,iproute2,containerd,runc,prometheus,prometheus-node-exporter,curl,ca-certificates,python3,python3-grpcio,python3-protobuf,protobuf-compiler,busybox-static,libatomic1 \
    bookworm rootfs "${MIRROR:?set MIRROR to the address of a Debian mirror}"
fi

# The service's image: node, the libraries it links, the program.
rm -rf image && mkdir -p image/{tmp,proc,sys,dev,etc,var/snapshots,usr/bin,lib/x86_64-linux-gnu,lib64,srv/app}
cp -r "$here/app/." image/srv/app/
(cd image/srv/app && npm install --omit=dev --no-audit --no-fund --silent)
cp "$(command -v node)" image/usr/bin/node
for lib in libdl.so.2 libstdc++.so.6 libm.so.6 libgcc_s.so.1 libpthread.so.0 libc.so.6; do
  cp -L "$(find rootfs/lib rootfs/usr/lib -name $lib | head -1)" image/lib/x86_64-linux-gnu/
done
cp -L rootfs/lib64/ld-linux-x86-64.so.2 image/lib64/ 2>/dev/null || cp -L rootfs/usr/lib64/ld-linux-x86-64.so.2 image/lib64/
rm -rf pause && mkdir pause && cp rootfs/bin/busybox pause/busybox
mkdir -p rootfs/srv/{images,make}
# Snapshots land in the working directory, as v8.writeHeapSnapshot() does it.
python3 "$here/image.py" registry.example.com/freight/quote-api:1.14.0 image rootfs/srv/images/quote-api.tar '["node", "/srv/app/server.js"]' /var/snapshots
python3 "$here/image.py" registry.k8s.io/pause:3.9 pause rootfs/srv/images/pause.tar '["/busybox", "sleep", "infinity"]'

cp "$here"/{podrunner.py,api_stand_in.py,collect.sh,run.sh,load.mjs,pod.json,prometheus.yml} rootfs/srv/make/
cp "$here/cri.proto" rootfs/srv/make/
cp "$(command -v node)" rootfs/usr/bin/node
cp "$kubectl" rootfs/usr/bin/kubectl
chroot rootfs sh -c 'cd /srv/make && protoc --python_out=. cri.proto'
mkdir -p rootfs/etc/containerd
cat >rootfs/etc/containerd/config.toml <<'T'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
T
printf '127.0.0.1 localhost worker-3\n' >rootfs/etc/hosts
: >rootfs/etc/resolv.conf

# Own mounts, host name and network; the kernel and its memory cgroups (v1) are
# the machine's.
unshare --mount --uts --net --fork bash -euo pipefail -c '
  hostname worker-3
  mount --make-rprivate /
  mount --bind rootfs rootfs
  for dir in proc sys dev; do mount --rbind /$dir rootfs/$dir; done
  mount -t tmpfs none rootfs/run
  mkdir -p rootfs/.old
  cd rootfs
  pivot_root . .old
  umount -l /.old
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TZ=UTC KILLS='"${KILLS:-3}"' bash /srv/make/run.sh
'
rmdir /sys/fs/cgroup/*/kubepods/burstable/pod* /sys/fs/cgroup/*/kubepods/burstable /sys/fs/cgroup/*/kubepods 2>/dev/null || true
rm -rf result && cp -r rootfs/srv/result result
zstd -19 -q --rm result/bundle/heap/*
echo "bundle: $work/result/bundle"
