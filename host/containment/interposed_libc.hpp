// Functions of the C library that would let a plugin end or cripple the host by accident. They are defined in
// the host's program, which is searched before the C library when a plugin is linked in; called by anybody
// but a plugin they do what they always did.
//
//   exit _exit _Exit quick_exit    on a plugin's thread: that thread is parked, the reader given up
//   close dup2 dup3 close_range closefrom    of a descriptor of the host's: refused
//   sigaction signal               of a signal that the host needs: refused
//   pthread_create                 threads of plugins are counted, and known as that reader's
//   fork                           the copy may exec; it does not come back into the host's code
//
// What goes past the dynamic linker (system calls of its own, functions that the C library calls inside
// itself, such as fclose(3)) is not seen.
#pragma once

namespace perch::containment {

/// Makes sure that they are in the program, and registers what fork(2) needs. Any thread; once is enough.
void install_interposed_libc();

/// After a plugin's function has returned, on its thread: ends a forked copy of the process, and collects
/// children that have ended.
void end_forked_children() noexcept;

}  // namespace perch::containment
