#!/bin/sh
# Makes the docker-*.json and podman-*.json samples: a static program that takes N MiB and sleeps, killed at its limit and
# alive below it. Needs root, dockerd (20.10) with DOCKER_HOST set, podman (4.3), gcc. Random in the result: ids, times, pids.
set -eu
cat > hog.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  for (long i = 0, n = atol(argv[1]); i < n; i++) memset(malloc(1 << 20), 1, 1 << 20);
  sleep(argc > 2 ? atoi(argv[2]) : 0);
}
C
gcc -static -O1 -o hog hog.c && tar -cf img.tar hog && docker import img.tar acme/hog:1
uid=6f1c0f4e-5a0b-4c1e-9d2f-7a8b9c0d1e2f
# Named and labelled as cri-dockerd does it.
pod() {
  n=$1; shift
  docker run --network none --name "k8s_app_cart-0_shop_${uid}_$n" --hostname cart-0 --memory 96m --memory-swap 96m \
    --oom-score-adj 985 -e MODE=batch --label io.kubernetes.container.name=app --label io.kubernetes.pod.name=cart-0 \
    --label io.kubernetes.pod.namespace=shop --label io.kubernetes.pod.uid=$uid --label io.kubernetes.docker.type=container \
    --label annotation.io.kubernetes.container.restartCount="$n" "$@"
}
pod 1 acme/hog:1 /hog 300 || true
pod 2 -d acme/hog:1 /hog 70 3000
docker run -d --network none --restart on-failure:3 --name search --memory 64m --memory-swap 64m acme/hog:1 /hog 100
sleep 8
docker inspect "k8s_app_cart-0_shop_${uid}_1" "k8s_app_cart-0_shop_${uid}_2" search > docker-inspect.json
docker stats --no-stream --format '{{json .}}' > docker-stats.json
docker ps -a --no-trunc --format '{{json .}}' > docker-ps.json
docker stats --no-stream > ../crictl-table/docker-stats.txt
docker ps -a > ../crictl-table/docker-ps.txt
podman import img.tar acme/hog:1
podman run --network none --memory 64m --memory-swap 64m --name cart acme/hog:1 /hog 200 || true
podman run -d --network none --memory 96m --memory-swap 96m --name search acme/hog:1 /hog 70 3000
sleep 2
podman inspect cart search > podman-inspect.json
podman stats --no-stream --format json > podman-stats.json
podman ps -a --format json > podman-ps.json
