# SPDX-License-Identifier: GPL-2.0
"""KUnit's results, out of a console log."""

import re

STAMP = re.compile(r'^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)')
RESULT = re.compile(r'^(\s*)(not ok|ok) \d+ (.*?)(?: # (SKIP|TODO).*)?$')
START = re.compile(r'^(KTAP version 1|TAP version 14)$')


def extract(text):
    """The KTAP lines: from the first version line to the last result."""
    lines, started = [], False
    for raw in text.replace('\r', '').splitlines():
        line = STAMP.sub('', raw, count=1)
        started = started or bool(START.match(line))
        if started:
            lines.append(line)
    last = max((number for number, line in enumerate(lines) if re.match(r'(not )?ok \d+ ', line)), default=-1)
    # A run that died inside a suite has no result at the end: then all that is there is of interest.
    plan = re.search(r'^1\.\.(\d+)$', '\n'.join(lines), re.M)
    whole = plan and sum(bool(re.match(r'(not )?ok \d+ ', line)) for line in lines) >= int(plan.group(1))
    return lines[:last + 1] if whole else lines


def judge(lines):
    """(passed, failed, skipped) of the test cases, and whether every suite came to its end."""
    counts = {'ok': 0, 'not ok': 0, 'SKIP': 0}
    suites = suites_planned = 0
    for line in lines:
        if match := re.match(r'^1\.\.(\d+)$', line):
            suites_planned = int(match.group(1))
        match = RESULT.match(line)
        if not match:
            continue
        indent, word, _, directive = match.groups()
        if not indent:
            suites += 1
        # Cases stand one level below suites; parameters of a case deeper.
        elif len(indent) == 4:
            counts['SKIP' if directive == 'SKIP' else word] += 1
        if not indent and word == 'not ok' and not counts['not ok']:
            counts['not ok'] += 1
    return counts['ok'], counts['not ok'], counts['SKIP'], suites_planned > 0 and suites >= suites_planned
