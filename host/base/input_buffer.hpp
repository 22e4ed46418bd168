// InputBuffer: bytes that were read and not yet taken, in one piece.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace perch {

/// Begins small, so that hundreds of connections fit, and doubles where a read fills it or a row needs it, up
/// to its bound. Not thread safe.
class InputBuffer {
 public:
  static constexpr std::size_t bytes_min = 16u << 10;
  static constexpr std::size_t padding_bytes = 64;  ///< readable after the bytes (simdjson reads there)

  /// `bytes_max`: how much can wait to be taken. `block_bytes`: a read is offered so much at most.
  InputBuffer(std::size_t bytes_max, std::size_t block_bytes);

  /// Where to read to; never empty as long as less than bytes_max is waiting. Moves what is waiting.
  std::span<char> space();
  void added(std::size_t bytes);
  /// Adds bytes that lie elsewhere, beyond bytes_max too.
  void append(std::string_view bytes);
  /// What waits to be taken. Valid until space().
  std::string_view waiting() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
  void take(std::size_t bytes) noexcept;

 private:
  void grow(std::size_t capacity);
  void move_to_front() noexcept;

  const std::size_t bytes_max_;
  const std::size_t block_bytes_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;  // without the padding
  std::size_t offered_ = 0;   // by the last space()
  bool was_full_ = false;     // the last read filled what it was offered
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace perch
