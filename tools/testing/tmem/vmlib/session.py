# SPDX-License-Identifier: GPL-2.0
"""One guest from its start to its end: carries its lines, watches the time, and judges how it went."""

import os
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time
import tty

import console
import disks
import images
import ktap
import store
import xen
from guest import KVM_FAILS, Qemu, Uml, find_kernel
from house import Failure, REPO, cache, deps, say

HARNESS, TIMEOUT, REPORT = 97, 98, 99
BOOTS = 3               # of a guest whose machine errs
UNREAD_LIMIT = 64 << 20
TRANSPORTS = ('none', 'loop', 'virtio', 'xen')
GUESTS = {'uml': Uml, 'qemu': Qemu, 'xen-pv': xen.Pv, 'xen-pvh': xen.Pvh}


def build(argv):
    done = subprocess.run([REPO / 'scripts/build', *argv], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure('there is no kernel to boot, see above')
    return done.stdout.strip()


def transport_arguments(options):
    """Kernel arguments of the transport; the loop transport's pool is memory on top of the guest's own."""
    if options.unpatched:
        return []
    if options.transport != 'loop':
        return ['tmem=off' if options.transport == 'none' else f'tmem={options.transport}']
    options.ram += options.pool
    return ['tmem=loop', f'tmem_loop.reserve={options.pool >> 20}M']


def written(path):
    """When, or 0 for what another vm has just removed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def log_path(options):
    if options.log:
        return os.path.abspath(options.log)
    logs = cache() / 'logs'
    logs.mkdir(parents=True, exist_ok=True)
    for old in sorted(logs.glob('*.log'), key=written)[:-50]:
        old.unlink(missing_ok=True)
    return str(logs / f'{time.strftime("%m%d-%H%M%S")}-{os.getpid()}.log')


def show(lines):
    print('\n'.join('  ' + line for line in lines), file=sys.stderr)


class Session:
    """The lines of a running guest, and what became of it."""

    def __init__(self, guest, options, log):
        self.guest, self.options, self.log = guest, options, log
        self.words = b''        # of the control line
        self.unread = bytearray()   # output for a reader that is slower than the guest
        self.status = None      # COMMAND's
        self.trouble = None     # init's
        self.ready = self.timed_out = False
        self.before_asking = None
        self.deadline = self.next_deadline()

    def next_deadline(self):
        return time.monotonic() + self.options.timeout if self.options.timeout else float('inf')

    def on_output(self, data):
        # Kept here while our reader is slow: the guest shall not wait, which UML's serial lines do badly.
        self.unread += data

    def write_output(self):
        del self.unread[:os.write(1, self.unread[:select.PIPE_BUF])]

    def on_console(self, data):
        self.log.write(data)
        if KVM_FAILS in data:
            self.trouble = 'KVM of this machine fails to run the guest, see the log; there is --accel tcg'
            self.guest.process.kill()
        if self.options.verbose:
            sys.stderr.buffer.write(data)
            sys.stderr.flush()

    def on_control(self, data):
        self.words += data
        while b'\n' in self.words:
            line, self.words = self.words.split(b'\n', 1)
            word, _, rest = line.decode(errors='replace').strip().partition(' ')
            if word == 'ready':
                self.ready = True
            elif word == 'exit' and rest.isdigit():
                self.status = int(rest)
            elif word == 'failed':
                self.trouble = rest

    def on_stdin(self):
        data = os.read(0, 65536)
        if data:
            os.write(self.guest.input, data)
        return data

    def carry(self):
        """Moves data between the lines until the guest has ended and said all."""
        guest = self.guest
        sinks = {guest.output: self.on_output, guest.control: self.on_control, guest.console: self.on_console}
        waiting = set(sinks)
        if self.options.interactive:
            waiting.add(0)
        ended = None
        while waiting - {0} or self.unread:
            now = time.monotonic()
            if now > self.deadline and not self.timed_out and not ended:
                self.timed_out = True
                self.ask_why()
                self.deadline = now + 3
            elif now > (ended or self.deadline) and not (ended and self.unread):
                break
            full = {self.guest.output} if len(self.unread) > UNREAD_LIMIT else set()
            readable, writable, _ = select.select(waiting - full, [1] if self.unread else [], [], 0.1)
            if writable:
                self.write_output()
            for fd in readable:
                if fd == 0:
                    data = self.on_stdin()
                else:
                    data = os.read(fd, 1 << 16)
                    sinks[fd](data)
                if not data:
                    waiting.discard(fd)
            # A guest that is gone has its last words in the pipes; who holds them open after that is no concern of ours.
            if not ended and self.guest.process.poll() is not None:
                ended = now + 2

    def said(self):
        """What the console's log has."""
        self.log.flush()
        with open(self.log.name, encoding='utf-8', errors='replace') as log:
            return log.read().replace('\r', '')

    def spoiled(self):
        """Has the guest ended by no fault of its own? Most of that can only be told before anything of ours ran in it."""
        if self.status is not None:
            return False
        if not self.ready and self.guest.machine_erred(self.said()):
            return True
        return not self.timed_out and self.guest.machine_lost()

    def forget(self):
        self.log.seek(0)
        self.log.truncate()
        self.trouble = self.before_asking = None
        self.ready = self.timed_out = False
        self.deadline = self.next_deadline()

    def hibernates(self):
        """Is the guest gone with its memory on its swap disk, to go on when it is started again?"""
        return (self.status is None and self.trouble is None and not self.timed_out and self.guest.disks.hold_memory() and
                not console.reports(self.said()))

    def add_machine_log(self):
        said = self.guest.machine_log()
        if said:
            self.log.write(f'\n{said}'.encode())

    def ask_why(self):
        self.before_asking = len(self.said())
        try:
            self.guest.complain()
        except OSError:
            pass        # it is past answering

    def judge(self):
        """The status to return; says on stderr why if it is not COMMAND's."""
        text = self.said()
        if self.timed_out:
            what = 'COMMAND did not end' if self.ready else 'the guest did not come up'
            say(f'timeout: {what} within {self.options.timeout:g} s; the end of its console:')
            show(text[:self.before_asking].splitlines()[-15:] + text[self.before_asking:].splitlines()[:100])
            # The panic that we asked for is no complaint.
            text = text[:self.before_asking]
        found = console.reports(text)
        if found:
            say('the kernel complained:')
            show(found)
            return REPORT
        if self.timed_out:
            return TIMEOUT
        if self.trouble is None and self.status is not None:
            return self.status
        say(self.trouble or f'the guest ended (status {self.guest.process.poll()}) without a result; last lines of its console:')
        if not self.trouble:
            show(text.splitlines()[-15:])
        return HARNESS


def raw_terminal():
    if os.isatty(0):
        tty.setraw(0, termios.TCSANOW)


def window():
    size = shutil.get_terminal_size()
    return f'rows {size.lines} columns {size.columns}'


def command_text(command):
    """The script for COMMAND: a single word is a shell command line of its own."""
    text = command[0] if len(command) == 1 else shlex.join(command)
    return ('cd /mnt\n' + text + '\n').encode('utf-8', 'surrogateescape')


def prepare(tmp, options):
    """Everything up to the start of the guest."""
    kind = GUESTS[options.guest]
    deps(*kind.needs)
    kernel = find_kernel(kind, options, build)
    options.ram = options.mem + (kind.debug_overhead if options.debug else 0)
    options.queues = options.smp if options.guest == 'qemu' else 1
    arguments = transport_arguments(options) + shlex.split(options.append)
    programs = images.programs_image(options.with_) if options.with_ else None
    served = disks.Disks(tmp, options, programs, kind.disk_prefix, options.share if kind.shares_image else None)
    guest = kind(tmp, options, kernel, served)
    if kind.machine_kernel:
        guest.machine_kernel = build(['--config', kind.config])
    settings = {**guest.settings(), 'VM_FS': options.fs, 'VM_MOUNT_OPTS': options.mount_opts,
                'VM_DISK': served.device('mnt'), 'VM_SWAP_DISK': served.device('swap'),
                'VM_PROGRAMS': served.device('programs'), 'VM_TRANSPORT': options.transport,
                'VM_INTERACTIVE': 'yes' if options.interactive else '', 'VM_WINDOW': window() if options.interactive else '',
                'TERM': os.environ.get('TERM', 'linux')}
    images.initramfs(f'{tmp}/initrd', settings, command_text(options.command))
    served.serve(options.queues)
    if options.transport == 'virtio' and not options.unpatched:
        options.tmem_socket = store.serve(tmp, options)
    return guest, arguments


def run(tmp, options):
    """Runs one guest; returns its status. This is the worker's function."""
    try:
        guest, arguments = prepare(tmp, options)
        path = log_path(options)
        log = open(path, 'wb')
    except (Failure, OSError) as failure:
        say(failure)
        return HARNESS
    if not options.quiet:
        say(f'console log: {path}')
    with log:
        session = Session(guest, options, log)
        if options.interactive:
            raw_terminal()
        try:
            guest.start(f'{tmp}/initrd', arguments)
            session.carry()
            for _ in range(BOOTS - 1):
                if not session.spoiled():
                    break
                say('the guest met an error of its machine, and is started again')
                guest.process.kill()    # it may have hung
                guest.process.wait()
                session.forget()
                guest.start(f'{tmp}/initrd', arguments)
                session.carry()
            while session.hibernates():
                guest.start(f'{tmp}/initrd', arguments)
                session.carry()
        except BrokenPipeError:
            return 141          # who read our output is gone
        except (Failure, OSError) as failure:
            say(failure)
            return HARNESS
        session.add_machine_log()
        return session.judge()


def run_kunit(tmp, options):
    """Boots with KUnit's suites enabled and prints their KTAP."""
    kept = not options.log
    options.log = options.log or f'{tmp}/console.log'
    options.quiet = kept
    status = run(tmp, options)
    if not os.path.exists(options.log):
        return status
    with open(options.log, encoding='utf-8', errors='replace') as log:
        lines = ktap.extract(log.read())
    print('\n'.join(lines), flush=True)
    passed, failed, skipped, complete = ktap.judge(lines)
    say(f'{passed} passed, {failed} failed, {skipped} skipped')
    if status:
        return status
    if not complete or not passed + failed + skipped:
        say('the suites did not all come to their end' if lines else
            f"no suite ran: is there one that matches '{options.suites}', and CONFIG_KUNIT in this kernel?")
        return HARNESS
    return 1 if failed else 0
