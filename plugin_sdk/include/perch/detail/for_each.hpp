// PERCH_DETAIL_FOR_EACH(macro, data, a, b, c): macro(data, a) macro(data, b) macro(data, c), for up to 64
// arguments.
//
// The idea is David Mazières' "Recursive macros with C++20 __VA_OPT__": a macro that yields the name of
// itself is expanded again by each rescan; the rescans below suffice for 85 steps.
#pragma once

#define PERCH_DETAIL_PARENTHESES ()

#define PERCH_DETAIL_RESCAN(...) \
  PERCH_DETAIL_RESCAN_A(PERCH_DETAIL_RESCAN_A(PERCH_DETAIL_RESCAN_A(PERCH_DETAIL_RESCAN_A(__VA_ARGS__))))
#define PERCH_DETAIL_RESCAN_A(...) \
  PERCH_DETAIL_RESCAN_B(PERCH_DETAIL_RESCAN_B(PERCH_DETAIL_RESCAN_B(PERCH_DETAIL_RESCAN_B(__VA_ARGS__))))
#define PERCH_DETAIL_RESCAN_B(...) \
  PERCH_DETAIL_RESCAN_C(PERCH_DETAIL_RESCAN_C(PERCH_DETAIL_RESCAN_C(PERCH_DETAIL_RESCAN_C(__VA_ARGS__))))
#define PERCH_DETAIL_RESCAN_C(...) __VA_ARGS__

#define PERCH_DETAIL_FOR_EACH(macro, data, ...) \
  __VA_OPT__(PERCH_DETAIL_RESCAN(PERCH_DETAIL_STEP(macro, data, __VA_ARGS__)))
#define PERCH_DETAIL_STEP(macro, data, first, ...) \
  macro(data, first) __VA_OPT__(PERCH_DETAIL_STEP_AGAIN PERCH_DETAIL_PARENTHESES(macro, data, __VA_ARGS__))
#define PERCH_DETAIL_STEP_AGAIN() PERCH_DETAIL_STEP
