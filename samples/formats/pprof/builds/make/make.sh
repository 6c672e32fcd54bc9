#!/bin/sh
# Two builds of one program: a type, its package's place and a closure's number differ, lines have moved, and `fill` is
# inlined in the first only. The second also keeps twice as much in two of its three places. Needs Go 1.26 or later.
set -e
cd "$(dirname "$0")"
for v in v1 v2; do
    (cd $v && go build -trimpath -o /tmp/shop .)
    /tmp/shop "../heap_$v.pb.gz"
done
rm /tmp/shop
