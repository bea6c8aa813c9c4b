# runnel_test(<name> <source>... [LIBS <target>...])
#
# A cmocka program, registered with ctest as <name>. It lands in unit/ of the build folder. Unit tests stand beside
# their source (src/base/bytes.c, src/base/bytes_test.c). Without cmocka there are no unit tests, and all else builds.
function(runnel_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBS")
  if(NOT TARGET PkgConfig::CMOCKA OR RUNNEL_FUZZ)
    return()
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/unit")
  if(llama_lib_from_program)
    set_target_properties(${name} PROPERTIES BUILD_RPATH "$ORIGIN/../${llama_lib_from_program}")
  endif()
  target_link_libraries(${name} PRIVATE runnel_options ${arg_LIBS} PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_BINARY_DIR}/unit")
  set_tests_properties(${name} PROPERTIES TIMEOUT 60)
endfunction()
