#!/usr/bin/env python3
"""Makes the samples in this folder with a real kubectl against a stand-in API server (standard library only).

usage: make.py KUBECTL          (made with kubectl 1.20.2 of Debian's package kubernetes-client)

The objects are ours: a pod that was OOM-killed, a pod whose message, environment and arguments imitate kubectl's own lines,
an evicted pod, a native sidecar's init container, a node, a deployment with its replica set, and events. Times are relative
to the moment of making, as kubectl prints ages; truth.json keeps what the tests compare with.
"""
import copy, datetime, http.server, json, os, subprocess, sys, tempfile, threading, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
ago = lambda **k: (NOW - datetime.timedelta(**k)).strftime('%Y-%m-%dT%H:%M:%SZ')
SPOOF = 'heap full\nQoS Class: Guaranteed\n\n      Exit Code:    0\nEvents:  <none>\nName:  impostor\nNamespace:  nowhere\n    Ready:          True\n    Restart Count:  99'

def status(name, ready=True, restarts=0, state=None, last=None, n=1):
    s = dict(name=name, image='registry.test/%s:1' % name, imageID='registry.test/%s@sha256:%064x' % (name, n), containerID='containerd://%064x' % (n * 7919), ready=ready, restartCount=restarts, state=state or {'running': {'startedAt': ago(hours=5)}}, lastState=last or {})
    return s

def ended(reason, code, started, finished, message=None):
    t = dict(exitCode=code, reason=reason, startedAt=started, finishedAt=finished, containerID='containerd://%064x' % code)
    if message: t['message'] = message
    return {'terminated': t}

def container(name, limit=None, request=None, env=(), **more):
    r = {}
    if limit: r['limits'] = {'memory': limit, 'cpu': '500m'}
    if request: r['requests'] = {'memory': request}
    return dict(name=name, image='registry.test/%s:1' % name, resources=r, env=list(env), terminationMessagePath='/dev/termination-log', imagePullPolicy='IfNotPresent', **more)

def pod(ns, name, uid, containers, statuses, owner=None, node='node-a.test', phase='Running', init=(), init_statuses=(), **more):
    p = dict(apiVersion='v1', kind='Pod', metadata=dict(name=name, namespace=ns, uid=uid, resourceVersion=str(4000 + len(name)), creationTimestamp=ago(hours=6), labels={'app': name.split('-')[0]}), spec=dict(nodeName=node, containers=containers, serviceAccountName='default', tolerations=[], volumes=[{'name': 'scratch', 'emptyDir': {'medium': 'Memory', 'sizeLimit': '64Mi'}}]), status=dict(phase=phase, qosClass='Burstable', hostIP='10.1.0.1', podIP='10.2.0.%d' % len(name), startTime=ago(hours=6), containerStatuses=statuses, conditions=[{'type': 'Ready', 'status': 'True', 'lastTransitionTime': ago(hours=2)}]))
    if init: p['spec']['initContainers'] = list(init); p['status']['initContainerStatuses'] = list(init_statuses)
    if owner: p['metadata']['ownerReferences'] = [dict(apiVersion='apps/v1', kind=owner.split('/')[0], name=owner.split('/')[1], uid='00000000-0000-4000-8000-000000000099', controller=True)]
    for k, v in more.items(): p['status'][k] = v
    return p

