# SPDX-License-Identifier: GPL-2.0
"""The demo of one pool for two guests: they read, in turn, files that neither has memory for.

Four ways to give them memory: none beside their own; a fixed part for each; a pool of the same size for both; a pool of half
of it, which is divided by what it is good for. A guest that has nothing to do cannot lend its fixed part to the other one; in a
pool its pages make room.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import house
from house import Failure, REPO

sys.path.insert(0, str(REPO / 'tools/testing/tmem/vmlib'))
import store

VM = REPO / 'tools/testing/tmem/vm'
GUESTS = ('a', 'b')
MEM, MORE, SET = 128, 128, 176      # MiB: memory of a guest, its fixed part, its files
ROUNDS, PASSES = 2, 3

# name, memory of a guest, pool for both, more arguments of tmemd, what it is
CONFIGS = (('off', MEM, 0, '', f'guests of {MEM} MiB'),
           ('fixed', MEM + MORE, 0, '', f'guests of {MEM} + {MORE} MiB'),
           ('pool', MEM, 2 * MORE, '', f'guests of {MEM} MiB, a pool of {2 * MORE} MiB for both'),
           ('half', MEM, MORE, '--policy utility', f'guests of {MEM} MiB, a pool of {MORE} MiB for both'))

# Runs in a guest, which reads when it is told to. Its lines: round, pass, seconds, disk reads, digest.
GUEST = r'''
for round in $(seq ROUNDS); do
	WAIT
	for pass in $(seq PASSES); do
		read -r from rest </proc/uptime; read -r before rest </sys/block/$VM_DISK/stat
		digest=$(/share/readtree /mnt/tree | tr ' ' :) || exit 1
		read -r to rest </proc/uptime; read -r after rest </sys/block/$VM_DISK/stat
		echo "= $round $pass $(echo "$from $to" | awk '{ print $2 - $1 }') $((after - before)) $digest"
	done
done
END
'''


def guest_script(wait, end):
    """GUEST, which waits so for its turn, and after the last one."""
    return GUEST.replace('WAIT', wait).replace('END', end).replace('ROUNDS', str(ROUNDS)).replace('PASSES', str(PASSES))


class Watch(threading.Thread):
    """Asks tmemd twice a second how much of the pool each guest has."""

    def __init__(self, tmemctl, sockets):
        super().__init__(daemon=True)
        self.command = [tmemctl, '--socket', sockets, 'list', '--json']
        self.start_time, self.samples, self.over = time.monotonic(), [], threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            asked = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if asked.returncode:
                continue
            held = {client['name']: client['charged'] / (1 << 20) for client in json.loads(asked.stdout)['clients']}
            self.samples.append((time.monotonic() - self.start_time, *[held.get(name, 0) for name in GUESTS]))


class Pool:
    """A tmemd for the two guests, while they run."""

    def __init__(self, directory, size, arguments):
        self.sockets, self.size, self.more = directory / 'sockets', size, arguments.split()
        self.daemon = self.watch = None

    def __enter__(self):
        if not self.size:
            return self
        self.daemon = store.serve_clients(self.sockets, GUESTS, ['--size', f'{self.size}M', '--prealloc', *self.more])
        self.watch = Watch(store.build('tmemctl'), self.sockets)
        self.watch.start()
        return self

    def __exit__(self, *_):
        if self.watch:
            self.watch.over.set()
            self.watch.join()
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()

    def arguments(self, name):
        return ['--transport', 'virtio', '--tmem-socket', self.sockets / name] if self.size else ['--transport', 'none']


def start_guest(options, config, pool, name, share, tree, out):
    name_of, mem = config[:2]
    script = guest_script(f'while [ ! -e /share/go-{name}-$round ]; do sleep 0.1; done',
                          'while [ ! -e /share/end ]; do sleep 0.2; done')
    command = [VM, 'run', '--quiet', '--guest', options.guest, '--mem', f'{mem}M', '--disk-iops', str(options.iops), '--fs', options.fs,
               '--disk-size', '1G', '--populate', tree, '--share', share, '--timeout', '900', '--log', out / f'{name_of}-{name}.log',
               *pool.arguments(name), '--', script]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)


def pass_of(line, name, turn, nr, digest):
    """What a guest says of a pass, as (guest, round, pass, seconds, reads)."""
    words = line.split()
    if len(words) != 6 or words[0] != '=':
        raise Failure(f'guest {name} did not read its files: it said "{line.strip()}"')
    if words[5] != digest:
        raise Failure(f'guest {name} has read wrong data in round {turn}')
    return name, turn, nr, float(words[3]), int(words[4])


def read_rounds(guests, share, digest):
    """Has the guests read in turn; what they said of each pass."""
    said = []
    for turn in range(1, ROUNDS + 1):
        for name, guest in guests.items():
            (share / f'go-{name}-{turn}').touch()
            for nr in range(1, PASSES + 1):
                said.append(pass_of(guest.stdout.readline(), name, turn, nr, digest))
            seconds = sum(row[3] for row in said[-PASSES:])
            print(f'      guest {name}, round {turn}: {PASSES} passes in {seconds:.1f} s, {sum(row[4] for row in said[-PASSES:])} '
                  'disk reads', flush=True)
    (share / 'end').touch()
    return said


def run_config(options, config, programs, tree, digest, out):
    share = out / 'turns'
    shutil.rmtree(share, ignore_errors=True)
    shutil.copytree(programs, share)
    with Pool(out, config[2], config[3]) as pool:
        guests = {name: start_guest(options, config, pool, name, share, tree, out) for name in GUESTS}
        try:
            said = read_rounds(guests, share, digest)
        finally:
            (share / 'end').touch()
            for guest in guests.values():
                guest.stdout.close()
                guest.wait()
    return said, pool.watch.samples if pool.watch else []


def summarize(config, said):
    """Seconds and disk reads: of each round, in which every guest has one turn, and of all."""
    def total(column, turn=None):
        return round(sum(row[column] for row in said if turn in (None, row[1])), 2)
    return {'config': config[0], 'guest_mib': config[1], 'pool_mib': config[2], 'seconds': total(3), 'disk_reads': total(4),
            'rounds': [{'seconds': total(3, turn), 'disk_reads': total(4, turn)} for turn in range(1, ROUNDS + 1)]}


def results(runs):
    off, fixed = runs[0], runs[1]
    print(f"\n{'':8}{'guests':>12}{'pool':>9}{'in all':>9}", end='')
    for title in [f'round {turn}' for turn in range(1, ROUNDS + 1)] + ['both']:
        print(f"{title:>10}{'of fixed':>10}{'reads':>9}", end='')
    print(f"{'of off':>9}")
    for run in runs:
        print(f"{run['config']:8}{'2 x %d MiB' % run['guest_mib']:>12}{'%d MiB' % run['pool_mib']:>9}"
              f"{'%d MiB' % (2 * run['guest_mib'] + run['pool_mib']):>9}", end='')
        for part, whole in zip(run['rounds'] + [run], fixed['rounds'] + [fixed]):
            print(f"{'%.1f s' % part['seconds']:>10}{part['seconds'] / whole['seconds']:>10.2f}{part['disk_reads']:>9}", end='')
        print(f"{run['seconds'] / off['seconds']:>9.2f}")
    print('\nIn round 1 a guest reads its files for the first time, from the disk, and then again; in round 2 it has its turn once\n'
          'more, after the other one.')


def plot(samples, out):
    """What each guest had of the pool, over time."""
    if not shutil.which('gnuplot'):
        print('\nNo plot: gnuplot is not there (scripts/deps bench installs it).')
        return
    data = out / 'pool.dat'
    data.write_text(''.join(f'{at:.1f} {first:.1f} {first + second:.1f}\n' for at, first, second in samples))
    script = (f"set terminal svg size 800,360; set output '{out}/pool.svg'; set xlabel 's'; set ylabel 'MiB of the pool'; "
              "set key outside; set yrange [0:*]; set style fill solid 0.6\n"
              f"plot '{data}' using 1:3 with filledcurves x1 title 'guest b', '' using 1:2 with filledcurves x1 title 'guest a'\n")
    if subprocess.run(['gnuplot'], input=script, text=True).returncode == 0:
        print(f'\nPlot: {os.path.relpath(out / "pool.svg")}')


def needs():
    house.deps('tmemd')
    house.deps('bench')
