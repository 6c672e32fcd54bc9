#!/usr/bin/env python3
"""Renders boot.dmesg.txt (two real kills, see provoke.sh; the kernel release's local suffix is cut) as every carrier prints it.

usage: render.py            writes carriers/*; a kubelet line stands between the reports, and the statistics are one
                            multi-line record, as kernels 5.3 to 6.5 print them
"""
import json, os, re, struct, time
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, 'carriers')
BOOT = 1793000000.000000        # wall clock at uptime 0, UTC
BOOT_ID = '4f1d2c3b5a6978879a0b1c2d3e4f5061'
HOST = 'worker-3'
KUBELET = 'I1026 03:34:34.000000     812 kubelet.go:2453] "SyncLoop (PLEG): event for pod" pod="shop/cart-0" event={"ID":"3f1c2b7a-9d4e-4a55-8c66-0b1e2d3f4a5b","Type":"ContainerDied","Data":"5d0c7a1e9b2f4c6d8e0a1b3c5d7e9f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e"}'

def messages():
    """(uptime in µs, identifier or None for the kernel, text)"""
    out = []
    for line in open(os.path.join(HERE, 'boot.dmesg.txt'), encoding='utf8').read().splitlines():
        m = re.match(r'\[ *(\d+)\.(\d{6})\] (.*)$', line)
        us, text = int(m[1]) * 10**6 + int(m[2]), m[3]
        stat = re.match(r'[a-z_0-9]+ \d+$', text)
        if stat and out and out[-1][3]: out[-1][2] += '\n' + text
        else: out.append([us, None, text, bool(stat)])
        if 'Killed process' in text and KUBELET:
            if not any(i for _, i, _, _ in out): out.append([us + 500000, 'kubelet[812]', KUBELET, False])
    return [(u, i, t) for u, i, t, _ in out]

