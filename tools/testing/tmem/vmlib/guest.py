# SPDX-License-Identifier: GPL-2.0
"""Kinds of guest: how each is started. All get the same lines to the outside. Those of Xen are in xen.py.

A guest has an output line (COMMAND's), a control line (init's words), and a console (the kernel's). Each is a pipe.
"""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import guardian
import store
from disks import escape
from house import REPO, Failure, cache

COMMON = 'panic=-1 loglevel=7 ignore_loglevel'
# By --accel. An instruction takes 2^0 ns by icount, and idle time none.
TCG = {'tcg': ['-accel', 'tcg,thread=multi'], 'icount': ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off']}


def pipe():
    return os.pipe2(os.O_CLOEXEC)


class Guest:
    """A guest that can be started; subclasses know the machine."""

    needs = ()              # groups of packages
    config = None           # of the kernel
    debug = ['--debug']     # arguments of scripts/build for --debug
    debug_overhead = 96 << 20   # of memory: KASAN's shadow and quarantine, lockdep's tables
    disk_prefix = 'vd'      # of the disks' names
    shares_image = False    # is /share a copy, on a disk?
    emulated = False        # does QEMU interpret it?
    machine_kernel = None   # of what runs the guest, if that needs a kernel, too

    def __init__(self, tmp, options, kernel, disks):
        self.tmp, self.options, self.kernel, self.disks = tmp, options, kernel, disks
        self.input = self.output = self.control = self.console = None
        self.process = None

    def start(self, initrd, arguments):
        """Starts the guest, anew if need be, with its lines as pipes; the guest's ends are closed here."""
        for fd in (self.input, self.output, self.control, self.console):
            if fd is not None:
                os.close(fd)
        stdin, self.input = pipe()
        self.output, out = pipe()
        self.control, control = pipe()
        self.console, console = pipe()
        argv = self.command_line(initrd, arguments, control, console)
        # UML takes /dev/shm for its memory unless told otherwise, as it should.
        env = {name: value for name, value in os.environ.items() if name not in ('TMPDIR', 'TMP', 'TEMP')}
        env.update(self.environment())
        self.process = guardian.start(argv, stdin=stdin, stdout=out, stderr=console, pass_fds=(control, console), env=env,
                                      cwd=self.tmp, processors=self.processors())
        for fd in (stdin, out, control, console):
            os.close(fd)

    def environment(self):
        return {}

    def processors(self):
        """Those of the host that the guest may use, or None for any."""

    def complain(self):
        """Asks the kernel of a guest that hangs to say on its console what it is doing."""

    def machine_log(self):
        """What the machine below the guest has said, if it talks."""
        return ''

    def machine_lost(self):
        """Did the machine below the guest lose the guest's state, whatever the guest did?"""
        return False

    def machine_erred(self, said):
        """Was it the machine below the guest that made the kernel say this, so that it is worth another try?"""
        # Before 8.1 QEMU may translate what another processor is about to replace and keep the translation: the kernel, which
        # replaces code by way of an int3, then meets one that is long gone. It does so most while it boots.
        return self.emulated and 'Oops: int3: ' in said


class Uml(Guest):
    """User-Mode Linux: a process of the host, uniprocessor, up in a third of a second."""

    needs = ('guest',)
    config = 'uml'
    debug_overhead = 16 << 20

    def settings(self):
        share = os.path.abspath(self.options.share) if self.options.share else ''
        return {'VM_OUT': '/dev/ttyS0', 'VM_CONTROL': '/dev/ttyS1', 'VM_SHARE': share}

    def complain(self):
        request = b'sysrq w'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as console:
            console.bind(f'{self.tmp}/mconsole')
            console.sendto(struct.pack('=III512s', 0xcafebabe, 2, len(request), request), f'{self.tmp}/uml/mconsole')

    def environment(self):
        room = shutil.disk_usage('/dev/shm').free if os.path.isdir('/dev/shm') else 0
        return {} if room > self.options.ram else {'TMPDIR': self.tmp}

    def processors(self):
        # Its kernel and its processes take turns. On two processors each turn would wake an idle one, which in a virtual
        # machine takes ten times as long as the turn.
        allowed = sorted(os.sched_getaffinity(0))
        return {allowed[os.getpid() % len(allowed)]}

    def command_line(self, initrd, arguments, control, console):
        argv = [self.kernel, f'mem={self.options.ram >> 20}M', f'initrd={initrd}', 'root=/dev/ram0', 'stderr=1',
                'con=null', f'con0=null,fd:{console}', 'ssl=null', 'ssl0=fd:0,fd:1', f'ssl1=null,fd:{control}',
                f'uml_dir={self.tmp}/', 'umid=uml']
        argv += [f'virtio_uml.device={self.disks.socket(name)}:2' for name in self.disks.names()]
        argv += [f'virtio_uml.device={self.options.tmem_socket}:63'] if self.options.tmem_socket else []
        argv += [f'virtio_uml.device={self.options.tmem_socket}.balloon:5'] if self.options.balloon else []
        return argv + COMMON.split() + arguments


class Qemu(Guest):
    """x86-64 under QEMU: SMP, and debugging that UML lacks. With KVM where that works, else interpreted."""

    needs = ('guest', 'qemu')
    config = 'x86'

    def settings(self):
        return {'VM_OUT': '/dev/hvc0' if self.options.interactive else 'out', 'VM_CONTROL': 'control',
                'VM_SHARE': '9p' if self.options.share else ''}

    def complain(self):
        # With unknown_nmi_panic the guest panics, and with panic_print it tells of all processors and blocked tasks.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
            monitor.connect(f'{self.tmp}/qmp')
            monitor.sendall(b'{"execute": "qmp_capabilities"}{"execute": "inject-nmi"}')
            monitor.settimeout(2)
            monitor.recv(4096)

    def command_line(self, initrd, arguments, control, console):
        options = self.options
        swap = self.disks.device('swap')
        arguments = [*arguments, f'resume=/dev/{swap}'] if swap else arguments
        model = '' if options.accel in TCG else kvm_model(self.kernel, initrd)
        if options.accel == 'kvm' and not model:
            raise Failure('--accel kvm: no guest runs under KVM here')
        self.emulated = not model
        if not model and options.accel != 'icount':
            # QEMU does not see that tmemd, or who serves a disk, writes to a page, and would go on to execute what it has
            # translated of the page's former contents. It sees that the guest clears it before.
            arguments = ['init_on_alloc=1', *arguments]
        argv = [qemu_binary(options), '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-machine', 'q35,memory-backend=ram,vmport=off', '-smp', str(options.smp), '-m', f'{options.ram >> 20}M',
                *(['-accel', 'kvm'] if model else TCG[options.accel or 'tcg']), '-cpu', model or 'max',
                '-object', f'memory-backend-memfd,id=ram,size={options.ram >> 20}M,share=on',
                '-kernel', self.kernel, '-initrd', initrd,
                '-append', ' '.join(['console=ttyS0', COMMON, 'unknown_nmi_panic', 'panic_print=0xc2', *arguments]),
                '-qmp', f'unix:{escape(self.tmp)}/qmp,server=on,wait=off',
                '-chardev', f'file,id=console,path=/dev/fd/{console}', '-serial', 'chardev:console',
                '-chardev', f'file,id=control,path=/dev/fd/{control}',
                '-chardev', 'stdio,id=out,signal=off',
                '-device', 'virtio-serial-pci',
                '-device', 'virtconsole,chardev=out' if options.interactive else 'virtserialport,chardev=out,name=out',
                *port_arguments('control'), *disk_arguments(self.disks, options.queues)]
        argv += tmem_arguments(options) + (balloon_arguments(options) if options.balloon else [])
        if options.share:
            argv += ['-fsdev', f'local,id=share,path={escape(os.path.abspath(options.share))},security_model=none,readonly=on',
                     '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share']
        return argv


def port_arguments(*names):
    """QEMU's, for virtio-serial ports, each with the character device of its name."""
    return [word for name in names for word in ('-device', f'virtserialport,chardev={name},name={name}')]


def disk_arguments(disks, queues):
    return [word for name in disks.names()
            for word in ('-chardev', f'socket,id={name},path={escape(disks.socket(name))}',
                         '-device', f'vhost-user-blk-pci,chardev={name},num-queues={queues}')]


def qemu_binary(options):
    """Debian's QEMU; for the device of tmem one with patches/qemu-7.2, built if need be."""
    if not options.tmem_socket:
        return 'qemu-system-x86_64'
    done = subprocess.run([REPO / 'scripts/build-qemu'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure('there is no QEMU with the device of tmem, see above')
    return done.stdout.strip()


def tmem_arguments(options):
    """QEMU's, for a device whose store is behind the socket; a store that is started again is found again."""
    if not options.tmem_socket:
        return []
    return ['-chardev', f'socket,id=tmem,path={escape(options.tmem_socket)},reconnect=1',
            '-device', 'vhost-user-tmem-pci,chardev=tmem']


def balloon_arguments(options):
    """QEMU's, for a balloon of its own and the socket by which tmemd moves it. The guest takes pages out of it before it kills
    a process, as it does from tmemd's balloon."""
    return ['-qmp', f'unix:{escape(store.qmp(options.tmem_socket))},server=on,wait=off',
            '-device', 'virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on']


# Processor models to try under KVM: some hosts promise features of their own that KVM then refuses.
KVM_FAILS = b'KVM internal error'
KVM_MODELS = ('host', 'host,-arch-capabilities', 'qemu64')


def kvm_model(kernel, initrd):
    """The processor model with which this kernel really runs under KVM, or '' if none: many machines have /dev/kvm, but
    only promise it, and some fail at an instruction deep in the boot. Tried once per boot of this machine."""
    try:
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as boot:
            memory = cache() / f'kvm-{boot.read().strip()}'
        if memory.exists():
            return memory.read_text()
        usable = os.access('/dev/kvm', os.R_OK | os.W_OK)
        works = next((model for model in KVM_MODELS if usable and try_kvm(model, kernel, initrd)), '')
        for old in cache().glob('kvm-*-*'):
            old.unlink(missing_ok=True)
        memory.write_text(works)
        return works
    except OSError:
        return ''


def try_kvm(model, kernel, initrd):
    """Boots the kernel as far as our init, which without its lines just says so and powers off."""
    argv = ['qemu-system-x86_64', '-accel', 'kvm', '-cpu', model, '-smp', '2', '-m', '512M', '-nodefaults', '-display', 'none',
            '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-serial', 'stdio', '-append', f'console=ttyS0 {COMMON} tmem_vm=probe']
    with tempfile.TemporaryFile() as out:
        probe = guardian.start(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        deadline, text = time.monotonic() + 8, b''
        while probe.poll() is None and time.monotonic() < deadline and KVM_FAILS not in text:
            time.sleep(0.05)
            text = os.pread(out.fileno(), 1 << 20, 0)
        probe.kill()
        probe.wait()
        return b'tmem_vm: up' in os.pread(out.fileno(), 1 << 20, 0)


def find_kernel(kind, options, run):
    """The image to boot: the one named, or this checkout's, built if need be."""
    if options.kernel:
        if not os.path.isfile(options.kernel):
            raise Failure(f'--kernel: there is no {options.kernel}')
        return os.path.abspath(options.kernel)
    return run(['--config', kind.config, *(kind.debug if options.debug else []), *(['--plain'] if options.unpatched else [])])
