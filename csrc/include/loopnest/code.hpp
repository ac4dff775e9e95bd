// The result of compiling one nest, and the one entry point that makes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "loopnest/target.hpp"

namespace loopnest {

struct PassTime {
  std::string pass;
  std::int64_t time_ns;
};

// Position-independent machine code (constants included); the entry is at `entry_offset`.
struct Code {
  std::vector<std::uint8_t> bytes;
  std::size_t entry_offset = 0;
  std::size_t text_size_bytes = 0;  // instructions end here, the constant pool follows
  std::int64_t workspace_bytes = 0;
  std::int64_t private_bytes = 0;
  std::vector<std::pair<std::size_t, std::string>> notes;  // (offset, loop or statement it begins)
  std::vector<std::string> diagnostics;                    // "accumulators of C spill: ..." and such
  std::vector<PassTime> times;
};

// A nest that does not parse or is not well formed. Line and column count from 1.
struct NestError : std::runtime_error {
  NestError(const std::string& message, int line, int column)
      : std::runtime_error(message), line(line), column(column) {}
  int line, column;
};

// A nest the target cannot run (an instruction set not built in, an operator without expansion).
struct TargetError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Code compile(std::string_view nest_text, const Target& target);

}  // namespace loopnest
