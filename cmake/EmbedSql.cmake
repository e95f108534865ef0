# sql/ -> pl_sql: named statements, views and migrations as C text. The tool runs
# again when a .sql file changes or one is added.
file(GLOB sql_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sql/*.sql)
file(GLOB sql_migrations CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sql/migrations/*.sql)
list(SORT sql_migrations)
list(SORT sql_files)

add_executable(pl_embed_sql ${CMAKE_SOURCE_DIR}/sql/embed.c)
target_link_libraries(pl_embed_sql PRIVATE pl_flags)
set_target_properties(pl_embed_sql PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                              ${CMAKE_BINARY_DIR}/tools)

set(sql_out ${CMAKE_BINARY_DIR}/generated/sql)
file(MAKE_DIRECTORY ${sql_out})
add_custom_command(
  OUTPUT ${sql_out}/statements.h ${sql_out}/statements.c
  COMMAND pl_embed_sql ${sql_out}/statements.h ${sql_out}/statements.c ${sql_migrations}
          ${sql_files}
  DEPENDS pl_embed_sql ${sql_migrations} ${sql_files}
  COMMENT "Embedding sql/"
  VERBATIM)

add_library(pl_sql STATIC ${sql_out}/statements.c ${sql_out}/statements.h)
target_include_directories(pl_sql PUBLIC ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(pl_sql PRIVATE pl_flags)
