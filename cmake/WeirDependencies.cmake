# The libraries Weir stands on. Three of them are too old or missing on Debian 12; the bootstrap
# unpacks them into build/prefix, which is looked at first and is absent on Debian 13.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(WEIR_PREFIX ${CMAKE_SOURCE_DIR}/build/prefix CACHE PATH "Where the bootstrap unpacked newer libraries")

pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(POSTGRES REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# gRPC comes with some fifty shared objects, each with private pages of its own in every proxy: release builds
# link it, and what it stands on, into the program.
option(WEIR_STATIC "Link gRPC statically" OFF)
add_library(weir_grpc_libs INTERFACE)
if(WEIR_STATIC)
  find_package(PkgConfig REQUIRED)
  # re2 is named since grpc's own list leaves it out on some releases.
  execute_process(COMMAND ${PKG_CONFIG_EXECUTABLE} --static --libs grpc re2 libcares
    OUTPUT_VARIABLE grpc_static OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "-l(dl|atomic|rt|pthread|m)( |$)|-pthread|-Wl,--push-state,--as-needed|-Wl,--pop-state" " " grpc_static "${grpc_static}")
  separate_arguments(grpc_static)
  target_link_libraries(weir_grpc_libs INTERFACE -Wl,-Bstatic -Wl,--start-group ${grpc_static} -Wl,--end-group
    -lstdc++ -Wl,-Bdynamic -static-libgcc -lm -lpthread -ldl -lrt)
else()
  pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc)
  target_link_libraries(weir_grpc_libs INTERFACE PkgConfig::GRPC)
endif()

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

find_program(PROTOC_GEN_C protoc-gen-c REQUIRED)
find_program(PROTOC protoc REQUIRED)
