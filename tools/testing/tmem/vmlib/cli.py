# SPDX-License-Identifier: GPL-2.0
"""The command line of vm."""

import argparse
import os
import re
import sys
import termios

import guardian
import session
from house import Failure, say

STATUSES = """exit status:
  COMMAND's own; or, with the reason on stderr,
  97   trouble of the harness: no guest, no result from it, /mnt could not be unmounted
  98   timeout: the guest hangs, or COMMAND takes longer than --timeout
  99   the kernel complained: panic, oops, BUG, WARNING, lockdep, KASAN, hung task
  125  a bug of vm itself;  128+N  vm was stopped by signal N
A COMMAND that returns 97 to 99 itself is told apart by stderr: vm says nothing then but where the log is."""

ABOUT = """Boots guests of this checkout's Linux, building the kernel first if it is not there or older than the sources.

  vm run [OPTION...] -- COMMAND...    runs COMMAND in a fresh guest; its output is vm's stdout
  vm shell [OPTION...]                a guest to look around in, on this terminal
  vm kunit [OPTION...] [SUITES]       KUnit's suites (a glob; all without), as KTAP

'vm run --help' tells the options. Nothing is left behind after a run but the console's log."""

EXAMPLES = """examples:
  vm run -- 'uname -a; free'
  vm run --fs xfs --populate src --with fio --mem 96M -- fio --name=x --rw=randread --size=64M
  vm run --guest qemu --debug --smp 2 --transport loop --swap 256M -- ./stress.sh
  vm shell --fs btrfs --transport loop
"""

RUN = """Runs COMMAND in a freshly booted guest and returns its status.

COMMAND is a shell command line if it is one argument, else a program with its arguments; busybox sh runs it, in /mnt.
Its stdout and stderr, and nothing else, are vm's stdout. Its stdin is empty. In the guest: /mnt the filesystem of --fs,
/share that of --share, $VM_DISK and $VM_SWAP_DISK the disks' names (/sys/block/$VM_DISK/stat counts reads), cgroup2,
debugfs and tracefs at their usual places, busybox's commands, and the programs of --with. A qemu guest that hibernates to
its swap disk is started again, to resume; /share does not work then, as virtio-9p does not know of sleep."""


def size(text):
    match = re.fullmatch(r'(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?', text, re.I)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 128M, 1G")
    return int(float(match.group(1)) * 1024 ** ' KMGT'.index(match.group(2).upper() or ' '))


def directory(text):
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no directory")
    return text


def names(text):
    return [name for name in text.split(',') if name]


def machine_options(parser):
    group = parser.add_argument_group('the guest')
    group.add_argument('--guest', choices=list(session.GUESTS), default='uml',
                       help='uml: fast, one processor; qemu: x86-64, SMP; xen-pv, xen-pvh: of Xen 4.17, with a PV dom0, under QEMU')
    group.add_argument('--debug', action='store_true', help='kernel with lockdep, KASAN (qemu), fault injection; of Xen: the last alone')
    group.add_argument('--unpatched', action='store_true', help="Debian's kernel source as it is, for comparisons")
    group.add_argument('--kernel', metavar='FILE', help='boot this image (linux of UML, vmlinux or bzImage)')
    group.add_argument('--xen', metavar='FILE',
                       help='xen-pv, xen-pvh: boot this Xen (ELF of 32 bits), not the one of scripts/build-xen')
    group.add_argument('--save-after', type=int, metavar='SECONDS',
                       help='xen-pv, xen-pvh: then save the guest, destroy it, and restore it. After that /dev/hvc1, to which '
                            'COMMAND writes, has to be opened anew, and disks are not to be used')
    group.add_argument('--dom0', metavar='FILE',
                       help="xen-pv, xen-pvh: a shell script that dom0 runs; its output is vm's, and its status. No guest is created but "
                            "by it: /vm/guest.cfg is xl's of one that runs COMMAND, on its only console")
    group.add_argument('--dom0-with', type=names, action='extend', default=[], metavar='PROGRAM,...',
                       help='programs for that script, as --with has them for COMMAND')
    group.add_argument('--dom0-smp', type=int, default=1, metavar='N', help='xen-pv, xen-pvh: processors of dom0 (default 1)')
    group.add_argument('--mem', type=size, default='128M', metavar='SIZE',
                       help="the guest's own memory (default 128M). The pool of the loop transport comes on top of it, as does what "
                            'a debug kernel takes for itself (UML 16M, QEMU 96M)')
    group.add_argument('--smp', type=int, default=2, metavar='N', help='processors (not of uml; default 2)')
    group.add_argument('--accel', choices=['kvm', 'tcg', 'icount'],
                       help='qemu: by default kvm if it really works here, else tcg. icount: the guest takes a nanosecond for '
                            'each instruction, so that its time does not depend on the host; with --smp 1')
    group.add_argument('--append', default='', metavar='ARGS', help='more kernel arguments')
    group.add_argument('--transport', choices=session.TRANSPORTS, default='none', help='of tmem (default none: tmem=off)')
    group.add_argument('--pool', type=size, default='256M', metavar='SIZE',
                       help="memory of the loop transport, of virtio's tmemd, or that Xen may use for tmem (default 256M)")
    group.add_argument('--tmem-socket', metavar='PATH', help='--transport virtio: use the tmemd that runs already, and has this '
                       'socket for the guest')
    group.add_argument('--balloon', action='store_true', help="uml, qemu, --transport virtio: let tmemd have the guest's memory by a balloon")


