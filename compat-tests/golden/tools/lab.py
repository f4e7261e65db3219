"""Starts and stops one lab: servers in network namespace goldN (10.99.N.2, fd99:N::2), proxy and clients outside it
(10.99.N.1, fd99:N::1), N = env LABNET. Brokers advertise brokerIP1=10.99.N.1, where the recording proxy listens on the same ports."""
import os, re, shutil, signal, socket, subprocess, time, sys, glob
TOOLS = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get('CARGO_TARGET_DIR', os.path.abspath(f'{TOOLS}/../../../target'))
G = os.environ.get('GOLDEN', f'{TARGET}/golden')   # labs run under run/, fixtures go to <split>/
ORACLE = f'{TARGET}/oracle'                        # where compat-tests/src/oracle.rs puts the jars
OPEN = ['--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED', '--add-opens=java.base/java.nio=ALL-UNNAMED',
        '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED', '--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED',
        '--add-opens=java.base/java.lang=ALL-UNNAMED']
NS_PORT, B_PORT, HA_PORT, S_PORT, SHA_PORT = 39876, 31911, 31912, 31921, 31922
N = int(os.environ.get('LABNET', '0'))
NET, VETH = f'gold{N}', f'vgold{N}'
HOST, INNER, HOST6, INNER6 = f'10.99.{N}.1', f'10.99.{N}.2', f'fd99:{N}::1', f'fd99:{N}::2'
NSADDR = f'{HOST}:{NS_PORT}'

def sh(*a):
    return subprocess.run(a, capture_output=True, text=True)

def netns():
    if NET in sh('ip', 'netns', 'list').stdout.split():
        return
    os.makedirs(f'/etc/netns/{NET}', exist_ok=True)
    open(f'/etc/netns/{NET}/hosts', 'w').write(f'127.0.0.1 localhost {socket.gethostname()}\n{HOST} gold-h\n{INNER} gold-i\n{HOST6} gold-h6\n{INNER6} gold-i6\n')
    open(f'/etc/netns/{NET}/resolv.conf', 'w').write('options timeout:1 attempts:1\n')
    for c in (f'ip netns add {NET}', f'ip link add {VETH} type veth peer name {VETH}p', f'ip link set {VETH}p netns {NET}',
              f'ip addr add {HOST}/24 dev {VETH}', f'ip addr add {HOST6}/64 dev {VETH} nodad', f'ip link set {VETH} up',
              f'ip netns exec {NET} ip link set lo up', f'ip netns exec {NET} ip addr add {INNER}/24 dev {VETH}p',
              f'ip netns exec {NET} ip addr add {INNER6}/64 dev {VETH}p nodad', f'ip netns exec {NET} ip link set {VETH}p up'):
        r = sh(*c.split())
        if r.returncode:
            sys.exit(c + ': ' + r.stderr)

def cp(ver):
    return f'{ORACLE}/{ver}/lib/*' + ('' if os.environ.get('CDSDUMP') else f':{G}/run/classes-{ver}.jar')

def compile(ver):
    d = f'{G}/run/classes-{ver}'
    os.makedirs(d, exist_ok=True)
    src = sorted(glob.glob(f'{TOOLS}/java/*.java')) + (sorted(glob.glob(f'{TOOLS}/java5/*.java')) if ver[0] == '5' else [])
    r = sh('javac', '-nowarn', '-d', d, '-cp', f'{ORACLE}/{ver}/lib/*', *src)
    if r.returncode:
        sys.exit(r.stderr)
    sh('jar', '-c', '-f', f'{d}.tmp.jar', '-C', d, '.')
    os.replace(f'{d}.tmp.jar', f'{d}.jar')

