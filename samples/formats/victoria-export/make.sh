#!/usr/bin/env bash
# Makes export.jsonl: VictoriaMetrics (Debian's package, 1.79) on loopback takes a short history over its import API and
# gives it back by /api/v1/export. The values are this script's, the text is VictoriaMetrics'. Run it in this folder.
set -euo pipefail
work=$(mktemp -d)
env -i PATH="$PATH" victoria-metrics -storageDataPath="$work" -httpListenAddr=127.0.0.1:19303 -retentionPeriod=100y -loggerLevel=ERROR &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT
sleep 3
began=1795000000
for i in $(seq 0 119); do
  t=$(((began + i * 30) * 1000))
  echo "container_memory_working_set_bytes{namespace=\"shop\",pod=\"cart-7d9f8b6c5-x2x4k\",container=\"app\"} $((40000000 + i * 700000)) $t"
  echo "container_memory_working_set_bytes{namespace=\"shop\",pod=\"search-0\",container=\"indexer\"} $((70000000 + i % 7 * 100000)) $t"
done | curl -s --data-binary @- http://127.0.0.1:19303/api/v1/import/prometheus
sleep 3
curl -sG http://127.0.0.1:19303/api/v1/export --data-urlencode 'match[]=container_memory_working_set_bytes' \
  -d start=$began -d end=$((began + 3600)) >export.jsonl
