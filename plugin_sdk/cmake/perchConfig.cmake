# find_package(perch): the target perch::plugin and the functions of PerchAddPlugin.cmake for reader plugins.
include(${CMAKE_CURRENT_LIST_DIR}/perchTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/PerchAddPlugin.cmake)
