# static/ -> pl_assets: the viewer's files as C arrays, compressed too. The tool runs again when a
# file changes; the glob is repeated at each build, so added files are seen too.
file(
  GLOB_RECURSE asset_files CONFIGURE_DEPENDS
  RELATIVE ${CMAKE_SOURCE_DIR}/static
  ${CMAKE_SOURCE_DIR}/static/*.html ${CMAKE_SOURCE_DIR}/static/*.css
  ${CMAKE_SOURCE_DIR}/static/*.js ${CMAKE_SOURCE_DIR}/static/*.mjs
  ${CMAKE_SOURCE_DIR}/static/*.svg ${CMAKE_SOURCE_DIR}/static/*.png
  ${CMAKE_SOURCE_DIR}/static/*.woff2)
list(FILTER asset_files EXCLUDE REGEX "(^|/)(\\.|node_modules/|tests?/)")
list(SORT asset_files)
list(TRANSFORM asset_files PREPEND ${CMAKE_SOURCE_DIR}/static/ OUTPUT_VARIABLE
                                                               asset_paths)

add_executable(pl_embed_assets ${CMAKE_SOURCE_DIR}/cmake/embed_assets.c)
target_link_libraries(pl_embed_assets PRIVATE pl_flags PkgConfig::ZLIB
                                              PkgConfig::BROTLI_ENCODER)
set_target_properties(pl_embed_assets PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                 ${CMAKE_BINARY_DIR}/tools)

set(assets_out ${CMAKE_BINARY_DIR}/generated/assets)
file(MAKE_DIRECTORY ${assets_out})
# The list goes through a file: it changes when a file is added or taken away.
list(JOIN asset_files "\n" asset_lines)
file(CONFIGURE OUTPUT ${assets_out}/list CONTENT "${asset_lines}\n" @ONLY)
add_custom_command(
  OUTPUT ${assets_out}/assets.c
  COMMAND pl_embed_assets ${CMAKE_SOURCE_DIR}/static ${assets_out}/list
          ${assets_out}/assets.c
  DEPENDS pl_embed_assets ${assets_out}/list ${asset_paths}
  COMMENT "Embedding static/"
  VERBATIM)

add_library(pl_assets STATIC ${assets_out}/assets.c)
target_include_directories(pl_assets PRIVATE ${CMAKE_SOURCE_DIR})
