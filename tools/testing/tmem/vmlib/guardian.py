# SPDX-License-Identifier: GPL-2.0
"""Nothing is left behind: two processes, each of which cleans up if the other one dies.

The first process only waits; the second one (the worker) does the work, starting children with start(). Both are
subreapers, so that what a dead child leaves running becomes a child of ours. Whichever of the two is still alive at the
end, after SIGKILL of the other one too, kills all that descends from it and removes the temporary directory.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ADDR_NO_RANDOMIZE = 0x0040000
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl')


def start(argv, processors=None, **options):
    """A child that gets no signals from the terminal, dies with us, dumps no core and has its addresses not randomized.

    UML's memory map, and so the memory that its guest has, depend on where the host puts its heap.
    """
    def before_exec():
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        libc.personality(ADDR_NO_RANDOMIZE)     # some containers refuse; then it stays random
        if processors:
            os.sched_setaffinity(0, processors)
    return subprocess.Popen(argv, start_new_session=True, preexec_fn=before_exec, **options)


def serve(argv, log, sign):
    """A child that serves guests, when it does: then the file that is its sign is there. Returns what is wrong, or None."""
    with open(log, 'wb') as out:
        daemon = start(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    deadline = time.monotonic() + 30
    while not os.path.exists(sign):
        if daemon.poll() is not None or time.monotonic() > deadline:
            with open(log, encoding='utf-8', errors='replace') as said:
                return said.read().strip()
        time.sleep(0.005)
    return None


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as listing:
            return [int(word) for word in listing.read().split()]
    except OSError:
        return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def reap(grace=5):
    """Kills whatever descends from this process, until there is nothing left."""
    deadline = time.monotonic() + grace
    while (pids := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.005)


class Stopped(BaseException):
    """A signal asks us to stop."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


def on_signal(number, _frame):
    for each in STOPPING:       # once is enough, and cleaning up shall not be interrupted
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def work(function, tmp, parent):
    """The worker's life; returns its exit status."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    status = 125
    try:
        for number in STOPPING:
            signal.signal(number, on_signal)
        if os.getppid() != parent:
            raise Stopped(signal.SIGTERM)
        status = function(tmp)
    except Stopped as stopped:
        status = stopped.status
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 125
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        reap()
        shutil.rmtree(tmp, ignore_errors=True)
    return status


def guarded(function):
    """Calls function(temporary directory) in a worker, cleans up after it, and returns its exit status."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in STOPPING:     # the terminal tells the worker itself
        signal.signal(number, signal.SIG_IGN)
    tmp = tempfile.mkdtemp(prefix='tmem-vm.')
    parent = os.getpid()
    worker = os.fork()
    if worker == 0:
        status = work(function, tmp, parent)
        try:
            sys.stdout.flush()
        except OSError:
            pass
        os._exit(status)

    def forward(number, _frame):
        try:
            os.kill(worker, number)
        except ProcessLookupError:
            pass
    for number in STOPPING:
        signal.signal(number, forward)
    _, ended = os.waitpid(worker, 0)
    reap()
    shutil.rmtree(tmp, ignore_errors=True)
    return os.waitstatus_to_exitcode(ended) if os.WIFEXITED(ended) else 128 + os.WTERMSIG(ended)