def disk_options(parser):
    group = parser.add_argument_group('disks')
    group.add_argument('--fs', choices=['ext4', 'xfs', 'btrfs', 'none'], default='ext4', help='at /mnt (default ext4)')
    group.add_argument('--mkfs-opts', default='', metavar='OPTS', help='more arguments for mkfs')
    group.add_argument('--mount-opts', default='', metavar='OPTS', help='for mount -o')
    group.add_argument('--disk-size', type=size, default='1G', metavar='SIZE', help='default 1G')
    group.add_argument('--disk-iops', type=int, default=2000, metavar='N',
                       help='operations per second of the filesystem and swap together (default 2000, 0: no limit)')
    group.add_argument('--populate', type=directory, metavar='DIR', help="the filesystem starts with DIR's contents")
    group.add_argument('--swap', type=size, metavar='SIZE', help='a swap disk, in use')


def other_options(parser):
    group = parser.add_argument_group('other')
    group.add_argument('--with', dest='with_', type=names, action='extend', default=[], metavar='PROGRAM,...',
                       help="programs of Debian (installed here if missing), or paths of your own, in the guest's PATH, "
                            'with their libraries')
    group.add_argument('--share', type=directory, metavar='DIR',
                       help='readable in the guest at /share; for xen-pv and xen-pvh a copy, made before')
    group.add_argument('--timeout', type=float, default=None, metavar='SECONDS', help='0: none (default 600, none for shell)')
    group.add_argument('--log', metavar='FILE', help="the console's log (default: a new file in the cache, named on stderr)")
    group.add_argument('-v', '--verbose', action='store_true', help='the console on stderr, too')
    group.add_argument('-q', '--quiet', action='store_true', help='do not say where the log is')


def parser_for(verb):
    about = {'run': RUN, 'shell': 'A guest with a shell on this terminal; the guest goes when the shell does.',
             'kunit': "Boots with KUnit's suites that match SUITES (a glob) enabled, prints their KTAP, fails if one fails."}
    parser = argparse.ArgumentParser(prog=f'vm {verb}', description=about[verb], epilog=EXAMPLES + '\n' + STATUSES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage=f'vm {verb} [OPTION...]' + {'run': ' -- COMMAND...', 'kunit': ' [SUITES]'}.get(verb, ''))
    machine_options(parser)
    disk_options(parser)
    other_options(parser)
    if verb == 'kunit':
        parser.add_argument('suites', nargs='?', default='*', metavar='SUITES')
        parser.set_defaults(fs='none')
    return parser


def check_xen(parser, options):
    """What a guest of Xen cannot have, and what only such a guest can."""
    if options.guest.startswith('xen-'):
        if options.transport == 'virtio':
            parser.error(f'--guest {options.guest}: Xen has no virtio device for it; there are --transport loop and xen')
        if options.accel not in (None, 'tcg'):
            parser.error(f'--guest {options.guest} runs with --accel tcg only')
    elif options.transport == 'xen':
        parser.error('--transport xen wants --guest xen-pv or xen-pvh')
    elif options.xen or options.save_after or options.dom0:
        option = '--xen' if options.xen else '--dom0' if options.dom0 else '--save-after'
        parser.error(f'{option} wants --guest xen-pv or xen-pvh')


def parse(verb, argv):
    command = []
    if verb == 'run' and '--' in argv:
        at = argv.index('--')
        argv, command = argv[:at], argv[at + 1:]
    parser = parser_for(verb)
    options = parser.parse_args(argv)
    if verb == 'run' and not command:
        parser.error("what shall run in the guest? write it after '--'")
    options.fs = '' if options.fs == 'none' else options.fs
    if options.tmem_socket and options.transport != 'virtio':
        parser.error('--tmem-socket wants --transport virtio')
    if options.balloon and (options.guest not in ('uml', 'qemu') or options.transport != 'virtio'):
        parser.error('--balloon wants --guest uml or qemu, and --transport virtio')
    check_xen(parser, options)
    if options.populate and not options.fs:
        parser.error('--populate wants a filesystem')
    if options.timeout is None:
        options.timeout = 0 if verb == 'shell' else 600
    options.interactive = verb == 'shell'
    options.command = {'shell': ['sh -l'], 'kunit': ['true']}.get(verb, command)
    if verb == 'kunit':
        options.append += f' kunit.enable=1 kunit.filter_glob={options.suites}'
    return options


def main(argv):
    verb = argv[0] if argv else '--help'
    if verb in ('-h', '--help', 'help'):
        print(ABOUT + '\n\n' + STATUSES)
        return 0
    if verb not in ('run', 'shell', 'kunit'):
        say(f"there is no '{verb}', only run, shell and kunit; see vm --help")
        return session.HARNESS
    try:
        options = parse(verb, argv[1:])
    except SystemExit as leaving:
        return session.HARNESS if leaving.code else 0
    if options.interactive and not os.isatty(0):
        say('vm shell wants a terminal; for a command there is vm run')
        return session.HARNESS
    function = session.run_kunit if verb == 'kunit' else session.run
    terminal = termios.tcgetattr(0) if options.interactive else None
    try:
        return guardian.guarded(lambda tmp: function(tmp, options))
    except (Failure, OSError) as failure:
        say(failure)
        return session.HARNESS
    finally:
        if terminal:
            termios.tcsetattr(0, termios.TCSANOW, terminal)
            print(file=sys.stderr)