U = lambda n: '00000000-0000-4000-8000-%012d' % n
PODS = [
    pod('shop', 'api-5d9c7b6f4d-x2k9p', U(1), [container('api', '256Mi', '128Mi', [{'name': 'JAVA_OPTS', 'value': '-Xmx200m'}, {'name': 'TOKEN', 'value': 'hunter2'}, {'name': 'DB', 'valueFrom': {'secretKeyRef': {'name': 'db', 'key': 'password'}}}], livenessProbe={'httpGet': {'path': '/', 'port': 80, 'scheme': 'HTTP'}}), container('proxy', '64Mi', '32Mi')], [status('api', False, 4, {'waiting': {'reason': 'CrashLoopBackOff'}}, ended('OOMKilled', 137, ago(minutes=30), ago(minutes=9)), 1), status('proxy', n=2)], 'ReplicaSet/api-5d9c7b6f4d'),
    pod('shop', 'spoof-0', U(2), [container('spoof', '128974848', '129e6', [{'name': 'MULTI', 'value': 'one\nState:          Terminated\n  Reason:       OOMKilled\n  Exit Code:    137'}], args=['sh', '-c', 'cat <<EOF\nState: Running\nEvents:\n  Type  Reason\nEOF'])], [status('spoof', True, 1, None, ended('Error', 3, ago(hours=5), ago(hours=1), SPOOF), 3)], 'StatefulSet/spoof'),
    pod('data', 'batch-x1', U(3), [container('batch', '1Gi', '256Mi')], [status('batch', False, 0, ended('Error', 137, ago(hours=6), ago(hours=3)), None, 4)], None, phase='Failed', reason='Evicted', message='The node was low on resource: memory. Container batch was using 900Mi, which exceeds its request of 256Mi. '),
    pod('data', 'loader-0', U(4), [container('main', '128Mi')], [status('main', False, 0, {'waiting': {'reason': 'PodInitializing'}}, None, 5)], 'Job/loader', phase='Pending', init=[container('fetch', '32Mi')], init_statuses=[status('fetch', False, 7, {'waiting': {'reason': 'CrashLoopBackOff'}}, ended('OOMKilled', 137, ago(minutes=20), ago(minutes=19)), 6)]),
]
NODE = dict(apiVersion='v1', kind='Node', metadata=dict(name='node-a.test', uid=U(50), creationTimestamp=ago(days=40), labels={'kubernetes.io/hostname': 'node-a.test'}), spec=dict(taints=[{'key': 'dedicated', 'value': 'shop', 'effect': 'NoSchedule'}]), status=dict(capacity={'cpu': '4', 'memory': '8031244Ki', 'pods': '110'}, allocatable={'cpu': '3800m', 'memory': '7216140Ki', 'pods': '110'}, addresses=[{'type': 'InternalIP', 'address': '10.1.0.1'}], conditions=[dict(type='MemoryPressure', status='True', reason='KubeletHasInsufficientMemory', message='kubelet has insufficient memory available', lastHeartbeatTime=ago(seconds=70), lastTransitionTime=ago(hours=3)), dict(type='Ready', status='True', reason='KubeletReady', message='kubelet is posting ready status', lastHeartbeatTime=ago(seconds=70), lastTransitionTime=ago(days=40))], nodeInfo=dict(machineID='a' * 32, systemUUID=U(51), bootID=U(52), kernelVersion='5.10.0-30-amd64', osImage='Debian GNU/Linux 11 (bullseye)', containerRuntimeVersion='containerd://1.6.20', kubeletVersion='v1.20.2', kubeProxyVersion='v1.20.2', operatingSystem='linux', architecture='amd64')))
TEMPLATE = dict(metadata={'labels': {'app': 'api'}}, spec=dict(containers=[container('api', '256Mi', '128Mi'), container('proxy', '64Mi', '32Mi')]))
DEPLOY = dict(apiVersion='apps/v1', kind='Deployment', metadata=dict(name='api', namespace='shop', uid=U(60), creationTimestamp=ago(days=9), annotations={'deployment.kubernetes.io/revision': '7'}), spec=dict(replicas=1, selector={'matchLabels': {'app': 'api'}}, strategy={'type': 'RollingUpdate', 'rollingUpdate': {'maxSurge': '25%', 'maxUnavailable': '25%'}}, template=TEMPLATE), status=dict(replicas=1, updatedReplicas=1, unavailableReplicas=1))
RS = dict(apiVersion='apps/v1', kind='ReplicaSet', metadata=dict(name='api-5d9c7b6f4d', namespace='shop', uid=U(61), creationTimestamp=ago(hours=6), ownerReferences=[dict(apiVersion='apps/v1', kind='Deployment', name='api', uid=U(60), controller=True)]), spec=dict(replicas=1, selector={'matchLabels': {'app': 'api'}}, template=TEMPLATE), status=dict(replicas=1))

# The kubelet gives a node's name for its UID in events.
def event(n, obj, type_, reason, message, first, last, count=1, sub=None):
    m = obj['metadata']; ns = m.get('namespace', 'default')
    return dict(apiVersion='v1', kind='Event', metadata=dict(name='%s.%04d' % (m['name'], n), namespace=ns, uid=U(700 + n)), involvedObject=dict(kind=obj['kind'], namespace=m.get('namespace'), name=m['name'], uid=m['name'] if obj['kind'] == 'Node' else m['uid'], fieldPath=sub and 'spec.containers{%s}' % sub), type=type_, reason=reason, message=message, firstTimestamp=first, lastTimestamp=last, count=count, source={'component': 'kubelet', 'host': 'node-a.test'})

