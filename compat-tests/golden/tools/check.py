"""Independent checks of the fixtures, without RocketMQ code. usage: check.py DIR (the folder with stores/, wire/ and ha/)"""
import gzip, hashlib, io, json, os, struct, subprocess, sys, tarfile, zlib
import frames
D = sys.argv[1]
bad = []

def jhash(s):
    h = 0
    u = s.encode('utf-16-be')
    for i in range(0, len(u), 2):
        h = (h * 31 + (u[i] << 8 | u[i + 1])) & 0xffffffff
    return h - (1 << 32) if h >> 31 else h

def record(b, o):
    size, magic, crc, qid, flag, qoff, phy, sysf, bts = struct.unpack_from('>IIIiiqqiq', b, o)
    p = o + 48
    p += 20 if sysf & 0x10 else 8
    sts = struct.unpack_from('>q', b, p)[0]; p += 8
    p += 20 if sysf & 0x20 else 8
    rec, prep, bl = struct.unpack_from('>iqi', b, p); p += 16
    body = b[p:p + bl]; p += bl
    if magic == 0xdaa320a7:
        tl = b[p]; p += 1
    else:
        tl = struct.unpack_from('>h', b, p)[0]; p += 2
    topic = b[p:p + tl].decode(); p += tl
    pl = struct.unpack_from('>H', b, p)[0]; p += 2
    props = dict(x.split('\x01', 1) for x in b[p:p + pl].decode().split('\x02') if x)
    return dict(size=size, crc=crc, queueId=qid, flag=flag, queueOffset=qoff, physicalOffset=phy, sysFlag=sysf, bornTimestamp=bts, storeTimestamp=sts, reconsumeTimes=rec, preparedTransactionOffset=prep, body=body, topic=topic, properties=props, end=p + pl)

