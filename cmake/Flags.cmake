# Warnings and sanitizers, as one interface library.
add_library(pl_flags INTERFACE)
target_compile_definitions(pl_flags INTERFACE _GNU_SOURCE PL_VERSION="${PROJECT_VERSION}")
target_compile_options(
  pl_flags
  INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wstrict-prototypes
            -Wmissing-prototypes
            -Wcast-qual
            -Wformat=2
            -Wvla
            -Wno-overlength-strings
            -fno-omit-frame-pointer>)
if(PROFLITE_WERROR)
  target_compile_options(pl_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()
if(PROFLITE_SANITIZE)
  add_compile_options(-fsanitize=${PROFLITE_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PROFLITE_SANITIZE})
endif()
