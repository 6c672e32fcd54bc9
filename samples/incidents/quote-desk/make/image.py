#!/usr/bin/env python3
"""Packs a directory as a docker-archive that `ctr images import` reads.

usage: image.py NAME ROOTFS OUT.tar ENTRYPOINT-JSON [WORKDIR]
"""
import hashlib
import io
import json
import sys
import tarfile

name, rootfs, out, command = sys.argv[1:5]
workdir = sys.argv[5] if len(sys.argv) > 5 else "/"


def neutral(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as tar:
    tar.add(rootfs, arcname=".", filter=neutral)
layer = layer.getvalue()
config = json.dumps({
    "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
    "config": {"Entrypoint": json.loads(command), "WorkingDir": workdir, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "NODE_ENV=production"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
}).encode()
config_name = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(out, "w") as tar:
    for member, data in [(config_name, config), ("layer.tar", layer), ("manifest.json", manifest)]:
        info = tarfile.TarInfo(member)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
