# SPDX-License-Identifier: GPL-2.0
"""What bench-guest and bench-store make of their runs: figures, a table in reStructuredText, and plots by gnuplot."""

import math
import os
import statistics
import subprocess
import textwrap

from house import Failure


def spread(values):
    """Median, least and greatest; None stands for 'never', which is more than any number."""
    known = [math.inf if value is None else value for value in values]
    seen = {'median': statistics.median(known), 'min': min(known), 'max': max(known)}
    return {name: None if value == math.inf else value for name, value in seen.items()}


def verdict(target, seen, least=False):
    """Whether a target is met; 'unclear' if some runs say so and others do not."""
    if target is None:
        return None
    fine = [value is not None and (value >= target if least else value <= target) for value in (seen['min'], seen['max'])]
    return 'met' if all(fine) else 'unclear' if any(fine) else 'missed'


def figure_of(figure, runs):
    values = [figure.value(run) for run in runs]
    below = [figure.baseline(run) for run in runs] if figure.baseline else []
    ratios = [value / base if base else None for value, base in zip(values, below)] if below else None
    target = figure.target(runs) if callable(figure.target) else figure.target
    value, ratio = spread(values), spread(ratios) if ratios else None
    return {'label': figure.label, 'unit': figure.unit, 'values': values, 'value': value, 'against': figure.against,
            'ratios': ratios, 'ratio': ratio, 'target': target, 'least': figure.least,
            'verdict': verdict(target, ratio if below else value, figure.least)}


def summary_of(part, runs, options):
    """What goes into summary.json: the figures, and what they were made of."""
    return {'title': part.title, 'about': part.about, 'plot': part.plot, 'runs': len(runs), 'quick': options.quick,
            'machine': options.machine, 'figures': [figure_of(figure, runs) for figure in part.figures], 'samples': runs}


# ---- the table ----

def number(value):
    if value is None:
        return 'never'
    return f'{value:.3f}' if abs(value) < 2 else f'{value:.2f}' if abs(value) < 20 else f'{value:,.0f}'


def between(seen):
    return f"({number(seen['min'])}..{number(seen['max'])})"


def rows_of(summary):
    """The spread is that of the ratio; where there is none, that of the value."""
    for figure in summary['figures']:
        value, ratio = figure['value'], figure['ratio']
        median = number(value['median']) + (f" {figure['unit']}" if figure['unit'] and value['median'] is not None else '')
        spread_of = f"{number(ratio['median'])} {between(ratio)}" if ratio else between(value)
        least = '>= ' if figure.get('least') else ''
        target = '--' if figure['target'] is None else f"{least}{figure['target']:g} {figure['verdict']}"
        yield figure['label'], median, figure['against'] or '--', spread_of, target


def table(summary):
    rows = [('What', 'Median', 'Against', 'Ratio (min..max)', 'Target, <='), *rows_of(summary)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = '  '.join('=' * width for width in widths)
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return '\n'.join([rule, lines[0], rule, *lines[1:], rule]) + '\n'


def section(name, summary):
    quick = ', quick' if summary['quick'] else ''
    title = f"{name}: {summary['title']}"
    said = f"{summary['machine']}.  Medians of {summary['runs']} runs{quick}.  {summary['about']}"
    return f"{title}\n{'=' * len(title)}\n\n{textwrap.fill(said, 80)}\n\n{table(summary)}"


# ---- plots ----

STYLE = '''set terminal svg size {width},{height} font "sans,11" background "white"
set output "{out}"
set title "{title}" noenhanced
set key top left noenhanced
'''
RATIOS = '''set yrange [-0.7:{count}-0.3]
set xlabel "of the baseline; the line is the target"
set grid x
set ytics ({ticks}) noenhanced
{scale}
plot "{data}" using 2:1:3:4 with xerrorbars pt 7 lc rgb "#1f4e79" title "median, min..max", \\
     "{data}" using ($5 > 0 ? $5 : NaN):1 with points pt 2 lc rgb "#c00000" title "target"
'''
LINES = '''set xlabel "{xlabel}"
set ylabel "{ylabel}"
set grid
set yrange [0:*]
{more}
plot {series}
'''


def quoted(text):
    return text.replace('"', "'")


def gnuplot(out, name, summary, script, height=420):
    head = STYLE.format(out=out / f'{name}.svg', title=quoted(summary['title']), width=760, height=height)
    done = subprocess.run(['gnuplot'], input=head + script, text=True, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failure(f'gnuplot: {done.stderr.strip()}')


def plot_ratios(out, name, summary, scale='set xrange [0:*]'):
    figures = [figure for figure in reversed(summary['figures']) if figure['ratio']]
    data = out / f'{name}.dat'
    with open(data, 'w', encoding='utf-8') as lines:
        for place, figure in enumerate(figures):
            seen = figure['ratio']
            print(place, seen['median'], seen['min'], seen['max'], figure['target'] or -1, figure['label'], file=lines)
    ticks = ', '.join(f'"{quoted(figure["label"])} / {figure["against"]}" {place}' for place, figure in enumerate(figures))
    gnuplot(out, name, summary, RATIOS.format(count=len(figures), ticks=ticks, data=data, scale=scale), 120 + 22 * len(figures))


def plot_lines(out, name, summary):
    """make: 'CONFIG -jN' is a line's point; other figures are not shown."""
    lines, files = {}, []
    for figure in summary['figures']:
        config, jobs = figure['label'].split(' -j')
        if not jobs.isdigit():
            continue
        lines.setdefault(config, []).append((int(jobs), figure['value']))
    for config, points in lines.items():
        path = out / f'{name}-{config}.dat'
        path.write_text(''.join(f"{jobs} {seen['median']} {seen['min']} {seen['max']}\n" for jobs, seen in points))
        files.append(f'"{path}" with yerrorlines pt 7 title "{config}"')
    gnuplot(out, name, summary, LINES.format(xlabel='jobs', ylabel='seconds', more='set logscale x 2', series=', '.join(files)))


def plot_settle(out, summary):
    """What hcache did in each half second of the last run of each mode."""
    for case, said in summary['samples'][-1].items():
        if 'sample' not in said:
            continue
        rows = [[float(word) for word in line.split()[1:]] for line in said['sample']]
        name = 'settle-' + case.split(', ')[1]
        path = out / f'{name}.dat'
        with open(path, 'w', encoding='utf-8') as data:
            for before, after in zip(rows, rows[1:]):
                pages = [(b - a) / (after[0] - before[0]) for a, b in zip(before[1:], after[1:])]
                print(round(after[0] - rows[0][0], 2), *pages, file=data)
        series = ', '.join(f'"{path}" using 1:{column} with lines title "{title}"'
                           for column, title in ((2, 'puts'), (3, 'hits'), (4, 'misses')))
        gnuplot(out, name, {'title': f'reading again, streaming, reading again; admission {case.split(", ")[1]}'},
                LINES.format(xlabel='seconds', ylabel='pages a second', more='', series=series))


def write_table(out, parts):
    (out / 'table.rst').write_text('\n'.join(section(name, summary) for name, summary in parts.items()))


def written(out):
    return [os.path.relpath(path) for path in sorted(out.iterdir()) if path.suffix in ('.json', '.rst', '.svg')]


def write(out, parts):
    """table.rst and the plots of all parts that there are."""
    write_table(out, parts)
    for name, summary in parts.items():
        (plot_lines if summary['plot'] == 'lines' else plot_ratios)(out, name, summary)
        if name == 'stream':
            plot_settle(out, summary)
    return written(out)
