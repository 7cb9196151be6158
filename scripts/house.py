# SPDX-License-Identifier: GPL-2.0
"""Shared by the Python scripts: where things are kept, locks, messages."""

import contextlib
import fcntl
import hashlib
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SERIES = '6.12'
# Directories of the repository that mirror the kernel's: their files are copied to the same place there.
OVERLAY = ('Documentation', 'include', 'mm', 'drivers', 'arch', 'tools')


class Failure(Exception):
    """An error with a message for the user: what went wrong, and the way out."""


def cache():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return Path(os.environ.get('TMEM_CACHE') or os.path.join(base, 'tmem')).absolute()


def checkout_key():
    """Names this checkout: each has trees and build directories of its own."""
    return hashlib.sha256(str(REPO).encode()).hexdigest()[:10]


def say(text):
    print(f'{Path(sys.argv[0]).name}: {text}', file=sys.stderr, flush=True)


def stop(number, _frame):
    sys.exit(128 + number)


def run_main(main):
    """Runs main(), turning failures into one line on stderr and status 1."""
    # As an exception, so that what main() started is ended, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        sys.exit(main())
    except Failure as failure:
        say(failure)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def script(name):
    """Another script of this directory as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace('-', '_'), str(REPO / 'scripts' / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def fetch(*options):
    """The directory of the pristine kernel; with '--guest', of one that guests can be made of."""
    got = subprocess.run([REPO / 'scripts/fetch', *options], stdout=subprocess.PIPE, text=True)
    if got.returncode:
        raise Failure('cannot get the kernel sources, see above')
    return Path(got.stdout.strip())


def deps(*groups):
    if subprocess.run([REPO / 'scripts/deps', *groups]).returncode:
        raise Failure('packages are missing, see above')


@contextlib.contextmanager
def lock(path, waiting_for):
    """Holds an exclusive lock on path; says so if another process makes us wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'waiting for {waiting_for}')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def git_lines(*args):
    out = subprocess.run(['git', '-C', REPO, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if out.returncode:
        return None
    return [name.decode('utf-8', 'surrogateescape') for name in out.stdout.split(b'\0') if name]


def repository_files(*below):
    """Files below these directories that git tracks or would track, sorted, as strings relative to REPO."""
    names = git_lines('ls-files', '-z', '-co', '--exclude-standard', '--', *below)
    if names is None:   # an exported tree, without git
        names = [str(path.relative_to(REPO)) for top in below for path in (REPO / top).rglob('*')
                 if '__pycache__' not in path.parts]
    return sorted(name for name in set(names) if os.path.lexists(REPO / name) and not (REPO / name).is_dir())


def patches():
    return sorted((REPO / f'patches/linux-{SERIES}').glob('*.patch'))


def source_digest():
    """Changes whenever a file that gets compiled is edited, added or removed, judged by time and size."""
    names = repository_files('include', 'mm', 'drivers', 'arch', f'patches/linux-{SERIES}')
    seen = hashlib.sha256()
    for name in names:
        stat = (REPO / name).lstat()
        seen.update(f'{name}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_mode}\0'.encode('utf-8', 'surrogateescape'))
    return seen.hexdigest()