class Lab:
    def __init__(self, name, ver, v6=False):
        self.v6 = v6
        self.name, self.ver = name, ver
        self.dir = f'{G}/run/{name}'
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.procs = []
        netns()

    def java(self, tag, cls, *args, ns=False, cwd=None, jvm=(), env=None, wait=False, timeout=240, xmx='512m'):
        cwd, home = cwd or self.dir, f'{tag}.home'   # relative: servers report these paths to clients
        os.makedirs(f'{cwd}/{home}/conf', exist_ok=True)
        for f in ('broker', 'namesrv', 'tools', 'proxy'):
            if not os.path.exists(f'{cwd}/{home}/conf/logback_{f}.xml'):
                open(f'{cwd}/{home}/conf/logback_{f}.xml', 'w').write('<configuration/>')
        cmd = (['ip', 'netns', 'exec', NET] if ns else []) + ['java', '-Xmx' + xmx, '-Xshare:auto', *(['-XX:SharedArchiveFile=' + jsa] if os.path.exists(jsa := f'{G}/run/{self.ver}.jsa') else []), '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
              '-XX:MaxDirectMemorySize=1g', '-Duser.home=' + home, '-Djava.security.manager=allow', *([] if self.v6 else ['-Djava.net.preferIPv4Stack=true']), *OPEN, *jvm, '-cp', cp(self.ver), cls, *args]
        log = open(f'{self.dir}/{tag}.log', 'a')
        p = subprocess.Popen(cmd, cwd=cwd, stdout=log, stderr=log, env={**os.environ, 'ROCKETMQ_HOME': home, **(env or {})})
        if not wait:
            self.procs.append(p)
            return p
        try:
            rc = p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            rc = 'timeout'
        if rc != 0:
            print('!!', self.name, tag, cls, args, 'rc', rc)
        return rc

    def proxy(self):
        specs = []
        for p, kind in ((NS_PORT, 'frame'), (B_PORT, 'frame'), (HA_PORT, 'raw'), (S_PORT, 'frame'), (SHA_PORT, 'raw')):
            specs.append(f'{HOST}:{p}={INNER}:{p},{kind}')
            specs.append(f'[{HOST6}]:{p}=[{INNER6}]:{p},{kind}')
        self.px = subprocess.Popen([sys.executable, f'{TOOLS}/proxy.py', f'{self.dir}/wire.rec', *specs], stdout=subprocess.PIPE)
        assert self.px.stdout.readline()
        self.procs.append(self.px)

    def wait_port(self, port, host=INNER, t=200):
        end = time.time() + t
        while time.time() < end:
            try:
                socket.create_connection((host, port), 1).close()
                return
            except OSError:
                time.sleep(0.3)
        sys.exit(f'{self.name}: no port {port}')

    def namesrv(self, jvm=()):
        open(f'{self.dir}/namesrv.conf', 'w').write(f'listenPort={NS_PORT}\nconfigStorePath=./namesrv.properties\nkvConfigPath=./kvConfig.json\n')
        self.ns = self.java('namesrv', 'org.apache.rocketmq.namesrv.NamesrvStartup', '-c', 'namesrv.conf', ns=True, jvm=jvm, xmx='256m')
        self.wait_port(NS_PORT)

    def broker(self, tag='broker', conf=None, jvm=(), port=B_PORT, ha=HA_PORT, keep=False, **kw):
        d = f'{self.dir}/{tag}'
        os.makedirs(d, exist_ok=True)
        c = dict(brokerClusterName='GoldCluster', brokerName='gold-a', brokerId=0, brokerIP1=HOST, brokerIP2=HOST, namesrvAddr=NSADDR,
                 listenPort=port, haListenPort=ha, storePathRootDir='./store', storePathCommitLog='./store/commitlog',
                 mappedFileSizeCommitLog=1048576, mappedFileSizeConsumeQueue=6000, maxHashSlotNum=1000, maxIndexNum=4000,
                 autoCreateTopicEnable='true', deleteWhen='04', fileReservedTime=72000, flushDiskType='ASYNC_FLUSH', brokerRole='ASYNC_MASTER',
                 osPageCacheBusyTimeOutMills=10000, waitTimeMillsInSendQueue=10000)
        if self.ver[0] == '5':
            c.update(mappedFileSizeTimerLog=102400, compactionMappedFileSize=1048576, compactionCqMappedFileSize=4600,
                     mapperFileSizeBatchConsumeQueue=4600, timerRollWindowSlot=3600)
        c.update(conf or {})
        c = {k: v for k, v in c.items() if v is not None}
        open(f'{d}/broker.conf', 'w').write(''.join(f'{k}={v}\n' for k, v in c.items()))
        self.conf = c
        self.b = self.java(tag, 'org.apache.rocketmq.broker.BrokerStartup', '-c', 'broker.conf', ns=True, cwd=d, jvm=jvm, xmx='1g')
        self.wait_port(port)
        time.sleep(1.5)
        return self.b

    def stop(self, p, sig=signal.SIGTERM, t=60):
        if p.poll() is None:
            p.send_signal(sig)
            try:
                p.wait(t)
            except subprocess.TimeoutExpired:
                print('!! kill', self.name)
                p.kill()
                p.wait()

    def close(self):
        for p in reversed(self.procs):
            self.stop(p)
