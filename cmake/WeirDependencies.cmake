# The libraries Weir stands on. Three of them are too old or missing on Debian 12; the bootstrap
# unpacks them into build/prefix, which is looked at first and is absent on Debian 13.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(WEIR_PREFIX ${CMAKE_SOURCE_DIR}/build/prefix CACHE PATH "Where the bootstrap unpacked newer libraries")

pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

function(weir_prefixed target header)
  add_library(${target} INTERFACE)
  find_path(${target}_INCLUDE ${header} HINTS ${WEIR_PREFIX}/include REQUIRED)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
  foreach(name ${ARGN})
    find_library(${target}_${name} NAMES ${name} HINTS ${WEIR_PREFIX}/lib REQUIRED)
    target_link_libraries(${target} INTERFACE ${${target}_${name}})
  endforeach()
endfunction()

weir_prefixed(weir_llhttp llhttp.h libllhttp.a)
weir_prefixed(weir_yyjson yyjson.h yyjson)
weir_prefixed(weir_mbedtls mbedtls/build_info.h libmbedtls.a libmbedx509.a libmbedcrypto.a)

find_program(PROTOC_C protoc-c REQUIRED)
find_program(PROTOC protoc REQUIRED)
