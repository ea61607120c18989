# SPDX-License-Identifier: MIT
#
# What is installed where, in three components that are also three Debian packages:
#   Runtime      libnumatally0      the libraries that programs load or preload
#   Development  libnumatally-dev   what other programs are built with
#   Tools        numatally          the tool
# (packages: cmake/debian.cmake).
# `installed` are the targets to link to, `preloaded` the libraries that need no linking: of
# these the plain name is there without the development package.

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME Development)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/numatally)
install(TARGETS ${installed} EXPORT numatally
        LIBRARY COMPONENT Runtime NAMELINK_COMPONENT Development
        ARCHIVE COMPONENT Development)
if(NUMATALLY_MALLOC)
  install(TARGETS numatally_malloc EXPORT numatally LIBRARY COMPONENT Runtime)
  list(REMOVE_ITEM preloaded numatally_malloc)
  if(preloaded)
    install(TARGETS ${preloaded} LIBRARY COMPONENT Runtime)
  endif()
endif()
install(TARGETS numatally_tool RUNTIME COMPONENT Tools)
install(DIRECTORY include/numatally TYPE INCLUDE)
if(FYPP)
  install(FILES ${module} DESTINATION ${CMAKE_INSTALL_DATADIR}/numatally)
endif()
file(GLOB manual_1 CONFIGURE_DEPENDS docs/man/*.1)
file(GLOB manual_3 CONFIGURE_DEPENDS docs/man/*.3)
if(NUMATALLY_DEBIAN)
  include(cmake/debian.cmake)
  nt_compress(manual_1 ${manual_1})
  nt_compress(manual_3 ${manual_3})
endif()
install(FILES ${manual_1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT Tools)
install(FILES ${manual_3} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
# What is a page of docs/, too.
find_program(LOWDOWN lowdown)
if(LOWDOWN)
  if(NUMATALLY_DEBIAN)
    set(compressed .gz)
  endif()
  function(nt_manual name section source summary)
    set(page ${PROJECT_BINARY_DIR}/${name}.${section}${compressed})
    add_custom_command(OUTPUT ${page} DEPENDS docs/${source} cmake/manual.sh
      COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/manual.sh ${name} ${section} ${summary}
              ${PROJECT_SOURCE_DIR}/docs/${source} ${page} VERBATIM)
    add_custom_target(manual_${name} ALL DEPENDS ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT Tools)
  endfunction()
  nt_manual(numatally.conf 5 tuning.md "settings of libnumatally_malloc")
  nt_manual(numatally-figures 7 counters.md "what numatally counts, and how exactly")
  nt_manual(numatally-nodes 7 numa.md "what numatally does with NUMA nodes")
else()
  message(STATUS "lowdown was not found: the manual's sections 5 and 7 are left out")
endif()
# Where each shell looks for the completion of a command that it does not know yet.
install(FILES completions/numatally.bash RENAME numatally COMPONENT Tools
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
set(zsh site-functions)
if(NUMATALLY_DEBIAN)
  set(zsh vendor-completions)
endif()
install(FILES completions/_numatally COMPONENT Tools
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh})
install(FILES completions/numatally.fish COMPONENT Tools
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(EXPORT numatally NAMESPACE numatally:: DESTINATION ${package_dir}
        FILE numatallyConfig.cmake)
write_basic_package_version_file(numatallyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/numatallyConfigVersion.cmake DESTINATION ${package_dir})
# By the way from the file to its prefix: cmake --install --prefix may name another.
file(RELATIVE_PATH pc_to_prefix
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/numatally.pc.in numatally.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/numatally.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
