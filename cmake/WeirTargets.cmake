# How every module, program and test of Weir is declared, so that flags live in one place.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(weir_flags INTERFACE)
target_compile_definitions(weir_flags INTERFACE _GNU_SOURCE WEIR_VERSION="${PROJECT_VERSION}")
target_compile_options(weir_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
  -Wundef -Wpointer-arith -Wwrite-strings -fno-common)
target_include_directories(weir_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/common
  ${CMAKE_BINARY_DIR}/proto)

if(WEIR_SANITIZE)
  target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
endif()
if(WEIR_COVERAGE)
  target_compile_options(weir_flags INTERFACE --coverage)
  target_link_options(weir_flags INTERFACE --coverage)
endif()
if(WEIR_FUZZ)
  target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(WEIR_HARDEN)
  target_compile_options(weir_flags INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
    -fstack-clash-protection -ffunction-sections -fdata-sections)
  target_link_options(weir_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed)
endif()

# weir_module(NAME [DIR folder] DEPS libs...): a static library of all sources in one folder.
# main.c is left out, so that a program's folder can be tested as a library.
function(weir_module name)
  cmake_parse_arguments(M "" "DIR" "DEPS" ${ARGN})
  if(NOT M_DIR)
    set(M_DIR ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${M_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$|/[a-z_]*_gen\\.c$")
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE weir_flags ${M_DEPS})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PRIVATE weir_flags PUBLIC ${M_DEPS})
endfunction()

# weir_program(NAME MAIN DEPS libs...)
function(weir_program name main)
  add_executable(${name} ${main})
  target_link_libraries(${name} PRIVATE weir_flags ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# weir_unit_tests(MODULE): each tests/unit/MODULE/test_*.c is one cmocka program, linked to that module.
function(weir_unit_tests module)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${module}/test_*.c)
  foreach(test ${tests})
    get_filename_component(base ${test} NAME_WE)
    set(target ${module}.${base})
    add_executable(${target} ${test})
    target_link_libraries(${target} PRIVATE weir_flags ${module} PkgConfig::CMOCKA ${ARGN})
    target_compile_definitions(${target} PRIVATE
      WEIR_SOURCE_DIR="${CMAKE_SOURCE_DIR}" WEIR_BINARY_DIR="${CMAKE_BINARY_DIR}")
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unit)
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES TIMEOUT 120 LABELS unit)
  endforeach()
endfunction()

# weir_fuzz_targets(MODULE): tests/fuzz/MODULE/fuzz_*.c. With WEIR_FUZZ a libFuzzer program; otherwise a
# program that replays the kept corpus (tests/fuzz/MODULE/corpus_NAME/), as a normal test.
# The target fuzz_targets builds them all.
add_custom_target(fuzz_targets)
function(weir_fuzz_targets module)
  file(GLOB targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/${module}/fuzz_*.c)
  foreach(source ${targets})
    get_filename_component(base ${source} NAME_WE)
    string(REPLACE fuzz_ "" short ${base})
    set(target ${module}.${base})
    set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/${module}/corpus_${short})
    if(WEIR_FUZZ)
      add_executable(${target} ${source})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${target} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
      add_test(NAME ${target} COMMAND ${target} ${corpus})
      set_tests_properties(${target} PROPERTIES TIMEOUT 120 LABELS fuzz)
    endif()
    target_compile_options(${target} PRIVATE -Wno-missing-prototypes)
    target_link_libraries(${target} PRIVATE weir_flags ${module} ${ARGN})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    add_dependencies(fuzz_targets ${target})
  endforeach()
endfunction()
