# SPDX-License-Identifier: MIT
#
# Debian packages of the three components, by cpack in the build folder of the preset
# `package`: ./dev package. lintian finds no error in them; tests/package.sh installs,
# uses and removes them.

find_program(GZIP gzip REQUIRED)
set(debian ${PROJECT_BINARY_DIR}/debian)
file(MAKE_DIRECTORY ${debian})

# nt_compress(VARIABLE FILE...): the names of the files compressed, as Debian wants them.
function(nt_compress variable)
  set(compressed)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    execute_process(COMMAND ${GZIP} -9nc ${file} OUTPUT_FILE ${debian}/${name}.gz
                    COMMAND_ERROR_IS_FATAL ANY)
    list(APPEND compressed ${debian}/${name}.gz)
  endforeach()
  set(${variable} ${compressed} PARENT_SCOPE)
endfunction()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The numatally authors <maintainers@numatally.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL Runtime Development Tools)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS Runtime)
set(CPACK_COMPONENT_TOOLS_DEPENDS Runtime)
file(WRITE ${debian}/triggers "activate-noawait ldconfig\n")
file(WRITE ${debian}/shlibs "")
foreach(library libnumatally libnumatally_malloc libnumatally_openmpi libnumatally_mpich)
  file(APPEND ${debian}/shlibs
       "${library} ${PROJECT_VERSION_MAJOR} libnumatally${PROJECT_VERSION_MAJOR} (>= ${PROJECT_VERSION})\n")
endforeach()
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${debian}/triggers;${debian}/shlibs")

# nt_package(COMPONENT NAME SECTION TEXT): its description is the summary, then the text.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "NUMA-aware malloc that counts everything it does")
macro(nt_package component name section text)
  string(TOUPPER ${component} key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${text}")
  file(MAKE_DIRECTORY ${debian}/${name})
  file(WRITE ${debian}/${name}/changelog "${name} (${PROJECT_VERSION}) unstable; urgency=medium

  * What is new stands in CHANGELOG.md of the source.

 -- ${CPACK_PACKAGE_CONTACT}  Fri, 27 Nov 2026 00:00:00 +0000
")
  execute_process(COMMAND ${GZIP} -9nf ${debian}/${name}/changelog)
  set(doc ${CMAKE_INSTALL_DATADIR}/doc/${name})
  install(FILES ${debian}/${name}/changelog.gz DESTINATION ${doc} COMPONENT ${component})
  install(FILES LICENSE RENAME copyright DESTINATION ${doc} COMPONENT ${component})
endmacro()

nt_package(Runtime libnumatally0 libs
"Size-class pools bound to NUMA nodes serve allocations, with exact counters.
libnumatally_malloc takes the place of malloc in programs that are linked to
it or that it is preloaded into; libnumatally has the same by calls of its own.")
nt_package(Development libnumatally-dev libdevel
"Headers for C and C++, the source of the module for Fortran, static libraries,
files for CMake and pkg-config.")
nt_package(Tools numatally utils
"The command numatally runs programs with this malloc, watches them, reads its
reports, and tunes it.")
include(CPack)
