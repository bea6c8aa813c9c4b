# Libraries of the system. tools/setup/packages.txt names the packages that bring them.

find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(MD REQUIRED IMPORTED_TARGET libmd)
pkg_check_modules(XXHASH REQUIRED libxxhash) # the header alone: nothing is linked
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka) # only for the unit tests

# It brings no file for pkg-config.
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h REQUIRED)
find_library(WSLAY_LIBRARY wslay REQUIRED)
add_library(Wslay::wslay UNKNOWN IMPORTED)
set_target_properties(Wslay::wslay PROPERTIES IMPORTED_LOCATION "${WSLAY_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                                   "${WSLAY_INCLUDE_DIR}")
