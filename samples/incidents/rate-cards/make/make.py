#!/usr/bin/env python3
"""Makes the bundle: runs the service in a memory cgroup (v1) of 160 MiB, scrapes it and the cgroup every five seconds, and
takes heap and goroutine profiles every minute. As root, with Go 1.26 or later: make.py FOLDER [SECONDS].

Prometheus's part is played by this script: what it writes is OpenMetrics with the times of the scrapes, the service's own
figures under its names and the cgroup's under cAdvisor's.
"""
import gzip
import os
import subprocess
import sys
import time
import urllib.request

OUT, SECONDS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
HERE = os.path.dirname(os.path.abspath(__file__))
NS, POD, C, PORT = "freight", "rate-cards-7c9d5b6f48-m2xqz", "rate-cards", "18380"
CG = "/sys/fs/cgroup/memory/rate_cards_sample"
LABELS = '{namespace="%s",pod="%s",container="%s"}' % (NS, POD, C)

home = f"{OUT}/namespaces/{NS}/pods/{POD}/{C}"
for d in ("profiles", "cgroup", "logs"):
    os.makedirs(f"{home}/{d}", exist_ok=True)
os.makedirs(f"{OUT}/prometheus", exist_ok=True)
binary = f"{OUT}/../rate-cards"
subprocess.run(["go", "build", "-trimpath", "-o", os.path.abspath(binary), "."], cwd=HERE, check=True)
os.makedirs(CG, exist_ok=True)
open(f"{CG}/memory.limit_in_bytes", "w").write(str(160 << 20))

carrier = subprocess.Popen([binary], env={**os.environ, "ROLE": "carrier"}, stdout=subprocess.PIPE, text=True)
address = carrier.stdout.readline().strip()
log = open(f"{home}/logs/current.log", "w")
service = subprocess.Popen([binary], env={**os.environ, "CARRIER": address, "PORT": PORT, "GOMEMLIMIT": "140MiB"}, stdout=log,
                           preexec_fn=lambda: open(f"{CG}/cgroup.procs", "w").write(str(os.getpid())))


def get(path):
    return urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=20).read()


def cgroup():
    read = lambda f: open(f"{CG}/{f}").read()
    stat = dict(l.split() for l in read("memory.stat").splitlines())
    usage = int(read("memory.usage_in_bytes"))
    return {
        "container_memory_usage_bytes": usage,
        "container_memory_rss": int(stat["total_rss"]),
        "container_memory_cache": int(stat["total_cache"]),
        "container_memory_working_set_bytes": max(0, usage - int(stat["total_inactive_file"])),
        "container_spec_memory_limit_bytes": int(read("memory.limit_in_bytes")),
    }


series, start, shots = {}, time.time(), 0
time.sleep(3)
try:
    while time.time() - start < SECONDS:
        now = time.time()
        for line in get("/metrics").decode().splitlines():
            if not line.startswith("#"):
                name, v = line.split()
                series.setdefault(name, []).append((now, v))
        for name, v in cgroup().items():
            series.setdefault(name, []).append((now, v))
        if now - start > 15 + shots * (SECONDS - 30) / 4 and shots < 5:
            for kind, query, file in [("heap", "?gc=1", "heap_t%d.pb.gz"), ("goroutine", "", "goroutine_t%d.pb.gz")]:
                open(f"{home}/profiles/" + file % shots, "wb").write(get(f"/debug/pprof/{kind}{query}"))
            shots += 1
        time.sleep(max(0, now + 5 - time.time()))
    open(f"{home}/profiles/goroutine_t4.debug2.txt.gz", "wb").write(gzip.compress(get("/debug/pprof/goroutine?debug=2")))
    for f in ("memory.stat", "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"):
        open(f"{home}/cgroup/{f}", "w").write(open(f"{CG}/{f}").read())
finally:
    service.kill()
    service.wait()
    carrier.kill()
    os.rmdir(CG)
with open(f"{OUT}/prometheus/metrics.om", "w") as out:
    for name in sorted(series):
        out.write(f"# TYPE {name} gauge\n")
        for t, v in series[name]:
            out.write(f"{name}{LABELS} {v} {t:.3f}\n")
    out.write("# EOF\n")
os.remove(binary)
