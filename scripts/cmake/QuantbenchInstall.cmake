# Install rules: the program, the library, and what a method built out of tree needs. Such a method is
#
#     find_package(quantbench REQUIRED)
#     add_library(mine MODULE mine.cpp)
#     target_link_libraries(mine PRIVATE quantbench::quantbench)
#
# and runs with `quantbench --plugin libmine.so`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/quantbench)

install(TARGETS quantbench quantbench_flags EXPORT quantbench
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT quantbench NAMESPACE quantbench:: FILE quantbenchTargets.cmake
  DESTINATION ${config_folder})
if(TARGET quantbench_program)
  set_target_properties(quantbench_program PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS quantbench_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(help ${PROJECT_BINARY_DIR}/generated/help/quantbench)
  install(FILES ${help}.man DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 RENAME quantbench.1)
  install(FILES ${help}.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME quantbench)
  install(FILES ${help}.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
    RENAME _quantbench)
  # What the project measured: found there by the installed program.
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/results/reference
    DESTINATION ${CMAKE_INSTALL_DATADIR}/quantbench)
  install(FILES ${help}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# Headers: of the floors up to the methods all (one method's own are its own affair), of the runtime
# the package and its reference executor.
foreach(folder base datasets models methods methods/common)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  install(FILES ${headers} DESTINATION include/quantbench/${folder})
endforeach()
foreach(header executor package package_content plan reference_executor)
  install(FILES ${PROJECT_SOURCE_DIR}/runtime/${header}.h DESTINATION include/quantbench/runtime)
endforeach()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/quantbenchConfig.cmake.in
  ${PROJECT_BINARY_DIR}/quantbenchConfig.cmake INSTALL_DESTINATION ${config_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/quantbenchConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/quantbenchConfig.cmake
  ${PROJECT_BINARY_DIR}/quantbenchConfigVersion.cmake DESTINATION ${config_folder})
