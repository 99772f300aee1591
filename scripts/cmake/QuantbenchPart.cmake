# quantbench_part(NAME source...): an OBJECT library of one folder. Object files are linked whole, so
# what registers itself in a static initialiser stays in the program.
# quantbench_torch_part(NAME source...): the same, with LibTorch's header precompiled (once for all).

add_library(quantbench_flags INTERFACE)
target_include_directories(quantbench_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/quantbench>)
target_compile_features(quantbench_flags INTERFACE cxx_std_17)

add_library(quantbench_private_flags INTERFACE)
# -ffp-contract=off: the same arithmetic, bit for bit, whatever vector unit a kernel's clone uses.
target_compile_options(quantbench_private_flags INTERFACE
  -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -fno-trapping-math)
target_compile_definitions(quantbench_private_flags INTERFACE FMT_SHARED)
if(QUANTBENCH_SANITIZE)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "QUANTBENCH_SANITIZE needs clang: cmake --preset asan.")
  endif()
  target_compile_options(quantbench_flags INTERFACE
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(quantbench_flags INTERFACE -fsanitize=address,undefined)
endif()

function(quantbench_part name)
  add_library(${name} OBJECT ${ARGN})
  target_link_libraries(${name} PUBLIC quantbench_flags quantbench_private_flags
    fmt::fmt nlohmann_json::nlohmann_json)
  set_property(GLOBAL APPEND PROPERTY QUANTBENCH_PARTS ${name})
endfunction()

function(quantbench_torch_part name)
  quantbench_part(${name} ${ARGN})
  quantbench_use_torch(${name})
endfunction()

function(quantbench_use_torch name)
  target_link_libraries(${name} PUBLIC quantbench_torch)
  # A precompiled header serves one code model only: programs are compiled -fPIC like the library.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  if(name STREQUAL qb_base)
    target_precompile_headers(${name} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:${PROJECT_SOURCE_DIR}/base/torch.h>)
  else()
    target_precompile_headers(${name} REUSE_FROM qb_base)
  endif()
endfunction()

# quantbench_kernels(source...): loops whose speed matters; gcc turns them into vector code at -O3 only,
# and a precompiled header made for -O2 would be refused. Unrolled under sanitizers, they would take ten
# minutes a file.
set(QUANTBENCH_O3 "$<$<NOT:$<CONFIG:Debug>>:-O3>")
if(QUANTBENCH_SANITIZE)
  set(QUANTBENCH_O3 "-O1")
endif()
function(quantbench_kernels)
  set_source_files_properties(${ARGN} PROPERTIES
    COMPILE_OPTIONS "${QUANTBENCH_O3}" SKIP_PRECOMPILE_HEADERS ON)
endfunction()
