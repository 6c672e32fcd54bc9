"""Makes answers of log stores: the lines of kernel-log/carriers/dmesg-iso.txt in the JSON that each store's API documents.
The lines are a real kernel's; the answers around them are composed here. Run it in this folder: python3 make.py"""
import datetime
import json

lines = []
for line in open("../kernel-log/carriers/dmesg-iso.txt", encoding="utf-8"):
    stamp, _, text = line.rstrip("\n").partition(" ")
    try:
        at = datetime.datetime.fromisoformat(stamp.replace(",", "."))
    except ValueError:
        continue
    lines.append((int(at.timestamp()) * 10**9 + at.microsecond * 1000, text))


def save(name, answer):
    with open(name, "w", encoding="utf-8") as out:
        json.dump(answer, out, indent=1)
        out.write("\n")


stream = {"job": "systemd-journal", "unit": "kernel", "node": "worker-3"}
save("loki.json", {"status": "success", "data": {"resultType": "streams", "result": [
    {"stream": stream, "values": [[str(ns), text] for ns, text in reversed(lines)]}], "stats": {}}})
save("cloudwatch.json", {"events": [
    {"logStreamName": "worker-3.dmesg", "timestamp": ns // 10**6, "message": text, "ingestionTime": ns // 10**6 + 900,
     "eventId": "%056d" % i} for i, (ns, text) in enumerate(lines)], "searchedLogStreams": []})
