# SPDX-License-Identifier: GPL-2.0
"""Guests whose loads rise and fall, and which have less memory than all of them would need at their peaks.

Ways to give it to them: each a fixed part; balloons, moved by tmemd; small guests and a pool; balloons and a pool, the
whole loop; and, for comparison, more than any of them needs, and an oracle, who moves balloons and knows all loads beforehand.
"""

import json
import subprocess
import sys
import threading
import time

from house import Failure, REPO

sys.path.insert(0, str(REPO / 'tools/testing/tmem/vmlib'))
import guardian
import store

VM = REPO / 'tools/testing/tmem/vm'
TICK = 0.25                     # seconds between two figures of a load
PEAK, REST = 128, 16            # MiB that a load uses
SYSTEM = 32                     # MiB: what a guest has beside its load, about
WHOLE = PEAK + 2 * SYSTEM       # MiB: a guest that lacks nothing
SMALL = 56                      # MiB: a guest that has a pool for the rest
NAMES = 'abcd'                  # of four guests
TOTAL = (PEAK + SYSTEM) * len(NAMES) * 6 // 10      # MiB that these have together: 60 % of the sum of their peaks
HIGH, LOW = f'{PEAK}:500', f'{REST}:20000'          # how much of it in use, microseconds that a request thinks
IOPS = 3000                     # of each guest's disks
SWAPS = 'echo 150 >/proc/sys/vm/swappiness || exit' # where swap is in memory, as the kernel's documentation has it
SOME = '\necho 4096 >/sys/kernel/mm/tmem/hswap/limit || exit'  # pages: for what nobody has used for long there is the disk


class Way:
    """How guests get memory: MiB of each; arguments of tmemd, or None; what a guest does first; whether balloons move, and an
    oracle moves them."""

    def __init__(self, name, about, mem, daemon=None, first='', balloon=False, oracle=False):
        self.name, self.about, self.mem, self.daemon = name, about, mem, daemon
        self.first, self.balloon, self.oracle = first, balloon, oracle


