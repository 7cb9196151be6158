# SPDX-License-Identifier: GPL-2.0
"""Guests of Xen, which itself runs under QEMU: a PV dom0 creates the guest and serves its disks and consoles.

dom0 has the same kernel, an initramfs of busybox and Debian's toolstack, and QEMU's virtio devices: the guest's disks, and a
port for each of its lines.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import images
import store
from disks import escape
from guest import COMMON, Guest, disk_arguments, port_arguments
from house import Failure, REPO, cache

HERE = Path(__file__).resolve().parent
TOOLS = Path('/usr/lib/xen-4.17/bin')
PROGRAMS = [TOOLS / 'xl', TOOLS / 'xenstored', TOOLS / 'xen-init-dom0', TOOLS / 'libxl-save-helper',
            Path('/usr/bin/xenstore-read'), Path('/usr/bin/xenstore-write')]
# For scripts of dom0's, which have no lines
CONSOLED = [TOOLS / 'xenconsoled', *(Path(f'/usr/bin/xenstore-{verb}') for verb in ('chmod', 'rm', 'exists', 'list'))]
# The dynamic loader does not name it, but threads that end want it.
LIBRARIES = [Path('/lib/x86_64-linux-gnu/libgcc_s.so.1')]
LINES = REPO / 'tools/testing/tmem/xen'
# Of memory; the last is what Xen may not use for tmem.
XEN, DOM0, RESERVE = 160 << 20, 320 << 20, 32 << 20
# Xen's idle loop waits by mwait if there is one, which QEMU does not do for ring 0 of a guest. And with SMAP, QEMU before 9.1
# takes the stack of a return to ring 3 for the kernel's.
PROCESSOR = 'qemu64,+svm,+npt,+rdrand,-monitor'


class Xen(Guest):
    """A guest of Xen; subclasses know of which kind."""

    needs = ('guest', 'qemu', 'xen')
    config = 'x86'
    debug = ['--fragment', str(REPO / 'tools/testing/tmem/configs/faults.config')]
    debug_overhead = 0
    disk_prefix = 'xvd'
    shares_image = True
    machine_kernel = True   # dom0's: this checkout's without debugging, whatever the guest has
    emulated = True
    kind = None             # in the words of xl
    more = {}               # likewise

    def settings(self):
        if self.options.dom0:
            return {'VM_OUT': '/dev/hvc0', 'VM_CONTROL': '/dev/hvc0', 'VM_SHARE': self.disks.device('share')}
        return {'VM_OUT': '/dev/hvc1', 'VM_CONTROL': '/dev/hvc2', 'VM_SHARE': self.disks.device('share')}

    def complain(self):
        # Blocked tasks, and what the processors do
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ask:
            ask.connect(f'{self.tmp}/ask')
            ask.sendall(b'w\nl\n')

    def machine_log(self):
        with open(f'{self.tmp}/xen.log', encoding='utf-8', errors='replace') as log:
            return 'of Xen and dom0:\n' + log.read()

    def config_text(self, arguments):
        """The guest, in the language of xl."""
        values = {'name': 'guest', 'type': self.kind, 'kernel': '/vm/kernel', 'ramdisk': '/vm/initrd',
                  'cmdline': ' '.join(['console=hvc0', COMMON, *arguments]), 'memory': self.options.ram >> 20,
                  'vcpus': self.options.smp, **self.more,
                  'disk': [f'format=raw,vdev={self.disks.device(name)},access={"rw" if writable else "ro"},target=/dev/vd{letter}'
                           for letter, (name, _, writable) in zip('abcd', self.disks.disks)]}
        return ''.join(f'{name} = {json.dumps(value)}\n' for name, value in values.items())

    def dom0_initrd(self, initrd, arguments):
        """What dom0 boots from, with what the guest boots from in it."""
        path = f'{self.tmp}/dom0'
        shutil.copy(dom0_image(), path)
        own = images.Cpio(path, 'ab')
        # A domain that has all of its memory may keep nothing in hswap but what it is granted: as others may, the whole pool
        grant = self.options.pool if self.options.transport == 'xen' and not self.options.dom0 else ''
        own.file('vm/settings', f"VM_SAVE_AFTER='{self.options.save_after or ''}'\nVM_HSWAP='{grant}'\n".encode())
        own.file('vm/guest.cfg', self.config_text(arguments).encode())
        own.file('vm/kernel', Path(self.kernel).read_bytes())
        own.file('vm/initrd', Path(initrd).read_bytes())
        if self.options.dom0:
            own.file('vm/script', Path(self.options.dom0).read_bytes())
            toolstack(own, self.options.dom0_with)
        elif grant:
            tmemctl = store.build('tmemctl')
            add_programs(own, {**libraries(tmemctl), 'usr/bin/tmemctl': tmemctl}, {'usr'})
        own.close()
        return path

    def dom0_ram(self):
        """What is saved of the guest is kept in dom0's memory."""
        return DOM0 + (self.options.ram if self.options.save_after or self.options.dom0 else 0)

    def hypervisor(self):
        options = self.options
        dom0 = self.dom0_ram() >> 20
        argv = ['console=com1', 'com1=115200,8n1', f'dom0_mem={dom0}M,max:{dom0}M', 'dom0=pv',
                f'dom0_max_vcpus={options.dom0_smp}', 'loglvl=warning', 'guest_loglvl=warning']
        if options.transport == 'xen':
            argv += ['tmem=1', f'tmem_max={options.pool >> 20}M', f'tmem_reserve={RESERVE >> 20}M']
        return ' '.join(argv)

    def command_line(self, initrd, arguments, control, console):
        options = self.options
        # As for guests of QEMU alone: it does not see that who serves a disk writes to a page of code.
        dom0 = self.dom0_initrd(initrd, ['init_on_alloc=1', *arguments])
        pool = options.pool + RESERVE if options.transport == 'xen' else 0
        # A domain that moves is there twice
        ram = (XEN + self.dom0_ram() + options.ram * (2 if options.dom0 else 1) + pool) >> 20
        return ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-machine', 'q35,memory-backend=ram,vmport=off', '-accel', 'tcg,thread=multi', '-cpu', PROCESSOR,
                '-smp', str(max(options.smp, 2)), '-m', f'{ram}M',
                '-object', f'memory-backend-memfd,id=ram,size={ram}M,share=on',
                '-kernel', xen_binary(options), '-append', self.hypervisor(),
                '-initrd', f'{escape(self.machine_kernel)} console=hvc0 panic=-1 loglevel=4,{escape(dom0)}',
                '-chardev', f'file,id=xen,path={escape(self.tmp)}/xen.log', '-serial', 'chardev:xen',
                '-chardev', f'file,id=console,path=/dev/fd/{console}',
                '-chardev', f'file,id=control,path=/dev/fd/{control}',
                '-chardev', 'stdio,id=out,signal=off',
                '-chardev', f'socket,id=ask,path={escape(self.tmp)}/ask,server=on,wait=off',
                '-device', 'virtio-serial-pci', *port_arguments('out', 'control', 'console', 'ask'),
                *disk_arguments(self.disks, 1)]


