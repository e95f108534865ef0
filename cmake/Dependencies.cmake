# Debian packages (see packaging/install-deps); nothing is downloaded here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.38)
pkg_check_modules(DW REQUIRED IMPORTED_TARGET libdw libelf)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(UUID REQUIRED IMPORTED_TARGET uuid)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(YAJL REQUIRED IMPORTED_TARGET yajl)
find_path(MSGPACK_INCLUDE msgpack/unpack_template.h REQUIRED) # only its headers
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(BROTLI_ENCODER REQUIRED IMPORTED_TARGET libbrotlienc)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# For libproflite, inside a program that may have an SQLite of its own.
find_library(SQLITE_STATIC_LIBRARY libsqlite3.a REQUIRED)

find_path(CIVETWEB_INCLUDE civetweb.h REQUIRED)
find_library(CIVETWEB_LIBRARY civetweb REQUIRED)
add_library(CIVETWEB::CIVETWEB UNKNOWN IMPORTED)
set_target_properties(
  CIVETWEB::CIVETWEB PROPERTIES IMPORTED_LOCATION ${CIVETWEB_LIBRARY}
                                INTERFACE_INCLUDE_DIRECTORIES ${CIVETWEB_INCLUDE})

# Demangler of C++, Rust and D names (static and position-independent in Debian).
find_path(IBERTY_INCLUDE libiberty/demangle.h REQUIRED)
find_library(IBERTY_LIBRARY iberty REQUIRED)
add_library(IBERTY::IBERTY UNKNOWN IMPORTED)
set_target_properties(
  IBERTY::IBERTY PROPERTIES IMPORTED_LOCATION ${IBERTY_LIBRARY}
                            INTERFACE_INCLUDE_DIRECTORIES ${IBERTY_INCLUDE})
