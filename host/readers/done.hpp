// Done: how whoever asked for something hears what came of it.
#pragma once

#include <functional>

#include "base/result.hpp"

namespace perch::readers {

/// Called once, on the manager thread, when the thing is done. It must not wait.
template <class T>
using Done = std::function<void(Result<T>)>;

}  // namespace perch::readers