class Pv(Xen):
    """Paravirtualized: the guest knows that its frames are the machine's."""

    kind = 'pv'


class Pvh(Xen):
    """With the processor's help, and frames of its own."""

    kind = 'pvh'
    more = {'tsc_mode': 'native'}   # else each rdtsc is an exit, after one of which in many thousands a guest faults for ever

    def machine_lost(self):
        # Where QEMU emulates SVM, a guest may fault for ever after an exit: seen behind rdtsc, and with the state of Xen. A kernel
        # that itself is wrong says so.
        return 'Triple fault' in self.machine_log()


def xen_binary(options):
    """The one that is named, or the one with patches/xen-4.17, built if need be."""
    if options.xen:
        if not os.path.isfile(options.xen):
            raise Failure(f'--xen: there is no {options.xen}')
        return os.path.abspath(options.xen)
    done = subprocess.run([REPO / 'scripts/build-xen'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure('there is no Xen, see above')
    return done.stdout.strip()


# ---- what dom0 boots from ----

def dom0_files():
    """place -> path of dom0's programs and their libraries."""
    files = {}
    for path in [*PROGRAMS, *LIBRARIES]:
        files |= {'usr/' + images.place_of(str(path), False): str(path), **libraries(path)}
    return files


def libraries(program):
    """place -> path of those that the dynamic loader would load."""
    return {'usr/' + images.place_of(each, False): each for each in images.libraries(str(program))}


def add_programs(archive, files, made):
    """place -> path goes into an archive, with the directories that it has not."""
    for place, source in sorted(files.items()):
        for parent in reversed(Path(place).parents[:-1]):
            if str(parent) not in made:
                archive.directory(str(parent))
                made.add(str(parent))
        archive.file(place, Path(source).read_bytes())


def toolstack(archive, names):
    """What a script of dom0's wants beside xl: these programs, and who serves consoles."""
    files = {}
    for path, named in [*((path, False) for path in CONSOLED), *((images.find_program(name), '/' in name) for name in names)]:
        files |= {'usr/' + images.place_of(str(path), named): str(path), **libraries(path)}
    add_programs(archive, files, {'usr'})


def dom0_image():
    """An initramfs with all that does not depend on the guest, made once for each content."""
    files = dom0_files()
    seen = hashlib.sha256()
    for path in [HERE / 'dom0', HERE / 'ports', HERE / 'images.py', Path(__file__), LINES / 'Makefile', LINES / 'lines.c']:
        seen.update(path.read_bytes() + b'\0')
    for place, path in sorted(files.items()):
        info = os.stat(path)
        seen.update(f'{place} {path} {info.st_size} {info.st_mtime_ns}\n'.encode())
    image = cache() / 'programs' / f'{seen.hexdigest()[:24]}.dom0'
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='new.', dir=image.parent) as tmp:
            done = subprocess.run(['make', '-s', '-C', LINES, f'O={tmp}'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise Failure(f'lines does not build:\n{done.stdout.strip()}')
            write_dom0(f'{tmp}/image', {**files, 'usr/bin/lines': f'{tmp}/lines'})
            os.replace(f'{tmp}/image', image)
    os.utime(image)
    for old in sorted(image.parent.glob('*.dom0'), key=os.path.getmtime)[:-5]:
        old.unlink(missing_ok=True)
    return image


def write_dom0(path, files):
    archive = images.Cpio(path)
    images.basics(archive)
    add_programs(archive, files, {'usr'})
    for name in ('etc/xen', 'etc/xen/scripts', 'proc/xen', 'var/lib', 'var/lib/xen', 'var/lib/xenstored', 'var/log', 'var/log/xen'):
        archive.directory(name)
    archive.link('var/run', '/run')
    archive.file('etc/xen/xl.conf', b'autoballoon="off"\n', 0o644)
    archive.link('etc/xen/scripts/block', '/init')
    archive.file('init', (HERE / 'dom0').read_bytes())
    archive.close()
