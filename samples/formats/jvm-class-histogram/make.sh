#!/usr/bin/env bash
# Makes the JVM text samples with a program whose registry of sessions only grows: class histograms, native memory
# summary and diff, a collector's log. Needs a JDK (17 or later); run in this folder. Sizes vary a little between JDKs.
set -eu
here=$PWD
work=$(mktemp -d)
cd "$work"
cat >Desk.java <<'JAVA'
import java.util.*;
public class Desk {
    static final class Session { final byte[] token = new byte[200]; final String user; Session(int i) { user = "user-" + i; } }
    static final Map<Integer, Session> SESSIONS = new HashMap<>();
    public static void main(String[] a) throws Exception {
        int n = 0;
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            in.nextLine();
            for (int i = 0; i < 4000; i++, n++) SESSIONS.put(n, new Session(n));
            for (int i = 0; i < 200; i++) { byte[] waste = new byte[1 << 16]; waste[0] = 1; }
            System.out.println("ready");
        }
    }
}
JAVA
javac Desk.java
mkfifo say
java -Xms16m -Xmx32m -XX:+UseSerialGC -XX:NativeMemoryTracking=summary -Xlog:gc*:file="$here/../jvm-gc-log/serial.log":time,uptime,level,tags Desk <say >heard &
pid=$!
exec 3>say
step() { echo go >&3; for _ in $(seq 50); do [ "$(wc -l <heard)" -ge "$1" ] && break; sleep 0.1; done; }
step 1
jcmd "$pid" GC.class_histogram >"$here/before.txt"
jcmd "$pid" VM.native_memory summary >"$here/../jvm-nmt/summary.txt"
jcmd "$pid" VM.native_memory baseline >/dev/null
step 2
step 3
jcmd "$pid" GC.class_histogram >"$here/after.txt"
jcmd "$pid" VM.native_memory summary.diff >"$here/../jvm-nmt/diff.txt"
exec 3>&-
wait "$pid"
cd "$here"
rm -rf "$work"