def store(d):
    man = json.load(open(d + '/manifest.json'))
    a = [x for x in os.listdir(d) if x.startswith('store.tar')][0]
    raw = gzip.open(f'{d}/{a}').read() if a.endswith('gz') else subprocess.run(['zstd', '-dcq', '--long=27', f'{d}/{a}'], capture_output=True, check=True).stdout
    files = {}
    t = tarfile.open(fileobj=io.BytesIO(raw))
    for m in t:
        if m.isfile() and m.name.startswith('store/'):
            files[m.name[6:]] = t.extractfile(m).read()
    want = {x['path']: x['sha256'] for x in man['tree']}
    if {k: hashlib.sha256(v).hexdigest() for k, v in files.items()} != want:
        bad.append(f'{d}: tree differs')
    size = max(len(v) for k, v in files.items() if k.startswith('commitlog/'))
    msgs = [json.loads(x) for x in open(d + '/messages.jsonl')]
    def at(phy):
        return files[f'commitlog/{phy // size * size:020d}'], phy % size
    byphy, n, crcbad = {}, 0, 0
    for m in msgs:
        b, o = at(m['physicalOffset'])
        r = record(b, o)
        byphy[m['physicalOffset']] = (m, r)
        for k in ('size', 'queueId', 'flag', 'queueOffset', 'physicalOffset', 'sysFlag', 'bornTimestamp', 'storeTimestamp', 'reconsumeTimes', 'preparedTransactionOffset', 'topic'):
            if r[k] != m[k]:
                bad.append(f"{d}: {m['physicalOffset']} {k} {r[k]} != {m[k]}")
        if hashlib.sha256(r['body']).hexdigest() != m['bodySha256'] or zlib.crc32(r['body']) & 0x7fffffff != r['crc'] & 0x7fffffff:
            bad.append(f"{d}: {m['physicalOffset']} body")
        r['properties'] = {k: v for k, v in r['properties'].items() if v}   # the Java decoder drops empty values
        if r['properties'] != m['properties']:
            x = {k: (r['properties'].get(k), m['properties'].get(k)) for k in set(r['properties']) | set(m['properties']) if r['properties'].get(k) != m['properties'].get(k)}
            bad.append(f"{d}: {m['physicalOffset']} props {x}")
        n += 1
    cq = {}
    for p, v in files.items():
        if not p.startswith('consumequeue/'):
            continue
        _, topic, q, f = p.split('/')
        for i in range(0, len(v), 20):
            phy, sz, tag = struct.unpack_from('>qiq', v, i)
            if sz == 0x7fffffff or (phy == 0 and sz == 0):
                continue
            if phy not in byphy:
                bad.append(f'{d}: {p} entry {i // 20} -> {phy}: no record'); continue
            m, r = byphy[phy]
            if sz != m['size'] or (int(f) + i) // 20 != m['queueOffset'] and not topic.startswith('%LMQ%'):
                bad.append(f'{d}: {p} entry {i // 20} size/offset')
            pr = m['properties']
            if man['brokerConf'].get('enableConsumeQueueExt') == 'true':
                pass   # the third field is an address in consumequeue_ext when <= -2^31 - 1
            elif topic == 'SCHEDULE_TOPIC_XXXX':
                if not 0 <= tag - m['storeTimestamp'] < 3 * 3600 * 1000:
                    bad.append(f'{d}: {p} deliver time {tag}')
            elif tag != jhash(pr.get('TAGS', '')) :
                bad.append(f"{d}: {p} tag hash {tag} {pr.get('TAGS')}")
            cq[topic, q] = max(cq.get((topic, q), 0), (int(f) + i) // 20 + 1)
    for t, qs in man['state'].get('queues', {}).items():
        for q, mm in qs.items():
            if cq.get((t, q), 0) != mm['max'] and f'batchconsumequeue/{t}/{q}/00000000000000000000' not in files and 'kill' not in man['stopped']:
                bad.append(f'{d}: {t} {q} max {mm} cq {cq.get((t, q))}')
    idx = 0
    for p, v in files.items():
        if p.startswith('index/'):
            bt, et, bp, ep, slots, cnt = struct.unpack_from('>qqqqii', v, 0)
            ns = int(man['brokerConf'].get('maxHashSlotNum', 5000000))
            for i in range(1, cnt):
                kh, phy, dt, prev = struct.unpack_from('>iqii', v, 40 + ns * 4 + i * 20)
                m, r = byphy.get(phy, (None, None))
                if m is None:
                    bad.append(f'{d}: {p} index {i} -> {phy}'); continue
                keys = (m['properties'].get('KEYS') or '').split(' ') + [m['properties'].get('UNIQ_KEY', '')]
                names = [f"{m['topic']}#{k}" for k in keys] + ([f"{m['topic']}#T#{m['properties'].get('TAGS')}"] if man['rocketmq'][0] == '5' else [])
                if kh not in [abs(jhash(k)) for k in names]:
                    bad.append(f'{d}: {p} index {i} hash {kh} not of {keys}')
                idx += 1
    print(f'{d}: {n} records, {sum(cq.values())} queue entries, {idx} index entries')

def wire(d):
    ix = json.load(open(d + '/index.json'))
    for x in ix:
        b = open(f"{d}/{x['file']}", 'rb').read()
        ser, h, body = frames.decode(b)
        if len(b) != 4 + struct.unpack('>I', b[:4])[0] or h != x['header'] or ser != x['serialize'] or hashlib.sha256(body).hexdigest() != x['body'].get('sha256', hashlib.sha256(b'').hexdigest()):
            bad.append(f"{d}: {x['file']}")
    print(f'{d}: {len(ix)} frames, {len(set(x["code"] for x in ix))} codes')

def ha(d):
    ix = json.load(open(d + '/index.json'))
    t = tarfile.open(d + '/slave.tar.gz')
    files = {int(m.name.rsplit('/', 1)[1]): t.extractfile(m).read() for m in t if m.isfile() and '/commitlog/' in m.name}
    size = max(len(v) for v in files.values())
    got = 0
    for i, c in enumerate(ix['connections']):
        b = open(f'{d}/conn{i}-master-to-slave.bin', 'rb').read()
        for x in c['transfers']:
            o, n = x['physicalOffset'], x['bodySize']
            if not n:
                continue
            f = files.get(o // size * size)
            if f is None or f[o % size:o % size + n] != b[x['streamOffset'] + 12:x['streamOffset'] + 12 + n]:
                if f is not None and x is [y for y in c['transfers'] if y['bodySize']][-1] and not any(f[o % size:o % size + n]):
                    print(f'{d}: conn {i}: the last transfer (at {o}) was sent but the slave stopped before it appended it')
                    continue
                bad.append(f'{d}: conn {i} transfer {x}')
            got += n
        if c['reportStreamLeftover'] or c['transferStreamLeftover']:
            bad.append(f'{d}: conn {i} leftover {c["reportStreamLeftover"]} {c["transferStreamLeftover"]}')
    print(f'{d}: {len(ix["connections"])} connections, {got} bytes equal to the slave store; first offsets {[c["transfers"][0]["physicalOffset"] if c["transfers"] else None for c in ix["connections"]]}')

for top in sorted(os.listdir(D)):
    for ver in sorted(os.listdir(f'{D}/{top}')) if top in ('stores', 'wire', 'ha') else []:
        p = f'{D}/{top}/{ver}'
        for s in sorted(os.listdir(p)) if os.path.isdir(p) else []:
            try:
                {'stores': store, 'wire': wire, 'ha': ha}[top](f'{p}/{s}')
            except Exception as e:
                bad.append(f'{p}/{s}: {type(e).__name__} {e}')
for top in ('stores', 'wire', 'ha'):
    for root, _, fs in os.walk(f'{D}/{top}'):
        for f in fs:
            b = open(os.path.join(root, f), 'rb').read()
            if f.endswith('.gz'):
                b = gzip.decompress(b)
            if b'golden' in b or b'oracle' in b or b'/root/' in b:
                bad.append(f'{root}/{f}: absolute path')
for x in bad[:60]:
    print('BAD', x)
print(len(bad), 'problems')
