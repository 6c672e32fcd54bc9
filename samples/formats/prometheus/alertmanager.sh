#!/usr/bin/env bash
# Made with Debian's prometheus-alertmanager package (0.25.0) on loopback: four alerts are posted, one of them silenced, one
# inhibited by another, one already resolved (which the server then no longer lists). Random in it: times and ids.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=http://127.0.0.1:19303
cat >"$work/am.yml" <<'Y'
route: {receiver: none, group_wait: 1s, group_by: [alertname]}
receivers: [{name: none}]
inhibit_rules:
  - source_matchers: [alertname="NodeMemoryPressure"]
    target_matchers: [alertname="ContainerNearLimit"]
    equal: [node]
Y
env -i PATH="$PATH" prometheus-alertmanager --config.file="$work/am.yml" --storage.path="$work/data" \
  --web.listen-address=127.0.0.1:19303 --cluster.listen-address= --log.level=error &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -rf "$work"' EXIT
sleep 2
ago() { date -u -d "@$(($(date -u +%s) - $1))" +%Y-%m-%dT%H:%M:%S.125Z; }
post() { curl -sf -XPOST -H 'Content-Type: application/json' "$server/api/v2/$1" -d "$2" >/dev/null; }
post alerts '[
{"labels":{"alertname":"ContainerNearLimit","severity":"warning","namespace":"shop","pod":"cart-7d9f8b6c5-x2x4k","container":"app","node":"n1"},
 "annotations":{"summary":"the working set is near the limit"},"startsAt":"'"$(ago 600)"'","generatorURL":"http://prometheus.example/graph"},
{"labels":{"alertname":"NodeMemoryPressure","severity":"critical","node":"n1"},
 "annotations":{"description":"less than 5 % of the node is available"},"startsAt":"'"$(ago 300)"'"},
{"labels":{"alertname":"KubePodCrashLooping","severity":"warning","namespace":"shop","pod":"web-0","container":"app"},
 "annotations":{"description":"restarting"},"startsAt":"'"$(ago 3000)"'","endsAt":"'"$(ago 100)"'"},
{"labels":{"alertname":"Silenced","severity":"info","namespace":"shop"},"annotations":{},"startsAt":"'"$(ago 900)"'"}]'
post silences '{"matchers":[{"name":"alertname","value":"Silenced","isRegex":false}],"startsAt":"'"$(ago 60)"'",
 "endsAt":"'"$(ago -3600)"'","createdBy":"ops","comment":"known"}'
sleep 3
curl -sf "$server/api/v2/alerts" >"$here/alertmanager.json"
curl -sf "$server/api/v2/alerts/groups" >"$here/alertmanager.groups.json"
amtool --alertmanager.url="$server" alert query -o json >"$here/amtool.json"
