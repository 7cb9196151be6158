# SPDX-License-Identifier: GPL-2.0
"""The demo of one pool for two guests, in Xen: they read, in turn, files that neither has memory for.

As demo_pool, but for what counts: Xen runs in QEMU, whose clock says little, so that disk reads are counted. Both guests read
the same disk, which nobody writes to; each has blocks of its own in its memory, and in the pool.
"""

import json
import subprocess
import tempfile

import demo_pool
import house
from demo_pool import GUESTS, PASSES, ROUNDS, VM, store
from house import Failure, REPO

MEM, MORE, SET = 96, 80, 88         # MiB: memory of a guest, its fixed part, its files
TARGET = 0.10                       # of the reads without a pool, once all files have been read

# name, memory of a guest, pool for both, its policy, what it is
CONFIGS = (('off', MEM, 0, '', f'guests of {MEM} MiB'),
           ('fixed', MEM + MORE, 0, '', f'guests of {MEM} + {MORE} MiB'),
           ('pool', MEM, 2 * MORE, 'greedy', f'guests of {MEM} MiB, a pool of {2 * MORE} MiB for both'),
           ('half', MEM, MORE, 'utility', f'guests of {MEM} MiB, a pool of {MORE} MiB for both'))

# Runs in dom0: creates the guests, tells them by their consoles when to read, and repeats what they say. A line that begins
# with '#' is about the pool: seconds, and what tmemctl says.
DOM0 = r'''
lines() { tr -d '\r' </var/log/xen/console/guest-$1.log | grep '^= '; }
fail() { echo "$*"; exit 1; }
sample() { [ -z "POLICY" ] || echo "# $(cut -d ' ' -f 1 /proc/uptime) $(TMEMCTL --host xen --json list)"; }
[ -z "POLICY" ] || TMEMCTL --host xen policy POLICY >/dev/null || fail "tmemctl cannot set the policy"
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


def dom0_script(policy, tmemctl):
    text = DOM0
    for name, value in (('POLICY', policy), ('GUESTS', ' '.join(GUESTS)), ('ROUNDS', str(ROUNDS)),
                        ('PASSES', str(PASSES)), ('TMEMCTL', tmemctl.name)):
        text = text.replace(name, value)
    return text


def command(options, config, programs, tree, script, tmemctl, out):
    name, mem, pool, _, _ = config
    argv = [VM, 'run', '--quiet', '--guest', options.guest, '--mem', f'{mem}M', '--smp', '1', '--disk-iops', options.iops,
            '--fs', options.fs, '--mount-opts', 'ro', '--disk-size', '1G', '--populate', tree, '--share', programs,
            '--timeout', '900', '--log', out / f'{name}.log', '--dom0', script, '--dom0-with', tmemctl,
            *(['--transport', 'xen', '--pool', f'{pool}M'] if pool else []),
            '--', demo_pool.guest_script('read -r turn </dev/hvc0', 'read -r turn </dev/hvc0')]
    return [str(word) for word in argv]


def sample_of(line):
    """What each guest has of the pool, in MiB, and when; or None, before there is an answer."""
    _, seconds, said = line.split(None, 2)
    held = {client['name']: client['charged'] / (1 << 20) for client in json.loads(said)['clients']}
    return (float(seconds), *[held.get(name, 0) for name in GUESTS])


def read_rounds(machine, digest):
    """What the guests say of each pass, and how the pool was divided meanwhile."""
    said, samples = [], []
    for turn in range(1, ROUNDS + 1):
        for name in GUESTS:
            for nr in range(1, PASSES + 1):
                while (line := machine.stdout.readline()).startswith('#'):
                    samples.append(sample_of(line))
                said.append(demo_pool.pass_of(line, name, turn, nr, digest))
            print(f'      guest {name}, round {turn}: disk reads {", ".join(str(row[4]) for row in said[-PASSES:])}', flush=True)
    return said, samples


def run_config(options, config, programs, tree, digest, out):
    tmemctl = store.build('tmemctl')
    with tempfile.NamedTemporaryFile('w', prefix='demo-dom0.') as script:
        script.write(dom0_script(config[3], tmemctl))
        script.flush()
        argv = command(options, config, programs, tree, script.name, tmemctl, out)
        machine = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        try:
            answer = read_rounds(machine, digest)
            machine.stdout.read()
        except BaseException:
            machine.terminate()
            raise
        finally:
            machine.stdout.close()
            status = machine.wait()
    if status:
        raise Failure(f'the machine failed with status {status}; its console: {out}/{config[0]}.log')
    return answer


def summarize(config, said):
    """Disk reads: in all; and after the pass in which a guest reads its files for the first time."""
    def total(*turns):
        return sum(row[4] for row in said if (row[1], row[2]) != (1, 1) and row[1] in turns)
    both = range(1, ROUNDS + 1)
    return {'config': config[0], 'guest_mib': config[1], 'pool_mib': config[2], 'disk_reads': sum(row[4] for row in said),
            'disk_reads_after_first_pass': total(*both), 'rounds': [{'disk_reads_after_first_pass': total(turn)} for turn in both]}


def results(runs):
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


def needs():
    house.deps('qemu', 'xen-build', 'xen')
    if subprocess.run([REPO / 'scripts/build-xen'], stdout=subprocess.DEVNULL).returncode:
        raise Failure('there is no Xen, see above')
