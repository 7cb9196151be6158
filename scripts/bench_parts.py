# SPDX-License-Identifier: GPL-2.0
"""The parts of bench-guest: what the guests do, and which figures are made of what they say.

A guest says "= NAME VALUE" lines. A run is {case: {name: value}}: each case's guest once, one after the other, so that
what is compared was measured within minutes.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Callable

MIB_PAGES = 256


@dataclass
class Case:
    """One guest of a run."""
    name: str
    vm: list            # options of vm run
    script: str


@dataclass
class Figure:
    """A number of each run, beside its baseline in the same run."""
    label: str
    unit: str
    value: Callable
    against: str = ''
    baseline: Callable | None = None
    target: float | Callable | None = None  # at most so much of the baseline, or the value; or made of the runs
    least: bool = False                     # at least so much


@dataclass
class Part:
    name: str
    title: str
    about: str
    cases: list
    figures: list
    plot: str = 'ratios'


def of(case, name):
    return lambda run: run[case][name]


LOOP = ['--transport', 'loop']
SLOW = ['--disk-iops', '500']
FAST = ['--disk-iops', '0']

PRELUDE = r'''
set -e -o pipefail
bench=${bench:-/share/bench}; tmem=/sys/kernel/mm/tmem; hcache=$tmem/hcache
named() { local name=$1; shift; "$@" | sed "s/^= /= $name./"; }
quiet() { "$@" >/dev/null; }
# Commands, and what a page of their requests took, of the time of the vectors
traced() {
	local events=/sys/kernel/tracing/events/tmem/tmem_request/enable
	echo 65536 >/sys/kernel/tracing/buffer_size_kb; echo 1 >$events; "$@" >/dev/null; echo 0 >$events
	awk '/ op=/ { for (i = 1; i <= NF; i++) { split($i, a, "="); v[a[1]] = a[2] }
	              ns[v["op"]] += v["ns"] / v["vector"]; done[v["op"]] += v["done"] }
	     END { for (o in ns) if (done[o] > 1000) printf "= op_%s %.2f\n", o, ns[o] / done[o] }' /sys/kernel/tracing/trace
	echo 1024 >/sys/kernel/tracing/buffer_size_kb
}
'''

# ---- unit: what an operation costs ----

# The first rounds let the host give memory to the guest, the pool's too. All pages are put: this disk is the host's memory, and
# what of its cost is not the device's is not what admission counts.
UNIT_HCACHE = PRELUDE + r'''
$bench memory MEMORY
echo all >$hcache/admission
for i in $(seq $((SIZE / 32))); do cat /share/content; done >file; sync
evict="$bench reclaim ALL"; read="$bench read file SIZE"
for i in 1 2; do quiet $evict; quiet $read; done
named put $evict
before=$(cat $hcache/hits); named hit $read
[ $(($(cat $hcache/hits) - before)) -gt $((SIZE * 250)) ] || { echo "too few hits"; exit 1; }
named resident $read
round() { $evict; $read; }
traced round
echo 0 >$hcache/enabled
named drop $evict
named disk $read
$evict >/dev/null; truncate -s SIZEM hole; named hole $bench read hole SIZE
'''
UNIT_SWAP = PRELUDE + r'''
SETUP
$bench memory MEMORY
$bench swap SIZE
quiet $bench swap SIZE /share/content
$bench swap SIZE /share/content
TRACE
'''
ZSWAP = 'echo lz4 >/sys/module/zswap/parameters/compressor; echo 70 >/sys/module/zswap/parameters/max_pool_percent'
ZRAM = r'''
swapoff /dev/$VM_SWAP_DISK; echo DISKSIZE >/sys/block/zram0/disksize; mkswap /dev/zram0 >/dev/null; swapon /dev/zram0
'''


def unit(options):
    size, memory = (64, 256) if options.quick else (384, 1024)

    def script(text, setup='', trace=''):
        for name, value in (('SETUP', setup), ('TRACE', trace), ('SIZE', size), ('MEMORY', memory), ('ALL', size + 64)):
            text = text.replace(name, str(value))
        return text

    base = ['--mem', f'{size + memory + 256}M', *FAST]
    swap = base + ['--fs', 'none', '--swap', '1G']
    cases = [
        Case('hcache', [*base, *LOOP, '--pool', '1G'], script(UNIT_HCACHE)),
        Case('hswap', [*swap, *LOOP, '--pool', '1G'], script(UNIT_SWAP, trace='traced $bench swap 64 /share/content')),
        Case('zswap', [*swap, '--append', 'zswap.enabled=1'], script(UNIT_SWAP, ZSWAP)),
        Case('zram', swap, script(UNIT_SWAP, ZRAM.replace('DISKSIZE', '1G'))),
        Case('disk', swap, script(UNIT_SWAP))]

    def store(case):
        return lambda run: run[case]['out'] - run[case]['out_zero'] + run[case]['scan']

    def load(case):
        return lambda run: run[case]['in'] - run[case]['in_zero'] + run[case]['clear']

    def put(run):
        return run['hcache']['put.reclaim'] - run['hcache']['drop.reclaim']

    def get(run):
        return run['hcache']['hit.read'] - run['hcache']['hole.read'] + run['hcache']['clear']

    def memcpy(case, label, value, target=None):
        return Figure(label, 'ns', value, 'memcpy', of(case, 'memcpy'), target)

    figures = [Figure('memcpy, cold', 'ns', of('hcache', 'memcpy'))]
    for case, label, whole, op, other in (
            ('hcache', 'hcache put', put, 'op_put', store('zswap')), ('hcache', 'hcache get', get, 'op_get', load('zswap')),
            ('hswap', 'hswap store', store('hswap'), 'op_put', store('zswap')),
            ('hswap', 'hswap load', load('hswap'), 'op_get', load('zswap'))):
        figures += [memcpy(case, f'{label}: requests', of(case, op), 2.5), memcpy(case, f'{label}: in all', whole, 2.5),
                    Figure(f'{label}: in all', 'ns', whole, 'zswap', other, 0.5)]
    for case in 'zswap', 'zram', 'disk':
        figures += [memcpy(case, f'{case} store', store(case)), memcpy(case, f'{case} load', load(case))]
    return Part('unit', 'Cost of an operation, per page of 4 KiB', 'memcpy is of random pages of 1 GiB.', cases, figures)


# ---- virtio: pages that travel to another process ----

# All pages are put, see above. Without readahead each page is a vector of its own.
VIRTIO = PRELUDE + r'''
device=/sys/kernel/debug/virtio_tmem; tracing=/sys/kernel/tracing
# NAME COMMAND...: what the driver counts meanwhile
counted() {
	local name=$1 count
	shift
	for count in vectors kicks interrupts spins_won; do eval before_$count=$(cat $device/$count); done
	quiet "$@"
	for count in vectors kicks interrupts spins_won; do echo "= $name.$count $(($(cat $device/$count) - before_$count))"; done
}
# NAME NR COMMAND...: the middle one of all vectors of NR pages, by the page
trips() {
	local name=$1 nr=$2 event=$tracing/events/tmem/tmem_request/enable
	shift 2
	echo 65536 >$tracing/buffer_size_kb; echo 1 >$event; quiet "$@"; echo 0 >$event
	awk -v nr=$nr '/ op=get/ { for (i = 1; i <= NF; i++) { split($i, a, "="); v[a[1]] = a[2] }
	                           if (v["vector"] == nr && v["done"] == 1) print v["ns"] / nr }' $tracing/trace | sort -n |
		awk -v name=$name '{ ns[NR] = $1 } END { if (NR > 1000) printf "= %s %.2f\n", name, ns[int(NR / 2)] }'
	echo 1024 >$tracing/buffer_size_kb
}
$bench memory MEMORY
echo all >$hcache/admission
for i in $(seq $((SIZE / 32))); do cat /share/content; done >file; sync
evict="$bench reclaim ALL"; read="$bench read file SIZE"
for i in 1 2; do quiet $evict; quiet $read; done
counted put named put $evict
counted get named get $read
quiet $evict; trips run 32 $read
echo 0 >/sys/block/$VM_DISK/queue/read_ahead_kb
quiet $evict; trips single 1 $read
'''
# What counts here are instructions, but not those of polling; and while a guest sleeps its clock leaps
EXITS = "bench='/share/bench -c'\n" + UNIT_HCACHE + r'''
requests() { echo $(($(cat $hcache/put_requests) + $(cat $hcache/get_requests))); }
exits() { echo $(($(cat /sys/kernel/debug/virtio_tmem/kicks) + $(cat /sys/kernel/debug/virtio_tmem/interrupts))); }
echo 1 >$hcache/enabled; quiet $evict; quiet $read
nr=$(requests) out=$(exits); quiet $evict; quiet $read
echo "= requests $(($(requests) - nr))"; echo "= exits $(($(exits) - out))"
'''


def virtio(options):
    size, memory = (64, 256) if options.quick else (384, 1024)

    def script(text, size, memory):
        for name, value in (('SIZE', size), ('MEMORY', memory), ('ALL', size + 64)):
            text = text.replace(name, str(value))
        return text

    def guest(size, memory, *more):
        return ['--mem', f'{size + memory + 256}M', *FAST, '--transport', 'virtio', '--pool', '1G', *more]

    cases = [Case('uml', guest(size, memory), script(VIRTIO, size, memory)),
             Case('qemu', guest(64, 64, '--guest', 'qemu', '--smp', '1', '--accel', 'icount', '--append', 'virtio_tmem.spin_us=0'),
                  script(EXITS, 64, 64))]

    def share(what, count):
        return lambda run: 100 * run['uml'][f'{what}.{count}'] / run['uml'][f'{what}.vectors']

    figures = [Figure('memcpy, cold', 'ns', of('uml', 'memcpy'))]
    for label, trip, most in ('get, one page', 'single', 4000), ('get, 32 pages, each', 'run', 1200):
        figures += [Figure(label, 'ns', of('uml', trip), target=most),
                    Figure(label, 'ns', of('uml', trip), 'memcpy', of('uml', 'memcpy'))]
    for what in 'put', 'get':
        figures += [Figure(f'{what}: kicks, of 100', '', share(what, 'kicks'), target=1),
                    Figure(f'{what}: polled for, of 100', '', share(what, 'spins_won'))]
    figures += [Figure('put, QEMU', 'insns', lambda run: run['qemu']['put.reclaim'] - run['qemu']['drop.reclaim']),
                Figure('get, QEMU', 'insns', lambda run: run['qemu']['hit.read'] - run['qemu']['hole.read'] + run['qemu']['clear']),
                Figure('requests per exit, QEMU', '', lambda run: run['qemu']['requests'] / run['qemu']['exits'])]
    return Part('virtio', 'Pages that travel to tmemd',
                'Times are of the vectors, in a UML guest, and include the trace.  of 100: vectors.  Instructions '
                'are of x86-64, counted by QEMU, of a page, in a guest that sleeps for each answer.', cases, figures)


# ---- idle: enough memory ----

IDLE = PRELUDE + 'dd if=/share/content of=file bs=1M count=16 2>/dev/null; sync; $bench idle file SECONDS\n'
IDLE_OPS = ('syscall', 'read_4k', 'read_128k', 'fault', 'rewrite')


def idle(options):
    script = IDLE.replace('SECONDS', '0.3' if options.quick else '2')
    base = ['--mem', '160M', *FAST, '--guest', 'qemu', '--smp', '1', '--accel', 'icount']
    cases = [Case('unpatched', [*base, '--unpatched'], script),
             Case('n', [*base, '--kernel', options.kernel_without], script),
             Case('off', base, script), Case('loop', [*base, *LOOP], script)]

    def mean(case):
        return lambda run: math.prod(run[case][op] for op in IDLE_OPS) ** (1 / len(IDLE_OPS))

    figures = []
    for case in 'n', 'off', 'loop':
        figures += [Figure(f'{case}, {op}', 'insns', of(case, op), 'unpatched', of('unpatched', op)) for op in IDLE_OPS]
        figures.append(Figure(f'{case}, mean', 'insns', mean(case), 'unpatched', mean('unpatched'), 1.005))
    return Part('idle', 'Cost where there is enough memory',
                'Instructions of x86-64, counted by QEMU.  n is CONFIG_TMEM=n, off and loop are tmem=.  The mean is the geometric '
                'one.', cases, figures)


# ---- stream: pages that are used once ----

# What comes before the MIB fills memory and pool, so that the host has given both to the guest.
STREAM = PRELUDE + 'ADMISSION\n$bench read stream MIB FILLED\n'
SETTLE = PRELUDE + r'''
ADMISSION
sample() {
	read -r now rest </proc/uptime
	echo "= sample $phase $now $(cat $hcache/stored $hcache/hits $hcache/misses $hcache/lost | tr '\n' ' ')"
}
rounds() { while :; do $bench read $1 $2; done; }
for phase in again-1:again:AGAIN stream:stream:WHOLE again-2:again:AGAIN; do
	IFS=: read phase file mib <<-END
		$phase
	END
	rounds $file $mib >/dev/null &
	reader=$!
	for i in $(seq SAMPLES); do sample; sleep 0.5; done
	sample
	kill $reader; wait $reader || :
done
'''


def settled(samples, phase, good):
    """After how many seconds of a phase every later half second was good, or None."""
    rows = [[float(word) for word in line.split()[1:]] for line in samples if line.split()[0] == phase]
    steps = [(after[0] - rows[0][0], [b - a for a, b in zip(before[1:], after[1:])]) for before, after in zip(rows, rows[1:])]
    steps = [(when, good(*counts)) for when, counts in steps if counts[1] + counts[2] + counts[3] > 0]
    last_bad = max((when for when, fine in steps if not fine), default=0)
    return None if not steps or last_bad == steps[-1][0] else round(last_bad, 2)


def few_puts(stored, hits, misses, lost):
    return stored <= 0.5 * (hits + misses + lost)


def many_hits(stored, hits, misses, lost):
    return hits >= 0.8 * (hits + misses + lost) and stored > 0


def stream(options):
    mem, pool, again, samples = (96, 64, 112, 6) if options.quick else (160, 128, 200, 14)
    mib = mem * 4
    cases, figures = [], []

    def script(text, mode):
        admission = f'echo {mode} >$hcache/admission' if mode else ''
        for name, value in (('ADMISSION', admission), ('MIB', mib), ('FILLED', mem + pool), ('WHOLE', mem + pool + mib),
                            ('AGAIN', again), ('SAMPLES', samples)):
            text = text.replace(name, str(value))
        return text

    base = ['--mem', f'{mem}M', '--populate', str(options.stream_files(mem + pool + mib, again)), '--disk-size', '2G']
    loop = [*LOOP, '--pool', f'{pool}M']
    for disk, speed in ('unlimited', FAST), ('1000 IOPS', ['--disk-iops', '1000']):
        cases.append(Case(f'off, {disk}', [*base, *speed], script(STREAM, '')))
        for mode in options.admissions:
            case = f'{mode}, {disk}'
            cases.append(Case(case, [*base, *speed, *loop], script(STREAM, mode)))
            figures.append(Figure(case, 'ns', of(case, 'read'), 'off', of(f'off, {disk}', 'read'), 1.02))
    for mode in options.admissions:
        case = f'settle, {mode}'
        # With a slower disk most of a stream is put: it takes little then
        cases.append(Case(case, [*base, '--disk-iops', '3000', *loop], script(SETTLE, mode)))
        for label, phase, good in ('puts fall', 'stream', few_puts), ('hits rise', 'again-2', many_hits):
            figures.append(Figure(f'{mode}: {label}', 's', lambda run, case=case, phase=phase, good=good:
                                  settled(run[case]['sample'], phase, good), target=5))
    return Part('stream', f'{mib} MiB that are read once, in a guest of {mem} MiB with a pool of {pool} MiB',
                f'Times are of a page.  The default of admission is {options.admission}.  '
                'puts fall: how long until they are half of the pages read, or fewer, '
                f'when reading the same {again} MiB is followed by the stream.  hits rise: until they are 80 % of the pages read, '
                'when the stream is followed by those.', cases, figures)


# ---- swap: more anonymous memory than there is ----

# A guest that powers off while pages are still being swapped out may hang.
QUIET = 'sync; swapoff /dev/$VM_SWAP_DISK'
SWAP = PRELUDE + r'''
SETUP
mkfifo /tmp/go /tmp/done
/share/memwalk WALK /share/sample </tmp/go >/tmp/done &
exec 3>/tmp/go 4</tmp/done
state() { read -r reads rest </sys/block/$VM_SWAP_DISK/stat; read -r now rest </proc/uptime; }
pass() { echo >&3; read -r right wrong <&4; [ "$right:$wrong" = PAGES:0 ] || { echo "wrong pages: $wrong"; exit 1; }; }
state; start=$now first=$reads
pass
state
echo "= seconds $(echo "$now $start" | awk '{ print $1 - $2 }')"; echo "= reads $((reads - first))"
exec 3>&- 4<&-
wait
QUIET
'''
ZRAM_FIRST = r'''
swapoff /dev/$VM_SWAP_DISK; echo DISKSIZE >/sys/block/zram0/disksize; mkswap /dev/zram0 >/dev/null
swapon /dev/zram0; swapon /dev/$VM_SWAP_DISK	# the first one is filled first
'''


def swap(options):
    mem, walk, iops = (96, 112, 2000) if options.quick else (128, 192, 500)
    base = ['--mem', f'{mem}M', '--fs', 'none', '--swap', '512M', '--disk-iops', str(iops)]

    def script(setup=''):
        text = SWAP
        for name, value in (('SETUP', setup), ('WALK', walk), ('PAGES', walk * MIB_PAGES), ('QUIET', QUIET)):
            text = text.replace(name, str(value))
        return text

    cases = [Case('disk', base, script()),
             Case('hswap', [*base, *LOOP, '--pool', f'{2 * mem}M'], script()),
             Case('zswap', [*base, '--append', 'zswap.enabled=1'], script()),
             Case('zram', base, script(ZRAM_FIRST.replace('DISKSIZE', f'{mem // 2}M')))]
    figures = [Figure('disk, time', 's', of('disk', 'seconds')), Figure('disk, swap reads', '', of('disk', 'reads'))]
    for case, targets in ('hswap', (0.25, 0.02)), ('zswap', (None, None)), ('zram', (None, None)):
        figures += [Figure(f'{case}, time', 's', of(case, 'seconds'), 'disk', of('disk', 'seconds'), targets[0]),
                    Figure(f'{case}, swap reads', '', of(case, 'reads'), 'disk', of('disk', 'reads'), targets[1])]
    return Part('swap', f'{walk} MiB of anonymous memory, walked once in a guest of {mem} MiB',
                f"The disk does {iops} operations a second.  hswap's pool comes on top of the guest's memory; zswap and zram take "
                'theirs out of it.', cases, figures)


# ---- make: compilers side by side ----

MAKE = PRELUDE + r'''
mount -t devtmpfs dev /mnt/dev
state() {
	read -r reads rest </sys/block/$VM_DISK/stat
	read -r swaps rest </sys/block/$VM_SWAP_DISK/stat
	read -r now rest </proc/uptime
}
state; start=$now first=$((reads + swaps))
chroot /mnt make -C /src/build -s -j JOBS || { echo "make failed"; exit 1; }
state
echo "= seconds $(echo "$now $start" | awk '{ print $1 - $2 }')"; echo "= reads $((reads + swaps - first))"
QUIET
'''


def make(options):
    def target(nr):
        """Half the time, if more jobs make it take twice as long without tmem; else, as long."""
        def of_runs(runs):
            alone, many = (statistics.median(run[f'off -j{jobs}']['seconds'] for run in runs) for jobs in (options.jobs[0], nr))
            return 0.5 if many >= 2 * alone else 1.01
        return of_runs

    base = ['--mem', '192M', '--swap', '1500M', '--populate', str(options.toolchain()), *SLOW]
    cases, figures = [], []
    for nr in options.jobs:
        script = MAKE.replace('JOBS', str(nr)).replace('QUIET', QUIET)
        cases += [Case(f'off -j{nr}', base, script), Case(f'loop -j{nr}', [*base, *LOOP, '--pool', '1200M'], script)]
        figures += [Figure(f'off -j{nr}', 's', of(f'off -j{nr}', 'seconds')),
                    Figure(f'loop -j{nr}', 's', of(f'loop -j{nr}', 'seconds'), 'off', of(f'off -j{nr}', 'seconds'), target(nr)),
                    Figure(f'loop -j{nr}, of processor', 's', of(f'loop -j{nr}', 'cpu'), 'off', of(f'off -j{nr}', 'cpu'))]
    return Part('make', 'make -jN in a guest of 192 MiB with a pool of 1200 MiB',
                'Files of the kernel are compiled.  Disk and swap together do 500 operations a second.', cases, figures,
                plot='lines')


PARTS = {'unit': unit, 'virtio': virtio, 'idle': idle, 'stream': stream, 'swap': swap, 'make': make}
