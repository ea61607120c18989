# SPDX-License-Identifier: MIT
# A Spack recipe, for a repository of your own: packages/numatally/package.py. Untested: there
# was no Spack where it was written.
from spack.package import *


class Numatally(CMakePackage):
    """A NUMA-aware malloc that counts everything it does."""

    homepage = "file:///path/to/numatally"
    git = "file:///path/to/numatally"

    license("MIT")
    version("main", branch="main")

    variant("fortran", default=True, description="Install the Fortran module's source")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.20:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("py-fypp", type="build", when="+fortran")
    depends_on("numactl")
    depends_on("hwloc@2:")
    depends_on("jansson")
    depends_on("elfutils")
    depends_on("binutils +libiberty")
    depends_on("ncurses")
    depends_on("protobuf-c")
    depends_on("zlib-api")

    def cmake_args(self):
        return [
            self.define("NUMATALLY_TESTS", False),
            self.define("NUMATALLY_BENCH", False),
        ]
