# perch_add_plugin(NAME source...) builds NAME.so, a reader plugin in C++20 or C that the host can unload again.
#
# Everything that would keep a library in memory, or let two plugins see each other, is shut off: one exported symbol, no
# STB_GNU_UNIQUE symbols (they make the loader mark a library as never to be unloaded), nothing undefined that would
# be found at the first call only.
set(PERCH_PLUGIN_SYMBOLS ${CMAKE_CURRENT_LIST_DIR}/perch_plugin.map)
set(PERCH_PLUGIN_LINK_OPTIONS -Wl,--build-id -Wl,-z,now -Wl,-z,relro)
set(PERCH_PLUGIN_LINK_DEFS -Wl,-z,defs)

# The SDK for a target; C++20 only where the project has C++ at all.
function(_perch_use_sdk target)
  target_link_libraries(${target} PRIVATE perch::plugin)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(CXX IN_LIST languages)
    target_compile_features(${target} PRIVATE cxx_std_20)
  endif()
endfunction()

function(perch_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  _perch_use_sdk(${name})
  # GCC's C++ only: Clang makes no unique symbols and refuses the option.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${name} PRIVATE -Wl,--version-script=${PERCH_PLUGIN_SYMBOLS} ${PERCH_PLUGIN_LINK_OPTIONS})
  # A sanitizer's runtime is in the program, not in the plugin: its symbols stay undefined here.
  if(NOT PERCH_SANITIZE AND NOT "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize=")
    target_link_options(${name} PRIVATE ${PERCH_PLUGIN_LINK_DEFS})
  endif()
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX .so
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    C_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${PERCH_PLUGIN_SYMBOLS})
endfunction()

# perch_add_plugin_test(NAME PLUGIN source...) builds a test program of the test's sources and of what the plugin was compiled
# to, and tells ctest of it. It has the plugin's include folders, definitions and libraries; perch/testing.hpp is the kit to write
# such a test with.
function(perch_add_plugin_test name plugin)
  add_executable(${name} ${ARGN} $<TARGET_OBJECTS:${plugin}>)
  _perch_use_sdk(${name})
  target_include_directories(${name} PRIVATE $<TARGET_PROPERTY:${plugin},INCLUDE_DIRECTORIES>)
  target_compile_definitions(${name} PRIVATE $<TARGET_PROPERTY:${plugin},COMPILE_DEFINITIONS>)
  target_link_libraries(${name} PRIVATE $<TARGET_PROPERTY:${plugin},LINK_LIBRARIES>)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# perch_drop_plugin(NAME FOLDER) puts the plugin, each time it was built, into a folder that a host watches. It is copied
# under a name that the host ignores and then renamed, so that the host sees one whole file: a load or a swap. (A linker
# that writes there itself removes the old file first, which is an unload.)
function(perch_drop_plugin name folder)
  get_target_property(file_name ${name} OUTPUT_NAME)
  if(NOT file_name)
    set(file_name ${name})
  endif()
  cmake_path(ABSOLUTE_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:${name}> ${folder}/.${file_name}.so.new
    COMMAND ${CMAKE_COMMAND} -E rename ${folder}/.${file_name}.so.new ${folder}/${file_name}.so
    BYPRODUCTS ${folder}/${file_name}.so
    VERBATIM)
endfunction()