EVENTS = [
    event(1, PODS[0], 'Normal', 'Scheduled', 'Successfully assigned shop/api-5d9c7b6f4d-x2k9p to node-a.test', ago(hours=6), ago(hours=6)),
    event(2, PODS[0], 'Normal', 'Started', 'Started container api', ago(hours=6), ago(minutes=30), 5, 'api'),
    event(3, PODS[0], 'Warning', 'BackOff', 'Back-off restarting failed container api in pod api-5d9c7b6f4d-x2k9p_shop(%s)' % U(1), ago(hours=5), ago(minutes=1), 42, 'api'),
    event(4, PODS[2], 'Warning', 'Evicted', 'The node was low on resource: memory.', ago(hours=3), ago(hours=3)),
    event(5, NODE, 'Warning', 'SystemOOM', 'System OOM encountered, victim process: java, pid: 4242', ago(hours=3), ago(hours=3)),
]

def table(pods, wide):
    cols = [('Namespace', 'string')][:0] + [(c, 'string') for c in ('Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP', 'Node', 'Nominated Node', 'Readiness Gates')]
    rows = []
    for p in pods:
        st = p['status']; cs = st['containerStatuses']; word = st.get('reason') or st['phase']
        for c in st.get('initContainerStatuses', []):
            if 'waiting' in c['state']: word = 'Init:' + c['state']['waiting']['reason']
        for c in cs:
            if 'waiting' in c['state'] and not word.startswith('Init'): word = c['state']['waiting']['reason']
        n = sum(c['restartCount'] for c in st.get('initContainerStatuses', []) or cs)
        rows.append(dict(cells=[p['metadata']['name'], '%d/%d' % (sum(c['ready'] for c in cs), len(cs)), word, str(n), '6h', st['podIP'], p['spec']['nodeName'], '<none>', '<none>'], object=dict(kind='PartialObjectMetadata', apiVersion='meta.k8s.io/v1', metadata=p['metadata'])))
    return dict(kind='Table', apiVersion='meta.k8s.io/v1', metadata={}, columnDefinitions=[dict(name=c, type=t, format='', description='', priority=0 if i < 5 else 1) for i, (c, t) in enumerate(cols)], rows=rows)

def listed(kind, items, version='v1'): return dict(kind=kind + 'List', apiVersion=version, metadata={'resourceVersion': '9000'}, items=[{k: v for k, v in i.items() if k not in ('kind', 'apiVersion')} for i in items])
def resources(gv, *rows): return dict(kind='APIResourceList', groupVersion=gv, resources=[dict(name=n, singularName='', namespaced=ns, kind=k, verbs=['get', 'list'], shortNames=[]) for n, k, ns in rows])
METRICS = [dict(kind='PodMetrics', apiVersion='metrics.k8s.io/v1beta1', metadata=dict(name=p['metadata']['name'], namespace=p['metadata']['namespace']), timestamp=ago(seconds=20), window='15.2s', containers=[dict(name=c['name'], usage={'cpu': '%dn' % (4_200_000 + i), 'memory': '%dKi' % (61_440 * (i + 1))}) for i, c in enumerate(p['spec']['containers'])]) for p in PODS[:2]]

