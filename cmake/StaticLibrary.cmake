# libproflite.a: one object with all that libproflite.so has inside, SQLite too. Only
# proflite_* stays visible, so that a program's own SQLite and ours never meet.
set(static_object ${CMAKE_BINARY_DIR}/libproflite-static.o)
set(static_library ${CMAKE_BINARY_DIR}/libproflite.a)
add_library(proflite_calls OBJECT collector/collector.c)
# Memory is its own, too: calls of malloc inside go to collector/heap_calls.c. Where a
# sanitizer is to see them they stay what they are.
if(NOT PROFLITE_SANITIZE)
  target_sources(proflite_calls PRIVATE collector/heap_calls.c)
  foreach(call malloc calloc realloc free strdup strndup)
    list(APPEND own_heap_names --wrap=${call})
    list(APPEND own_heap -Wl,--wrap=${call})
  endforeach()
endif()
target_link_libraries(proflite_calls PRIVATE pl_flags)
target_include_directories(proflite_calls PRIVATE ${CMAKE_SOURCE_DIR})
add_custom_command(
  OUTPUT ${static_library}
  COMMAND ${CMAKE_LINKER} -r ${own_heap_names} -o ${static_object} $<TARGET_OBJECTS:proflite_calls>
          --start-group $<TARGET_FILE:pl_collector> $<TARGET_FILE:pl_store>
          $<TARGET_FILE:pl_sql> $<TARGET_FILE:pl_base> ${SQLITE_STATIC_LIBRARY}
          --end-group
  COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=proflite_* ${static_object}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${static_library}
  COMMAND ${CMAKE_AR} rcsD ${static_library} ${static_object}
  DEPENDS proflite_calls $<TARGET_OBJECTS:proflite_calls> pl_collector pl_store pl_sql
          pl_base
  COMMAND_EXPAND_LISTS
  VERBATIM
  COMMENT "Linking libproflite.a")
add_custom_target(libproflite_static ALL DEPENDS ${static_library})
