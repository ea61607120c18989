# SPDX-License-Identifier: MIT
"""Which allocators there are on this machine, and what machine it is."""
import os
import platform
import subprocess
import time

# Debian package, short name, and the file to preload. tbbmalloc replaces malloc through
# its proxy library.
PACKAGED = (
    ("libjemalloc2", "jemalloc", "libjemalloc.so.2"),
    ("libmimalloc2.0", "mimalloc", "libmimalloc.so.2.0"),
    ("libtcmalloc-minimal4", "tcmalloc", "libtcmalloc_minimal.so.4"),
    ("libtbbmalloc2", "tbbmalloc", "libtbbmalloc_proxy.so.2"),
)
SUBJECT = "numatally"


class Allocator:
    """One column of the table: a name, what to preload, what else to set."""

    def __init__(self, name, preload=None, peer=False, package=""):
        self.name = name
        self.preload = preload  # None: the C library's own malloc
        self.peer = peer        # counts in the median peer
        self.package = package
        self.settings = {}

    def environment(self):
        """The environment of a bench program: nobody else's preload or settings."""
        env = {key: value for key, value in os.environ.items()
               if key not in ("LD_PRELOAD", "MALLOC_CONF", "GLIBC_TUNABLES", "HEAPPROFILE")
               and not key.startswith(("MALLOC_", "MIMALLOC_", "TCMALLOC_", "NUMATALLY_"))}
        if self.preload:
            env["LD_PRELOAD"] = self.preload
        env.update(self.settings)
        return env

    def serves(self, malloc_file):
        """Does the file that malloc came from belong to this allocator?"""
        if self.preload:
            return os.path.realpath(malloc_file) == os.path.realpath(self.preload)
        return os.path.basename(malloc_file).startswith(("libc.so", "libc-"))


def library_folders():
    """Where Debian keeps shared libraries for this machine, the multiarch folder first."""
    triplet = f"{platform.machine()}-linux-gnu"
    return [f"/usr/lib/{triplet}", f"/lib/{triplet}", "/usr/lib64", "/usr/lib",
            "/usr/local/lib"]


def find_library(file):
    """Its path, None if it is not here."""
    paths = (os.path.join(folder, file) for folder in library_folders())
    return next((path for path in paths if os.path.exists(path)), None)


def packaged():
    """(found, missing): glibc and the packaged allocators here; names of those not."""
    found, missing = [Allocator("glibc", peer=True, package="libc6")], []
    for package, name, file in PACKAGED:
        path = find_library(file)
        if path:
            found.append(Allocator(name, path, peer=True, package=package))
        else:
            missing.append(f"{name} ({file}, Debian package {package})")
    return found, missing


def package_version(package):
    """Debian's version of a package, "" if dpkg does not know it."""
    try:
        out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                             capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return out.stdout.strip() if out.returncode == 0 else ""


def read_first(path, default="unknown"):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return default


def cpu_model():
    for line in read_first("/proc/cpuinfo", "").splitlines():
        if line.lower().startswith(("model name", "hardware", "cpu part")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_mib():
    for line in read_first("/proc/meminfo", "").splitlines():
        if line.startswith("MemTotal:"):
            return f"{int(line.split()[1]) // 1024} MiB"
    return "unknown"


def release_name():
    for line in read_first("/etc/os-release", "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown"


def chosen(path):
    """The word in brackets of a sysfs choice such as "always [madvise] never"."""
    text = read_first(path)
    return text.split("[", 1)[1].split("]", 1)[0] if "[" in text else text


def load():
    """The load averages over 1, 5 and 15 minutes: who else was at work."""
    return " ".join(read_first("/proc/loadavg").split()[:3])


def go_first():
    """Let this process and what it starts run before all ordinary ones, if that is allowed:
    then what else is at work here takes no time off a reading, and threads start at once.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return "SCHED_RR, before all ordinary processes"
    except OSError as error:
        return f"like other processes ({error.strerror})"


def conditions():
    """What the figures depend on, as (name, value) pairs. From now on this process goes first.
    """
    thp = "/sys/kernel/mm/transparent_hugepage/"
    caches = [read_first(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size", "")
              for index in range(4)]
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())),
        ("system", release_name()),
        ("kernel", f"{platform.release()} {platform.machine()}"),
        ("cpu", cpu_model()),
        ("cpus", f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}"),
        ("caches", ", ".join(cache for cache in caches if cache) or "unknown"),
        ("numa nodes", read_first("/sys/devices/system/node/online")),
        ("memory", memory_mib()),
        ("governor", read_first("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                                "none visible")),
        ("huge pages", f"{chosen(thp + 'enabled')}, defrag {chosen(thp + 'defrag')}"),
        ("overcommit", read_first("/proc/sys/vm/overcommit_memory")),
        ("load before", load()),
        ("scheduling", go_first()),
    ]