M = messages()
KERNEL = [(u, t) for u, i, t in M if i is None]
wall = lambda us: BOOT + us / 1e6
gm = lambda us: time.gmtime(int(wall(us)))
frac = lambda us: '%06d' % round(wall(us) % 1 * 1e6)
secs = lambda us: '[%5d.%06d]' % (us // 10**6, us % 10**6)

def text_lines(prefix, items, own=lambda us: ''):
    out = []
    for us, ident, t in items:
        p = prefix(us, ident or 'kernel') + own(us)
        first, *rest = t.split('\n')
        out += [p + first] + [' ' * len(p) + r for r in rest]
    return '\n'.join(out) + '\n'

def journal(us, ident, t):
    d = {'__CURSOR': 's=1;i=%x' % us, '__REALTIME_TIMESTAMP': str(round(wall(us) * 1e6) + 1200), '__MONOTONIC_TIMESTAMP': str(us + 1200), '_BOOT_ID': BOOT_ID, '_HOSTNAME': HOST, 'PRIORITY': '4'}
    if ident is None: d.update({'_TRANSPORT': 'kernel', 'SYSLOG_IDENTIFIER': 'kernel', '_SOURCE_MONOTONIC_TIMESTAMP': str(us)})
    else: d.update({'_TRANSPORT': 'stdout', 'SYSLOG_IDENTIFIER': ident.split('[')[0]})
    d['MESSAGE'] = t
    return d

def as_json(d):
    d = dict(d)
    if '\n' in d['MESSAGE']: d['MESSAGE'] = list(d['MESSAGE'].encode())
    return d

def export():
    out = b''
    for m in M:
        for k, v in journal(*m).items():
            v = v.encode()
            out += k.encode() + (b'\n' + struct.pack('<Q', len(v)) + v if b'\n' in v else b'=' + v) + b'\n'
        out += b'\n'
    return out

def verbose():
    out = ''
    for us, ident, t in M:
        d = journal(us, ident, t)
        out += time.strftime('%a %Y-%m-%d %H:%M:%S', gm(us)) + '.%s UTC [s=1;i=%x;b=%s;m=%x;t=%x;x=0]\n' % (frac(us), us, BOOT_ID, us + 1200, int(d['__REALTIME_TIMESTAMP']))
        for k, v in d.items():
            if not k.startswith('__'): out += '    %s=%s\n' % (k, v.replace('\n', '\n' + ' ' * (5 + len(k))))
    return out

hexed = lambda t: t.replace('\n', '\\x0a')
DE = dict(zip('Mon Tue Wed Thu Fri Sat Sun'.split(), 'Mo Di Mi Do Fr Sa So'.split())); DEM = {'Oct': 'Okt', 'Mar': 'Mär', 'May': 'Mai', 'Dec': 'Dez'}
def ctime(us, german=False):
    s = time.strftime('%a %b %e %H:%M:%S %Y', gm(us))
    if german: s = ' '.join(DE.get(w, DEM.get(w, w)) for w in s.split(' '))
    return '[%s] ' % s
iso = lambda us: time.strftime('%Y-%m-%dT%H:%M:%S', gm(us))
k3 = [(u, None, t) for u, t in KERNEL]
syslog = lambda us: time.strftime('%b %d %H:%M:%S', gm(us))

FILES = {
    'short.txt': text_lines(lambda u, i: '%s %s %s: ' % (syslog(u), HOST, i), M),
    'short-precise.txt': text_lines(lambda u, i: '%s.%s %s %s: ' % (syslog(u), frac(u), HOST, i), M),
    'short-nohost.txt': text_lines(lambda u, i: '%s %s: ' % (syslog(u), i), M),
    'short-iso.txt': text_lines(lambda u, i: '%s+0000 %s %s: ' % (iso(u), HOST, i), M),
    'short-iso-precise.txt': text_lines(lambda u, i: '%s.%s+00:00 %s %s: ' % (iso(u), frac(u), HOST, i), M),
    'short-full.txt': text_lines(lambda u, i: '%s UTC %s %s: ' % (time.strftime('%a %Y-%m-%d %H:%M:%S', gm(u)), HOST, i), M),
    'with-unit.txt': text_lines(lambda u, i: '%s UTC %s %s: ' % (time.strftime('%a %Y-%m-%d %H:%M:%S', gm(u)), HOST, i.replace('kubelet', 'kubelet.service')), M),
    'short-unix.txt': text_lines(lambda u, i: '%d.%s %s %s: ' % (wall(u), frac(u), HOST, i), M),
    'short-monotonic.txt': text_lines(lambda u, i: '%s %s %s: ' % (secs(u), HOST, i), M),
    'short-delta.txt': text_lines(lambda u, i: '%s <    0.000100 >] %s %s: ' % (secs(u)[:-1], HOST, i), M),
    'cat.txt': '\n'.join(t for _, _, t in M) + '\n',
    'json.txt': ''.join(json.dumps(as_json(journal(*m))) + '\n' for m in M),
    'json-pretty.txt': ''.join(json.dumps(as_json(journal(*m)), indent='\t', separators=(',', ' : ')) + '\n' for m in M),
    'json-sse.txt': ''.join('data: ' + json.dumps(as_json(journal(*m))) + '\n\n' for m in M),
    'json-seq.txt': ''.join('\x1e' + json.dumps(as_json(journal(*m))) + '\n' for m in M),
    'export.txt': export(),
    'verbose.txt': verbose(),
    'dmesg.txt': text_lines(lambda u, i: secs(u) + ' ', k3),
    'dmesg-r.txt': text_lines(lambda u, i: '<4>' + secs(u) + ' ', k3),
    'dmesg-x.txt': text_lines(lambda u, i: 'kern  :warn  : ' + secs(u) + ' ', k3),
    'dmesg-T.txt': text_lines(lambda u, i: ctime(u), k3),
    'dmesg-T-german.txt': text_lines(lambda u, i: ctime(u, True), k3),
    'dmesg-iso.txt': text_lines(lambda u, i: '%s,%s+00:00 ' % (iso(u), frac(u)), k3),
    'dmesg-json.txt': json.dumps({'dmesg': [{'pri': 4, 'time': u / 1e6, 'msg': t} for u, t in KERNEL]}, indent=3) + '\n',
    'kmsg.txt': ''.join('4,%d,%d,-;%s\n' % (n, u, hexed(t)) for n, (u, t) in enumerate(KERNEL)),
    'rsyslog.txt': ''.join('%s %s kernel: %s %s\n' % (syslog(u), HOST, secs(u), t.replace('\n', '#012')) for u, t in KERNEL),
    'rsyslog-5424.txt': ''.join('<4>1 %s.%s+00:00 %s kernel - - - %s\n' % (iso(u), frac(u), HOST, t.replace('\n', '#012')) for u, t in KERNEL),
    'console.txt': ''.join('%s.%sZ In(05) vcpu-5 - Guest: <4>%s %s\n' % (iso(u), frac(u)[:3], secs(u), l) for u, t in KERNEL for l in t.split('\n')),
    'kubectl-prefix.txt': ''.join('[pod/reader-x/reader] %s.%s000Z %s %s\n' % (iso(u), frac(u), secs(u), l) for u, t in KERNEL for l in t.split('\n')),
    'cloud.txt': ''.join(json.dumps({'jsonPayload': {'MESSAGE': t, '_TRANSPORT': 'kernel', '_HOSTNAME': HOST}, 'timestamp': '%s.%sZ' % (iso(u), frac(u))}) + '\n' for u, t in KERNEL),
}
os.makedirs(OUT, exist_ok=True)
for name, body in FILES.items():
    with open(os.path.join(OUT, name), 'wb') as f: f.write(body if isinstance(body, bytes) else body.encode())
