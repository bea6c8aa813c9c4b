# Language level, warnings and sanitizers of every target that links runnel_options.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# No -DNDEBUG: asserts stay in every build.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

# Programs land at the top of the build folder: the server finds its engines beside itself.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

option(RUNNEL_FUZZ "Build the targets of fuzz/ and nothing else (clang)" OFF)
set(RUNNEL_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them: address,undefined or thread")

# Places where a test makes the server fail (src/base/fault_point.h). What people run has none.
if(RUNNEL_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  option(RUNNEL_FAULTS "The option --fault and the points it names" ON)
else()
  option(RUNNEL_FAULTS "The option --fault and the points it names" OFF)
endif()

# With the compilers of the tests a warning is an error. A newer one knows more warnings, and ./run must still build.
if((CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION MATCHES "^12\\.")
   OR (CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION MATCHES "^14\\."))
  option(RUNNEL_WERROR "Warnings are errors" ON)
else()
  option(RUNNEL_WERROR "Warnings are errors" OFF)
endif()

add_library(runnel_options INTERFACE)
target_compile_definitions(runnel_options INTERFACE _GNU_SOURCE RUNNEL_VERSION="${PROJECT_VERSION}")
target_compile_options(
  runnel_options
  INTERFACE -Wall
            -Wextra
            -Wshadow
            -Wconversion
            $<$<BOOL:${RUNNEL_WERROR}>:-Werror>
            $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
            $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
            -fno-common
            -fstack-protector-strong)

if(RUNNEL_FAULTS)
  target_compile_definitions(runnel_options INTERFACE RUNNEL_FAULTS)
endif()

find_package(Threads REQUIRED)
target_link_libraries(runnel_options INTERFACE Threads::Threads)

if(RUNNEL_SANITIZE)
  # -O1 keeps accesses that -O2 removes as dead, so that they are seen. Instrumented code confuses gcc's flow
  # analysis: what it calls uninitialised or truncated here, the other builds judge.
  target_compile_options(runnel_options INTERFACE -O1 -fsanitize=${RUNNEL_SANITIZE} -fno-sanitize-recover=all
                                                  -fno-omit-frame-pointer
                                                  $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                                                  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
  target_link_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE})
else()
  target_compile_options(runnel_options INTERFACE -U_FORTIFY_SOURCE
                                                  $<$<CONFIG:RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
endif()
