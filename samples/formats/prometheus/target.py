"""A scrape target that speaks as cAdvisor, kube-state-metrics and a service do: one container that leaks and is restarted
twice, one that is steady. Values are this script's; everything around them is Prometheus' own."""
import http.server
import time

BEGAN = time.time()
LIFE = 60.0
UID = "26ce2389-73be-4175-8704-bcc741eba5d9"


def page():
    age = time.time() - BEGAN
    life = int(age // LIFE)
    cid = "%064x" % (0xC0FFEE + life)
    cart = 'container="app",id="/kubepods/burstable/pod%s/%s",namespace="shop",pod="cart-7d9f8b6c5-x2x4k"' % (UID, cid)
    idx = 'container="indexer",id="/kubepods/burstable/pod%s/%064x",namespace="shop",pod="search-0"' % (UID[::-1], 7)
    used = 40e6 + (age % LIFE) * 1.5e6
    rows = [
        ("gauge", "container_memory_working_set_bytes", cart, used),
        ("gauge", "container_memory_working_set_bytes", idx, 70e6 + 1e5 * (int(age) % 7)),
        ("gauge", "container_memory_rss", cart, used - 3e6),
        ("gauge", "kube_pod_container_resource_limits", 'container="app",namespace="shop",pod="cart-7d9f8b6c5-x2x4k",resource="memory",unit="byte"', 134217728),
        ("counter", "kube_pod_container_status_restarts_total", 'container="app",namespace="shop",pod="cart-7d9f8b6c5-x2x4k"', life),
        ("gauge", "kube_pod_owner", 'namespace="shop",owner_kind="ReplicaSet",owner_name="cart-7d9f8b6c5",pod="cart-7d9f8b6c5-x2x4k"', 1),
        ("counter", "http_requests_total", 'namespace="shop",pod="cart-7d9f8b6c5-x2x4k"', int(age * 12)),
    ]
    seen, out = set(), []
    for kind, name, labels, value in rows:
        if name not in seen:
            out.append("# TYPE %s %s" % (name, kind))
            seen.add(name)
        out.append("%s{%s} %s" % (name, labels, repr(float(value))))
    return "\n".join(out) + "\n"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.HTTPServer(("127.0.0.1", 19301), Handler).serve_forever()
