# SPDX-License-Identifier: GPL-2.0
"""Programs built in the cache from a Debian source package and patches: shared by build-qemu and build-xen."""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import house
from house import Failure


def output(*argv, **more):
    """(succeeded, what it said)"""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', **more)
    return done.returncode == 0, done.stdout


# ---- where apt finds sources ----

def newest_first(versions):
    def compare(one, other):
        return -1 if subprocess.run(['dpkg', '--compare-versions', one, 'gt', other]).returncode == 0 else 1
    return sorted(set(versions), key=functools.cmp_to_key(compare))


def suites():
    release = Path('/etc/os-release').read_text() if Path('/etc/os-release').is_file() else ''
    match = re.search(r'^VERSION_CODENAME="?(\w+)"?$', release, re.M)
    name = match.group(1) if match else ''
    return {name, f'{name}-updates', f'{name}-security'} if name else set()


def from_list(text):
    """The lines of a .list file that are Debian's, as lines for its sources."""
    for line in text.splitlines():
        match = re.match(r'\s*deb(?:-src)?\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)', line)
        if match and match.group(3) in suites() and 'main' in match.group(4).split():
            yield f'deb-src {match.group(1) or ""}{match.group(2)} {match.group(3)} main\n'


def from_sources(text):
    """Likewise the paragraphs of a .sources file."""
    text = re.sub(r'^#.*\n', '', text, flags=re.M)
    for paragraph in re.split(r'\n\s*\n', text):
        fields = {name.lower(): value for name, value in re.findall(r'^([\w-]+):((?:.*)(?:\n[ \t].*)*)', paragraph, re.M)}
        ours = sorted(suites() & set(fields.get('suites', '').split()))
        if ours and 'main' in fields.get('components', '').split() and fields.pop('enabled', 'yes').strip() != 'no':
            fields.update(types=' deb-src', suites=' ' + ' '.join(ours), components=' main')
            yield ''.join(f'{name}:{value}\n' for name, value in sorted(fields.items()))


class Package:
    """The source package NAME of one upstream series, in a directory of its own in the cache."""

    def __init__(self, name, series):
        self.name = name
        self.series = series
        self.override = f'TMEM_{name.upper()}_DSC'
        self.base = house.cache() / name
        self.log = self.base / 'build.log'
        self.work = self.base / 'work'

    def lock(self):
        return house.lock(house.cache() / f'{self.name}.lock', f'another build of {self.name}')

    def private_apt(self):
        """Options that make apt use lists of its own, with the sources of what this machine's lists have the binaries of."""
        top = self.base / 'apt'
        for name in ('sources', 'lists/partial', 'cache/archives/partial'):
            (top / name).mkdir(parents=True, exist_ok=True)
        known, where = output('apt-config', 'shell', 'LIST', 'Dir::Etc::sourcelist/f', 'PARTS', 'Dir::Etc::sourceparts/d')
        if not known:
            raise Failure(f'there is no apt here: get the source package of {self.name} {self.series}, and set {self.override} '
                          'to its .dsc file')
        places = dict(word.split('=', 1) for word in shlex.split(where))
        files = [Path(places['LIST']), *sorted(Path(places['PARTS']).glob('*'))]
        entries = {'list': set(), 'sources': set()}
        for path in files:
            if path.is_file() and path.suffix in ('.list', '.sources'):
                read = from_list if path.suffix == '.list' else from_sources
                entries[path.suffix[1:]].update(read(path.read_text(errors='replace')))
        for suffix, found in entries.items():
            (top / f'sources/debian.{suffix}').write_text('\n'.join(sorted(found)))
        return ['-o', 'Dir::Etc::sourcelist=/dev/null', '-o', f'Dir::Etc::sourceparts={top}/sources',
                '-o', f'Dir::Cache={top}/cache', '-o', f'Dir::State::lists={top}/lists',
                '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Languages=none', '-q']

    def download(self):
        """Gets the newest version that there is; a list may name one that its server has no more, or not yet."""
        apt = self.private_apt()
        _, said = output('apt-get', *apt, 'update')
        _, listed = output('apt-cache', *apt, 'showsrc', '--only-source', self.name)
        versions = re.findall(rf'^Version: ((?:\d+:)?{re.escape(self.series)}[.+]\S+)$', listed, re.M)
        fresh = self.base / 'download'
        for version in newest_first(versions):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            house.say(f'getting the source package of {self.name} {version}')
            got, said = output('apt-get', *apt, 'source', '--only-source', '--download-only', f'{self.name}={version}', cwd=fresh)
            if got:
                os.replace(fresh, self.base / f'source-{version.split(":")[-1]}')
                return
            house.say('it is not to be had')
        raise Failure(f'cannot get the source package of {self.name} {self.series}. apt-get said:\n{said.strip()}\n'
                      'Is the network there, and Debian 12 in apt\'s sources? '
                      f'Or set {self.override} to the .dsc file of a package.')

    def source(self):
        """The .dsc file of a source package that is here, or None."""
        if given := os.environ.get(self.override):
            if not Path(given).is_file():
                raise Failure(f'{self.override}: there is no {given}')
            return Path(given).absolute()
        there = {path.parent.name[len('source-'):]: path for path in self.base.glob('source-*/*.dsc')}
        return there[newest_first(there)[0]] if there else None

    def environment(self):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(('CCACHE_', 'MAKE', 'LC_', 'NINJA')) and not name.endswith('FLAGS')
               and name not in ('CC', 'CXX', 'LD', 'LANG', 'LANGUAGE', 'GCC_COLORS')}
        return {**env, 'LANG': 'C.UTF-8', 'TMPDIR': str(self.work), 'GIT_CEILING_DIRECTORIES': str(self.work),
                'CCACHE_DIR': str(house.cache() / 'ccache'), 'CCACHE_MAXSIZE': os.environ.get('CCACHE_MAXSIZE', '4G'),
                'CCACHE_NOHASHDIR': '1', 'CCACHE_COMPILERCHECK': '%compiler% --version'}

    def step(self, what, argv, where):
        """Runs argv in where, with its output in the log, and now and then, or on a terminal always, its last line on stderr."""
        terminal, shown = sys.stderr.isatty(), time.monotonic()
        with open(self.log, 'a', encoding='utf-8') as to, \
                subprocess.Popen(argv, cwd=where, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors='replace') as child:
            try:
                for line in child.stdout:
                    to.write(line)
                    if time.monotonic() - shown >= (0.1 if terminal else 20):
                        shown = time.monotonic()
                        text = f'{what}: {line.strip()}'
                        if terminal:
                            print('\r\033[K' + text[:shutil.get_terminal_size().columns - 1], end='', file=sys.stderr, flush=True)
                        else:
                            house.say(text)
            except BaseException:
                child.terminate()
                raise
        if terminal:
            print('\r\033[K', end='', file=sys.stderr, flush=True)
        if child.returncode:
            end = '\n'.join(self.log.read_text(errors='replace').splitlines()[-15:])
            raise Failure(f'{what} failed:\n{end}\nThe whole log: {self.log}')
