# SPDX-License-Identifier: GPL-2.0
"""The end of the demo: four guests whose loads rise in turn, with less memory than all of them would need at their peaks.

They get it in four of the ways of loop.py, one after the other: fixed parts; balloons; small guests and a pool; balloons and a
pool. What counts is done in the second round: in the first one everything is read from the disk, and balloons come down from
what guests were started with.
"""

import os

import loop
from loop import NAMES, TICK, TOTAL, work_of

SECONDS, ROUNDS = 12, 2     # of a turn; in which each guest has a turn
WAYS = ('fixed', 'balloons', 'pool', 'loop')


class Turns:
    """Says of each turn, when it is over, what the guest whose turn it was has done in it."""

    def __init__(self, seconds):
        self.seconds, self.told = seconds, 0

    def __call__(self, requests):
        over = min(len(ticks) for ticks in requests.values()) * TICK // self.seconds
        while self.told < min(over, ROUNDS * len(NAMES)):
            nr, start = self.told % len(NAMES), self.told * self.seconds
            said = f'{NAMES[nr]} {work_of({"requests": requests}, NAMES[nr], start, start + self.seconds):6}'
            print((f'      round {self.told // len(NAMES) + 1}, requests at a peak:  ' if nr == 0 else '   ') + said,
                  end='\n' if nr == len(NAMES) - 1 else '', flush=True)
            self.told += 1


def summarize(way, run, seconds):
    since = (ROUNDS - 1) * len(NAMES) * seconds
    return {'way': way.name, 'about': way.about, 'memory_mib': TOTAL, 'requests': work_of(run, since=since),
            'requests_of': {name: work_of(run, name, since) for name in NAMES}}


def compare(rows):
    """How much each way is of fixed parts: in all, and for the guest that has least by that."""
    fixed = rows[0]
    for row in rows:
        row['of_fixed'] = round(row['requests'] / max(fixed['requests'], 1), 3)
        parts = [row['requests_of'][name] / max(fixed['requests_of'][name], 1) for name in NAMES]
        row['least_of_fixed'] = round(min(parts), 3)


def results(rows, seconds):
    print(f'\nRequests in round {ROUNDS}: a load of {loop.PEAK} MiB for {seconds:g} s in each guest in turn, of {loop.REST} MiB '
          f'in\nthe others; {TOTAL} MiB of memory\n')
    print(f'{"":10}{"in all":>9}{"of fixed":>10}' + ''.join(f'{"guest " + name:>10}' for name in NAMES)
          + f'{"least, of fixed":>18}')
    for row in rows:
        print(f'{row["way"]:10}{row["requests"]:9}{row["of_fixed"]:10.2f}'
              + ''.join(f'{row["requests_of"][name]:10}' for name in NAMES) + f'{row["least_of_fixed"]:18.2f}')
    best = max(rows, key=lambda row: row['requests'])
    print(f'\nMost is done by {best["way"]}: {best["about"]}. All data were right, and no process was killed.')


def run(out, step, seconds=SECONDS):
    """All ways, each of which is said as a step; what is to be in the summary."""
    phases, every = loop.turns(seconds, ROUNDS), loop.ways(len(NAMES), TOTAL)
    work, runs = loop.Work(out, phases), {}
    for name in WAYS:
        step(f'{name}: {every[name].about}; each guest has its peak in turn, {ROUNDS} times {seconds:g} s')
        runs[name] = loop.run_way(every[name], work, out, Turns(seconds))
    step('results of the four guests')
    rows = [summarize(every[name], runs[name], seconds) for name in WAYS]
    compare(rows)
    results(rows, seconds)
    print(f'\nMemory of each guest, a to d, and what the pool holds, p, in MiB over s, with {WAYS[-1]}:')
    loop.text_plot(runs['loop'], NAMES, out, 'loop')
    loop.plot(runs['loop'], NAMES, out, 'loop')
    print(f'Plot: {os.path.relpath(out / "loop.svg")}')
    return {'seconds': seconds, 'rounds': ROUNDS, 'ways': rows}
