# llama::llama (the C library) and llama::common (chat templates and parsing, C++).
#
# The shared libraries come prebuilt, with one ggml-cpu variant for each level of the processor, and find each
# other by their own $ORIGIN. A program finds them by a path relative to itself, so that a tree can be moved.

set(RUNNEL_LLAMA_DIR "${PROJECT_SOURCE_DIR}/.deps/llama"
    CACHE PATH "libllama: include/, ggml/include/, common/, vendor/ and lib/")
set(RUNNEL_LLAMA_VERSION 0.5.0)

if(EXISTS "${RUNNEL_LLAMA_DIR}/lib/libllama.v${RUNNEL_LLAMA_VERSION}.so")
  file(RELATIVE_PATH llama_lib_from_program "${CMAKE_BINARY_DIR}" "${RUNNEL_LLAMA_DIR}/lib")
  set(CMAKE_BUILD_RPATH "$ORIGIN/${llama_lib_from_program}")

  add_library(llama::llama INTERFACE IMPORTED GLOBAL)
  target_include_directories(llama::llama SYSTEM INTERFACE "${RUNNEL_LLAMA_DIR}/include"
                                                           "${RUNNEL_LLAMA_DIR}/ggml/include")
  # An option and not target_link_directories, which would add the absolute path to what the program searches.
  target_link_options(llama::llama INTERFACE "-L${RUNNEL_LLAMA_DIR}/lib")
  target_link_libraries(
    llama::llama INTERFACE -l:libllama.v${RUNNEL_LLAMA_VERSION}.so -l:libggml.v${RUNNEL_LLAMA_VERSION}.so
                           -l:libggml-base.so)

  add_library(llama::common INTERFACE IMPORTED GLOBAL)
  target_include_directories(llama::common SYSTEM INTERFACE "${RUNNEL_LLAMA_DIR}/common"
                                                            "${RUNNEL_LLAMA_DIR}/vendor")
  target_link_libraries(llama::common INTERFACE -l:libllama-common.so llama::llama)
endif()
