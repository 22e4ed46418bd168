# perch_add_plugin(NAME source...) builds NAME.so, a reader plugin that the host can unload again.
#
# Everything that would keep a library in memory, or let two plugins see each other, is shut off: one exported symbol, no
# STB_GNU_UNIQUE symbols (they make the loader mark a library as never to be unloaded), nothing undefined that would
# be found at the first call only.
set(PERCH_PLUGIN_SYMBOLS ${CMAKE_CURRENT_LIST_DIR}/perch_plugin.map)

function(perch_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE perch::plugin)
  target_compile_features(${name} PRIVATE cxx_std_20)
  # GCC only: Clang makes no unique symbols and refuses the option.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  target_link_options(${name} PRIVATE
    -Wl,--version-script=${PERCH_PLUGIN_SYMBOLS} -Wl,--build-id -Wl,-z,now -Wl,-z,relro)
  # A sanitizer's runtime is in the program, not in the plugin: its symbols stay undefined here.
  if(NOT PERCH_SANITIZE AND NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX .so
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    C_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${PERCH_PLUGIN_SYMBOLS})
endfunction()

# perch_drop_plugin(NAME FOLDER) puts the plugin, each time it was built, into a folder that a host watches. It is copied
# under a name that the host ignores and then renamed, so that the host sees one whole file: a load or a swap. (A linker
# that writes there itself removes the old file first, which is an unload.)
function(perch_drop_plugin name folder)
  get_target_property(file_name ${name} OUTPUT_NAME)
  if(NOT file_name)
    set(file_name ${name})
  endif()
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:${name}> ${folder}/.${file_name}.so.new
    COMMAND ${CMAKE_COMMAND} -E rename ${folder}/.${file_name}.so.new ${folder}/${file_name}.so
    BYPRODUCTS ${folder}/${file_name}.so
    VERBATIM)
endfunction()
