# SPDX-License-Identifier: GPL-2.0
"""The demo of one pool for two guests, in Xen: they read, in turn, files that neither has memory for.

As demo_pool, but for what counts: Xen runs in QEMU, whose clock says little, so that disk reads are counted. Both guests read
the same disk, which nobody writes to; each has blocks of its own in its memory, and in the pool.

In the end both guests say what memory they need, and tmem-sched divides it among them and the pool: first one reads and the
other one rests, and then the other way round.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import demo_pool
import house
import loop
from demo_pool import GUESTS, PASSES, ROUNDS, VM, store
from house import Failure, REPO

MEM, MORE, SET = 96, 80, 88         # MiB: memory of a guest, its fixed part, its files
SHARED, MOST, READ, TURN = 200, 176, 64, 40     # MiB: guests and pool, one guest at most, what one reads for so many seconds
TARGET = 0.10                       # of the reads without a pool, once all files have been read

# name, memory of a guest, pool for both, its policy, what it is
CONFIGS = (('off', MEM, 0, '', f'guests of {MEM} MiB'),
           ('fixed', MEM + MORE, 0, '', f'guests of {MEM} + {MORE} MiB'),
           ('pool', MEM, 2 * MORE, 'greedy', f'guests of {MEM} MiB, a pool of {2 * MORE} MiB for both'),
           ('half', MEM, MORE, 'utility', f'guests of {MEM} MiB, a pool of {MORE} MiB for both'),
           ('sched', MEM, SHARED - 2 * MEM, '', f'{SHARED} MiB for guests and pool, as they say what they need'))

# Runs in dom0: creates the guests, tells them by their consoles when to read, and repeats what they say. A line that begins
# with '#' is about the pool: seconds, and what tmemctl says.
DOM0 = r'''
lines() { tr -d '\r' </var/log/xen/console/guest-$1.log | grep '^= '; }
fail() { echo "$*"; exit 1; }
sample() { [ -z "POLICY" ] || echo "# $(cut -d ' ' -f 1 /proc/uptime) $(tmemctl --host xen --json list)"; }
[ -z "POLICY" ] || tmemctl --host xen policy POLICY >/dev/null || fail "tmemctl cannot set the policy"
for name in GUESTS; do
	sed "s/^name = .*/name = \"$name\"/" /vm/guest.cfg >$name.cfg
	xl create -e -q $name.cfg || fail "guest $name cannot be created"
done
for round in $(seq ROUNDS); do
	for name in GUESTS; do
		echo >"$(xenstore-read /local/domain/$(xl domid $name)/console/tty)"
		for pass in $(seq PASSES); do
			until line=$(lines $name | sed -n "$(((round - 1) * PASSES + pass))p"); [ -n "$line" ]; do
				xl domid $name >/dev/null || fail "guest $name has ended"
				sample
				sleep 1
			done
			echo "$line"
		done
	done
done
'''


# Runs in dom0, for the end. A line that begins with '=' says who reads from then on, and in the end what each has read.
DOM0_SCHED = r'''
log=/var/log/xen/console
fail() { echo "$*"; cat sched.log; exit 1; }
tell() { echo "$2" >"$(xenstore-read /local/domain/$(xl domid $1)/console/tty)"; }
for name in GUESTS; do
	{ sed "s/^name = .*/name = \"$name\"/" /vm/guest.cfg; echo "maxmem = MOST"; } >$name.cfg
	xl create -e -q -p $name.cfg && xl mem-max $name MOST && xl unpause $name || fail "guest $name cannot be created"
done
for name in GUESTS; do
	until grep -q '^= ready' $log/guest-$name.log; do
		xl domid $name >/dev/null || fail "guest $name has ended"
		sleep 1
	done
done
tmem-sched run --verbose --memory SHAREDM --size 8M >sched.log 2>&1 &
sched=$!
for name in GUESTS; do
	echo "= $name"
	tell $name read
	end=$(($(cut -d . -f 1 /proc/uptime) + TURN))
	while [ $(cut -d . -f 1 /proc/uptime) -lt $end ]; do
		echo "# $(cut -d ' ' -f 1 /proc/uptime) $(tmemctl --host xen --json list)"
		sleep 1
	done
	tell $name rest
done
kill $sched
wait $sched || fail "tmem-sched has failed"
for name in GUESTS; do
	until grep '^= end' $log/guest-$name.log; do
		xl domid $name >/dev/null || fail "guest $name has ended"
		sleep 1
	done
done
'''

# Runs in each guest meanwhile
GUEST_SCHED = r'''
echo host >/sys/kernel/mm/tmem/wse/mode
echo "= ready"
while read -r what; do
	case $what in
	read) /share/load -f /mnt/load PHASES >/tmp/said & ;;
	rest) kill $!; wait $!; grep "^= end" /tmp/said ;;
	esac
done </dev/hvc0
'''


def filled(text, **values):
    for name, value in values.items():
        text = text.replace(name, str(value))
    return text


def tool(out, directory, name):
    """A program of this checkout by its own name, as dom0 has it."""
    path = out / 'tools' / name
    path.parent.mkdir(exist_ok=True)
    shutil.copy(store.build(directory, name), path)
    return path


def command(options, name, mem, pool, programs, tree, script, tools, out, work):
    argv = [VM, 'run', '--quiet', '--guest', options.guest, '--mem', f'{mem}M', '--smp', '1', '--disk-iops', options.iops,
            '--fs', options.fs, '--mount-opts', 'ro', '--disk-size', '1G', '--populate', tree, '--share', programs,
            '--timeout', '900', '--log', out / f'{name}.log', '--dom0', script, '--dom0-with', ','.join(map(str, tools)),
            *(['--transport', 'xen', '--pool', f'{pool}M'] if pool else []), '--', work]
    return [str(word) for word in argv]


@contextlib.contextmanager
def machine(text, *arguments):
    """dom0 runs a script; what it says is read from this."""
    options, name, mem, pool, programs, tree, tools, out, work = arguments
    with tempfile.NamedTemporaryFile('w', prefix='demo-dom0.') as script:
        script.write(text)
        script.flush()
        argv = command(options, name, mem, pool, programs, tree, script.name, tools, out, work)
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        try:
            yield process.stdout
            process.stdout.read()
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdout.close()
            status = process.wait()
    if status:
        raise Failure(f'the machine failed with status {status}; its console: {out}/{name}.log')


def sample_of(line):
    """What each guest has of the pool, in MiB, and when; or None, before there is an answer."""
    _, seconds, said = line.split(None, 2)
    held = {client['name']: client['charged'] / (1 << 20) for client in json.loads(said)['clients']}
    return (float(seconds), *[held.get(name, 0) for name in GUESTS])


def read_rounds(lines, digest):
    """What the guests say of each pass, and how the pool was divided meanwhile."""
    said, samples = [], []
    for turn in range(1, ROUNDS + 1):
        for name in GUESTS:
            for nr in range(1, PASSES + 1):
                while (line := lines.readline()).startswith('#'):
                    samples.append(sample_of(line))
                said.append(demo_pool.pass_of(line, name, turn, nr, digest))
            print(f'      guest {name}, round {turn}: disk reads {", ".join(str(row[4]) for row in said[-PASSES:])}', flush=True)
    return said, samples


def run_config(options, config, programs, tree, digest, out):
    name, mem, pool, policy, _ = config
    if name == 'sched':
        return converge(options, name, mem, pool, out)
    work = demo_pool.guest_script('read -r turn </dev/hvc0', 'read -r turn </dev/hvc0')
    text = filled(DOM0, POLICY=policy, GUESTS=' '.join(GUESTS), ROUNDS=ROUNDS, PASSES=PASSES)
    tools = [tool(out, 'tmemctl', 'tmemctl')]
    with machine(text, options, name, mem, pool, programs, tree, tools, out, work) as lines:
        return read_rounds(lines, digest)


def bars(at, said):
    """A line: who has how many MiB, with a mark for each eight."""
    pool = sum(client['charged'] for client in said['clients']) / (1 << 20)
    parts = [*((name, loop.memory(said, name)) for name in GUESTS), ('pool', pool)]
    return f'{at:5.0f} s' + ''.join(f'   {what} {mib:4.0f} {"#" * round(mib / 8):{MOST // 8}}' for what, mib in parts).rstrip()


def watch(lines):
    """For each turn, who reads, and (seconds, what tmemctl says) of each time; said aloud now and then."""
    turns, began, shown = [], None, -4
    for line in lines:
        kind, word, *rest = line.split(None, 2) + ['', '']
        if kind == '#':
            began = began or float(word)
            at, said = float(word) - began, json.loads(rest[0])
            turns[-1][1].append((at, said))
            if at >= shown + 4:
                print('      ' + bars(at, said), flush=True)
                shown = at
        elif kind == '=' and word in GUESTS:
            turns.append((word, []))
            print(f'      guest {word} reads, the other one rests', flush=True)
        elif kind != '=':
            raise Failure(line + lines.read())
        elif rest[0].split()[1:] != ['0']:
            raise Failure(f'a guest has read wrong data: pages right, wrong: {rest[0]}')
    return turns


def converge(options, name, mem, pool, out):
    """Memory follows the need of two guests: the turns, as watch() has them, and all samples."""
    work = loop.Work(out / name, {each: f'{2 * TURN}:{READ}:500' for each in GUESTS})
    tools = [tool(out, 'tmemctl', 'tmemctl'), tool(out, 'sched', 'tmem-sched')]
    text = filled(DOM0_SCHED, GUESTS=' '.join(GUESTS), MOST=MOST, SHARED=SHARED, TURN=TURN)
    script = GUEST_SCHED.replace('PHASES', work.phases['a'])
    # It may be larger while nobody wants that memory
    with machine(text, options, name, mem, pool + MORE, work.share, work.files, tools, out, script) as lines:
        turns = watch(lines)
    samples = [sample for _, samples in turns for sample in samples]
    loop.plot({'samples': samples}, GUESTS, out, name)
    print(f'      Plot: {os.path.relpath(out / name)}.svg')
    return turns, samples


def summarize_turns(config, turns):
    """What each guest had at the end of each turn."""
    return {'config': config[0], 'mib': SHARED, 'turns': [
        {'reads': name, **{each: round(loop.memory(samples[-1][1], each)) for each in GUESTS}} for name, samples in turns]}


def summarize(config, said):
    """Disk reads: in all; and after the pass in which a guest reads its files for the first time."""
    if config[0] == 'sched':
        return summarize_turns(config, said)
    def total(*turns):
        return sum(row[4] for row in said if (row[1], row[2]) != (1, 1) and row[1] in turns)
    both = range(1, ROUNDS + 1)
    return {'config': config[0], 'guest_mib': config[1], 'pool_mib': config[2], 'disk_reads': sum(row[4] for row in said),
            'disk_reads_after_first_pass': total(*both), 'rounds': [{'disk_reads_after_first_pass': total(turn)} for turn in both]}


def results_sched(run):
    print(f'\n{SHARED} MiB for both guests and the pool, divided by tmem-sched as they say what they need')
    for turn in run['turns']:
        print(f"When guest {turn['reads']} has read {READ} MiB for {TURN} s, and the other one has rested, a has {turn['a']} MiB "
              f"and b has {turn['b']}.")


def results(runs):
    *runs, sched = runs
    for run in runs:
        run['of_off'] = round(run['disk_reads_after_first_pass'] / max(runs[0]['disk_reads_after_first_pass'], 1), 4)
    titles = [f'round {turn}' for turn in range(1, ROUNDS + 1)]
    print(f"\nDisk reads after the first pass\n{'':8}{'guests':>12}{'pool':>9}{'in all':>9}"
          + ''.join(f'{title:>10}' for title in [*titles, 'both', 'of off']))
    for run in runs:
        print(f"{run['config']:8}{'2 x %d MiB' % run['guest_mib']:>12}{'%d MiB' % run['pool_mib']:>9}"
              f"{'%d MiB' % (2 * run['guest_mib'] + run['pool_mib']):>9}"
              + ''.join(f"{part['disk_reads_after_first_pass']:>10}" for part in [*run['rounds'], run]) + f"{run['of_off']:>10.1%}")
    print('\nIn round 1 a guest reads its files for the first time, which is not counted, and then again; in round 2 it has its\n'
          'turn once more, after the other one.')
    pool = next(run for run in runs if run['config'] == 'pool')
    print(f"\nWith a pool {pool['of_off']:.1%} of the disk reads are left: the target of {TARGET:.0%} is "
          f"{'met' if pool['of_off'] <= TARGET else 'missed'}.")
    results_sched(sched)


def needs():
    house.deps('qemu', 'xen-build', 'xen')
    if subprocess.run([REPO / 'scripts/build-xen'], stdout=subprocess.DEVNULL).returncode:
        raise Failure('there is no Xen, see above')
