#!/usr/bin/env bash
# Makes the application log samples: runtimes that really run out of memory, as `kubectl logs` would save them.
# Needs node, python3, a JDK and bash; run in this folder.
set -u
{
  echo 'time=2026-03-01T10:00:00.000Z level=INFO msg="listening" port=8080'
  node --max-old-space-size=24 -e 'const keep = []; for (;;) keep.push(new Array(1000).fill({}))' 2>&1
} >node-heap-limit.log
{
  echo '2026-03-01T10:00:00Z INFO worker started'
  bash -c 'ulimit -v 400000; exec python3 -c "
def load(n):
    return bytearray(n)
load(1 << 32)"' 2>&1
} >python-memory-error.log
cat >Grow.java <<'JAVA'
import java.util.*;
public class Grow {
    static final List<byte[]> KEPT = new ArrayList<>();
    public static void main(String[] a) { for (;;) KEPT.add(new byte[1 << 16]); }
}
JAVA
javac Grow.java
java -Xmx16m -XX:+ExitOnOutOfMemoryError Grow 2>&1 | sed 's/^/2026-03-01T10:00:07.123456789Z /' >java-heap-space.timestamps.log
bash -c 'trap "echo received SIGTERM, draining; exit 143" TERM; echo "{\"level\":30,\"time\":1772359200000,\"msg\":\"up\"}"; sleep 30 & wait' >sigterm.log &
sleep 1
kill -TERM $!
wait
rm -f Grow.java Grow.class
