# Checks of the source itself (label check), and the unit tests under sanitizers and the fuzzers (labels asan, tsan, fuzz).
# A sanitizer needs a build of its own: a test that builds it comes first (a fixture), so that one ctest runs everything
# and prints one summary.
set(python /usr/bin/python3 -B)
set(run sh -c "exec \"$0\" \"$@\"")  # a program that is not built yet when ctest reads its list

function(penstock_check name)
  add_test(NAME check_${name} COMMAND ${python} ${CMAKE_SOURCE_DIR}/tools/check_${name}.py ${ARGN})
  set_tests_properties(check_${name} PROPERTIES LABELS check TIMEOUT 600)
endfunction()

penstock_check(layers)
penstock_check(style)
penstock_check(symbols ${CMAKE_BINARY_DIR})
penstock_check(docs $<TARGET_FILE:penstock>)
penstock_check(tidy ${CMAKE_BINARY_DIR} --seconds 150)
set_tests_properties(check_tidy PROPERTIES PROCESSORS 2)

# penstock_flavour(asan TARGETS unit_base ... ): builds the targets with that preset, then runs each as <flavour>.<target>.
function(penstock_flavour flavour)
  cmake_parse_arguments(FLAVOUR "" "" "TARGETS;ENVIRONMENT" ${ARGN})
  if(NOT FLAVOUR_TARGETS)
    return()
  endif()
  set(build ${CMAKE_SOURCE_DIR}/build/${flavour})
  add_test(NAME ${flavour}.build
           COMMAND sh -c "${CMAKE_COMMAND} --preset ${flavour} >/dev/null && exec ${CMAKE_COMMAND} --build ${build} -j 2 --target \"$@\"" build ${FLAVOUR_TARGETS}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${flavour}.build PROPERTIES LABELS ${flavour} FIXTURES_SETUP ${flavour} PROCESSORS 2 TIMEOUT 1800)
  foreach(target ${FLAVOUR_TARGETS})
    add_test(NAME ${flavour}.${target} COMMAND ${run} ${build}/tests/${target} --gtest_brief=1)
    set_tests_properties(${flavour}.${target} PROPERTIES LABELS ${flavour} FIXTURES_REQUIRED ${flavour} TIMEOUT 600
                         ENVIRONMENT "${FLAVOUR_ENVIRONMENT}")
  endforeach()
endfunction()

# What strangers send is read, and keys are agreed, in rooms without devices: those, leaks included. The rooms on top of
# DPDK by hand: cmake --preset asan && cmake --build build/asan --target unit_engine.
get_property(unit_tests DIRECTORY PROPERTY PENSTOCK_UNIT_TESTS)
set(pure base wire l7_http l7_h1 l7_proxy_protocol l7_tcp control_pki control_mesh control_health control_neighbour control_liveness)
list(TRANSFORM pure PREPEND unit_)
list(APPEND pure script_tcp)
# What two threads share: rings, counters, generations, the control thread.
set(shared unit_base unit_control_publish unit_control_loop)
foreach(name ${pure} ${shared})
  if(NOT name IN_LIST unit_tests)
    message(FATAL_ERROR "${name} is to run under a sanitizer, and there is no such test")
  endif()
endforeach()
penstock_flavour(asan TARGETS ${pure} ENVIRONMENT "ASAN_OPTIONS=detect_leaks=1" "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1")
penstock_flavour(tsan TARGETS ${shared} ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1")

# Each fuzzer for a few seconds over its kept corpus (what it finds new stays in the build directory).
file(GLOB fuzzers CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz fuzz/*_fuzz.cpp)
list(TRANSFORM fuzzers REPLACE "^(.*)_fuzz\\.cpp$" "fuzz_\\1" OUTPUT_VARIABLE fuzz_targets)
set(build ${CMAKE_SOURCE_DIR}/build/fuzz)
add_test(NAME fuzz.build
         COMMAND sh -c "${CMAKE_COMMAND} --preset fuzz >/dev/null && exec ${CMAKE_COMMAND} --build ${build} -j 2 --target \"$@\"" build ${fuzz_targets}
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(fuzz.build PROPERTIES LABELS fuzz FIXTURES_SETUP fuzz PROCESSORS 2 TIMEOUT 1800)
foreach(target ${fuzz_targets})
  string(REGEX REPLACE "^fuzz_" "" name ${target})
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name})
  add_test(NAME fuzz.${name}
           COMMAND ${run} ${build}/tests/fuzz/${target} -max_total_time=10 -print_final_stats=1 -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${name}-
                   ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz FIXTURES_REQUIRED fuzz TIMEOUT 120)
endforeach()
