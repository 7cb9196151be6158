# SPDX-License-Identifier: GPL-2.0
"""What a kernel has to complain about, found in its console log."""

import re

STAMP = r'^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)?'
REPORTS = re.compile(STAMP + r'(?:.*\b(?:'
                     r'Kernel panic - not syncing|BUG: |WARNING: |Oops: |Internal error: |general protection fault|'
                     r'Unable to handle kernel|kernel BUG at |INFO: task .* blocked for more than|'
                     r'INFO: rcu\S* (?:self-)?detected stall|INFO: rcu\S* detected expedited stalls|'
                     r'possible circular locking dependency|possible recursive locking|inconsistent lock state|'
                     r'possible irq lock inversion|suspicious RCU usage|bad unlock balance|lock held when returning to user|'
                     r'ODEBUG: |UBSAN: |KASAN: |list_(?:add|del) corruption|Invalid wait context|'
                     r'refcount_t: |Bad page state|Bad rss-counter|page dumped because|'
                     r'Oops - |Segmentation fault with no mm|Kernel mode fault|Kernel tried to access user memory'
                     r'))')
# The words of a report's first line that are no report. A guest of Xen that is suspended stops the clock of each processor a
# moment before it stops the processors: one that was idle may set its clock in between, which has no effect but this warning.
HARMLESS = re.compile(r'WARNING: (?:.*(?:deprecated|will be removed))|WARNING: Support for|fault injection|'
                      r'FAULT_INJECTION: forcing a failure|WARNING: .* xen_(?:vcpuop|timerop)_set_next_event\+')
BEFORE, AFTER = 2, 40


def is_report(line):
    return bool(REPORTS.match(line)) and not HARMLESS.search(line)


def reports(text, limit=120):
    """The lines of the log around its first complaints, or [] if there are none."""
    lines = text.replace('\r', '').splitlines()
    shown, upto = [], 0
    for number, line in enumerate(lines):
        if not is_report(line) or number < upto:
            continue
        start = max(number - BEFORE, upto)
        upto = number + AFTER
        shown += lines[start:upto]
        if len(shown) >= limit:
            return shown[:limit] + ['(there is more in the log)']
    return shown
