#!/usr/bin/env python3
"""Makes the tracemalloc samples: a cache that only grows, snapshots before and after, in every pickle protocol.

    mkdir -p /srv/app && cp make.py /srv/app/cache.py && python3 /srv/app/cache.py .

run in this folder, so that the snapshots name /srv/app/cache.py. The printed statistics go to ../tracemalloc-text.
Numbers differ a little from one Python to the next; the shape does not.
"""
import os
import pickle
import sys
import tracemalloc

CACHE = {}
OUT = sys.argv[1]


def render(i):
    return ("<li>%06d</li>" % i) * 4


def handle(i):
    CACHE["GET /item/%d" % i] = render(i)


def serve(start, stop):
    for i in range(start, stop):
        handle(i)


tracemalloc.start(3)
serve(0, 50)
before = tracemalloc.take_snapshot()
serve(50, 400)
after = tracemalloc.take_snapshot()
tracemalloc.stop()
for protocol in range(6):
    with open(os.path.join(OUT, "cache.p%d.pickle" % protocol), "wb") as f:
        pickle.dump(before, f, protocol)
after.dump(os.path.join(OUT, "cache.after.pickle"))
with open(os.path.join(OUT, "../tracemalloc-text/compare_to.txt"), "w") as f:
    f.write("[ Top 10 differences ]\n")
    for stat in after.compare_to(before, "lineno")[:10]:
        f.write("%s\n" % stat)
with open(os.path.join(OUT, "../tracemalloc-text/statistics.txt"), "w") as f:
    f.write("[ Top 10 ]\n")
    for stat in after.statistics("lineno")[:10]:
        f.write("%s\n" % stat)