def ways(nr, total):
    """Those of so many guests, which have so many MiB together, the pool's included."""
    rest = total - SMALL * nr
    # Guests prove by what they bring back, or would, that they need memory; so there is a pool in any case, a tiny one
    moved = ['--memory', f'{total}M', '--size', '8M']
    every = [Way('enough', f'each guest has {WHOLE} MiB', WHOLE),
             Way('fixed', f'each guest has {total // nr} MiB', total // nr),
             Way('pool', f'each guest has {SMALL} MiB, and all have a pool of {rest} MiB', SMALL, ['--size', f'{rest}M'], SWAPS),
             Way('oracle', f'{total} MiB for all, moved by who knows all loads', WHOLE, ['--size', '8M', '--max-size', '8M'],
                 balloon=True, oracle=True),
             Way('balloons', f'{total} MiB for all, moved by balloons', WHOLE, [*moved, '--max-size', '8M'], balloon=True),
             Way('loop', f'{total} MiB for all, by balloons and a pool', WHOLE, [*moved, '--max-size', f'{total}M'], SWAPS + SOME,
                 True)]
    return {way.name: way for way in every}


def turns(length, rounds):
    """The phases of four guests, each of which is high for so many seconds, one after the other, and that so many times."""
    return {name: ' '.join([f'{length}:{HIGH if other == name else LOW}' for other in NAMES] * rounds) for name in NAMES}


def work_of(said, name=None, since=0, until=None):
    """Requests within these seconds, of one guest or of all."""
    cut = slice(int(since / TICK), None if until is None else int(until / TICK))
    return sum(sum(ticks[cut]) for guest, ticks in said['requests'].items() if name in (None, guest))


# The multi-gen LRU evicts all pages of files, those in use, too, before it looks for anonymous pages that nobody uses.
GUEST = '''echo n >/sys/kernel/mm/lru_gen/enabled
[ ! -e /sys/kernel/mm/tmem/wse/mode ] || echo host >/sys/kernel/mm/tmem/wse/mode 2>/dev/null
FIRST
echo "= ready"
while [ ! -e /share/go ]; do sleep 0.05; done
/share/load /mnt/load PHASES
status=$?
echo "= killed $(dmesg | grep -c 'Killed process')"
exit $status
'''


class Watch(threading.Thread):
    """Asks tmemd twice a second what it says of its clients, and of what it decided."""

    def __init__(self, sockets):
        super().__init__(daemon=True)
        self.command = [store.build('tmemctl'), '--socket', sockets, '--json']
        self.samples, self.over, self.began = [], threading.Event(), time.monotonic()

    def ask(self, what):
        asked = subprocess.run([*self.command, what], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(asked.stdout) if asked.returncode == 0 else {}

    def run(self):
        while not self.over.wait(0.5):
            said = {**self.ask('scheduler'), **self.ask('list')}
            if 'clients' in said:
                self.samples.append((time.monotonic() - self.began, said))


class Host:
    """tmemd, if there is one, while the guests run."""

    def __init__(self, out, way, names):
        self.sockets, self.way, self.names, self.daemon, self.watch = out / 'sockets', way, names, None, None

    def __enter__(self):
        if not self.way.daemon:
            return self
        self.daemon = store.serve_clients(self.sockets, self.names, self.way.daemon)
        self.watch = Watch(self.sockets)
        self.watch.start()
        return self

    def __exit__(self, *_):
        if self.watch:
            self.watch.over.set()
            self.watch.join()
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()

    def set(self, name, mib):
        subprocess.run([store.build('tmemctl'), '--socket', self.sockets, 'set', name, f'memory={mib}M'], check=True,
                       stdout=subprocess.DEVNULL)

    def arguments(self, name):
        if not self.daemon:
            return ['--transport', 'none']
        balloon = ['--balloon', '--append', 'page_reporting.page_reporting_order=4'] if self.way.balloon else []
        return ['--transport', 'virtio', '--tmem-socket', self.sockets / name, *balloon]


class Guest(threading.Thread):
    """A guest, and what it says."""

    def __init__(self, host, name, work, out):
        super().__init__(daemon=True)
        self.name, self.log = name, out / f'{host.way.name}-{name}.log'
        script = GUEST.replace('FIRST', host.way.first).replace('PHASES', work.phases[name])
        command = [VM, 'run', '--quiet', '--mem', f'{host.way.mem}M', '--disk-iops', work.iops, '--swap', '512M', '--disk-size',
                   '256M', '--populate', work.files, '--share', work.share, '--timeout', 300 + 2 * work.length,
                   '--log', self.log, *host.arguments(name), '--', script]
        self.ready, self.requests, self.said = threading.Event(), [], {}
        self.process = guardian.start([str(word) for word in command], stdout=subprocess.PIPE, text=True)

    def run(self):
        for line in self.process.stdout:
            words = line.split()
            if words[:1] != ['=']:
                self.said.setdefault('other', []).append(line.rstrip())
            elif words[1] == 'ready':
                self.ready.set()
            elif words[1].isdigit():
                self.requests.append(int(words[2]))
            else:
                self.said[words[1]] = [int(word) for word in words[2:]]
        self.ready.set()

    def check(self):
        """When it has ended: that its data were right, and nothing was killed."""
        status, wrong = self.process.wait(), self.said.get('end', [0, 0])[1]
        if self.said.get('killed', [0])[0]:
            raise Failure(f'in guest {self.name} a process was killed for lack of memory, see {self.log}')
        if wrong:
            raise Failure(f'guest {self.name} has had wrong data in {wrong} pages')
        if status or 'end' not in self.said or 'killed' not in self.said:
            raise Failure(f'guest {self.name} has not done its work, status {status}, see {self.log}')


class Work:
    """What the guests have to do: phases of each, as guest/load.c takes them."""

    def __init__(self, out, phases, iops=IOPS):
        self.phases, self.iops = phases, iops
        self.length = max(sum(float(phase.split(':')[0]) for phase in each.split()) for each in phases.values())
        self.share, self.files = out / 'share', out / 'files'
        self.share.mkdir(parents=True, exist_ok=True)
        self.files.mkdir(exist_ok=True)
        source = REPO / 'tools/testing/tmem/guest/load.c'
        if subprocess.run(['gcc', '-O2', '-static', '-Wall', '-o', self.share / 'load', source]).returncode:
            raise Failure(f'cannot compile {source}, see above')
        subprocess.run([self.share / 'load', '--make', self.files / 'load', str(PEAK // 2)], check=True)


def attend(guests, tell):
    """Until all have done their work; tells meanwhile what requests each has done."""
    while waited := [guest for guest in guests if guest.is_alive()]:
        for guest in waited:
            guest.join(0.1)
            if not guest.is_alive():
                guest.check()
        tell({guest.name: guest.requests for guest in guests})


def check_sums(samples):
    """No decision hands out more than there is. Guests begin with more, and one may take back what is in its balloon, of itself."""
    samples = [said for said in samples if said.get('guests')]
    least, before, known = None, None, {}
    for said in samples:
        each = {guest['name']: max(guest['has'], guest['goal']) for guest in said['guests']}
        handed_out = sum(each.values()) + max(said['pool'], said['pool_has'])
        taken = sum(max(guest['has'] - max(guest['goal'], known.get(guest['name'], 0)), 0) for guest in said['guests'])
        if before is not None and handed_out > max(said['memory'], before) + taken:
            raise Failure(f'tmemd has handed out {handed_out / (1 << 20):.1f} MiB, of {said["memory"] >> 20}')
        if len(each) == len(samples[0]['guests']):      # nobody has left yet
            least = min(handed_out, least or handed_out)
        before, known = handed_out, each
    if least is None or least > samples[0]['memory']:
        raise Failure('guests and pool have never come down to the memory that there is')


class Oracle(threading.Thread):
    """Gives each guest what its load is about to use, and its part of what is left, when that changes."""

    def __init__(self, host, phases):
        super().__init__(daemon=True)
        self.host, self.over, self.failure = host, threading.Event(), None
        self.changes = {}           # second -> guest -> MiB
        for name, each in phases.items():
            at = 0
            for phase in each.split():
                seconds, mib, _ = phase.split(':')
                self.changes.setdefault(at, {})[name] = int(mib)
                at += float(seconds)

    def run(self):
        began, loads = time.monotonic(), {}
        for at in sorted(self.changes):
            if self.over.wait(max(0, began + at - time.monotonic())):
                return
            loads |= self.changes[at]
            spare = (TOTAL - sum(loads.values())) // len(loads)
            try:
                # First those who give
                for name in sorted(loads, key=loads.get):
                    self.host.set(name, min(loads[name] + spare, WHOLE))
            except subprocess.CalledProcessError as failure:
                self.failure = failure
                return


def run_way(way, work, out, tell=lambda requests: None):
    """Requests of each guest in each tick, and what tmemd said meanwhile, as (seconds, answer)."""
    (work.share / 'go').unlink(missing_ok=True)
    with Host(out, way, list(work.phases)) as host:
        guests = [Guest(host, name, work, out) for name in work.phases]
        oracle = Oracle(host, work.phases)
        try:
            for guest in guests:
                guest.start()
            for guest in guests:
                if not guest.ready.wait(120) or guest.process.poll() is not None:
                    raise Failure(f'guest {guest.name} does not boot, see {guest.log}')
            began = time.monotonic()
            (work.share / 'go').touch()
            if way.oracle:
                oracle.start()
            attend(guests, tell)
            if oracle.failure:
                raise Failure(f'the oracle moves no balloons: {oracle.failure}')
        finally:
            oracle.over.set()
            for guest in guests:
                guest.process.terminate()
                guest.process.wait()
    samples = [(at + host.watch.began - began, said) for at, said in host.watch.samples] if host.watch else []
    if way.balloon and not way.oracle:
        check_sums([said for at, said in samples if at >= 0])
    return {'requests': {guest.name: guest.requests for guest in guests}, 'samples': samples}


# ---- what tmemd says of a guest ----

def client(said, name):
    return next(each for each in said['clients'] if each['name'] == name)


def memory(said, name):
    """MiB that the host has to count."""
    return client(said, name)['resident'] / (1 << 20)


def goal(said, name):
    """MiB that its balloon is to leave."""
    return client(said, name)['memory_goal'] / (1 << 20)


def write_rows(run, names, out, title):
    """Memory of each guest over time, and of the pool, one on top of the other: seconds and heights; the file with that."""
    data = out / f'{title}.dat'
    with open(data, 'w', encoding='utf-8') as lines:
        for at, said in run['samples']:
            parts = [*[memory(said, name) for name in names], sum(client(said, name)['charged'] for name in names) / (1 << 20)]
            heights = [sum(parts[:nr + 1]) for nr in range(len(parts))]
            if at >= 0:
                print(round(at, 2), *(round(height, 1) for height in heights), file=lines)
    return data


def gnuplot(script):
    subprocess.run(['gnuplot'], input=script, text=True, check=True)


def plot(run, names, out, title):
    """An svg of all, one above the other, the pool on top of them."""
    data = write_rows(run, names, out, title)
    layers = [f'"{data}" using 1:{nr + 1} with filledcurves x1 title "{what}"'
              for nr, what in reversed(list(enumerate([*names, 'pool'], 1)))]
    gnuplot(f'set terminal svg size 800,420 background "white"; set output "{out}/{title}.svg"; set xlabel "s"; set ylabel "MiB"\n'
            f'set key outside; set yrange [0:*]; set style fill solid 0.7\nplot {", ".join(layers)}\n')


def text_plot(run, names, out, title):
    """A picture of letters: those of the guests, and p for the pool; none is on top of another one."""
    data = write_rows(run, names, out, title)
    letters = [f'"{data}" using 1:(${nr + 1}{f"-${nr}" if nr > 1 else ""}) with points pt "{what[0]}" notitle'
               for nr, what in enumerate([*names, 'pool'], 1)]
    gnuplot(f'set terminal dumb size 110,26; set yrange [0:*]\nplot {", ".join(letters)}\n')
