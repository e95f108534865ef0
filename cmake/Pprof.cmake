# formats/pprof.proto -> pl_pprof, its messages for the protobuf-c library.
find_program(PROTOC_C protoc-c REQUIRED)
set(pprof_out ${CMAKE_BINARY_DIR}/generated/formats)
file(MAKE_DIRECTORY ${pprof_out})
add_custom_command(
  OUTPUT ${pprof_out}/pprof.pb-c.c ${pprof_out}/pprof.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/formats --c_out=${pprof_out}
          pprof.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/formats/pprof.proto
  COMMENT "Compiling formats/pprof.proto"
  VERBATIM)

add_library(pl_pprof STATIC ${pprof_out}/pprof.pb-c.c ${pprof_out}/pprof.pb-c.h)
target_include_directories(pl_pprof SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(pl_pprof PUBLIC PkgConfig::PROTOBUF_C)
