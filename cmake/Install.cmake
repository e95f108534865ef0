# cmake --install: the program, what it puts into others, and the library in both forms
# with pkg-config file and CMake package.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Proflite)

install(TARGETS proflite RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS proflite-preload LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/proflite)
install(TARGETS proflite_sql LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/proflite)
install(TARGETS libproflite EXPORT ProfliteTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${static_library} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES collector/proflite.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT ProfliteTargets NAMESPACE Proflite:: DESTINATION ${package_dir})

configure_package_config_file(
  packaging/ProfliteConfig.cmake.in ${CMAKE_BINARY_DIR}/ProfliteConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ProfliteConfigVersion.cmake
                                 COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ProfliteConfig.cmake
              ${CMAKE_BINARY_DIR}/ProfliteConfigVersion.cmake
        DESTINATION ${package_dir})

file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(packaging/proflite.pc.in ${CMAKE_BINARY_DIR}/proflite.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/proflite.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