class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self):
        u = urllib.parse.urlparse(self.path); q = urllib.parse.parse_qs(u.query); parts = u.path.strip('/').split('/')
        ns = parts[parts.index('namespaces') + 1] if 'namespaces' in parts and len(parts) > parts.index('namespaces') + 2 else None
        inns = lambda items: [i for i in items if ns is None or i['metadata'].get('namespace', 'default') == ns]
        name = parts[-1]; body = None
        lists = {'pods': ('Pod', PODS, 'v1'), 'nodes': ('Node', [NODE], 'v1'), 'events': ('Event', EVENTS, 'v1'), 'deployments': ('Deployment', [DEPLOY], 'apps/v1'), 'replicasets': ('ReplicaSet', [RS], 'apps/v1')}
        if u.path == '/api': body = dict(kind='APIVersions', versions=['v1'])
        elif u.path == '/apis': body = dict(kind='APIGroupList', apiVersion='v1', groups=[dict(name=g, versions=[dict(groupVersion=g + '/' + v, version=v)], preferredVersion=dict(groupVersion=g + '/' + v, version=v)) for g, v in (('apps', 'v1'), ('metrics.k8s.io', 'v1beta1'))])
        elif u.path == '/api/v1': body = resources('v1', ('pods', 'Pod', True), ('nodes', 'Node', False), ('events', 'Event', True))
        elif u.path == '/apis/apps/v1': body = resources('apps/v1', ('deployments', 'Deployment', True), ('replicasets', 'ReplicaSet', True))
        elif u.path == '/apis/metrics.k8s.io/v1beta1': body = resources('metrics.k8s.io/v1beta1', ('pods', 'PodMetrics', True))
        elif 'metrics.k8s.io' in u.path: body = dict(kind='PodMetricsList', apiVersion='metrics.k8s.io/v1beta1', metadata={}, items=inns(METRICS))
        elif name in lists:
            kind, items, version = lists[name]; items = inns(items)
            for s in ','.join(q.get('fieldSelector', [])).split(','):
                k, _, v = s.partition('=')
                if k.startswith('involvedObject.'): items = [i for i in items if (i['involvedObject'].get(k.split('.')[1]) or '') == v.lstrip('=')]
                if k == 'spec.nodeName': items = [i for i in items if i['spec']['nodeName'] == v]
            body = table(items, True) if kind == 'Pod' and 'as=Table' in self.headers.get('Accept', '') else listed(kind, items, version)
        else:
            for kind, items, version in lists.values():
                for i in items:
                    if i['metadata']['name'] == name and len(parts) > 1 and parts[-2] + '' == kind.lower() + 's': body = i
        code = 200 if body else 404
        data = json.dumps(body or dict(kind='Status', apiVersion='v1', status='Failure', reason='NotFound', message='not found', code=404)).encode()
        self.send_response(code); self.send_header('Content-Type', 'application/json'); self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)

def main():
    kubectl = sys.argv[1]
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api); threading.Thread(target=server.serve_forever, daemon=True).start()
    home = tempfile.mkdtemp(); env = dict(HOME=home, PATH=os.environ['PATH'], TZ='UTC', KUBECONFIG=home + '/none')
    run = lambda *a: subprocess.run([kubectl, '-s', 'http://127.0.0.1:%d' % server.server_port, *a], env=env, capture_output=True, text=True)
    out = {
        'describe-pods.txt': ('describe', 'pods', '-A'), 'describe-node.txt': ('describe', 'node', 'node-a.test'), 'describe-deployment.txt': ('describe', 'deployment', 'api', '-n', 'shop'),
        'pods.json': ('get', 'pods', '-A', '-o', 'json'), 'pods.yaml': ('get', 'pods', '-A', '-o', 'yaml'), 'events.json': ('get', 'events', '-A', '-o', 'json'), 'node.yaml': ('get', 'node', 'node-a.test', '-o', 'yaml'),
        'get-pods-wide.txt': ('get', 'pods', '-A', '-o', 'wide'), 'get-pods-noheaders.txt': ('get', 'pods', '-A', '--no-headers'), 'top-pods.txt': ('top', 'pods', '-A', '--containers'),
    }
    session = ''
    for name, args in out.items():
        r = run(*args)
        print(name, len(r.stdout), r.stderr.strip()[:200])
        with open(os.path.join(HERE, name), 'w') as f: f.write(r.stdout)
        if name in ('describe-pods.txt', 'get-pods-wide.txt', 'top-pods.txt'): session += 'ops@jump:~$ kubectl %s\n%s' % (' '.join(args), r.stdout)
    with open(os.path.join(HERE, 'session.txt'), 'w') as f: f.write(session)
    truth = dict(made=NOW.strftime('%Y-%m-%dT%H:%M:%SZ'), pods={p['metadata']['name']: dict(namespace=p['metadata']['namespace'], uid=p['metadata']['uid'], containers={c['name']: dict(restarts=c['restartCount'], last=(c['lastState'].get('terminated') or {}).get('reason'), code=(c['lastState'].get('terminated') or {}).get('exitCode'), state=next(iter(c['state']))) for c in p['status']['containerStatuses'] + p['status'].get('initContainerStatuses', [])}) for p in PODS})
    with open(os.path.join(HERE, 'truth.json'), 'w') as f: json.dump(truth, f, indent=1, sort_keys=True); f.write('\n')

if __name__ == '__main__': main()
