#!/usr/bin/env bash
# Makes memray's own exports of one capture: `stats --json` and `transform csv`. Needs Debian's python3 and pip;
# run it in this folder. Random in it: times, thread ids, sizes of the interpreter.
set -euo pipefail
here=$(pwd)
rm -rf /srv/app && mkdir -p /srv/app && cd /srv/app
cat >service.py <<'P'
kept = {}


def remember(n):
    kept[n] = "entry-%d" % n * 40


def serve(rounds):
    for n in range(rounds):
        remember(n)


serve(20000)
P
pip -q install --target /srv/lib --python-version 3.11 --only-binary=:all: memray
memray() { env -i PATH=/usr/bin:/bin PYTHONPATH=/srv/lib /usr/bin/python3 -m memray "$@"; }
memray run -q -o capture.bin service.py
memray stats --json -o stats.json capture.bin >/dev/null
memray transform csv -o sites.csv capture.bin >/dev/null
mv stats.json sites.csv "$here/"
cd "$here" && rm -rf /srv/app /srv/lib
