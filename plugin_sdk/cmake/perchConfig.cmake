# find_package(perch): the target perch::plugin and the functions of PerchAddPlugin.cmake for reader plugins, and, where
# the programs are installed too, perch::client and perch::client_static for processes that read by themselves.
include(${CMAKE_CURRENT_LIST_DIR}/perchTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/PerchAddPlugin.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/perchClientTargets.cmake OPTIONAL)
