# runnel_assets: the files of ui/dist as one object with the table of src/api/assets.h.
#
# tools/setup/page.py builds ui/dist before cmake is called. The file with the bytes is named by an absolute path in
# the generated source, in the build folder alone.

set(assets_folder "${CMAKE_BINARY_DIR}/assets")
set(assets_python "${PROJECT_SOURCE_DIR}/.deps/venv/bin/python") # has Brotli
if(NOT EXISTS "${assets_python}")
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(assets_python "${Python3_EXECUTABLE}")
endif()

add_custom_command(
  OUTPUT "${assets_folder}/assets.c"
  BYPRODUCTS "${assets_folder}/assets.bin"
  COMMAND "${assets_python}" "${PROJECT_SOURCE_DIR}/tools/embed-assets" "${PROJECT_SOURCE_DIR}/ui/dist"
          "${assets_folder}" "${PROJECT_SOURCE_DIR}/.deps/cache/assets"
  DEPFILE "${assets_folder}/assets.d"
  COMMENT "Embedding the page"
  VERBATIM)

add_library(runnel_assets STATIC EXCLUDE_FROM_ALL "${assets_folder}/assets.c")
target_include_directories(runnel_assets PRIVATE "${PROJECT_SOURCE_DIR}/src")
