#!/usr/bin/env bash
# Makes what a collector saves where kubectl finds no server: its error in place of the evidence. Needs kubectl; run it in
# this folder.
env -i PATH="$PATH" HOME=/nonexistent kubectl get events -A -o wide >events.txt 2>&1
env -i PATH="$PATH" HOME=/nonexistent kubectl --server=http://127.0.0.1:9 --request-timeout=2s -n shop logs cart-0 -c app --previous >cart-0_app.previous.log 2>&1
true
